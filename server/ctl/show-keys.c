/* SPDX-License-Identifier: MIT */
/* Tables of keys and of what was used. See show.h. */
#include "show.h"

#include "fact.h"
#include "units.h"

#include <string.h>

static gint64
now_secs (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

static const char *
key_state (JsonNode *key)
{
  if (mr_fact_bool (key, "revoked"))
    return "revoked";
  return mr_fact_bool (key, "live") ? "live" : "expired";
}

static MrColor
key_color (JsonNode *key)
{
  return mr_fact_bool (key, "live") ? MR_COLOR_GOOD : MR_COLOR_DIM;
}

static void
append_limit (GString *out, JsonNode *key, const char *member, const char *unit)
{
  double limit = mr_fact_number (key, member, 0);
  g_autofree char *number = mr_units_count (limit);

  if (limit > 0)
    g_string_append_printf (out, "%s%s%s", out->len > 0 ? ", " : "", number, unit);
}

/* "60/min, 4 at once, 1.0M tok/day, high, only qwen*" */
static char *
describe_limits (JsonNode *key)
{
  GString *out = g_string_new (NULL);
  const char *priority = mr_fact_string (key, "priority", "normal");
  g_autofree char *models = mr_fact_join (key, "models");

  append_limit (out, key, "requests_per_minute", "/min");
  append_limit (out, key, "max_concurrent", " at once");
  append_limit (out, key, "tokens_per_day", " tok/day");
  if (strcmp (priority, "normal") != 0)
    g_string_append_printf (out, "%s%s priority", out->len > 0 ? ", " : "", priority);
  if (*models != '\0')
    g_string_append_printf (out, "%sonly %s", out->len > 0 ? ", " : "", models);
  return g_string_free (out, FALSE);
}

void
mr_show_keys (const MrStyle *style, GString *out, JsonNode *list)
{
  static const MrColumn columns[] = {
    { "ID" },   { "NAME", FALSE, TRUE },   { "PREFIX" }, { "SCOPE" }, { "STATE" },
    { "USED" }, { "LIMITS", FALSE, TRUE }, { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);

  if (mr_fact_length (list) == 0) {
    g_string_append (out, "There are no keys yet; \"modelrelayctl keys create NAME\" makes one.\n");
    return;
  }
  for (guint i = 0; i < mr_fact_length (list); i++) {
    JsonNode *key = mr_fact_item (list, i);

    mr_table_take (table, MR_COLOR_DIM, mr_show_short_id (key, "id"));
    mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (key, "name", "?"));
    mr_table_add (table, MR_COLOR_DIM, mr_fact_string (key, "prefix", "?"));
    mr_table_add (table, MR_COLOR_PLAIN, mr_fact_string (key, "scope", "?"));
    mr_table_add (table, key_color (key), key_state (key));
    mr_table_take (table, MR_COLOR_PLAIN, mr_units_ago (mr_fact_time (key, "last_used_at"), now_secs ()));
    mr_table_take (table, MR_COLOR_PLAIN, describe_limits (key));
  }
  mr_table_render (table, style, out, G_MAXUINT);
}

static void
append_row (const MrStyle *style, GString *out, const char *label, const char *value)
{
  if (*value == '\0')
    return;
  mr_style_append (style, out, MR_COLOR_BOLD, label);
  g_string_append_printf (out, "%*s", (int) (10 - strlen (label)), "");
  mr_style_append (style, out, MR_COLOR_PLAIN, value);
  g_string_append_c (out, '\n');
}

void
mr_show_key (const MrStyle *style, GString *out, JsonNode *key)
{
  g_autofree char *limits = describe_limits (key);
  g_autofree char *used = mr_units_ago (mr_fact_time (key, "last_used_at"), now_secs ());
  g_autofree char *tokens = mr_units_count (mr_fact_number (key, "usage.tokens_today", 0));
  g_autofree char *running = mr_units_count (mr_fact_number (key, "usage.running", 0));
  g_autofree char *today = g_strdup_printf ("%s tokens, %s running now", tokens, running);

  append_row (style, out, "Name", mr_fact_string (key, "name", ""));
  append_row (style, out, "Id", mr_fact_string (key, "id", ""));
  append_row (style, out, "Prefix", mr_fact_string (key, "prefix", ""));
  append_row (style, out, "Scope", mr_fact_string (key, "scope", ""));
  append_row (style, out, "State", key_state (key));
  append_row (style, out, "Limits", *limits != '\0' ? limits : "none");
  append_row (style, out, "Created", mr_fact_string (key, "created_at", ""));
  append_row (style, out, "Expires", mr_fact_string (key, "expires_at", "never"));
  append_row (style, out, "Used", used);
  append_row (style, out, "Today", today);
}

static void
add_usage (MrTable *table, MrColor color, JsonNode *row, double *sums)
{
  static const char *const counts[] = { "requests", "prompt_tokens", "completion_tokens" };

  mr_table_add (table, color, mr_fact_string (row, "day", "?"));
  mr_table_add (table, color, mr_fact_string (row, "key_name", mr_fact_string (row, "key_id", "-")));
  mr_table_add (table, color, mr_fact_string (row, "model", "?"));
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
    double count = mr_fact_number (row, counts[i], 0);

    mr_table_take (table, color, mr_units_count (count));
    sums[i] += count;
  }
}

void
mr_show_usage (const MrStyle *style, GString *out, JsonNode *list)
{
  static const MrColumn columns[] = {
    { "DAY" },
    { "KEY", FALSE, TRUE },
    { "MODEL", FALSE, TRUE },
    { "REQUESTS", TRUE },
    { "TOKENS IN", TRUE },
    { "TOKENS OUT", TRUE },
    { NULL },
  };
  g_autoptr (MrTable) table = mr_table_new (columns);
  double sums[3] = { 0 };

  if (mr_fact_length (list) == 0) {
    g_string_append (out, "Nothing was used in this time.\n");
    return;
  }
  for (guint i = 0; i < mr_fact_length (list); i++)
    add_usage (table, MR_COLOR_PLAIN, mr_fact_item (list, i), sums);
  mr_table_add (table, MR_COLOR_BOLD, "total");
  mr_table_add (table, MR_COLOR_BOLD, "");
  mr_table_add (table, MR_COLOR_BOLD, "");
  for (guint i = 0; i < G_N_ELEMENTS (sums); i++)
    mr_table_take (table, MR_COLOR_BOLD, mr_units_count (sums[i]));
  mr_table_render (table, style, out, G_MAXUINT);
}
