/* SPDX-License-Identifier: MIT */
/*
 * Members of JSON objects as the admin API writes them: what is not known is null, text is UTF-8 whatever a peer sent,
 * times are RFC 3339 in UTC. Each adds one member to the object that is open.
 */
#pragma once

#include <json-glib/json-glib.h>

/** mr_json_add_string: @value: (nullable): bytes that are not UTF-8 are replaced */
void mr_json_add_string (JsonBuilder *out, const char *name, const char *value);

/** mr_json_add_strings: @values: (nullable): null for %NULL */
void mr_json_add_strings (JsonBuilder *out, const char *name, char **values);

/** mr_json_add_int: what JSON's readers cannot take as a signed number is written as the largest one. */
void mr_json_add_int (JsonBuilder *out, const char *name, guint64 value);

/** mr_json_add_limit: null for 0, which means none. */
void mr_json_add_limit (JsonBuilder *out, const char *name, guint64 value);

void mr_json_add_bool (JsonBuilder *out, const char *name, gboolean value);

/** mr_json_add_double: null when it is not @known; rounded to three digits. */
void mr_json_add_double (JsonBuilder *out, const char *name, double value, gboolean known);

/** mr_json_add_time: @seconds: since 1970; null for 0 */
void mr_json_add_time (JsonBuilder *out, const char *name, gint64 seconds);
