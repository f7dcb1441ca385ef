/* SPDX-License-Identifier: MIT */
/* The states of a request: server/job.c. */
#include "job.h"

#include <string.h>

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

/* A job whose model is an alias in @body at @offset, @length bytes long. */
static MrJob *
job_with_body (const char *body, const char *value, gboolean binary)
{
  MrAdmission admission = { .model = g_strdup ("alias"),
                            .model_offset = (gsize) (strstr (body, value) - body),
                            .model_length = strlen (value),
                            .binary = binary };
  MrJob *job = mr_job_new (NULL, NULL, &admission);

  job->client_body = g_bytes_new_static (body, strlen (body));
  job->body = g_bytes_ref (job->client_body);
  return job;
}

static void
check_body (MrJob *job, const char *model, const char *expected)
{
  gsize length;
  const char *body;

  mr_job_set_model (job, model);
  body = g_bytes_get_data (job->body, &length);
  g_assert_cmpmem (body, length, expected, strlen (expected));
  g_assert_cmpstr (job->model, ==, model);
}

static void
test_model_is_rewritten (void)
{
  MrJob *json = job_with_body ("{\"a\":1,\"model\":\"alias\",\"b\":\"alias\"}", "\"alias\"", FALSE);
  MrJob *form = job_with_body ("--x\r\n\r\nalias\r\n--x--", "alias", TRUE);

  check_body (json, "real\"1", "{\"a\":1,\"model\":\"real\\\"1\",\"b\":\"alias\"}");
  check_body (json, "r", "{\"a\":1,\"model\":\"r\",\"b\":\"alias\"}"); /* from the client's body again */
  check_body (json, "alias", "{\"a\":1,\"model\":\"alias\",\"b\":\"alias\"}");
  g_assert_true (json->body == json->client_body);
  check_body (form, "real", "--x\r\n\r\nreal\r\n--x--");
  mr_job_free (json);
  mr_job_free (form);
}

static void
test_running_is_counted (void)
{
  static const MrJobState lives[][5] = {
    { MR_JOB_QUEUED, MR_JOB_DISPATCHED, MR_JOB_STREAMING, MR_JOB_DONE },
    { MR_JOB_QUEUED, MR_JOB_DISPATCHED, MR_JOB_QUEUED, MR_JOB_DISPATCHED, MR_JOB_FAILED },
    { MR_JOB_QUEUED, MR_JOB_CANCELLED },
  };
  MrKey *key = g_new0 (MrKey, 1);

  g_ref_count_init (&key->references);
  for (gsize i = 0; i < G_N_ELEMENTS (lives); i++) {
    MrAdmission admission = { 0 };
    MrJob *job = mr_job_new (NULL, NULL, &admission);

    job->key = mr_key_ref (key);
    for (gsize n = 0; n < 5 && !mr_job_is_over (job); n++) {
      g_assert_true (mr_job_set_state (job, lives[i][n]));
      g_assert_cmpuint (key->limit.running, ==, lives[i][n] == MR_JOB_DISPATCHED || lives[i][n] == MR_JOB_STREAMING);
    }
    mr_job_free (job);
  }
  mr_key_unref (key);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/job/legal-edges", test_edges);
  g_test_add_func ("/job/illegal-edge-is-reported", test_illegal_edge_is_reported);
  g_test_add_func ("/job/ids-differ", test_ids_differ);
  g_test_add_func ("/job/model-is-rewritten", test_model_is_rewritten);
  g_test_add_func ("/job/running-is-counted", test_running_is_counted);
  return g_test_run ();
}
