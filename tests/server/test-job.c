/* SPDX-License-Identifier: MIT */
/* The states of a request: server/job.c. */
#include "job.h"

static void
test_edges (void)
{
  /* clang-format off */
  static const char *const table[MR_JOB_N_STATES] = {
    /* from:               R Q D S D F C */
    [MR_JOB_RECEIVED]   = "-Q---FC",
    [MR_JOB_QUEUED]     = "--D--FC",
    [MR_JOB_DISPATCHED] = "-Q-SDFC",
    [MR_JOB_STREAMING]  = "----DFC",
    [MR_JOB_DONE]       = "-------",
    [MR_JOB_FAILED]     = "-------",
    [MR_JOB_CANCELLED]  = "-------",
  };
  /* clang-format on */

  for (MrJobState from = 0; from < MR_JOB_N_STATES; from++)
    for (MrJobState to = 0; to < MR_JOB_N_STATES; to++)
      g_assert_cmpint (mr_job_state_can_become (from, to), ==, table[from][to] != '-');
}

static void
test_illegal_edge_is_reported (void)
{
  MrAdmission admission = { .model = g_strdup ("a") };
  MrJob *job = mr_job_new (NULL, NULL, &admission);

  g_assert_null (admission.model);
  g_assert_true (mr_job_set_state (job, MR_JOB_QUEUED));
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*no way from queued to streaming*");
  g_assert_false (mr_job_set_state (job, MR_JOB_STREAMING));
  g_test_assert_expected_messages ();
  g_assert_cmpint (job->state, ==, MR_JOB_QUEUED);
  g_assert_false (mr_job_is_over (job));
  g_assert_true (mr_job_set_state (job, MR_JOB_CANCELLED));
  g_assert_true (mr_job_is_over (job));
  mr_job_free (job);
}

static void
test_ids_differ (void)
{
  MrAdmission first = { 0 };
  MrAdmission second = { 0 };
  MrJob *a = mr_job_new (NULL, NULL, &first);
  MrJob *b = mr_job_new (NULL, NULL, &second);

  g_assert_cmpstr (a->id, !=, b->id);
  g_assert_true (g_uuid_string_is_valid (a->id));
  mr_job_free (a);
  mr_job_free (b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/job/legal-edges", test_edges);
  g_test_add_func ("/job/illegal-edge-is-reported", test_illegal_edge_is_reported);
  g_test_add_func ("/job/ids-differ", test_ids_differ);
  return g_test_run ();
}
