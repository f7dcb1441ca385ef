/* SPDX-License-Identifier: MIT */
/*
 * One answer of the demonstration backend, pure: what was read from the request, which text or tool call it gets, and
 * the pieces it is counted and streamed in. No sockets, no clock; the three APIs' shapes are in openai.c, responses.c
 * and anthropic.c.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/**
 * MrDemoAnswer: plain data, filled by mr_demo_answer_new() and an API's `read`, completed by mr_demo_answer_compose().
 */
typedef struct {
  char *id;    /* hexadecimal, unique; the APIs put their own prefix before it */
  char *model; /* as the request names it */
  gint64 created_unix;
  gboolean stream;
  gboolean include_usage;
  gint64 max_tokens;   /* -1 for no limit */
  guint prompt_tokens; /* pieces of everything that was read */
  char *said;          /* the last words of the user */
  char *tool;          /* the tool to call, NULL for an answer in words */
  char *arguments;     /* its arguments, a JSON text */
  GPtrArray *pieces;   /* of the text or of the arguments; no more than max_tokens */
  gboolean cut;        /* max_tokens ended it */
} MrDemoAnswer;

/**
 * mr_demo_answer_new:
 * @request: the request's document
 * @default_model: answered under when the request names none
 * @error: return location
 *
 * Reads what all APIs share: `model`, `stream`, `stream_options`, the limit on tokens, `tools` and `tool_choice`.
 *
 * Returns: (transfer full): the answer, or %NULL with %MR_ERROR_INVALID_REQUEST
 */
MrDemoAnswer *mr_demo_answer_new (JsonObject *request, const char *default_model, GError **error);
void mr_demo_answer_free (MrDemoAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrDemoAnswer, mr_demo_answer_free)

/**
 * mr_demo_answer_read_content:
 * @content: (nullable): a string, or an array of strings and parts with a `text` (or a `content`) of their own
 * @from_user: whether these are the user's words
 *
 * Counts the pieces of @content; parts that are not text, as images are, count nothing.
 */
void mr_demo_answer_read_content (MrDemoAnswer *answer, JsonNode *content, gboolean from_user);

/**
 * mr_demo_answer_read_messages:
 * @name: the member that holds the list
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_REQUEST when the member is not a list of at least one message
 */
gboolean mr_demo_answer_read_messages (MrDemoAnswer *answer, JsonObject *request, const char *name, GError **error);

/** mr_demo_answer_compose: decides the text from what was read, and cuts it into pieces. */
void mr_demo_answer_compose (MrDemoAnswer *answer);

/** mr_demo_answer_text: (transfer full): all pieces joined. */
char *mr_demo_answer_text (const MrDemoAnswer *answer);

/** mr_demo_answer_piece: piece @i, borrowed. */
const char *mr_demo_answer_piece (const MrDemoAnswer *answer, guint i);

/**
 * mr_demo_pieces:
 *
 * A piece is white space and then up to six characters of one word, or one other character; joined they are @text
 * again.
 *
 * Returns: (transfer full) (element-type utf8): the pieces of @text
 */
GPtrArray *mr_demo_pieces (const char *text);

/** mr_demo_count: the number of pieces of @text. */
guint mr_demo_count (const char *text);

/** mr_demo_quote: (transfer full): @text as a JSON string with its quotes. */
char *mr_demo_quote (const char *text);

/* Members of a request: NULL when absent or of another type. Borrowed. */
const char *mr_demo_get_string (JsonObject *object, const char *name);
JsonObject *mr_demo_get_object (JsonObject *object, const char *name);
JsonArray *mr_demo_get_array (JsonObject *object, const char *name);
