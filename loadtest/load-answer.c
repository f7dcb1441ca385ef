/* SPDX-License-Identifier: MIT */
/* Reading one answer. See load-answer.h; the shapes are those of the OpenAI and Anthropic APIs. */
#include "load-answer.h"

#include "json.h"

#include <string.h>

#define HTTP_OK 200

struct _MrLoadAnswer {
  guint status;
  gboolean want_stream;
  gboolean events;  /* the answer is a stream of events */
  GString *pending; /* Owned: a line that is not whole yet, or the whole body */
  gboolean too_large;
  gboolean not_json;
  gboolean done;    /* the last event has come */
  char *error_code; /* Owned, nullable: of an event that says what went wrong */
  MrUsage usage;
};

MrLoadAnswer *
mr_load_answer_new (guint status, const char *content_type, gboolean want_stream)
{
  MrLoadAnswer *answer = g_new0 (MrLoadAnswer, 1);

  answer->status = status;
  answer->want_stream = want_stream;
  answer->events = status == HTTP_OK && want_stream && content_type != NULL &&
                   g_ascii_strncasecmp (content_type, "text/event-stream", strlen ("text/event-stream")) == 0;
  answer->pending = g_string_new (NULL);
  answer->usage = MR_USAGE_UNKNOWN;
  return answer;
}

void
mr_load_answer_free (MrLoadAnswer *answer)
{
  if (answer == NULL)
    return;
  g_string_free (answer->pending, TRUE);
  g_free (answer->error_code);
  g_free (answer);
}

static gboolean
is_text (const MrJsonValue *object, const char *name)
{
  MrJsonValue member = mr_json_member (object, name);

  return member.type == MR_JSON_STRING && member.text.length > strlen ("\"\"");
}

/* OpenAI: choices[0].delta. A model that thinks, or calls a tool, writes too. */
static gboolean
has_delta (const MrJsonValue *choices)
{
  MrJsonIter iter;
  MrJsonValue choice;
  MrJsonValue delta;

  if (choices->type != MR_JSON_ARRAY || !mr_json_iter_init (&iter, choices) ||
      !mr_json_iter_next (&iter, NULL, &choice))
    return FALSE;
  delta = mr_json_member (&choice, "delta");
  return is_text (&delta, "content") || is_text (&delta, "reasoning_content") || is_text (&delta, "reasoning") ||
         mr_json_member (&delta, "tool_calls").type == MR_JSON_ARRAY;
}

static gboolean
is_string (const MrJsonValue *value, const char *text)
{
  g_autofree char *string = value->type == MR_JSON_STRING ? mr_json_dup_string (value, NULL) : NULL;

  return g_strcmp0 (string, text) == 0;
}

/* (transfer full): OpenAI's code, else the type that both APIs have. */
static char *
dup_code (const MrJsonValue *error)
{
  MrJsonValue code = mr_json_member (error, "code");
  MrJsonValue type = mr_json_member (error, "type");
  char *text = mr_json_dup_string (&code, NULL);

  if (text == NULL)
    text = mr_json_dup_string (&type, NULL);
  return text != NULL ? text : g_strdup ("without a code");
}

/* Returns: whether some of the answer's text is in the event */
static gboolean
take_event (MrLoadAnswer *answer, const char *data, gsize length)
{
  static const char *const names[] = { "choices", "type", "error" };
  MrJsonValue values[G_N_ELEMENTS (names)];

  if (length == strlen ("[DONE]") && memcmp (data, "[DONE]", length) == 0) {
    answer->done = TRUE;
    return FALSE;
  }
  if (!mr_json_scan_members (data, length, names, values, G_N_ELEMENTS (names), NULL)) {
    answer->not_json = TRUE;
    return FALSE;
  }
  if (memmem (data, length, "usage", strlen ("usage")) != NULL)
    mr_usage_update_from_json (&answer->usage, data, length);
  if (values[2].type == MR_JSON_OBJECT && answer->error_code == NULL)
    answer->error_code = dup_code (&values[2]);
  if (is_string (&values[1], "message_stop"))
    answer->done = TRUE;
  return has_delta (&values[0]) || is_string (&values[1], "content_block_delta");
}

/* Returns: whether some of the answer's text is in the line */
static gboolean
take_line (MrLoadAnswer *answer, const char *line, gsize length)
{
  static const char field[] = "data:";
  gsize start = strlen (field);

  if (length > 0 && line[length - 1] == '\r')
    length--;
  if (length < start || memcmp (line, field, start) != 0)
    return FALSE;
  if (start < length && line[start] == ' ')
    start++;
  return take_event (answer, line + start, length - start);
}

static void
keep (MrLoadAnswer *answer, const char *data, gsize length)
{
  if (answer->pending->len + length > MR_LOAD_MAX_ANSWER_BYTES)
    answer->too_large = TRUE;
  else
    g_string_append_len (answer->pending, data, (gssize) length);
}

gboolean
mr_load_answer_feed (MrLoadAnswer *answer, const char *data, gsize length)
{
  gboolean text = FALSE;
  const char *end;

  while (answer->events && (end = memchr (data, '\n', length)) != NULL) {
    gsize line = (gsize) (end - data);

    if (answer->pending->len > 0) {
      keep (answer, data, line);
      text = take_line (answer, answer->pending->str, answer->pending->len) || text;
      g_string_truncate (answer->pending, 0);
    } else {
      text = take_line (answer, data, line) || text;
    }
    data += line + 1;
    length -= line + 1;
  }
  keep (answer, data, length);
  return text;
}

/* An answer in one piece: a good one is a JSON object, and any may hold an error. */
static char *
end_whole (MrLoadAnswer *answer)
{
  static const char *const names[] = { "error" };
  const GString *body = answer->pending;
  MrJsonValue error;

  if (!mr_json_scan_members (body->str, body->len, names, &error, 1, NULL))
    return answer->status == HTTP_OK ? g_strdup ("200, but not JSON") : g_strdup_printf ("%u", answer->status);
  if (error.type == MR_JSON_OBJECT) {
    g_autofree char *code = dup_code (&error);

    return g_strdup_printf ("%u %s", answer->status, code);
  }
  if (answer->status != HTTP_OK)
    return g_strdup_printf ("%u", answer->status);
  mr_usage_update_from_json (&answer->usage, body->str, body->len);
  return answer->want_stream ? g_strdup ("200, but no stream of events") : NULL;
}

char *
mr_load_answer_end (MrLoadAnswer *answer)
{
  if (answer->too_large)
    return g_strdup ("answer too large");
  if (!answer->events)
    return end_whole (answer);
  /* A last line need not end. */
  (void) take_line (answer, answer->pending->str, answer->pending->len);
  if (answer->error_code != NULL)
    return g_strdup_printf ("stream ended with %s", answer->error_code);
  if (answer->not_json)
    return g_strdup ("stream with an event that is not JSON");
  return answer->done ? NULL : g_strdup ("stream without its last event");
}

MrUsage
mr_load_answer_get_usage (const MrLoadAnswer *answer)
{
  return answer->usage;
}
