/* SPDX-License-Identifier: MIT */
/* The report. See load-report.h. */
#include "load-report.h"

#include "units.h"

#include <json-glib/json-glib.h>

#define LABEL_WIDTH 13
#define PERCENTILES 5

static const struct {
  const char *label;
  const char *member;
} times[MR_LOAD_N_TIMES] = {
  [MR_LOAD_FIRST_BYTE] = { "First byte", "first_byte_us" },
  [MR_LOAD_FIRST_TOKEN] = { "First token", "first_token_us" },
  [MR_LOAD_GAP] = { "Token gap", "token_gap_us" },
  [MR_LOAD_TOTAL] = { "Whole answer", "total_us" },
};

static const struct {
  const char *name;
  double percent;
} percentiles[PERCENTILES] = { { "p50", 50 }, { "p90", 90 }, { "p95", 95 }, { "p99", 99 }, { "max", 100 } };

static double
per_second (const MrLoadResult *result, guint64 count)
{
  return result->elapsed_us > 0 ? (double) count * G_USEC_PER_SEC / (double) result->elapsed_us : 0;
}

/* --- For people --- */

/* Three digits or four. */
static char *
show_time (gint64 time_us)
{
  double ms = (double) time_us / 1e3;

  if (ms < 10)
    return g_strdup_printf ("%.2f ms", ms);
  if (ms < 100)
    return g_strdup_printf ("%.1f ms", ms);
  if (ms < 1000)
    return g_strdup_printf ("%.0f ms", ms);
  return ms < 100e3 ? g_strdup_printf ("%.2f s", ms / 1e3) : g_strdup_printf ("%.0f s", ms / 1e3);
}

static void
append_line (GString *out, const MrStyle *style, const char *label, const char *text)
{
  mr_style_append (style, out, MR_COLOR_BOLD, label);
  g_string_append_printf (out, "%*s", (int) (LABEL_WIDTH - strlen (label)), "");
  mr_style_append (style, out, MR_COLOR_PLAIN, text);
  g_string_append_c (out, '\n');
}

static void
append_times (GString *out, const MrLoadResult *result, const MrStyle *style)
{
  static const MrColumn columns[] = { { "Time to", FALSE, FALSE }, { "p50", TRUE, FALSE }, { "p90", TRUE, FALSE },
                                      { "p95", TRUE, FALSE },      { "p99", TRUE, FALSE }, { "max", TRUE, FALSE },
                                      { NULL, FALSE, FALSE } };
  g_autoptr (MrTable) table = mr_table_new (columns);
  gboolean any = FALSE;

  for (guint i = 0; i < MR_LOAD_N_TIMES; i++) {
    if (result->tally->times[i]->len == 0)
      continue;
    any = TRUE;
    mr_table_add (table, MR_COLOR_PLAIN, times[i].label);
    for (guint j = 0; j < PERCENTILES; j++)
      mr_table_take (table, MR_COLOR_PLAIN,
                     show_time (mr_load_tally_percentile (result->tally, i, percentiles[j].percent)));
  }
  if (!any)
    return;
  g_string_append_c (out, '\n');
  mr_table_render (table, style, out, G_MAXUINT);
  for (guint i = 0; i < MR_LOAD_N_TIMES; i++)
    if (result->tally->n_times[i] > MR_LOAD_MAX_SAMPLES)
      g_string_append_printf (out, "(%s: of the first %u)\n", times[i].label, MR_LOAD_MAX_SAMPLES);
}

static void
append_failures (GString *out, const MrLoadResult *result, const MrStyle *style)
{
  static const MrColumn columns[] = { { "Failed", TRUE, FALSE }, { "With", FALSE, TRUE }, { NULL, FALSE, FALSE } };
  g_autoptr (MrTable) table = mr_table_new (columns);
  const GPtrArray *failures = result->tally->failures;

  if (failures->len == 0)
    return;
  for (guint i = 0; i < failures->len; i++) {
    const MrLoadFailure *failure = g_ptr_array_index (failures, i);

    mr_table_take (table, MR_COLOR_BAD, g_strdup_printf ("%" G_GUINT64_FORMAT, failure->count));
    mr_table_add (table, MR_COLOR_PLAIN, failure->kind);
  }
  g_string_append_c (out, '\n');
  mr_table_render (table, style, out, G_MAXUINT);
}

static char *
describe_tokens (const MrLoadResult *result)
{
  const MrUsage *usage = &result->tally->usage;
  g_autofree char *in = mr_units_count ((double) usage->prompt_tokens);
  g_autofree char *written = mr_units_count ((double) usage->completion_tokens);
  g_autofree char *rate = NULL;

  if (result->tally->n_stated == 0)
    return g_strdup ("the backend does not count");
  rate = mr_units_rate (usage->completion_tokens >= 0 ? per_second (result, (guint64) usage->completion_tokens) : -1);
  return g_strdup_printf ("%s in, %s out, %s a second%s", in, written, rate,
                          result->tally->n_stated < result->tally->ok ? " (of those that were counted)" : "");
}

void
mr_load_report_append_text (GString *out, const MrLoadResult *result, const MrStyle *style)
{
  const MrLoadTally *tally = result->tally;
  g_autoptr (GString) requests = g_string_new (NULL);
  g_autofree char *span = mr_units_span ((double) result->elapsed_us / 1e3);
  g_autofree char *rate = mr_units_rate (per_second (result, tally->ok + tally->failed));
  g_autofree char *speed =
      g_strdup_printf ("%s a second over %s, at most %u at a time", rate, span, result->options->concurrency);
  g_autofree char *tokens = describe_tokens (result);

  g_string_append_printf (requests, "%" G_GUINT64_FORMAT " ok, %" G_GUINT64_FORMAT " failed", tally->ok, tally->failed);
  if (tally->stopped > 0)
    g_string_append_printf (requests, ", %" G_GUINT64_FORMAT " stopped", tally->stopped);
  if (tally->late > 0)
    g_string_append_printf (requests, ", %" G_GUINT64_FORMAT " started late", tally->late);
  append_line (out, style, "Server", result->options->url);
  append_line (out, style, "Model", result->model);
  append_line (out, style, "Requests", requests->str);
  append_line (out, style, "Speed", speed);
  if (tally->ok > 0)
    append_line (out, style, "Tokens", tokens);
  append_times (out, result, style);
  append_failures (out, result, style);
}

/* --- For scripts --- */

static void
add_count (JsonBuilder *out, const char *name, guint64 count)
{
  json_builder_add_int_value (json_builder_set_member_name (out, name), (gint64) count);
}

static void
add_times (JsonBuilder *out, const MrLoadTally *tally, MrLoadTime which)
{
  if (tally->times[which]->len == 0)
    return;
  json_builder_begin_object (json_builder_set_member_name (out, times[which].member));
  add_count (out, "count", tally->n_times[which]);
  for (guint i = 0; i < PERCENTILES; i++)
    add_count (out, percentiles[i].name, (guint64) mr_load_tally_percentile (tally, which, percentiles[i].percent));
  json_builder_end_object (out);
}

static void
add_usage (JsonBuilder *out, const MrLoadResult *result)
{
  const MrUsage *usage = &result->tally->usage;

  if (result->tally->n_stated == 0)
    return;
  json_builder_begin_object (json_builder_set_member_name (out, "tokens"));
  add_count (out, "answers_counted", result->tally->n_stated);
  if (usage->prompt_tokens >= 0)
    add_count (out, "prompt", (guint64) usage->prompt_tokens);
  if (usage->completion_tokens >= 0) {
    add_count (out, "completion", (guint64) usage->completion_tokens);
    json_builder_add_double_value (json_builder_set_member_name (out, "completion_per_second"),
                                   per_second (result, (guint64) usage->completion_tokens));
  }
  json_builder_end_object (out);
}

static void
add_failures (JsonBuilder *out, const GPtrArray *failures)
{
  json_builder_begin_array (json_builder_set_member_name (out, "failures"));
  for (guint i = 0; i < failures->len; i++) {
    const MrLoadFailure *failure = g_ptr_array_index (failures, i);

    json_builder_begin_object (out);
    json_builder_add_string_value (json_builder_set_member_name (out, "kind"), failure->kind);
    add_count (out, "count", failure->count);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
}

void
mr_load_report_append_json (GString *out, const MrLoadResult *result)
{
  const MrLoadTally *tally = result->tally;
  g_autoptr (JsonBuilder) object = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (object);
  json_builder_add_string_value (json_builder_set_member_name (object, "url"), result->options->url);
  json_builder_add_string_value (json_builder_set_member_name (object, "model"), result->model);
  json_builder_add_boolean_value (json_builder_set_member_name (object, "stream"), result->options->stream);
  add_count (object, "concurrency", result->options->concurrency);
  add_count (object, "started", tally->started);
  add_count (object, "ok", tally->ok);
  add_count (object, "failed", tally->failed);
  add_count (object, "stopped", tally->stopped);
  add_count (object, "late", tally->late);
  add_count (object, "elapsed_us", (guint64) result->elapsed_us);
  json_builder_add_double_value (json_builder_set_member_name (object, "requests_per_second"),
                                 per_second (result, tally->ok + tally->failed));
  for (guint i = 0; i < MR_LOAD_N_TIMES; i++)
    add_times (object, tally, i);
  add_usage (object, result);
  add_failures (object, tally->failures);
  json_builder_end_object (object);
  root = json_builder_get_root (object);
  text = json_to_string (root, TRUE);
  g_string_append_printf (out, "%s\n", text);
}
