/* SPDX-License-Identifier: MIT */
/* See answer.h. The choice of a tool and its arguments is in tool.c, everything else about an answer is here. */
#include "answer.h"

#include "error.h"
#include "json.h"
#include "tool.h"

/* Characters of a word in one piece: about what the tokenizers of real models make of English. */
#define PIECE_CHARACTERS 6

const char *
mr_demo_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

JsonObject *
mr_demo_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
mr_demo_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

char *
mr_demo_quote (const char *text)
{
  /* json-glib lets escaped lone surrogates through. */
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *quoted = g_string_new (NULL);
  mr_json_append_cstring (quoted, valid);
  return g_string_free (quoted, FALSE);
}

static const char *
piece_end (const char *at)
{
  while (*at != '\0' && g_unichar_isspace (g_utf8_get_char (at)))
    at = g_utf8_next_char (at);
  if (*at == '\0')
    return at;
  if (!g_unichar_isalnum (g_utf8_get_char (at)))
    return g_utf8_next_char (at);
  for (guint n = 0; n < PIECE_CHARACTERS && g_unichar_isalnum (g_utf8_get_char (at)); n++)
    at = g_utf8_next_char (at);
  return at;
}

GPtrArray *
mr_demo_pieces (const char *text)
{
  GPtrArray *pieces = g_ptr_array_new_with_free_func (g_free);
  for (const char *at = text; *at != '\0';) {
    const char *end = piece_end (at);
    g_ptr_array_add (pieces, g_strndup (at, end - at));
    at = end;
  }
  return pieces;
}

guint
mr_demo_count (const char *text)
{
  guint count = 0;
  for (const char *at = text; *at != '\0'; at = piece_end (at))
    count++;
  return count;
}

/* Depth is bounded: the scanner refused deeper documents than MR_LIMIT_JSON_DEPTH before they got here. */
static void
collect_text (JsonNode *content, GString *text)
{
  if (JSON_NODE_HOLDS_VALUE (content) && json_node_get_string (content) != NULL) {
    if (text->len > 0)
      g_string_append_c (text, '\n');
    g_string_append (text, json_node_get_string (content));
  } else if (JSON_NODE_HOLDS_ARRAY (content)) {
    JsonArray *parts = json_node_get_array (content);
    for (guint i = 0; i < json_array_get_length (parts); i++)
      collect_text (json_array_get_element (parts, i), text);
  } else if (JSON_NODE_HOLDS_OBJECT (content)) {
    JsonObject *part = json_node_get_object (content);
    JsonNode *inner = json_object_get_member (part, json_object_has_member (part, "text") ? "text" : "content");
    if (inner != NULL)
      collect_text (inner, text);
  }
}

void
mr_demo_answer_read_content (MrDemoAnswer *answer, JsonNode *content, gboolean from_user)
{
  g_autoptr (GString) text = g_string_new (NULL);
  if (content != NULL)
    collect_text (content, text);
  answer->prompt_tokens += mr_demo_count (text->str);
  if (from_user && text->len > 0) {
    g_free (answer->said);
    answer->said = g_strdup (text->str);
  }
}

gboolean
mr_demo_answer_read_messages (MrDemoAnswer *answer, JsonObject *request, const char *name, GError **error)
{
  JsonArray *messages = mr_demo_get_array (request, name);
  if (messages == NULL || json_array_get_length (messages) == 0) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "'%s' is required and must hold a message", name);
    return FALSE;
  }
  for (guint i = 0; i < json_array_get_length (messages); i++) {
    JsonNode *node = json_array_get_element (messages, i);
    if (!JSON_NODE_HOLDS_OBJECT (node)) {
      g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "'%s[%u]' must be an object", name, i);
      return FALSE;
    }
    JsonObject *message = json_node_get_object (node);
    /* A tool's result is an item of its own in the Responses API, and its text is called `output` there. */
    const char *content = json_object_has_member (message, "content") ? "content" : "output";
    mr_demo_answer_read_content (answer, json_object_get_member (message, content),
                                 g_strcmp0 (mr_demo_get_string (message, "role"), "user") == 0);
  }
  return TRUE;
}

static gboolean
read_max_tokens (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  static const char *const names[] = { "max_tokens", "max_completion_tokens", "max_output_tokens" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    JsonNode *node = json_object_get_member (request, names[i]);
    if (node == NULL || JSON_NODE_HOLDS_NULL (node))
      continue;
    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64 ||
        json_node_get_int (node) < -1) {
      g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "'%s' must be a whole number", names[i]);
      return FALSE;
    }
    answer->max_tokens = json_node_get_int (node);
  }
  return TRUE;
}

MrDemoAnswer *
mr_demo_answer_new (JsonObject *request, const char *default_model, GError **error)
{
  g_autoptr (MrDemoAnswer) answer = g_new0 (MrDemoAnswer, 1);
  const char *model = mr_demo_get_string (request, "model");
  JsonObject *options = mr_demo_get_object (request, "stream_options");

  answer->id = g_uuid_string_random ();
  answer->model = g_strdup (model != NULL ? model : default_model);
  answer->created_unix = g_get_real_time () / G_USEC_PER_SEC;
  answer->stream = json_object_get_boolean_member_with_default (request, "stream", FALSE);
  answer->include_usage =
      options != NULL && json_object_get_boolean_member_with_default (options, "include_usage", FALSE);
  answer->max_tokens = -1;
  if (!read_max_tokens (answer, request, error) || !mr_demo_answer_read_tools (answer, request, error))
    return NULL;
  return g_steal_pointer (&answer);
}

void
mr_demo_answer_free (MrDemoAnswer *answer)
{
  if (answer == NULL)
    return;
  g_free (answer->id);
  g_free (answer->model);
  g_free (answer->said);
  g_free (answer->tool);
  g_free (answer->arguments);
  g_clear_pointer (&answer->pieces, g_ptr_array_unref);
  g_free (answer);
}

void
mr_demo_answer_compose (MrDemoAnswer *answer)
{
  g_autofree char *text = NULL;
  if (answer->tool != NULL)
    text = g_steal_pointer (&answer->arguments);
  else if (answer->said != NULL)
    text =
        g_strdup_printf ("This is ModelRelay's demonstration backend; no model is running. You said: %s", answer->said);
  else
    text = g_strdup ("This is ModelRelay's demonstration backend; no model is running. You said nothing.");

  answer->pieces = mr_demo_pieces (text);
  if (answer->max_tokens >= 0 && answer->pieces->len > answer->max_tokens) {
    g_ptr_array_set_size (answer->pieces, answer->max_tokens);
    answer->cut = TRUE;
  }
}

const char *
mr_demo_answer_piece (const MrDemoAnswer *answer, guint i)
{
  return g_ptr_array_index (answer->pieces, i);
}

char *
mr_demo_answer_text (const MrDemoAnswer *answer)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < answer->pieces->len; i++)
    g_string_append (text, mr_demo_answer_piece (answer, i));
  return g_string_free (text, FALSE);
}
