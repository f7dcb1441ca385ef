/* SPDX-License-Identifier: MIT */
/*
 * The reader of HTTP/1.1 answers: finds the end of the head, lets libsoup parse it, decides on the framing, and
 * counts or decodes the body. See http-response.h.
 */
#include "http-response.h"

#include "error.h"
#include "http-chunked.h"
#include "http-head.h"
#include "limits.h"

#include <libsoup/soup.h>
#include <string.h>

typedef enum { READING_HEAD, READING_LENGTH, READING_CHUNKED, READING_UNTIL_CLOSE, COMPLETE } State;

struct _MrHttpResponse {
  State state;
  gboolean to_head;
  gboolean keeps_alive;
  GByteArray *head;  /* Owned: bytes of the head so far */
  gsize head_budget; /* what all heads, interim ones too, may still take */
  guint status;
  MrHeaders *headers; /* Owned */
  guint64 left;       /* of a body with a length */
  MrChunked chunked;
};

MrHttpResponse *
mr_http_response_new (gboolean to_head)
{
  MrHttpResponse *response = g_new0 (MrHttpResponse, 1);

  response->to_head = to_head;
  response->head = g_byte_array_new ();
  response->head_budget = MR_LIMIT_HEAD_BYTES;
  return response;
}

void
mr_http_response_free (MrHttpResponse *response)
{
  if (response == NULL)
    return;
  g_byte_array_unref (response->head);
  g_clear_pointer (&response->headers, mr_headers_free);
  g_free (response);
}

guint
mr_http_response_get_status (const MrHttpResponse *response)
{
  return response->status;
}

const MrHeaders *
mr_http_response_get_headers (const MrHttpResponse *response)
{
  return response->headers;
}

gboolean
mr_http_response_keeps_alive (const MrHttpResponse *response)
{
  return response->keeps_alive;
}

static gboolean
protocol_error (GError **error, const char *message)
{
  g_set_error_literal (error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL, message);
  return FALSE;
}

/* --- Head --- */

/* Where the empty line ends, searched from @from; 0 when it has not come yet. */
static gsize
find_head_end (const GByteArray *head, gsize from)
{
  const guint8 *data = head->data;
  const guint8 *line_end = data + from;

  while ((line_end = memchr (line_end, '\n', head->len - (line_end - data))) != NULL) {
    gsize next = ++line_end - data;

    if (next < head->len && data[next] == '\n')
      return next + 1;
    if (next + 1 < head->len && data[next] == '\r' && data[next + 1] == '\n')
      return next + 2;
  }
  return 0;
}

/* Is @token in the comma-separated @list? Or, with @only_last, is it the last one there? */
static gboolean
has_token (const char *list, const char *token, gboolean only_last)
{
  g_auto (GStrv) parts = list != NULL ? g_strsplit (list, ",", -1) : NULL;

  for (gsize i = 0; parts != NULL && parts[i] != NULL; i++) {
    if ((!only_last || parts[i + 1] == NULL) && g_ascii_strcasecmp (g_strstrip (parts[i]), token) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Repeated lengths come as one list; they must all be the same number. */
static gboolean
parse_length (const char *list, guint64 *length)
{
  g_auto (GStrv) parts = g_strsplit (list, ",", -1);

  for (gsize i = 0; parts[i] != NULL; i++) {
    guint64 value;

    if (!g_ascii_string_to_unsigned (g_strstrip (parts[i]), 10, 0, G_MAXINT64, &value, NULL) ||
        (i > 0 && value != *length))
      return FALSE;
    *length = value;
  }
  return parts[0] != NULL;
}

/* RFC 9112 6.3, in its order. */
static gboolean
choose_framing (MrHttpResponse *response, SoupHTTPVersion version, GError **error)
{
  const char *connection = mr_headers_get (response->headers, "connection");
  const char *coding = mr_headers_get (response->headers, "transfer-encoding");
  const char *length = mr_headers_get (response->headers, "content-length");

  response->keeps_alive = !has_token (connection, "close", FALSE) &&
                          (version != SOUP_HTTP_1_0 || has_token (connection, "keep-alive", FALSE));
  if (response->to_head || response->status == SOUP_STATUS_NO_CONTENT || response->status == SOUP_STATUS_NOT_MODIFIED) {
    response->state = COMPLETE;
  } else if (coding != NULL) {
    response->state = has_token (coding, "chunked", TRUE) ? READING_CHUNKED : READING_UNTIL_CLOSE;
    /* A length beside a coding is what request smuggling is made of: nothing more is read from such a connection. */
    response->keeps_alive = response->keeps_alive && response->state == READING_CHUNKED && length == NULL;
  } else if (length != NULL) {
    if (!parse_length (length, &response->left))
      return protocol_error (error, "backend sent a Content-Length that is not one number");
    response->state = response->left > 0 ? READING_LENGTH : COMPLETE;
  } else {
    response->state = READING_UNTIL_CLOSE;
    response->keeps_alive = FALSE;
  }
  return TRUE;
}

/* What is refused here would else be refused by the relay, which then ends the worker's link and all that is on it. */
static gboolean
parse_head (MrHttpResponse *response, GError **error)
{
  g_autoptr (SoupMessageHeaders) fields = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  const char *text = (const char *) response->head->data;
  SoupHTTPVersion version;
  SoupMessageHeadersIter iter;
  const char *name;
  const char *value;

  if (!mr_http_head_check_fields (text, response->head->len) ||
      !soup_headers_parse_response (text, (int) response->head->len, fields, &version, &response->status, NULL))
    return protocol_error (error, "backend sent something that is not an HTTP answer");

  g_byte_array_set_size (response->head, 0);
  if (response->status > 599)
    return protocol_error (error, "backend sent a status that does not exist");
  if (response->status == SOUP_STATUS_SWITCHING_PROTOCOLS)
    return protocol_error (error, "backend switched protocols without being asked");
  if (response->status < 200)
    return TRUE;

  response->headers = mr_headers_new ();
  soup_message_headers_iter_init (&iter, fields);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    mr_headers_add (response->headers, name, value);
  if (mr_headers_length (response->headers) > MR_LIMIT_MESSAGE_HEADERS)
    return protocol_error (error, "backend sent too many header fields");
  if (!mr_headers_are_safe (response->headers))
    return protocol_error (error, "backend sent a header field that is malformed");
  return choose_framing (response, version, error);
}

/* Takes bytes up to the end of one head, and parses it when it is whole. */
static MrHttpResponseResult
read_head (MrHttpResponse *response, const char *data, gsize length, gsize *used, GError **error)
{
  gsize before = response->head->len;
  gsize taken = MIN (length, response->head_budget);
  gsize end;

  g_byte_array_append (response->head, (const guint8 *) data, (guint) taken);
  /* The empty line may have begun in bytes that came earlier. */
  end = find_head_end (response->head, before > 2 ? before - 2 : 0);
  *used = end > 0 ? end - before : taken;
  response->head_budget -= *used;
  if (end == 0) {
    if (response->head_budget > 0)
      return MR_HTTP_RESPONSE_NEED_MORE;
    protocol_error (error, "backend sent a head that is too large");
    return MR_HTTP_RESPONSE_FAILED;
  }
  g_byte_array_set_size (response->head, (guint) end);
  if (!parse_head (response, error))
    return MR_HTTP_RESPONSE_FAILED;
  return response->headers != NULL ? MR_HTTP_RESPONSE_HEAD : MR_HTTP_RESPONSE_NEED_MORE;
}

/* --- Body --- */

/* One run of the body out of what came. */
static MrSpan
read_body (MrHttpResponse *response, char *data, gsize length, gsize *used)
{
  MrSpan body = { data, length };

  *used = length;
  if (response->state == READING_LENGTH) {
    *used = body.length = MIN (length, response->left);
    response->left -= body.length;
    if (response->left == 0)
      response->state = COMPLETE;
  } else if (response->state == READING_CHUNKED) {
    body.length = mr_chunked_decode (&response->chunked, data, length, used);
    if (mr_chunked_is_complete (&response->chunked))
      response->state = COMPLETE;
  }
  return body;
}

MrHttpResponseResult
mr_http_response_next (MrHttpResponse *response, char *data, gsize length, gsize *used, MrSpan *body, GError **error)
{
  *used = 0;
  while (response->state == READING_HEAD && *used < length) {
    gsize step;
    MrHttpResponseResult result = read_head (response, data + *used, length - *used, &step, error);

    *used += step;
    if (result != MR_HTTP_RESPONSE_NEED_MORE)
      return result;
  }
  if (response->state != READING_HEAD && response->state != COMPLETE && length > 0) {
    *body = read_body (response, data, length, used);
    if (body->length > 0)
      return MR_HTTP_RESPONSE_DATA;
  }
  if (mr_chunked_is_broken (&response->chunked)) {
    protocol_error (error, "backend sent a chunk that is malformed");
    return MR_HTTP_RESPONSE_FAILED;
  }
  return response->state == COMPLETE ? MR_HTTP_RESPONSE_DONE : MR_HTTP_RESPONSE_NEED_MORE;
}

MrHttpResponseResult
mr_http_response_end (MrHttpResponse *response, GError **error)
{
  if (response->state == COMPLETE || response->state == READING_UNTIL_CLOSE)
    return MR_HTTP_RESPONSE_DONE;
  if (response->state == READING_HEAD && response->head->len == 0)
    protocol_error (error, "backend closed the connection without an answer");
  else
    protocol_error (error, "backend closed the connection in the middle of its answer");
  return MR_HTTP_RESPONSE_FAILED;
}
