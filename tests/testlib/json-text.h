/* SPDX-License-Identifier: MIT */
/*
 * JSON as tests need it: parse with a library that is not ours, reach members by a dotted path, quote a string.
 */
#pragma once

#include <json-glib/json-glib.h>

/** mrt_json_parse: (transfer full): the object; the test fails when the text is none. */
JsonObject *mrt_json_parse (const char *text);

/** mrt_json_get: (nullable) (transfer none): the member at a path such as "error.code". */
JsonNode *mrt_json_get (JsonObject *object, const char *path);

/** mrt_json_has: whether something is at @path. */
gboolean mrt_json_has (JsonObject *object, const char *path);

/** mrt_json_string: (nullable) (transfer none): the string at @path; %NULL when it is absent or something else. */
const char *mrt_json_string (JsonObject *object, const char *path);

/** mrt_json_int: the integer at @path; the test fails when there is none. */
gint64 mrt_json_int (JsonObject *object, const char *path);

/** mrt_json_bool: the boolean at @path; the test fails when there is none. */
gboolean mrt_json_bool (JsonObject *object, const char *path);

/** mrt_json_strings: (transfer full): the array of strings at @path joined with "|"; the test fails when there is none.
 */
char *mrt_json_strings (JsonObject *object, const char *path);

/** mrt_json_quote: (transfer full): @length bytes of UTF-8 as a JSON string with its quotes. */
char *mrt_json_quote (const char *text, gssize length);
