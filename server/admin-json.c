/* SPDX-License-Identifier: MIT */
/*
 * Members of JSON objects. See admin-json.h.
 */
#include "admin-json.h"

/* Beyond it three digits more are no longer exact. */
#define ROUNDED_MAX 1e12

void
mr_json_add_string (JsonBuilder *out, const char *name, const char *value)
{
  g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

  json_builder_set_member_name (out, name);
  if (valid != NULL)
    json_builder_add_string_value (out, valid);
  else
    json_builder_add_null_value (out);
}

void
mr_json_add_strings (JsonBuilder *out, const char *name, char **values)
{
  json_builder_set_member_name (out, name);
  if (values == NULL) {
    json_builder_add_null_value (out);
    return;
  }
  json_builder_begin_array (out);
  for (; *values != NULL; values++) {
    g_autofree char *valid = g_utf8_make_valid (*values, -1);

    json_builder_add_string_value (out, valid);
  }
  json_builder_end_array (out);
}

void
mr_json_add_int (JsonBuilder *out, const char *name, guint64 value)
{
  json_builder_set_member_name (out, name);
  json_builder_add_int_value (out, (gint64) MIN (value, (guint64) G_MAXINT64));
}

void
mr_json_add_limit (JsonBuilder *out, const char *name, guint64 value)
{
  if (value == 0)
    mr_json_add_string (out, name, NULL);
  else
    mr_json_add_int (out, name, value);
}

void
mr_json_add_bool (JsonBuilder *out, const char *name, gboolean value)
{
  json_builder_set_member_name (out, name);
  json_builder_add_boolean_value (out, value);
}

void
mr_json_add_double (JsonBuilder *out, const char *name, double value, gboolean known)
{
  json_builder_set_member_name (out, name);
  if (value >= 0 && value < ROUNDED_MAX)
    value = (double) (gint64) (value * 1000 + 0.5) / 1000;
  if (known)
    json_builder_add_double_value (out, value);
  else
    json_builder_add_null_value (out);
}

void
mr_json_add_time (JsonBuilder *out, const char *name, gint64 seconds)
{
  g_autoptr (GDateTime) time = seconds != 0 ? g_date_time_new_from_unix_utc (seconds) : NULL;
  g_autofree char *text = time != NULL ? g_date_time_format_iso8601 (time) : NULL;

  mr_json_add_string (out, name, text);
}
