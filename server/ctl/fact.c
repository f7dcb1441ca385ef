/* SPDX-License-Identifier: MIT */
/* Reading what the relay said. See fact.h. */
#include "fact.h"

JsonNode *
mr_fact_get (JsonNode *node, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, ".", -1);

  for (guint i = 0; names[i] != NULL && node != NULL; i++)
    node = JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), names[i]) : NULL;
  return node != NULL && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
is_number (JsonNode *node)
{
  GType type = node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

const char *
mr_fact_string (JsonNode *node, const char *path, const char *otherwise)
{
  JsonNode *value = mr_fact_get (node, path);
  const char *text = value != NULL && JSON_NODE_HOLDS_VALUE (value) ? json_node_get_string (value) : NULL;

  return text != NULL ? text : otherwise;
}

double
mr_fact_number (JsonNode *node, const char *path, double otherwise)
{
  JsonNode *value = mr_fact_get (node, path);

  return is_number (value) ? json_node_get_double (value) : otherwise;
}

gboolean
mr_fact_bool (JsonNode *node, const char *path)
{
  JsonNode *value = mr_fact_get (node, path);

  return value != NULL && JSON_NODE_HOLDS_VALUE (value) && json_node_get_value_type (value) == G_TYPE_BOOLEAN &&
         json_node_get_boolean (value);
}

gint64
mr_fact_time (JsonNode *node, const char *path)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  const char *text = mr_fact_string (node, path, NULL);
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, utc) : NULL;

  return time != NULL ? g_date_time_to_unix (time) : (gint64) mr_fact_number (node, path, 0);
}

guint
mr_fact_length (JsonNode *list)
{
  return list != NULL && JSON_NODE_HOLDS_ARRAY (list) ? json_array_get_length (json_node_get_array (list)) : 0;
}

JsonNode *
mr_fact_item (JsonNode *list, guint i)
{
  return json_array_get_element (json_node_get_array (list), i);
}

char *
mr_fact_join (JsonNode *node, const char *path)
{
  JsonNode *list = mr_fact_get (node, path);
  GString *joined = g_string_new (NULL);

  for (guint i = 0; i < mr_fact_length (list); i++) {
    JsonNode *item = mr_fact_item (list, i);
    const char *text = JSON_NODE_HOLDS_VALUE (item) ? json_node_get_string (item) : NULL;

    if (text != NULL)
      g_string_append_printf (joined, "%s%s", joined->len > 0 ? ", " : "", text);
  }
  return g_string_free (joined, FALSE);
}

JsonNode *
mr_fact_wrap (const char *name, JsonNode *value)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_object_set_member (object, name, json_node_copy (value));
  json_node_take_object (node, object);
  return node;
}
