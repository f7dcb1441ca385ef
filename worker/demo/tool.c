/* SPDX-License-Identifier: MIT */
/* See tool.h. */
#include "tool.h"

#include <string.h>

#include "error.h"

static JsonNode *
first_element (JsonObject *schema, const char *name)
{
  JsonArray *list = mr_demo_get_array (schema, name);
  return list != NULL && json_array_get_length (list) > 0 ? json_array_get_element (list, 0) : NULL;
}

static JsonNode *
given_value (JsonObject *schema)
{
  static const char *const values[] = { "const", "default" };
  static const char *const lists[] = { "enum", "examples" };
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    if (json_object_has_member (schema, values[i]))
      return json_node_copy (json_object_get_member (schema, values[i]));
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    if (first_element (schema, lists[i]) != NULL)
      return json_node_copy (first_element (schema, lists[i]));
  return NULL;
}

static JsonNode *
example_object (JsonObject *schema)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonObject *properties = schema != NULL ? mr_demo_get_object (schema, "properties") : NULL;
  g_autoptr (GList) names = properties != NULL ? json_object_get_members (properties) : NULL;
  for (GList *l = names; l != NULL; l = l->next)
    json_object_set_member (object, l->data, mr_demo_example (mr_demo_get_object (properties, l->data)));
  json_node_take_object (node, object);
  return node;
}

static JsonNode *
example_array (JsonObject *schema)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();
  JsonObject *items = mr_demo_get_object (schema, "items");
  if (items != NULL)
    json_array_add_element (array, mr_demo_example (items));
  json_node_take_array (node, array);
  return node;
}

/* The type, or the first of several; a schema without one that has properties describes an object. */
static const char *
schema_type (JsonObject *schema)
{
  const char *type = mr_demo_get_string (schema, "type");
  JsonNode *first = first_element (schema, "type");
  if (type == NULL && first != NULL && JSON_NODE_HOLDS_VALUE (first))
    type = json_node_get_string (first);
  if (type == NULL)
    type = json_object_has_member (schema, "properties") ? "object" : "string";
  return type;
}

JsonNode *
mr_demo_example (JsonObject *schema)
{
  static const char *const choices[] = { "anyOf", "oneOf", "allOf" };
  if (schema == NULL || json_object_has_member (schema, "$ref"))
    return example_object (NULL);
  JsonNode *given = given_value (schema);
  if (given != NULL)
    return given;
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++) {
    JsonNode *first = first_element (schema, choices[i]);
    if (first != NULL && JSON_NODE_HOLDS_OBJECT (first))
      return mr_demo_example (json_node_get_object (first));
  }

  const char *type = schema_type (schema);
  if (strcmp (type, "object") == 0)
    return example_object (schema);
  if (strcmp (type, "array") == 0)
    return example_array (schema);
  if (strcmp (type, "null") == 0)
    return json_node_new (JSON_NODE_NULL);
  if (strcmp (type, "boolean") == 0)
    return json_node_init_boolean (json_node_alloc (), TRUE);
  if (strcmp (type, "integer") == 0)
    return json_node_init_int (json_node_alloc (), json_object_get_int_member_with_default (schema, "minimum", 1));
  if (strcmp (type, "number") == 0)
    return json_node_init_double (json_node_alloc (),
                                  json_object_get_double_member_with_default (schema, "minimum", 1));
  return json_node_init_string (json_node_alloc (), "demo");
}

/* Chat completions wrap the definition in `function`, the two other APIs do not. */
static JsonObject *
tool_definition (JsonNode *node)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  JsonObject *tool = json_node_get_object (node);
  JsonObject *function = mr_demo_get_object (tool, "function");
  return function != NULL ? function : tool;
}

static gboolean
call_tool (MrDemoAnswer *answer, JsonArray *tools, const char *name, GError **error)
{
  for (guint i = 0; tools != NULL && i < json_array_get_length (tools); i++) {
    JsonObject *tool = tool_definition (json_array_get_element (tools, i));
    const char *its_name = tool != NULL ? mr_demo_get_string (tool, "name") : NULL;
    if (its_name == NULL || (name != NULL && strcmp (name, its_name) != 0))
      continue;
    JsonObject *schema = mr_demo_get_object (tool, "parameters");
    if (schema == NULL)
      schema = mr_demo_get_object (tool, "input_schema");
    g_autoptr (JsonNode) example = mr_demo_example (schema);
    answer->tool = g_strdup (its_name);
    answer->arguments = json_to_string (example, FALSE);
    return TRUE;
  }
  g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                       "'tool_choice' asks for a tool that 'tools' does not have");
  return FALSE;
}

gboolean
mr_demo_answer_read_tools (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  JsonArray *tools = mr_demo_get_array (request, "tools");
  if (tools != NULL) {
    g_autofree char *definitions = json_to_string (json_object_get_member (request, "tools"), FALSE);
    answer->prompt_tokens += mr_demo_count (definitions);
  }

  JsonObject *choice = mr_demo_get_object (request, "tool_choice");
  const char *kind = choice != NULL ? mr_demo_get_string (choice, "type") : mr_demo_get_string (request, "tool_choice");
  if (g_strcmp0 (kind, "required") == 0 || g_strcmp0 (kind, "any") == 0)
    return call_tool (answer, tools, NULL, error);
  if (g_strcmp0 (kind, "function") == 0 || g_strcmp0 (kind, "tool") == 0) {
    JsonObject *function = choice != NULL ? mr_demo_get_object (choice, "function") : NULL;
    const char *name = choice != NULL ? mr_demo_get_string (function != NULL ? function : choice, "name") : NULL;
    return call_tool (answer, tools, name, error);
  }
  return TRUE;
}
