/* SPDX-License-Identifier: MIT */
/*
 * A thin layer over json-glib for tests. Only small documents: json-glib recurses.
 */
#include "json-text.h"

#include <string.h>

JsonObject *
mrt_json_parse (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) error = NULL;
  JsonNode *root;

  if (!json_parser_load_from_data (parser, text, -1, &error))
    g_error ("not JSON (%s): \"%.2000s\"", error->message, text);
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    g_error ("not a JSON object: \"%.2000s\"", text);
  return json_node_dup_object (root);
}

JsonNode *
mrt_json_get (JsonObject *object, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, ".", -1);
  JsonNode *node = NULL;

  for (guint i = 0; names[i] != NULL; i++) {
    if (i > 0) {
      if (!JSON_NODE_HOLDS_OBJECT (node))
        return NULL;
      object = json_node_get_object (node);
    }
    node = json_object_get_member (object, names[i]);
    if (node == NULL)
      return NULL;
  }
  return node;
}

gboolean
mrt_json_has (JsonObject *object, const char *path)
{
  return mrt_json_get (object, path) != NULL;
}

const char *
mrt_json_string (JsonObject *object, const char *path)
{
  JsonNode *node = mrt_json_get (object, path);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static JsonNode *
get_value (JsonObject *object, const char *path, GType type)
{
  JsonNode *node = mrt_json_get (object, path);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != type)
    g_error ("no %s at \"%s\"", g_type_name (type), path);
  return node;
}

gint64
mrt_json_int (JsonObject *object, const char *path)
{
  return json_node_get_int (get_value (object, path, G_TYPE_INT64));
}

gboolean
mrt_json_bool (JsonObject *object, const char *path)
{
  return json_node_get_boolean (get_value (object, path, G_TYPE_BOOLEAN));
}

char *
mrt_json_strings (JsonObject *object, const char *path)
{
  JsonNode *node = mrt_json_get (object, path);
  g_autoptr (GString) joined = g_string_new (NULL);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    g_error ("no array at \"%s\"", path);
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    if (i > 0)
      g_string_append_c (joined, '|');
    g_string_append (joined, json_array_get_string_element (array, i));
  }
  return g_string_free (g_steal_pointer (&joined), FALSE);
}

char *
mrt_json_quote (const char *text, gssize length)
{
  GString *out = g_string_new ("\"");
  gsize n = length < 0 ? strlen (text) : (gsize) length;

  for (gsize i = 0; i < n; i++) {
    guchar byte = (guchar) text[i];

    if (byte == '"' || byte == '\\')
      g_string_append_printf (out, "\\%c", byte);
    else if (byte < 0x20)
      g_string_append_printf (out, "\\u%04x", byte);
    else
      g_string_append_c (out, (char) byte);
  }
  g_string_append_c (out, '"');
  return g_string_free (out, FALSE);
}
