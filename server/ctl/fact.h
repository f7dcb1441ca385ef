/* SPDX-License-Identifier: MIT */
/*
 * Reading what the relay said: members by a dotted path, with a plain answer when one is absent. D-Bus knows no null,
 * so an absent member and a null one mean the same.
 */
#pragma once

#include <json-glib/json-glib.h>

/** mr_fact_get: (nullable) (transfer none): the value at a path such as "requests.total"; %NULL when absent or null. */
JsonNode *mr_fact_get (JsonNode *node, const char *path);

/** mr_fact_string: (transfer none): the string at @path, or @otherwise. */
const char *mr_fact_string (JsonNode *node, const char *path, const char *otherwise);

/** mr_fact_number: the number at @path, or @otherwise. */
double mr_fact_number (JsonNode *node, const char *path, double otherwise);

/** mr_fact_bool: %TRUE only when a true is at @path. */
gboolean mr_fact_bool (JsonNode *node, const char *path);

/** mr_fact_time: seconds since 1970 of the time at @path, given as that number or as RFC 3339; 0 when there is none. */
gint64 mr_fact_time (JsonNode *node, const char *path);

/** mr_fact_length: elements of the array @list (nullable). */
guint mr_fact_length (JsonNode *list);

/** mr_fact_item: (transfer none): element @i of an array. */
JsonNode *mr_fact_item (JsonNode *list, guint i);

/** mr_fact_join: (transfer full): the strings of the array at @path, joined with ", ". */
char *mr_fact_join (JsonNode *node, const char *path);

/** mr_fact_wrap: (transfer full): an object with the one member @name. @value: (transfer none) */
JsonNode *mr_fact_wrap (const char *name, JsonNode *value);
