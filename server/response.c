/* SPDX-License-Identifier: MIT */
/*
 * What a client sees. See response.h. Framing by RFC 9112: Content-Length for a complete answer, chunked for a stream,
 * until close for a stream to an HTTP/1.0 client.
 */
#include "response.h"

#include "http-head.h"

#include <string.h>

typedef enum { IDLE, STREAMING, OVER } State;

struct _MrResponse {
  MrHttpRequest *request; /* Owned; NULL once over */
  MrApi api;
  State state;
  MrHeaders *fields;
  char *request_id;
  gboolean request_id_is_ours;
  gboolean chunked;
  gboolean events_stream; /* the stream is text/event-stream */
  char tail[3];           /* last bytes of the stream: did an event end there? */
  gsize streamed_bytes;
  const MrResponseEvents *events;
  gpointer user_data;
};

/* Letters, digits and a little punctuation: it goes into header fields and log lines. */
static gboolean
is_sane_request_id (const char *id)
{
  gsize length = strlen (id);

  return length >= 1 && length <= 128 &&
         strspn (id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:=+/") == length;
}

MrResponse *
mr_response_new (MrHttpRequest *request, MrApi api)
{
  MrResponse *response = g_new0 (MrResponse, 1);
  const char *given_id = mr_http_request_header (request, "x-request-id");

  response->request = request;
  response->api = api;
  response->fields = mr_headers_new ();
  response->request_id_is_ours = given_id == NULL || !is_sane_request_id (given_id);
  response->request_id = response->request_id_is_ours ? g_uuid_string_random () : g_strdup (given_id);
  mr_headers_set (response->fields, "x-request-id", response->request_id);
  if (mr_http_request_header (request, "anthropic-version") != NULL) /* its clients look for the id by this name */
    mr_headers_set (response->fields, "request-id", response->request_id);
  return response;
}

void
mr_response_free (MrResponse *response)
{
  if (response == NULL)
    return;
  mr_http_request_free (response->request);
  mr_headers_free (response->fields);
  g_free (response->request_id);
  g_free (response);
}

const MrHttpRequest *
mr_response_get_request (MrResponse *response)
{
  return response->request;
}

MrHttpRequest *
mr_response_take_request (MrResponse *response)
{
  MrHttpRequest *request = g_steal_pointer (&response->request);

  mr_response_free (response);
  return request;
}

MrHeaders *
mr_response_get_fields (MrResponse *response)
{
  return response->fields;
}

const char *
mr_response_get_request_id (MrResponse *response)
{
  return response->request_id;
}

gboolean
mr_response_is_request_id_ours (MrResponse *response)
{
  return response->request_id_is_ours;
}

static void
on_readable (MrConnection *connection, gpointer data)
{
  /* Reading is off while an answer is due. */
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  MrResponse *response = data;

  response->events->gone (response, response->user_data);
}

static void
on_drained (MrConnection *connection, gpointer data)
{
  MrResponse *response = data;

  response->events->drained (response, response->user_data);
}

static const MrConnectionEvents connection_events = { .readable = on_readable, .drained = on_drained, .gone = on_gone };

void
mr_response_watch (MrResponse *response, const MrResponseEvents *events, gpointer user_data)
{
  response->events = events;
  response->user_data = user_data;
  mr_connection_set_events (response->request->connection, &connection_events, response);
}

void
mr_response_set_water (MrResponse *response, gsize high_bytes, gsize low_bytes)
{
  mr_connection_set_water (response->request->connection, high_bytes, low_bytes);
}

/* --- the head --- */

/* Several `vary` fields add up. */
static gboolean
is_replaced (MrResponse *response, const char *name)
{
  if (g_str_equal (name, "vary"))
    return FALSE;
  return mr_headers_get (response->fields, name) != NULL ||
         (g_str_has_prefix (name, "access-control-") &&
          mr_headers_get (response->fields, "access-control-allow-origin") != NULL);
}

static void
append_fields (MrResponse *response, GString *head, const MrHeaders *headers)
{
  const char *connection = headers != NULL ? mr_headers_get (headers, "connection") : NULL;

  for (guint i = 0; headers != NULL && i < mr_headers_length (headers); i++) {
    const MrHeader *header = mr_headers_index (headers, i);

    if (mr_header_travels (header->name, connection) && !is_replaced (response, header->name))
      mr_http_head_append_field (head, header->name, header->value);
  }
  for (guint i = 0; i < mr_headers_length (response->fields); i++) {
    const MrHeader *header = mr_headers_index (response->fields, i);

    mr_http_head_append_field (head, header->name, header->value);
  }
}

static void
write_head (MrResponse *response, guint status, const MrHeaders *headers, const char *framing)
{
  g_autoptr (GString) head = g_string_sized_new (512);

  mr_http_head_append_status (head, status);
  append_fields (response, head, headers);
  g_string_append (head, framing);
  if (!response->request->keep_alive)
    mr_http_head_append_field (head, "connection", "close");
  else if (response->request->http_1_0)
    mr_http_head_append_field (head, "connection", "keep-alive");
  g_string_append_len (head, "\r\n", 2);
  mr_connection_write (response->request->connection, head->str, head->len);
}

static gboolean
has_no_body (guint status)
{
  return status < 200 || status == 204 || status == 304;
}

static void
finish (MrResponse *response)
{
  response->state = OVER;
  mr_http_request_release (g_steal_pointer (&response->request));
}

void
mr_response_send (MrResponse *response, guint status, const MrHeaders *headers, const char *body, gsize length)
{
  char framing[64] = "";

  g_return_if_fail (response->state == IDLE);
  if (!has_no_body (status))
    g_snprintf (framing, sizeof framing, "content-length: %" G_GSIZE_FORMAT "\r\n", length);
  write_head (response, status, headers, framing);
  if (!has_no_body (status) && !g_str_equal (response->request->method, "HEAD"))
    mr_connection_write (response->request->connection, body, length);
  finish (response);
}

/* --- streams --- */

void
mr_response_begin (MrResponse *response, guint status, const MrHeaders *headers, gint64 body_bytes)
{
  const char *type = headers != NULL ? mr_headers_get (headers, "content-type") : NULL;
  char framing[64] = "";

  g_return_if_fail (response->state == IDLE);
  response->state = STREAMING;
  response->events_stream = type != NULL && g_ascii_strncasecmp (type, "text/event-stream", 17) == 0;
  if (body_bytes >= 0) {
    g_snprintf (framing, sizeof framing, "content-length: %" G_GINT64_FORMAT "\r\n", body_bytes);
  } else if (response->request->http_1_0) {
    response->request->keep_alive = FALSE;
  } else if (!has_no_body (status)) {
    response->chunked = TRUE;
    g_strlcpy (framing, "transfer-encoding: chunked\r\n", sizeof framing);
  }
  write_head (response, status, headers, framing);
}

static void
remember_tail (MrResponse *response, const char *data, gsize length)
{
  gsize n = MIN (length, sizeof response->tail);

  memmove (response->tail, response->tail + n, sizeof response->tail - n);
  memcpy (response->tail + sizeof response->tail - n, data + length - n, n);
  response->streamed_bytes += length;
}

void
mr_response_chunk (MrResponse *response, const char *data, gsize length)
{
  MrConnection *connection = response->request->connection;

  g_return_if_fail (response->state == STREAMING);
  if (length == 0) /* an empty chunk would be the end */
    return;
  remember_tail (response, data, length);
  if (response->chunked) {
    char size[24];

    mr_connection_write (connection, size,
                         (gsize) g_snprintf (size, sizeof size, "%" G_GSIZE_MODIFIER "x\r\n", length));
    mr_connection_write (connection, data, length);
    mr_connection_write (connection, "\r\n", 2);
  } else {
    mr_connection_write (connection, data, length);
  }
}

void
mr_response_end (MrResponse *response)
{
  g_return_if_fail (response->state == STREAMING);
  if (response->chunked && !g_str_equal (response->request->method, "HEAD"))
    mr_connection_write (response->request->connection, "0\r\n\r\n", 5);
  finish (response);
}

/* --- failures --- */

static gboolean
is_at_event_end (MrResponse *response)
{
  const char *tail = response->tail;

  return response->streamed_bytes == 0 || memcmp (tail + 1, "\n\n", 2) == 0 || memcmp (tail + 1, "\r\r", 2) == 0 ||
         memcmp (tail, "\n\r\n", 3) == 0;
}

static void
fail_stream (MrResponse *response, MrErrorCode code, const char *message)
{
  if (response->events_stream) {
    g_autofree char *event = mr_error_to_event (response->api, (int) code, message, response->request_id);

    if (!is_at_event_end (response))
      mr_response_chunk (response, "\n\n", 2);
    mr_response_chunk (response, event, strlen (event));
  }
  /* Without the last chunk the client's parser knows that the body was cut off. */
  response->request->keep_alive = FALSE;
  finish (response);
}

void
mr_response_fail (MrResponse *response, MrErrorCode code, const char *message)
{
  const MrErrorInfo *info = mr_error_info ((int) code);
  g_autofree char *body = NULL;

  g_return_if_fail (response->state != OVER);
  if (response->state == STREAMING) {
    fail_stream (response, code, message);
    return;
  }
  body = mr_error_to_json (response->api, (int) code, message, response->request_id);
  mr_headers_set (response->fields, "content-type", "application/json");
  mr_headers_set (response->fields, "x-content-type-options", "nosniff");
  if (info->retry_after_secs > 0 && mr_headers_get (response->fields, "retry-after") == NULL) {
    g_autofree char *seconds = g_strdup_printf ("%u", info->retry_after_secs);

    mr_headers_set (response->fields, "retry-after", seconds);
  }
  mr_response_send (response, info->http_status, NULL, body, strlen (body));
}

gboolean
mr_response_has_begun (MrResponse *response)
{
  return response->state != IDLE;
}

gsize
mr_response_get_unsent (MrResponse *response)
{
  return response->request != NULL ? mr_connection_get_unsent (response->request->connection) : 0;
}
