/* SPDX-License-Identifier: MIT */
/* The tally: percentiles by nearest rank, kinds of failure, sums of stated tokens, and the caps of each. */
#include "load-tally.h"

static void
test_percentiles (void)
{
  g_autoptr (MrLoadTally) tally = mr_load_tally_new ();

  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 50), ==, -1);
  for (gint64 i = 100; i > 0; i--)
    mr_load_tally_add_time (tally, MR_LOAD_TOTAL, i * 7 % 101);
  mr_load_tally_sort (tally);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 0), ==, 1);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 50), ==, 50);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 95), ==, 95);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 99), ==, 99);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_TOTAL, 100), ==, 100);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_GAP, 100), ==, -1);
}

static void
test_one_and_two (void)
{
  g_autoptr (MrLoadTally) tally = mr_load_tally_new ();

  mr_load_tally_add_time (tally, MR_LOAD_GAP, 9);
  mr_load_tally_sort (tally);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_GAP, 50), ==, 9);
  mr_load_tally_add_time (tally, MR_LOAD_GAP, 4);
  mr_load_tally_sort (tally);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_GAP, 50), ==, 4);
  g_assert_cmpint (mr_load_tally_percentile (tally, MR_LOAD_GAP, 51), ==, 9);
}

static void
test_sample_cap (void)
{
  g_autoptr (MrLoadTally) tally = mr_load_tally_new ();

  for (guint i = 0; i < MR_LOAD_MAX_SAMPLES + 5; i++)
    mr_load_tally_add_time (tally, MR_LOAD_GAP, i);
  g_assert_cmpuint (tally->times[MR_LOAD_GAP]->len, ==, MR_LOAD_MAX_SAMPLES);
  g_assert_cmpuint (tally->n_times[MR_LOAD_GAP], ==, MR_LOAD_MAX_SAMPLES + 5);
}

static void
test_failures (void)
{
  g_autoptr (MrLoadTally) tally = mr_load_tally_new ();
  const MrLoadFailure *first;
  const MrLoadFailure *last;

  for (guint i = 0; i < 100; i++) {
    g_autofree char *kind = g_strdup_printf ("5%02u", i);

    mr_load_tally_add_failure (tally, "429 queue_full");
    mr_load_tally_add_failure (tally, kind);
  }
  mr_load_tally_add_failure (tally, "\xff not text");
  g_assert_cmpuint (tally->failed, ==, 201);
  g_assert_cmpuint (tally->failures->len, ==, MR_LOAD_MAX_FAILURES);
  first = g_ptr_array_index (tally->failures, 0);
  last = g_ptr_array_index (tally->failures, MR_LOAD_MAX_FAILURES - 1);
  g_assert_cmpstr (first->kind, ==, "429 queue_full");
  g_assert_cmpuint (first->count, ==, 100);
  g_assert_cmpstr (last->kind, ==, "other");
  g_assert_cmpuint (last->count, ==, 101 - (MR_LOAD_MAX_FAILURES - 2));
}

static void
test_usage (void)
{
  g_autoptr (MrLoadTally) tally = mr_load_tally_new ();
  const MrUsage nothing = MR_USAGE_UNKNOWN;
  const MrUsage all = { 10, 20, 30 };
  const MrUsage some = { -1, 5, -1 };
  const MrUsage absurd = { -1, G_MAXINT64, -1 };

  mr_load_tally_add_usage (tally, &nothing);
  g_assert_cmpuint (tally->n_stated, ==, 0);
  mr_load_tally_add_usage (tally, &some);
  g_assert_cmpint (tally->usage.prompt_tokens, ==, -1);
  mr_load_tally_add_usage (tally, &all);
  g_assert_cmpuint (tally->n_stated, ==, 2);
  g_assert_cmpint (tally->usage.prompt_tokens, ==, 10);
  g_assert_cmpint (tally->usage.completion_tokens, ==, 25);
  mr_load_tally_add_usage (tally, &absurd);
  g_assert_cmpint (tally->usage.completion_tokens, ==, G_MAXINT64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loadtest/tally/percentiles", test_percentiles);
  g_test_add_func ("/loadtest/tally/one-and-two", test_one_and_two);
  g_test_add_func ("/loadtest/tally/sample-cap", test_sample_cap);
  g_test_add_func ("/loadtest/tally/failures", test_failures);
  g_test_add_func ("/loadtest/tally/usage", test_usage);
  return g_test_run ();
}
