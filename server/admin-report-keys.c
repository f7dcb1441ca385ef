/* SPDX-License-Identifier: MIT */
/*
 * Keys and their usage as JSON, and what an administrator writes of a new key. See admin-report.h.
 */
#include "admin-report.h"

#include "admin-json.h"
#include "limits.h"

#include <string.h>

#define SECS_PER_DAY 86400

static gint64
now_secs (void)
{
  return g_get_real_time () / MR_USEC_PER_SEC;
}

/* --- told --- */

static void
add_usage (JsonBuilder *out, const MrKey *key, gint64 now)
{
  json_builder_set_member_name (out, "usage");
  json_builder_begin_object (out);
  mr_json_add_int (out, "running", key->limit.running);
  mr_json_add_int (out, "tokens_today", key->limit.day == now / SECS_PER_DAY ? key->limit.tokens_today : 0);
  json_builder_end_object (out);
}

JsonNode *
mr_admin_report_key (const MrKey *key)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  const MrKeySpec *spec = &key->spec;
  gint64 now = now_secs ();

  json_builder_begin_object (out);
  mr_json_add_string (out, "id", key->id);
  mr_json_add_string (out, "name", spec->name);
  mr_json_add_string (out, "scope", mr_key_scope_name (spec->scope));
  mr_json_add_string (out, "prefix", key->prefix);
  mr_json_add_time (out, "created_at", key->created_at);
  mr_json_add_time (out, "expires_at", spec->expires_at);
  mr_json_add_time (out, "last_used_at", key->last_used_at);
  mr_json_add_bool (out, "revoked", key->revoked);
  mr_json_add_bool (out, "live", mr_key_is_live (key, now));
  mr_json_add_strings (out, "models", spec->models);
  mr_json_add_limit (out, "requests_per_minute", spec->requests_per_minute);
  mr_json_add_limit (out, "max_concurrent", spec->max_concurrent);
  mr_json_add_limit (out, "tokens_per_day", spec->tokens_per_day);
  mr_json_add_string (out, "priority", mr_priority_name (spec->priority));
  add_usage (out, key, now);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}

JsonNode *
mr_admin_report_keys (const MrAdminParts *parts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (GPtrArray) keys = mr_key_store_list (parts->store);

  json_builder_begin_array (out);
  for (guint i = 0; i < keys->len; i++)
    json_builder_add_value (out, mr_admin_report_key (g_ptr_array_index (keys, i)));
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

static void
add_usage_row (JsonBuilder *out, const MrUsageRow *row)
{
  g_autoptr (GDateTime) day = g_date_time_new_from_unix_utc (row->day * SECS_PER_DAY);
  g_autofree char *text = day != NULL ? g_date_time_format (day, "%Y-%m-%d") : NULL;

  json_builder_begin_object (out);
  mr_json_add_string (out, "day", text);
  mr_json_add_string (out, "key_id", row->key_id[0] != '\0' ? row->key_id : NULL);
  mr_json_add_string (out, "key_name", row->key_name);
  mr_json_add_string (out, "model", row->model);
  mr_json_add_int (out, "requests", row->requests);
  mr_json_add_int (out, "prompt_tokens", row->prompt_tokens);
  mr_json_add_int (out, "completion_tokens", row->completion_tokens);
  json_builder_end_object (out);
}

JsonNode *
mr_admin_report_usage (const MrUsageRow *rows, gsize n)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();

  json_builder_begin_array (out);
  for (gsize i = 0; i < n; i++)
    add_usage_row (out, &rows[i]);
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

/* --- days --- */

#define DAY_SECS 86400
#define DEFAULT_DAYS 30

/* YYYY-MM-DD and nothing else; no text leaves @day as it is. */
static gboolean
read_day (const char *name, const char *text, gint64 *day, GError **error)
{
  g_autofree char *midnight = g_strconcat (text != NULL ? text : "", "T00:00:00Z", NULL);
  g_autoptr (GDateTime) time = NULL;

  if (text == NULL || *text == '\0')
    return TRUE;
  if (strlen (text) == strlen ("YYYY-MM-DD") && text[4] == '-' && text[7] == '-')
    time = g_date_time_new_from_iso8601 (midnight, NULL);
  if (time == NULL) {
    g_autofree char *shown = g_utf8_make_valid (text, (gssize) MIN (strlen (text), 40));

    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                 "The parameter \"%s\" must be a day like 2030-01-31, not \"%s\".", name, shown);
    return FALSE;
  }
  *day = g_date_time_to_unix (time) / DAY_SECS;
  return TRUE;
}

gboolean
mr_admin_report_read_days (const char *first, const char *last, gint64 *from, gint64 *to, GError **error)
{
  gint64 last_day = now_secs () / DAY_SECS;
  gint64 first_day;

  if (!read_day ("to", last, &last_day, error))
    return FALSE;
  first_day = last_day - (DEFAULT_DAYS - 1);
  if (!read_day ("from", first, &first_day, error))
    return FALSE;
  if (first_day > last_day || last_day - first_day >= MR_LIMIT_ADMIN_USAGE_DAYS) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                 "The parameter \"from\" must be a day at most %u days before \"to\", and not after it.",
                 MR_LIMIT_ADMIN_USAGE_DAYS - 1);
    return FALSE;
  }
  *from = first_day;
  *to = last_day;
  return TRUE;
}

/* --- read --- */

#define TEXT_RULE(bytes) "a string of 1 to " G_STRINGIFY (bytes) " bytes without control characters"
#define NAME_RULE TEXT_RULE (MR_LIMIT_KEY_NAME_BYTES)
#define MODEL_RULE TEXT_RULE (MR_LIMIT_MODEL_NAME_BYTES)

typedef gboolean (*ReadFunc) (JsonNode *node, MrKeySpec *spec);

/* One line, printable and short: it is shown in logs and tables. */
static char *
read_text (JsonNode *node, gsize max_bytes)
{
  const char *text = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
  gsize length = text != NULL ? strlen (text) : 0;

  if (length < 1 || length > max_bytes || !g_utf8_validate (text, -1, NULL))
    return NULL;
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    if (g_unichar_iscntrl (g_utf8_get_char (at)))
      return NULL;
  return g_strdup (text);
}

static gboolean
read_positive (JsonNode *node, gint64 max, gint64 *number)
{
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  *number = json_node_get_int (node);
  return *number >= 1 && *number <= max;
}

static gboolean
read_name (JsonNode *node, MrKeySpec *spec)
{
  spec->name = read_text (node, MR_LIMIT_KEY_NAME_BYTES);
  return spec->name != NULL;
}

static gboolean
read_scope (JsonNode *node, MrKeySpec *spec)
{
  g_autofree char *name = read_text (node, MR_LIMIT_KEY_NAME_BYTES);

  return name != NULL && mr_key_scope_from_name (name, &spec->scope);
}

static gboolean
read_models (JsonNode *node, MrKeySpec *spec)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = array != NULL ? json_array_get_length (array) : 0;

  if (n < 1 || n > MR_LIMIT_KEY_MODELS)
    return FALSE;
  spec->models = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    if ((spec->models[i] = read_text (json_array_get_element (array, i), MR_LIMIT_MODEL_NAME_BYTES)) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
read_requests_per_minute (JsonNode *node, MrKeySpec *spec)
{
  gint64 number;

  if (!read_positive (node, G_MAXINT32, &number))
    return FALSE;
  spec->requests_per_minute = (guint) number;
  return TRUE;
}

static gboolean
read_max_concurrent (JsonNode *node, MrKeySpec *spec)
{
  gint64 number;

  if (!read_positive (node, G_MAXINT32, &number))
    return FALSE;
  spec->max_concurrent = (guint) number;
  return TRUE;
}

static gboolean
read_tokens_per_day (JsonNode *node, MrKeySpec *spec)
{
  gint64 number;

  if (!read_positive (node, G_MAXINT64, &number))
    return FALSE;
  spec->tokens_per_day = (guint64) number;
  return TRUE;
}

static gboolean
read_priority (JsonNode *node, MrKeySpec *spec)
{
  g_autofree char *name = read_text (node, MR_LIMIT_KEY_NAME_BYTES);

  return name != NULL && mr_priority_from_name (name, &spec->priority);
}

static gboolean
read_expires_at (JsonNode *node, MrKeySpec *spec)
{
  g_autofree char *text = read_text (node, MR_LIMIT_KEY_NAME_BYTES);
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  if (time == NULL)
    return FALSE;
  spec->expires_at = g_date_time_to_unix (time);
  return spec->expires_at > now_secs ();
}

/* Null stands for what is left out. */
static const struct {
  const char *name;
  ReadFunc read;
  const char *rule;
} members[] = {
  { "name", read_name, NAME_RULE },
  { "scope", read_scope, "\"client\" or \"worker\"" },
  { "models", read_models,
    "a list of 1 to " G_STRINGIFY (
        MR_LIMIT_KEY_MODELS) " model names, * and ? standing for any characters, each " MODEL_RULE
                             ", or null for every model" },
  { "requests_per_minute", read_requests_per_minute, "a whole number from 1 to 2147483647, or null for no limit" },
  { "max_concurrent", read_max_concurrent, "a whole number from 1 to 2147483647, or null for no limit" },
  { "tokens_per_day", read_tokens_per_day, "a whole number from 1 to 9223372036854775807, or null for no limit" },
  { "priority", read_priority, "\"high\", \"normal\" or \"low\"" },
  { "expires_at", read_expires_at,
    "a time in the future like \"2030-01-31T12:00:00Z\", with its zone, or null for never" },
};

static gboolean
check_names (JsonObject *object, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *at = names; at != NULL; at = at->next) {
    gboolean known = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
      known = known || g_str_equal (at->data, members[i].name);
    if (!known) {
      g_autoptr (GString) list = g_string_new (members[0].name);

      for (gsize i = 1; i < G_N_ELEMENTS (members); i++)
        g_string_append_printf (list, ", %s", members[i].name);
      g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "A key has no member \"%.64s\"; it has %s.",
                   (const char *) at->data, list->str);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
mr_admin_read_key_spec (JsonObject *object, MrKeySpec *spec, GError **error)
{
  g_auto (MrKeySpec) read = { .priority = MR_PRIORITY_NORMAL };

  if (!check_names (object, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++) {
    JsonNode *node = json_object_get_member (object, members[i].name);

    if (node != NULL && !JSON_NODE_HOLDS_NULL (node) && !members[i].read (node, &read)) {
      g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "The member \"%s\" must be %s.", members[i].name,
                   members[i].rule);
      return FALSE;
    }
  }
  if (read.name == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                         "The member \"name\" is missing: it must be " NAME_RULE ".");
    return FALSE;
  }
  *spec = read;
  read = (MrKeySpec){ NULL };
  return TRUE;
}
