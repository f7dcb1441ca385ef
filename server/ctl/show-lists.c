/* SPDX-License-Identifier: MIT */
/* Tables of workers, models and requests. See show.h. */
#include "show.h"

#include "fact.h"
#include "units.h"

#include <string.h>

#define SHORT_ID 8

char *
mr_show_short_id (JsonNode *node, const char *member)
{
  return g_strndup (mr_fact_string (node, member, "-"), SHORT_ID);
}

double
mr_show_worker_load (JsonNode *worker)
{
  return MAX (mr_fact_number (worker, "reported_load", 0), mr_fact_number (worker, "in_flight_count", 0));
}

MrColor
mr_show_load_color (JsonNode *worker)
{
  double slots = mr_fact_number (worker, "max_concurrent", 0);

  if (mr_fact_bool (worker, "is_draining"))
    return MR_COLOR_DIM;
  return mr_show_worker_load (worker) >= slots ? MR_COLOR_WARNING : MR_COLOR_GOOD;
}

static void
add_worker (MrTable *table, JsonNode *worker)
{
  double slots = mr_fact_number (worker, "max_concurrent", 0);
  double load = mr_show_worker_load (worker);
  double errors = mr_fact_number (worker, "errors_total", 0);
  gboolean draining = mr_fact_bool (worker, "is_draining");
  g_autofree char *models = mr_fact_join (worker, "models");

  mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (worker, "worker_name", "?"));
  mr_table_take (table, MR_COLOR_DIM, mr_show_short_id (worker, "worker_id"));
  mr_table_add_bar (table, mr_show_load_color (worker), slots > 0 ? load / slots : 0);
  mr_table_take (table, MR_COLOR_PLAIN, g_strdup_printf ("%.0f/%.0f", load, slots));
  mr_table_take (table, MR_COLOR_PLAIN, mr_units_rate (mr_fact_number (worker, "tokens_per_second", -1)));
  mr_table_take (table, MR_COLOR_PLAIN, mr_units_count (mr_fact_number (worker, "requests_total", 0)));
  mr_table_take (table, errors > 0 ? MR_COLOR_BAD : MR_COLOR_PLAIN, mr_units_count (errors));
  mr_table_take (table, MR_COLOR_PLAIN, mr_units_span (mr_fact_number (worker, "rtt_ms", -1)));
  mr_table_take (table, draining ? MR_COLOR_WARNING : MR_COLOR_PLAIN,
                 draining ? g_strdup ("draining") : g_steal_pointer (&models));
}

void
mr_show_workers (const MrStyle *style, GString *out, JsonNode *list)
{
  static const MrColumn columns[] = {
    { "WORKER", FALSE, TRUE }, { "ID" },         { "LOAD" },      { "SLOTS", TRUE },         { "TOK/S", TRUE },
    { "REQS", TRUE },          { "ERRS", TRUE }, { "RTT", TRUE }, { "MODELS", FALSE, TRUE }, { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);

  if (mr_fact_length (list) == 0) {
    g_string_append (out, "No worker is connected.\n");
    return;
  }
  for (guint i = 0; i < mr_fact_length (list); i++)
    add_worker (table, mr_fact_item (list, i));
  mr_table_render (table, style, out, G_MAXUINT);
}

void
mr_show_models (const MrStyle *style, GString *out, JsonNode *list)
{
  static const MrColumn columns[] = {
    { "MODEL", FALSE, TRUE }, { "WORKERS", TRUE }, { "FIRST SEEN" }, { "STANDS FOR", FALSE, TRUE }, { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  if (mr_fact_length (list) == 0) {
    g_string_append (out, "No model can be used now.\n");
    return;
  }
  for (guint i = 0; i < mr_fact_length (list); i++) {
    JsonNode *model = mr_fact_item (list, i);
    double workers = mr_fact_number (model, "workers", 0);

    mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (model, "name", "?"));
    mr_table_take (table, workers > 0 ? MR_COLOR_PLAIN : MR_COLOR_WARNING, mr_units_count (workers));
    mr_table_take (table, MR_COLOR_PLAIN, mr_units_ago (mr_fact_time (model, "first_seen_at"), now));
    mr_table_take (table, MR_COLOR_DIM, mr_fact_join (model, "stands_for"));
  }
  mr_table_render (table, style, out, G_MAXUINT);
}

static MrColor
state_color (const char *state)
{
  if (strcmp (state, "queued") == 0)
    return MR_COLOR_WARNING;
  return strcmp (state, "streaming") == 0 ? MR_COLOR_GOOD : MR_COLOR_PLAIN;
}

static void
add_request (MrTable *table, JsonNode *request)
{
  const char *state = mr_fact_string (request, "state", "?");
  double sent = mr_fact_number (request, "answer_bytes", 0);

  mr_table_take (table, MR_COLOR_DIM, mr_show_short_id (request, "id"));
  mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (request, "model", "?"));
  mr_table_add (table, state_color (state), state);
  mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (request, "worker_name", "-"));
  mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (request, "key_name", "-"));
  mr_table_take (table, MR_COLOR_PLAIN, mr_units_span (mr_fact_number (request, "age_ms", -1)));
  mr_table_take (table, MR_COLOR_PLAIN, mr_units_span (mr_fact_number (request, "wait_ms", -1)));
  mr_table_take (table, MR_COLOR_PLAIN, sent > 0 ? mr_units_bytes (sent) : g_strdup ("-"));
}

void
mr_show_requests (const MrStyle *style, GString *out, JsonNode *list, guint max_rows)
{
  static const MrColumn columns[] = {
    { "REQUEST" },
    { "MODEL", FALSE, TRUE },
    { "STATE" },
    { "WORKER", FALSE, TRUE },
    { "KEY", FALSE, TRUE },
    { "AGE", TRUE },
    { "WAIT", TRUE },
    { "SENT", TRUE },
    { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);

  if (mr_fact_length (list) == 0) {
    g_string_append (out, "No request is waiting or running.\n");
    return;
  }
  for (guint i = 0; i < mr_fact_length (list); i++)
    add_request (table, mr_fact_item (list, i));
  mr_table_render (table, style, out, max_rows);
}
