/* SPDX-License-Identifier: MIT */
/*
 * JSON to GVariant. json_gvariant_deserialize() makes maybe types of null, which D-Bus does not have, and arrays of
 * variants of all arrays. See json-variant.h.
 */
#include "json-variant.h"

static GVariant *
new_from_value (JsonNode *node)
{
  switch (json_node_get_value_type (node)) {
  case G_TYPE_BOOLEAN:
    return g_variant_new_boolean (json_node_get_boolean (node));
  case G_TYPE_INT64:
    return g_variant_new_int64 (json_node_get_int (node));
  case G_TYPE_DOUBLE:
    return g_variant_new_double (json_node_get_double (node));
  default:
    return g_variant_new_string (json_node_get_string (node));
  }
}

static GVariant *
new_from_object (JsonObject *object)
{
  GVariantBuilder builder;
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &member))
    if (!JSON_NODE_HOLDS_NULL (member))
      g_variant_builder_add (&builder, "{sv}", name, mr_json_variant_new (member));
  return g_variant_builder_end (&builder);
}

/* %NULL when they are not all the same. */
static const GVariantType *
find_common_type (JsonArray *array)
{
  gboolean strings = TRUE;
  gboolean objects = TRUE;

  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *element = json_array_get_element (array, i);

    strings = strings && json_node_get_value_type (element) == G_TYPE_STRING;
    objects = objects && JSON_NODE_HOLDS_OBJECT (element);
  }
  return strings ? G_VARIANT_TYPE_STRING_ARRAY : objects ? G_VARIANT_TYPE ("aa{sv}") : NULL;
}

static GVariant *
new_from_array (JsonArray *array, const GVariantType *type)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, type != NULL ? type : G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *element = json_array_get_element (array, i);

    if (type != NULL)
      g_variant_builder_add_value (&builder, mr_json_variant_new (element));
    else if (!JSON_NODE_HOLDS_NULL (element))
      g_variant_builder_add (&builder, "v", mr_json_variant_new (element));
  }
  return g_variant_builder_end (&builder);
}

GVariant *
mr_json_variant_new (JsonNode *node)
{
  JsonArray *array;

  if (JSON_NODE_HOLDS_OBJECT (node))
    return new_from_object (json_node_get_object (node));
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    array = json_node_get_array (node);
    return new_from_array (array, find_common_type (array));
  }
  return new_from_value (node);
}

GVariant *
mr_json_variant_new_list (JsonNode *node)
{
  return new_from_array (json_node_get_array (node), G_VARIANT_TYPE ("aa{sv}"));
}
