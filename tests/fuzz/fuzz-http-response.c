/* SPDX-License-Identifier: MIT */
/*
 * The reader of a backend's answers: any pieces give the same head, body, end, and rest, and what it accepts a worker
 * can pass on. (What follows an answer whose framing is broken is nobody's, and is not compared.)
 *
 *   input: request was HEAD (bit 0), pieces (fuzz.h), bytes from the backend
 */
#include "error.h"
#include "fuzz.h"
#include "http-response.h"
#include "message.h"

#include <string.h>

typedef struct {
  MrHttpResponse *response;
  GString *log;
  GString *body;
  gsize consumed;
} Reader;

/* The relay ends a worker's link over a message that it cannot decode, and so all that is on the link. */
static void
check_can_travel (const MrHttpResponse *response)
{
  const MrHeaders *headers = mr_http_response_get_headers (response);
  g_autoptr (GString) encoded = g_string_new (NULL);
  g_auto (MrMessage) decoded = { MR_MESSAGE_INIT (PING) };
  MrMessage message = { MR_MESSAGE_INIT (RESPONSE_START), .request_id = (char *) "r" };

  message.status_code = mr_http_response_get_status (response);
  message.headers = (MrHeaders *) headers;
  mr_message_encode (&message, encoded);
  g_assert (mr_message_decode (encoded->str, encoded->len, MR_SENDER_WORKER, &decoded, NULL));
  g_assert (mr_headers_are_safe (headers));
}

static void
log_head (Reader *reader)
{
  const MrHeaders *headers = mr_http_response_get_headers (reader->response);

  g_assert (mr_http_response_get_status (reader->response) >= 200);
  check_can_travel (reader->response);
  g_string_append_printf (reader->log, "%u %d\n", mr_http_response_get_status (reader->response),
                          mr_http_response_keeps_alive (reader->response));
  for (guint i = 0; i < mr_headers_length (headers); i++) {
    const MrHeader *header = mr_headers_index (headers, i);

    g_string_append_printf (reader->log, "%s: %s\n", header->name, header->value);
  }
}

static void
log_end (Reader *reader, MrHttpResponseResult result, const GError *error)
{
  g_assert ((result == MR_HTTP_RESPONSE_FAILED) == (error != NULL));
  g_assert (error == NULL || (error->domain == MR_ERROR && error->code == MR_ERROR_BACKEND_PROTOCOL));
  if (error != NULL)
    g_string_append (reader->log, error->message);
  else
    g_string_append_printf (reader->log, "done at %" G_GSIZE_FORMAT, reader->consumed);
}

/* Reads one piece to its end. Returns: FALSE when the answer is over */
static gboolean
read_piece (Reader *reader, char *piece, gsize length)
{
  MrHttpResponseResult result;
  gsize at = 0;

  do {
    g_autoptr (GError) error = NULL;
    MrSpan body = { NULL };
    gsize used = G_MAXSIZE;

    result = mr_http_response_next (reader->response, piece + at, length - at, &used, &body, &error);
    g_assert (used <= length - at);
    if (result == MR_HTTP_RESPONSE_HEAD)
      log_head (reader);
    if (result == MR_HTTP_RESPONSE_DATA) {
      g_assert (body.length > 0 && body.data >= piece + at && body.data + body.length <= piece + at + used);
      g_string_append_len (reader->body, body.data, body.length);
    }
    at += used;
    reader->consumed += used;
    if (result == MR_HTTP_RESPONSE_DONE || result == MR_HTTP_RESPONSE_FAILED) {
      log_end (reader, result, error);
      return FALSE;
    }
  } while (result != MR_HTTP_RESPONSE_NEED_MORE);
  g_assert (at == length);
  return TRUE;
}

static GString *
read_answer (gboolean to_head, FuzzPieces pieces, const guint8 *data, gsize length)
{
  Reader reader = { mr_http_response_new (to_head), g_string_new (NULL), g_string_new (NULL), 0 };
  gboolean more = TRUE;

  while (more && length > 0) {
    gsize size = fuzz_pieces_next (&pieces, length);
    g_autofree char *piece = fuzz_dup (data, size);

    more = read_piece (&reader, piece, size);
    data += size;
    length -= size;
  }
  if (more) {
    g_autoptr (GError) error = NULL;
    MrHttpResponseResult result = mr_http_response_end (reader.response, &error);

    log_end (&reader, result, error);
  }
  g_string_append_len (reader.log, reader.body->str, reader.body->len);
  g_string_free (reader.body, TRUE);
  mr_http_response_free (reader.response);
  return reader.log;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  gboolean to_head = fuzz_take_byte (&data, &length) & 1;
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  g_autoptr (GString) in_pieces = read_answer (to_head, pieces, data, length);
  g_autoptr (GString) whole = read_answer (to_head, (FuzzPieces){ NULL }, data, length);

  g_assert (g_string_equal (in_pieces, whole));
  return 0;
}
