/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of HTTP/1.x messages for tests (RFC 9112). Sending them is up to the callers.
 */
#include "http-message.h"

#include <string.h>

MrtHead *
mrt_head_parse (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
  MrtHead *head = g_new0 (MrtHead, 1);

  head->line = g_strdup (lines[0]);
  head->names = g_ptr_array_new_with_free_func (g_free);
  head->values = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 1; lines[i] != NULL && lines[i][0] != '\0'; i++) {
    const char *colon = strchr (lines[i], ':');

    if (colon == NULL)
      g_error ("not a header field: \"%s\"", lines[i]);
    g_ptr_array_add (head->names, g_strndup (lines[i], (gsize) (colon - lines[i])));
    g_ptr_array_add (head->values, g_strstrip (g_strdup (colon + 1)));
  }
  return head;
}

void
mrt_head_free (MrtHead *head)
{
  if (head == NULL)
    return;
  g_free (head->line);
  g_ptr_array_unref (head->names);
  g_ptr_array_unref (head->values);
  g_free (head);
}

const char *
mrt_head_get (const MrtHead *head, const char *name)
{
  for (guint i = 0; i < head->names->len; i++) {
    if (g_ascii_strcasecmp (head->names->pdata[i], name) == 0)
      return head->values->pdata[i];
  }
  return NULL;
}

guint
mrt_head_count (const MrtHead *head, const char *name)
{
  guint count = 0;

  for (guint i = 0; i < head->names->len; i++)
    count += g_ascii_strcasecmp (head->names->pdata[i], name) == 0;
  return count;
}

char *
mrt_head_word (const MrtHead *head, guint index)
{
  g_auto (GStrv) words = g_strsplit (head->line, " ", -1);

  if (index >= g_strv_length (words))
    g_error ("no word %u in \"%s\"", index, head->line);
  return g_strdup (words[index]);
}

void
mrt_body_init (MrtBody *body, MrtStream *stream, const MrtHead *head, gboolean bodiless, gboolean request)
{
  const char *length = mrt_head_get (head, "content-length");
  const char *coding = mrt_head_get (head, "transfer-encoding");

  *body = (MrtBody){ .stream = stream, .data = g_string_new (NULL) };
  if (coding != NULL)
    g_assert_cmpstr (coding, ==, "chunked");
  if (coding != NULL && length != NULL)
    g_error ("both Content-Length and Transfer-Encoding came");
  if (bodiless)
    body->framing = MRT_FRAMING_LENGTH;
  else if (coding != NULL)
    body->framing = MRT_FRAMING_CHUNKED;
  else if (length != NULL || request)
    body->left = length != NULL ? g_ascii_strtoull (length, NULL, 10) : 0;
  else
    body->framing = MRT_FRAMING_UNTIL_CLOSE;
  if (body->framing == MRT_FRAMING_LENGTH && body->left == 0)
    body->state = MRT_BODY_COMPLETE;
}

void
mrt_body_clear (MrtBody *body)
{
  if (body->data != NULL)
    g_string_free (g_steal_pointer (&body->data), TRUE);
}

static void
take_data (MrtBody *body, gsize limit)
{
  GString *in = body->stream->in;
  gsize length = MIN (limit, in->len);

  g_string_append_len (body->data, in->str, (gssize) length);
  g_string_erase (in, 0, (gssize) length);
}

/* One step of the chunked coding over what was received; FALSE when more is needed. */
static gboolean
take_chunked (MrtBody *body)
{
  GString *in = body->stream->in;
  const char *line_end;
  char *size_end;

  if (body->left > 0) {
    gsize before = in->len;

    take_data (body, body->left);
    body->left -= before - in->len;
    return before != in->len;
  }
  line_end = g_strstr_len (in->str, (gssize) in->len, "\r\n");
  if (line_end == NULL)
    return FALSE;
  if (body->in_chunk) {
    g_assert_true (line_end == in->str);
    body->in_chunk = FALSE;
  } else if (body->last_seen) {
    if (line_end == in->str)
      body->state = MRT_BODY_COMPLETE;
  } else {
    body->left = g_ascii_strtoull (in->str, &size_end, 16);
    g_assert_true (size_end == line_end);
    body->last_seen = body->left == 0;
    body->in_chunk = body->left > 0;
  }
  g_string_erase (in, 0, line_end - in->str + 2);
  return TRUE;
}

static void
take (MrtBody *body)
{
  GString *in = body->stream->in;

  if (body->framing == MRT_FRAMING_UNTIL_CLOSE) {
    take_data (body, in->len);
  } else if (body->framing == MRT_FRAMING_LENGTH) {
    gsize before = in->len;

    take_data (body, body->left);
    body->left -= before - in->len;
    if (body->left == 0)
      body->state = MRT_BODY_COMPLETE;
  } else {
    while (body->state == MRT_BODY_OPEN && take_chunked (body))
      continue;
  }
}

/* Receives once; FALSE on a time-out. */
static gboolean
step (MrtBody *body, int timeout_ms)
{
  MrtRead result = mrt_stream_fill (body->stream, timeout_ms);

  if (result == MRT_READ_DATA)
    take (body);
  else if (result == MRT_READ_END && body->framing == MRT_FRAMING_UNTIL_CLOSE)
    body->state = MRT_BODY_COMPLETE;
  else if (result != MRT_READ_TIMEOUT)
    body->state = MRT_BODY_ABORTED;
  return result != MRT_READ_TIMEOUT;
}

gboolean
mrt_body_wait (MrtBody *body, gsize n, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;

  if (body->state == MRT_BODY_OPEN)
    take (body);
  while (body->data->len < n && body->state == MRT_BODY_OPEN) {
    if (!step (body, (int) MAX (0, deadline - mrt_now_ms ())))
      break;
  }
  return body->data->len >= n;
}

void
mrt_body_wait_text (MrtBody *body, const char *text)
{
  while (strstr (body->data->str, text) == NULL) {
    if (!mrt_body_wait (body, body->data->len + 1, MRT_WAIT_MS))
      g_error ("waited for \"%s\", the body (%s) is: \"%s\"", text, body->state == MRT_BODY_OPEN ? "open" : "ended",
               body->data->str);
  }
}

MrtBodyState
mrt_body_finish (MrtBody *body, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;

  if (body->state == MRT_BODY_OPEN)
    take (body);
  while (body->state == MRT_BODY_OPEN) {
    if (!step (body, timeout_ms < 0 ? -1 : (int) MAX (0, deadline - mrt_now_ms ())))
      g_error ("the body did not end in %d ms; so far: \"%.2000s\"", timeout_ms, body->data->str);
  }
  return body->state;
}
