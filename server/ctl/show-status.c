/* SPDX-License-Identifier: MIT */
/* The screenful of `status`. See show.h. */
#include "show.h"

#include "fact.h"
#include "units.h"

#include <string.h>

#define LABEL_WIDTH 10

double
mr_show_queue_depth (JsonNode *statistics)
{
  JsonNode *depths = mr_fact_get (statistics, "queue_depth");
  double sum = 0;
  JsonObjectIter iter;
  JsonNode *value;

  if (depths == NULL || !JSON_NODE_HOLDS_OBJECT (depths))
    return 0;
  json_object_iter_init (&iter, json_node_get_object (depths));
  while (json_object_iter_next (&iter, NULL, &value))
    sum += JSON_NODE_HOLDS_VALUE (value) ? json_node_get_double (value) : 0;
  return sum;
}

static MrColor
state_color (const char *state)
{
  static const char *const good[] = { "ok", "connected", "relaying", NULL };
  static const char *const bad[] = { "error", "stopped", NULL };

  if (g_strv_contains (good, state))
    return MR_COLOR_GOOD;
  return g_strv_contains (bad, state) ? MR_COLOR_BAD : MR_COLOR_WARNING;
}

void
mr_show_headline (const MrStyle *style, GString *out, const MrSnapshot *snapshot, const char *place)
{
  JsonNode *status = snapshot->answers[MR_ASK_STATUS];
  const char *state = mr_fact_string (status, "status", "unknown");
  double uptime = mr_fact_number (status, "uptime_secs", -1);
  g_autofree char *span = mr_units_span (uptime * 1000);
  const char *shown = strcmp (state, "ok") == 0 ? "serving" : state;

  mr_style_append (style, out, state_color (state), style->utf8 ? "●" : "*");
  g_string_append_c (out, ' ');
  mr_style_printf (style, out, MR_COLOR_BOLD, "ModelRelay %s", mr_fact_string (status, "version", ""));
  g_string_append (out, "  ");
  mr_style_append (style, out, state_color (state), shown);
  if (uptime >= 0)
    g_string_append_printf (out, "  up %s", span);
  mr_style_printf (style, out, MR_COLOR_DIM, "  %s", place);
  g_string_append_c (out, '\n');
}

static void
append_label (const MrStyle *style, GString *out, const char *label)
{
  mr_style_append (style, out, MR_COLOR_BOLD, label);
  g_string_append_printf (out, "%*s", (int) (LABEL_WIDTH - strlen (label)), "");
}

/* "3 failed", in red when there are any. */
static void
append_count (const MrStyle *style, GString *out, double count, const char *what, MrColor color)
{
  g_autofree char *number = mr_units_count (count);

  g_string_append (out, ", ");
  mr_style_printf (style, out, count > 0 ? color : MR_COLOR_PLAIN, "%s %s", number, what);
}

static void
append_workers (const MrStyle *style, GString *out, JsonNode *workers)
{
  double slots = 0;
  double busy = 0;
  guint draining = 0;
  guint n = mr_fact_length (workers);

  for (guint i = 0; i < n; i++) {
    JsonNode *worker = mr_fact_item (workers, i);

    slots += mr_fact_number (worker, "max_concurrent", 0);
    busy += mr_show_worker_load (worker);
    draining += mr_fact_bool (worker, "is_draining") ? 1 : 0;
  }
  append_label (style, out, "Workers");
  if (n == 0) {
    mr_style_append (style, out, MR_COLOR_WARNING, "none connected: every request waits or is refused\n");
    return;
  }
  g_string_append_printf (out, "%u connected, %.0f of %.0f slots busy", n, busy, slots);
  if (draining > 0)
    append_count (style, out, draining, "draining", MR_COLOR_WARNING);
  g_string_append_c (out, '\n');
}

static void
append_models (const MrStyle *style, GString *out, JsonNode *models)
{
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree char *clean = NULL;
  g_autofree char *fit = NULL;

  for (guint i = 0; i < mr_fact_length (models); i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", mr_fact_string (mr_fact_item (models, i), "name", "?"));
  clean = mr_style_clean (names->len > 0 ? names->str : "none");
  fit = mr_style_fit (style, clean, style->width - LABEL_WIDTH);
  append_label (style, out, "Models");
  g_string_append_printf (out, "%s\n", fit);
}

static void
append_requests (const MrStyle *style, GString *out, JsonNode *statistics)
{
  double waiting = mr_show_queue_depth (statistics);
  g_autofree char *queued = mr_units_count (waiting);
  g_autofree char *running = mr_units_count (mr_fact_number (statistics, "requests.in_flight", 0));
  g_autofree char *done = mr_units_count (mr_fact_number (statistics, "requests.completed", 0));

  append_label (style, out, "Requests");
  g_string_append_printf (out, "%s running, ", running);
  mr_style_printf (style, out, waiting > 0 ? MR_COLOR_WARNING : MR_COLOR_PLAIN, "%s waiting", queued);
  g_string_append_c (out, '\n');
  append_label (style, out, "So far");
  g_string_append_printf (out, "%s completed", done);
  append_count (style, out, mr_fact_number (statistics, "requests.failed", 0), "failed", MR_COLOR_BAD);
  append_count (style, out, mr_fact_number (statistics, "requests.cancelled", 0), "cancelled", MR_COLOR_PLAIN);
  append_count (style, out, mr_fact_number (statistics, "requests.refused", 0), "refused", MR_COLOR_PLAIN);
  g_string_append_c (out, '\n');
}

static void
append_speed (const MrStyle *style, GString *out, JsonNode *statistics)
{
  g_autofree char *prompt = mr_units_count (mr_fact_number (statistics, "tokens.prompt", 0));
  g_autofree char *completion = mr_units_count (mr_fact_number (statistics, "tokens.completion", 0));
  g_autofree char *first = mr_units_span (mr_fact_number (statistics, "latency.time_to_first_byte.p50_ms", -1));
  g_autofree char *slow = mr_units_span (mr_fact_number (statistics, "latency.time_to_first_byte.p95_ms", -1));
  g_autofree char *wait = mr_units_span (mr_fact_number (statistics, "latency.queue_wait.p95_ms", -1));

  append_label (style, out, "Tokens");
  g_string_append_printf (out, "%s read, %s written\n", prompt, completion);
  if (mr_fact_get (statistics, "latency.time_to_first_byte.p50_ms") == NULL)
    return;
  append_label (style, out, "Delay");
  g_string_append_printf (out, "first byte after %s (p95 %s), in the queue %s (p95)\n", first, slow, wait);
}

static void
append_local_workers (const MrStyle *style, GString *out, JsonNode *workers)
{
  static const MrColumn columns[] = {
    { "ON THIS MACHINE", FALSE, TRUE }, { "STATE" }, { "LOAD", TRUE }, { "MODELS", FALSE, TRUE }, { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);

  if (mr_fact_length (workers) == 0)
    return;
  for (guint i = 0; i < mr_fact_length (workers); i++) {
    JsonNode *worker = mr_fact_item (workers, i);
    const char *state = mr_fact_string (worker, "State", "unknown");

    mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (worker, "Name", mr_fact_string (worker, "BusName", "?")));
    mr_table_add (table, state_color (state), state);
    mr_table_take (
        table, MR_COLOR_PLAIN,
        g_strdup_printf ("%.0f/%.0f", mr_fact_number (worker, "Load", 0), mr_fact_number (worker, "MaxConcurrent", 0)));
    mr_table_take (table, MR_COLOR_PLAIN, mr_fact_join (worker, "Models"));
  }
  g_string_append_c (out, '\n');
  mr_table_render (table, style, out, G_MAXUINT);
}

void
mr_show_status (const MrStyle *style, GString *out, const MrSnapshot *snapshot, const char *place)
{
  JsonNode *workers = snapshot->answers[MR_ASK_WORKERS];

  mr_show_headline (style, out, snapshot, place);
  g_string_append_c (out, '\n');
  append_workers (style, out, workers);
  append_requests (style, out, snapshot->answers[MR_ASK_STATISTICS]);
  append_speed (style, out, snapshot->answers[MR_ASK_STATISTICS]);
  append_models (style, out, snapshot->answers[MR_ASK_MODELS]);
  if (mr_fact_length (workers) > 0) {
    g_string_append_c (out, '\n');
    mr_show_workers (style, out, workers);
  }
  append_local_workers (style, out, snapshot->answers[MR_ASK_LOCAL_WORKERS]);
}
