/* SPDX-License-Identifier: MIT */
/* Counters and distributions: server/stats.c, its bounds, and what it costs. */
#include "stats.h"

#include "limits.h"

#define SECOND MR_USEC_PER_SEC
#define N_TIMED 200000

static const MrModelStats *
get_model (MrStats *stats, const char *name)
{
  const MrModelStats *model = g_hash_table_lookup (stats->models, name);

  g_assert_nonnull (model);
  g_assert_cmpstr (model->model, ==, name);
  return model;
}

static void
test_counts (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();

  for (guint what = 0; what < MR_N_COUNTS; what++)
    for (guint i = 0; i <= what; i++)
      mr_stats_count (stats, what);
  for (guint what = 0; what < MR_N_COUNTS; what++)
    g_assert_cmpuint (stats->counts[what], ==, what + 1);
}

static void
test_completed (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrUsage usage = { 100, 40, 140 };
  MrRequestEnd end = {
    .model = "m",
    .outcome = MR_OUTCOME_COMPLETED,
    .arrived_us = 10 * SECOND,
    .first_byte_us = 11 * SECOND,
    .ended_us = 13 * SECOND,
    .request_bytes = 1000,
    .answer_bytes = 2000,
    .usage = &usage,
  };
  const MrModelStats *model;

  mr_stats_note_dispatch (stats, SECOND / 4);
  mr_stats_note_end (stats, &end);
  model = get_model (stats, "m");
  g_assert_cmpuint (stats->outcomes[MR_OUTCOME_COMPLETED], ==, 1);
  g_assert_cmpuint (model->outcomes[MR_OUTCOME_COMPLETED], ==, 1);
  g_assert_cmpuint (stats->bytes_from_clients, ==, 1000);
  g_assert_cmpuint (stats->bytes_to_clients, ==, 2000);
  g_assert_cmpuint (stats->prompt_tokens, ==, 100);
  g_assert_cmpuint (model->prompt_tokens, ==, 100);
  g_assert_cmpuint (stats->completion_tokens, ==, 40);
  g_assert_cmpuint (model->completion_tokens, ==, 40);
  g_assert_cmpfloat (mr_histogram_get_sum (stats->queue_wait), ==, 0.25);
  g_assert_cmpfloat (mr_histogram_get_sum (stats->first_byte), ==, 1);
  g_assert_cmpfloat (mr_histogram_get_sum (model->first_byte), ==, 1);
  g_assert_cmpfloat (mr_histogram_get_sum (stats->total), ==, 3);
  g_assert_cmpfloat (model->tokens_per_second, ==, 20);
}

/* It never had a byte of an answer, and nothing is known of its tokens. */
static void
test_failed_in_the_queue (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrUsage usage = MR_USAGE_UNKNOWN;
  MrRequestEnd end = { .model = "m", .arrived_us = SECOND, .ended_us = 9 * SECOND, .request_bytes = 7 };
  const MrModelStats *model;

  end.outcome = MR_OUTCOME_CANCELLED;
  mr_stats_note_end (stats, &end);
  end.outcome = MR_OUTCOME_FAILED;
  end.usage = &usage;
  mr_stats_note_end (stats, &end);
  model = get_model (stats, "m");
  g_assert_cmpuint (model->outcomes[MR_OUTCOME_CANCELLED], ==, 1);
  g_assert_cmpuint (model->outcomes[MR_OUTCOME_FAILED], ==, 1);
  g_assert_cmpuint (stats->bytes_from_clients, ==, 14);
  g_assert_cmpuint (stats->prompt_tokens + stats->completion_tokens, ==, 0);
  g_assert_cmpuint (mr_histogram_get_count (stats->first_byte), ==, 0);
  g_assert_cmpuint (mr_histogram_get_count (stats->total), ==, 0);
  g_assert_cmpfloat (model->tokens_per_second, ==, 0);
}

static void
test_tokens_per_second (void)
{
  MrUsage usage = { -1, 50, -1 };
  MrRequestEnd end = { .model = "m", .arrived_us = SECOND, .first_byte_us = 2 * SECOND, .ended_us = 4 * SECOND };

  g_assert_cmpfloat (mr_stats_tokens_per_second (&end), ==, 0);
  end.usage = &usage;
  g_assert_cmpfloat (mr_stats_tokens_per_second (&end), ==, 25);
  end.first_byte_us = end.ended_us;
  g_assert_cmpfloat (mr_stats_tokens_per_second (&end), ==, 0);
  end.first_byte_us = 0;
  g_assert_cmpfloat (mr_stats_tokens_per_second (&end), ==, 0);
  end.first_byte_us = 2 * SECOND;
  usage.completion_tokens = -1;
  g_assert_cmpfloat (mr_stats_tokens_per_second (&end), ==, 0);
}

/* The first answer sets the rate, single ones move it a little, many of a new speed replace it. */
static void
test_rate_is_smoothed (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrUsage usage = { 1, 100, 101 };
  MrRequestEnd end = {
    .model = "m", .arrived_us = 1, .first_byte_us = SECOND, .ended_us = 2 * SECOND, .usage = &usage
  };

  mr_stats_note_end (stats, &end);
  g_assert_cmpfloat (get_model (stats, "m")->tokens_per_second, ==, 100);
  usage.completion_tokens = 200;
  mr_stats_note_end (stats, &end);
  g_assert_cmpfloat (get_model (stats, "m")->tokens_per_second, >, 100);
  g_assert_cmpfloat (get_model (stats, "m")->tokens_per_second, <, 130);
  for (guint i = 0; i < 30; i++)
    mr_stats_note_end (stats, &end);
  g_assert_cmpfloat_with_epsilon (get_model (stats, "m")->tokens_per_second, 200, 1);
}

static void
test_models_are_bounded (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();

  for (guint i = 0; i < 3 * MR_LIMIT_STAT_MODELS; i++) {
    g_autofree char *name = g_strdup_printf ("model-%u", i);
    MrRequestEnd end = { .model = name, .outcome = MR_OUTCOME_FAILED, .arrived_us = 1, .ended_us = 2 };

    mr_stats_note_end (stats, &end);
    mr_stats_note_end (stats, &end);
  }
  g_assert_cmpuint (g_hash_table_size (stats->models), ==, MR_LIMIT_STAT_MODELS + 1);
  g_assert_cmpuint (get_model (stats, "model-0")->outcomes[MR_OUTCOME_FAILED], ==, 2);
  g_assert_cmpuint (get_model (stats, "(other)")->outcomes[MR_OUTCOME_FAILED], ==, 4 * MR_LIMIT_STAT_MODELS);
  g_assert_cmpuint (stats->outcomes[MR_OUTCOME_FAILED], ==, 6 * MR_LIMIT_STAT_MODELS);
}

static void
test_names_are_text (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrRequestEnd end = { .model = "a\xff", .arrived_us = 1, .ended_us = 2 };

  mr_stats_note_end (stats, &end);
  end.model = "a\xfe";
  mr_stats_note_end (stats, &end);
  g_assert_cmpuint (g_hash_table_size (stats->models), ==, 1);
  g_assert_cmpuint (get_model (stats, "a\xef\xbf\xbd")->outcomes[MR_OUTCOME_COMPLETED], ==, 2);
}

static void
test_tokens_do_not_wrap (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrUsage usage = { G_MAXINT64, G_MAXINT64, -1 };
  MrRequestEnd end = { .model = "m", .arrived_us = 1, .ended_us = 2, .usage = &usage };

  for (guint i = 0; i < 3; i++)
    mr_stats_note_end (stats, &end);
  g_assert_cmpuint (stats->prompt_tokens, ==, G_MAXUINT64);
  g_assert_cmpuint (stats->completion_tokens, ==, G_MAXUINT64);
  g_assert_cmpuint (get_model (stats, "m")->prompt_tokens, ==, G_MAXUINT64);
}

/* The budget is 1 us for both; the bound leaves room for sanitizers and busy machines. */
static void
test_cost (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrUsage usage = { 1000, 300, 1300 };
  double us;

  g_test_timer_start ();
  for (guint i = 0; i < N_TIMED; i++) {
    MrRequestEnd end = {
      .model = i % 2 == 0 ? "llama-3.3-70b-instruct" : "qwen3-coder-30b",
      .arrived_us = 1,
      .first_byte_us = 1000 + i,
      .ended_us = 1000000 + 7 * i,
      .request_bytes = 4000,
      .answer_bytes = 20000,
      .usage = &usage,
    };

    mr_stats_note_dispatch (stats, i);
    mr_stats_note_end (stats, &end);
  }
  us = g_test_timer_elapsed () * 1e6 / N_TIMED;
  g_test_minimized_result (us, "a dispatch and an end: %.3f us", us);
  g_assert_cmpfloat (us, <, 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/server/stats/counts", test_counts);
  g_test_add_func ("/server/stats/completed", test_completed);
  g_test_add_func ("/contract/H4/unknown-is-not-counted", test_failed_in_the_queue);
  g_test_add_func ("/server/stats/tokens-per-second", test_tokens_per_second);
  g_test_add_func ("/server/stats/rate-is-smoothed", test_rate_is_smoothed);
  g_test_add_func ("/server/stats/models-are-bounded", test_models_are_bounded);
  g_test_add_func ("/server/stats/names-are-text", test_names_are_text);
  g_test_add_func ("/server/stats/tokens-do-not-wrap", test_tokens_do_not_wrap);
  g_test_add_func ("/server/stats/cost", test_cost);
  return g_test_run ();
}
