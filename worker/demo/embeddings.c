/* SPDX-License-Identifier: MIT */
/* See embeddings.h. */
#include "embeddings.h"

#include <math.h>
#include <string.h>

#include "answer.h"
#include "error.h"

#define DEFAULT_DIMENSIONS 256
#define MAX_DIMENSIONS 4096

/* As in OpenAI's API; it bounds the answer. */
#define MAX_INPUTS 2048

/* FNV-1a: spreads the text over 64 bits. */
static guint64
hash_text (const char *text)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);
  for (const char *at = text; *at != '\0'; at++)
    hash = (hash ^ (guint8) *at) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash;
}

/* splitmix64: the next of a sequence of evenly spread numbers. */
static guint64
next_random (guint64 *state)
{
  guint64 z = *state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static void
fill_vector (const char *text, float *vector, guint dimensions)
{
  guint64 state = hash_text (text);
  double square_sum = 0;
  for (guint i = 0; i < dimensions; i++) {
    /* Odd, so that no component and no sum of squares is zero. */
    double component = (double) ((gint32) (next_random (&state) >> 32) | 1);
    vector[i] = (float) component;
    square_sum += component * component;
  }
  for (guint i = 0; i < dimensions; i++)
    vector[i] = (float) (vector[i] / sqrt (square_sum));
}

static void
append_floats (const float *vector, guint dimensions, GString *out)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_c (out, '[');
  for (guint i = 0; i < dimensions; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    g_string_append (out, g_ascii_formatd (number, sizeof number, "%.9g", vector[i]));
  }
  g_string_append_c (out, ']');
}

/* Little-endian 32-bit floats, as the clients decode them. */
static void
append_base64 (const float *vector, guint dimensions, GString *out)
{
  g_autofree guint32 *words = g_new (guint32, dimensions);
  memcpy (words, vector, dimensions * sizeof *words);
  for (guint i = 0; i < dimensions; i++)
    words[i] = GUINT32_TO_LE (words[i]);
  g_autofree char *text = g_base64_encode ((const guint8 *) words, dimensions * sizeof *words);
  g_string_append_printf (out, "\"%s\"", text);
}

/* A text, or a list of token numbers, which is hashed as it is written. */
static char *
input_text (JsonNode *input, guint *tokens)
{
  if (JSON_NODE_HOLDS_VALUE (input) && json_node_get_string (input) != NULL) {
    *tokens += mr_demo_count (json_node_get_string (input));
    return g_strdup (json_node_get_string (input));
  }
  if (!JSON_NODE_HOLDS_ARRAY (input) || json_array_get_length (json_node_get_array (input)) == 0)
    return NULL;
  *tokens += json_array_get_length (json_node_get_array (input));
  return json_to_string (input, FALSE);
}

/* `input` is one text, one list of token numbers, or a list of either. */
static GPtrArray *
read_inputs (JsonObject *request, guint *tokens, GError **error)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  JsonNode *input = json_object_get_member (request, "input");
  JsonArray *list = mr_demo_get_array (request, "input");
  JsonNode *first = list != NULL && json_array_get_length (list) > 0 ? json_array_get_element (list, 0) : NULL;
  gboolean many = first != NULL && (JSON_NODE_HOLDS_ARRAY (first) ||
                                    (JSON_NODE_HOLDS_VALUE (first) && json_node_get_string (first) != NULL));
  guint n = many ? json_array_get_length (list) : 1;
  for (guint i = 0; input != NULL && n <= MAX_INPUTS && i < n; i++) {
    char *text = input_text (many ? json_array_get_element (list, i) : input, tokens);
    if (text == NULL)
      break;
    g_ptr_array_add (texts, text);
  }
  if (texts->len < n) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                 "'input' must be a text, a list of token numbers, or a list of up to %d of either", MAX_INPUTS);
    return NULL;
  }
  return g_steal_pointer (&texts);
}

char *
mr_demo_embeddings (JsonObject *request, const char *default_model, guint *prompt_tokens, GError **error)
{
  guint tokens = 0;
  gint64 dimensions = json_object_get_int_member_with_default (request, "dimensions", DEFAULT_DIMENSIONS);
  gboolean base64 = g_strcmp0 (mr_demo_get_string (request, "encoding_format"), "base64") == 0;
  const char *named = mr_demo_get_string (request, "model");
  g_autofree char *model = mr_demo_quote (named != NULL ? named : default_model);
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "'dimensions' must be between 1 and %d", MAX_DIMENSIONS);
    return NULL;
  }
  g_autoptr (GPtrArray) texts = read_inputs (request, &tokens, error);
  if (texts == NULL)
    return NULL;

  g_autofree float *vector = g_new (float, dimensions);
  GString *out = g_string_new (NULL);
  g_string_append_printf (
      out, "{\"model\":%s,\"object\":\"list\",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u},\"data\":[", model,
      tokens, tokens);
  for (guint i = 0; i < texts->len; i++) {
    fill_vector (g_ptr_array_index (texts, i), vector, dimensions);
    g_string_append (out, i > 0 ? ",{\"embedding\":" : "{\"embedding\":");
    if (base64)
      append_base64 (vector, dimensions, out);
    else
      append_floats (vector, dimensions, out);
    g_string_append_printf (out, ",\"index\":%u,\"object\":\"embedding\"}", i);
  }
  g_string_append (out, "]}");
  *prompt_tokens = tokens;
  return g_string_free (out, FALSE);
}
