/* SPDX-License-Identifier: MIT */
/*
 * Models and health as JSON. See client-api.h.
 */
#include "client-api.h"

#include "json.h"

static void
append_model (GString *out, const MrModelEntry *model, gboolean anthropic)
{
  if (anthropic) {
    g_autoptr (GDateTime) created = g_date_time_new_from_unix_utc (model->created);
    g_autofree char *text = g_date_time_format_iso8601 (created);

    g_string_append (out, "{\"type\":\"model\",\"id\":");
    mr_json_append_cstring (out, model->id);
    g_string_append (out, ",\"display_name\":");
    mr_json_append_cstring (out, model->id);
    g_string_append_printf (out, ",\"created_at\":\"%s\"}", text);
  } else {
    g_string_append (out, "{\"id\":");
    mr_json_append_cstring (out, model->id);
    g_string_append_printf (out, ",\"object\":\"model\",\"created\":%" G_GINT64_FORMAT ",\"owned_by\":\"modelrelay\"}",
                            model->created);
  }
}

static void
append_id_or_null (GString *out, const char *name, const MrModelEntry *model)
{
  g_string_append_printf (out, ",\"%s\":", name);
  if (model != NULL)
    mr_json_append_cstring (out, model->id);
  else
    g_string_append (out, "null");
}

char *
mr_client_api_models (const MrModelEntry *models, gsize n, gboolean anthropic)
{
  GString *out = g_string_new (anthropic ? "{\"data\":[" : "{\"object\":\"list\",\"data\":[");

  for (gsize i = 0; i < n; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    append_model (out, &models[i], anthropic);
  }
  g_string_append_c (out, ']');
  if (anthropic) {
    g_string_append (out, ",\"has_more\":false");
    append_id_or_null (out, "first_id", n > 0 ? &models[0] : NULL);
    append_id_or_null (out, "last_id", n > 0 ? &models[n - 1] : NULL);
  }
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

char *
mr_client_api_model (const MrModelEntry *model, gboolean anthropic)
{
  GString *out = g_string_new (NULL);

  append_model (out, model, anthropic);
  return g_string_free (out, FALSE);
}

char *
mr_client_api_health (const char *status, guint workers, guint queue_depth, gint64 uptime_secs)
{
  return g_strdup_printf ("{\"status\":\"%s\",\"version\":\"" MR_VERSION
                          "\",\"workers_connected\":%u,\"queue_depth\":%u,"
                          "\"uptime_secs\":%" G_GINT64_FORMAT "}",
                          status, workers, queue_depth, uptime_secs);
}
