/* SPDX-License-Identifier: MIT */
/*
 * The last hour on a virtual clock: rates, gauges, gaps, the ring's end, models, size.
 */
#include "history.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define SECOND G_USEC_PER_SEC
#define START (1000 * SECOND)
#define REAL_START (G_GINT64_CONSTANT (1896134400) * SECOND) /* 2030-02-01T00:00:00Z */

static const MrHistoryGauges quiet = { 0, 0, 0, 0 };

typedef struct {
  MrStats *stats;
  MrHistory *history;
  gint64 now_us;
} Stage;

static void
stage_clear (Stage *stage)
{
  mr_history_free (stage->history);
  mr_stats_free (stage->stats);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_clear)

static Stage
stage_new (void)
{
  MrStats *stats = mr_stats_new ();

  return (Stage){ stats, mr_history_new (stats, START), START };
}

static void
end_request (Stage *stage, const char *model, MrOutcome outcome, gint64 first_byte_ms, gint64 tokens)
{
  const MrUsage usage = { .prompt_tokens = 1, .completion_tokens = tokens };
  const MrRequestEnd end = { .model = model,
                             .outcome = outcome,
                             .arrived_us = stage->now_us,
                             .first_byte_us = first_byte_ms != 0 ? stage->now_us + first_byte_ms * 1000 : 0,
                             .ended_us = stage->now_us + first_byte_ms * 1000 + SECOND,
                             .usage = &usage };

  mr_stats_note_end (stage->stats, &end);
}

static JsonObject *
show (Stage *stage, guint n)
{
  g_autofree char *json = mr_history_to_json (stage->history, n, stage->now_us, REAL_START + (stage->now_us - START));
  g_autoptr (JsonNode) node = json_from_string (json, NULL);

  g_assert_cmpuint (strlen (json), <=, 60 * 1024);
  g_assert_nonnull (node);
  return json_object_ref (json_node_get_object (node));
}

/* The column, or a model's, as text: numbers joined with spaces. */
static char *
column_text (JsonObject *shown, const char *group, const char *name)
{
  JsonObject *columns = json_object_get_object_member (shown, group);
  JsonArray *column = json_object_has_member (columns, name) ? json_object_get_array_member (columns, name) : NULL;
  GString *text = g_string_new (column == NULL ? "none" : NULL);

  for (guint i = 0; column != NULL && i < json_array_get_length (column); i++) {
    g_autofree char *item = json_to_string (json_array_get_element (column, i), FALSE);

    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", item);
  }
  return g_string_free (text, FALSE);
}

static void
check_column (JsonObject *shown, const char *name, const char *expected)
{
  g_autofree char *text = column_text (shown, "columns", name);

  g_assert_cmpstr (text, ==, expected);
}

static void
check_model (JsonObject *shown, const char *name, const char *expected)
{
  g_autofree char *text = column_text (shown, "models", name);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_empty (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = show (&stage, MR_HISTORY_SAMPLES);

  g_assert_cmpint (mr_history_get_due (stage.history), ==, START + 10 * SECOND);
  g_assert_cmpint (json_object_get_int_member (shown, "interval_s"), ==, 10);
  g_assert_cmpstr (json_object_get_string_member (shown, "end"), ==, "2030-02-01T00:00:00Z");
  check_column (shown, "completed_per_second", "");
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (shown, "models")), ==, 0);
}

static void
test_rates (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;

  for (guint i = 0; i < 25; i++)
    end_request (&stage, "a", MR_OUTCOME_COMPLETED, 200, 10);
  end_request (&stage, "b", MR_OUTCOME_FAILED, 0, 0);
  end_request (&stage, "b", MR_OUTCOME_CANCELLED, 0, 0);
  stage.now_us = START + 9 * SECOND;
  g_assert_cmpuint (mr_history_sample (stage.history, stage.now_us, &quiet), ==, 0);
  stage.now_us = START + 10 * SECOND;
  g_assert_cmpuint (mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 3, 2, 4, 16 }), ==, 1);
  end_request (&stage, "b", MR_OUTCOME_COMPLETED, 4000, 5);
  stage.now_us = START + 20 * SECOND + 3000; /* a little late is on time */
  g_assert_cmpuint (mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 0, 1, 4, 16 }), ==, 1);
  g_assert_cmpint (mr_history_get_due (stage.history), ==, START + 30 * SECOND);
  shown = show (&stage, MR_HISTORY_SAMPLES);
  g_assert_cmpstr (json_object_get_string_member (shown, "end"), ==, "2030-02-01T00:00:20Z");
  check_column (shown, "completed_per_second", "2.5 0.10000000000000001");
  check_column (shown, "failed_per_second", "0.10000000000000001 0");
  check_column (shown, "queue_depth", "3 0");
  check_column (shown, "running", "2 1");
  check_column (shown, "workers", "4 4");
  check_column (shown, "slots", "16 16");
  check_column (shown, "tokens_per_second", "25 0.5");
  check_model (shown, "a", "25 0");
  check_model (shown, "b", "0 0.5");
  check_model (shown, "(other)", "none");
}

/* Each interval's own, whatever came before. */
static void
test_first_byte (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;
  JsonArray *column;

  for (guint i = 0; i < 1000; i++)
    end_request (&stage, "a", MR_OUTCOME_COMPLETED, 30000, 0);
  stage.now_us += 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &quiet);
  for (guint i = 0; i < 100; i++)
    end_request (&stage, "a", MR_OUTCOME_COMPLETED, i < 90 ? 100 : 2000, 0);
  stage.now_us += 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &quiet);
  end_request (&stage, "a", MR_OUTCOME_FAILED, 0, 0);
  stage.now_us += 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &quiet);
  shown = show (&stage, 2);
  column = json_object_get_array_member (json_object_get_object_member (shown, "columns"), "first_byte_p50_ms");
  g_assert_cmpuint (json_array_get_length (column), ==, 2);
  g_assert_cmpfloat_with_epsilon (json_array_get_double_element (column, 0), 100, 4);
  g_assert_true (json_array_get_null_element (column, 1));
  column = json_object_get_array_member (json_object_get_object_member (shown, "columns"), "first_byte_p95_ms");
  g_assert_cmpfloat_with_epsilon (json_array_get_double_element (column, 0), 2000, 80);
}

/* Nobody fed it for a while: what was stays, nothing is counted, and what is counted next belongs to its own interval.
 */
static void
test_gap (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;

  end_request (&stage, "a", MR_OUTCOME_COMPLETED, 100, 20);
  stage.now_us = START + 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 0, 1, 2, 8 });
  stage.now_us = START + 45 * SECOND;
  end_request (&stage, "a", MR_OUTCOME_COMPLETED, 100, 40); /* the change that ends the quiet */
  mr_history_skip (stage.history, stage.now_us);
  g_assert_cmpint (mr_history_get_due (stage.history), ==, START + 50 * SECOND);
  stage.now_us = START + 50 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 0, 0, 2, 8 });
  shown = show (&stage, MR_HISTORY_SAMPLES);
  check_column (shown, "tokens_per_second", "2 0 0 0 4");
  check_column (shown, "running", "1 1 1 1 0");
  check_column (shown, "workers", "2 2 2 2 2");
  check_model (shown, "a", "2 0 0 0 4");
}

/* A sample that comes much too late: its counts belong to the interval that they were waited for in. */
static void
test_late (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;

  end_request (&stage, "a", MR_OUTCOME_COMPLETED, 100, 20);
  stage.now_us = START + 39 * SECOND;
  g_assert_cmpuint (mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 5, 0, 0, 0 }), ==, 3);
  shown = show (&stage, MR_HISTORY_SAMPLES);
  check_column (shown, "tokens_per_second", "2 0 0");
  check_column (shown, "queue_depth", "5 5 5");
  g_assert_cmpstr (json_object_get_string_member (shown, "end"), ==, "2030-02-01T00:00:30Z");
}

static void
test_ring (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;
  g_autoptr (JsonObject) after = NULL;
  JsonArray *depths;

  for (guint i = 1; i <= 1000; i++) {
    stage.now_us += 10 * SECOND;
    mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ i, 0, 0, 0 });
  }
  shown = show (&stage, G_MAXUINT);
  depths = json_object_get_array_member (json_object_get_object_member (shown, "columns"), "queue_depth");
  g_assert_cmpuint (json_array_get_length (depths), ==, MR_HISTORY_SAMPLES);
  for (guint i = 0; i < MR_HISTORY_SAMPLES; i++)
    g_assert_cmpint (json_array_get_int_element (depths, i), ==, 1000 - MR_HISTORY_SAMPLES + 1 + i);
  stage.now_us += G_GINT64_CONSTANT (86400) * 365 * SECOND;
  mr_history_skip (stage.history, stage.now_us);
  after = show (&stage, 2);
  check_column (after, "queue_depth", "1000 1000");
  g_assert_cmpstr (json_object_get_string_member (after, "end"), ==, "2031-02-01T02:46:40Z");
}

/* The busiest eight by themselves, the others added up, nothing lost. */
static void
test_models (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;

  for (guint i = 0; i < 12; i++) {
    g_autofree char *model = g_strdup_printf ("model-%02u", i);

    end_request (&stage, model, MR_OUTCOME_COMPLETED, 100, 1000 - 10 * (gint64) i);
  }
  end_request (&stage, "silent", MR_OUTCOME_COMPLETED, 100, 0);
  stage.now_us += 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &quiet);
  end_request (&stage, "model-11", MR_OUTCOME_COMPLETED, 100, 5000); /* was among the others; is now first */
  stage.now_us += 10 * SECOND;
  mr_history_sample (stage.history, stage.now_us, &quiet);
  shown = show (&stage, 2);
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (shown, "models")), ==, MR_HISTORY_MODELS + 1);
  check_model (shown, "model-00", "100 0");
  check_model (shown, "model-11", "0 500");
  check_model (shown, "model-06", "94 0");
  check_model (shown, "model-07", "none");
  check_model (shown, "silent", "none");
  check_model (shown, "(other)", "455 0"); /* model-07 to model-11 of the first interval */
}

/* The worst that can be: every column full of long numbers. */
static void
test_size (void)
{
  g_auto (Stage) stage = stage_new ();
  g_autoptr (JsonObject) shown = NULL;

  for (guint i = 0; i < MR_HISTORY_SAMPLES; i++) {
    for (guint k = 0; k < 12; k++) {
      g_autofree char *model = g_strdup_printf ("some-long-name-of-a-model-%u-Q4_K_M.gguf", k);

      end_request (&stage, model, k % 2 == 0 ? MR_OUTCOME_COMPLETED : MR_OUTCOME_FAILED, 12345 + i, 1234567 + i);
    }
    stage.now_us += 10 * SECOND;
    mr_history_sample (stage.history, stage.now_us, &(MrHistoryGauges){ 10000 + i, 10000 + i, 1000 + i, 10000 + i });
  }
  shown = show (&stage, MR_HISTORY_SAMPLES); /* checks the size */
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (shown, "models")), ==, MR_HISTORY_MODELS + 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/history/empty", test_empty);
  g_test_add_func ("/history/rates", test_rates);
  g_test_add_func ("/history/first-byte", test_first_byte);
  g_test_add_func ("/history/gap", test_gap);
  g_test_add_func ("/history/late", test_late);
  g_test_add_func ("/history/ring", test_ring);
  g_test_add_func ("/history/models", test_models);
  g_test_add_func ("/history/size", test_size);
  return g_test_run ();
}
