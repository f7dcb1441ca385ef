/* SPDX-License-Identifier: MIT */
/*
 * One request against the backend, top to bottom:
 *
 *   request -> backend -> head --2xx, is_streaming--> response_start, response_chunk ..., response_complete
 *                          +----anything else------> (whole body collected) response_complete
 *   broken off, not text, too large -> error, or response_complete with 502 or 504
 *
 * A streamed read goes out as it came, but for the first bytes of a character whose rest has not come yet.
 */
#include "exchange.h"

#include "limits.h"
#include "log.h"

#include <string.h>

struct _MrExchange {
  MrLink *link; /* Borrowed: outlives us */
  MrExtensions extensions;
  char *request_id; /* Owned */
  const MrExchangeEvents *events;
  gpointer data;

  MrHttpExchange *http; /* Borrowed from the client; NULL once it is over */
  gboolean wants_stream;
  gboolean streaming; /* asked for, and the backend answered 2xx */
  gboolean unreachable;
  guint status;
  MrHeaders *headers;   /* Owned: those of the answer that travel; NULL before its head */
  MrSseScanner scanner; /* of a stream */
  GString *held;        /* Owned: the body so far; of a stream, the bytes of a character that is not complete */
};

static const char not_text[] = "The backend's answer is not UTF-8 text and cannot be carried";

/* --- request --> backend --- */

static MrHeaders *
headers_for_backend (const MrHeaders *asked, const MrHeaders *own)
{
  MrHeaders *headers = mr_headers_new ();
  const char *connection = asked != NULL ? mr_headers_get (asked, "connection") : NULL;

  for (guint i = 0; asked != NULL && i < mr_headers_length (asked); i++) {
    const MrHeader *header = mr_headers_index (asked, i);
    if (mr_header_travels (header->name, connection)) {
      mr_headers_add (headers, header->name, header->value);
    }
  }
  for (guint i = 0; i < mr_headers_length (own); i++) {
    mr_headers_remove (headers, mr_headers_index (own, i)->name);
  }
  for (guint i = 0; i < mr_headers_length (own); i++) {
    mr_headers_add (headers, mr_headers_index (own, i)->name, mr_headers_index (own, i)->value);
  }
  if (mr_headers_get (headers, "content-type") == NULL) {
    mr_headers_add (headers, "content-type", "application/json"); /* original relays may not pass it on */
  }
  return headers;
}

gboolean
mr_exchange_request_is_safe (const MrMessage *request)
{
  if (request->endpoint_path[0] != '/' || (request->headers != NULL && !mr_headers_are_safe (request->headers))) {
    return FALSE;
  }
  for (const char *at = request->endpoint_path; *at != '\0'; at++) {
    if (*at == ' ' || g_ascii_iscntrl (*at)) {
      return FALSE;
    }
  }
  return TRUE;
}

/* --- words to the relay --- */

static void
send_start (MrExchange *self)
{
  mr_link_send (self->link, &(MrMessage){ MR_MESSAGE_INIT (RESPONSE_START), .request_id = self->request_id,
                                          .status_code = self->status, .headers = self->headers });
}

static void
send_chunk (MrExchange *self, const char *data, gsize length)
{
  if (length == 0) {
    return;
  }
  mr_link_send (self->link, &(MrMessage){ MR_MESSAGE_INIT (RESPONSE_CHUNK), .request_id = self->request_id,
                                          .payload = { data, length } });
  if (mr_link_get_unsent (self->link) > MR_LIMIT_WORKER_HIGH_BYTES) {
    self->events->congested (self, self->data);
  }
}

static void
send_complete (MrExchange *self, MrHeaders *headers, MrSpan body, MrUsage usage)
{
  g_autofree char *status = g_strdup_printf ("%u", self->status);
  g_autofree char *tokens =
      usage.completion_tokens >= 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, usage.completion_tokens) : NULL;
  MrMessage message = { MR_MESSAGE_INIT (RESPONSE_COMPLETE), .request_id = self->request_id,
                        .status_code = self->status, .headers = headers, .payload = body };

  message.token_counts = usage;
  mr_link_send (self->link, &message);
  mr_log (MR_LOG_INFO, "request complete", "request_id", self->request_id, "status", status, "completion_tokens",
          tokens, NULL);
}

void
mr_exchange_refuse (MrLink *link, MrExtensions extensions, const char *request_id, MrErrorCode code,
                    const char *message)
{
  if (extensions & MR_EXTENSION_REQUEST_ERRORS) {
    mr_link_send (link, &(MrMessage){ MR_MESSAGE_INIT (ERROR), .request_id = (char *) request_id,
                                      .code = (char *) mr_error_info (code)->openai_code, .text = (char *) message });
    return;
  }
  if (code == MR_ERROR_CANCELLED) {
    mr_link_send (link, &(MrMessage){ MR_MESSAGE_INIT (RESPONSE_COMPLETE), .request_id = (char *) request_id,
                                      .status_code = 499 });
    return;
  }
  g_autofree char *body = mr_error_to_json (MR_API_OPENAI, code, message, NULL);
  g_autoptr (MrHeaders) headers = mr_headers_new ();
  mr_headers_add (headers, "content-type", "application/json");
  mr_link_send (link, &(MrMessage){ MR_MESSAGE_INIT (RESPONSE_COMPLETE), .request_id = (char *) request_id,
                                    .status_code = mr_error_info (code)->http_status, .headers = headers,
                                    .payload = { body, strlen (body) } });
}

/* --- endings --- */

static void
end (MrExchange *self)
{
  self->http = NULL;
  self->events->ended (self, self->data);
}

static void
fail (MrExchange *self, MrErrorCode code, const char *message)
{
  mr_log (MR_LOG_WARN, "backend error", "request_id", self->request_id, "code", mr_error_info (code)->openai_code,
          "message", message, NULL);
  mr_exchange_refuse (self->link, self->extensions, self->request_id, code, message);
  end (self);
}

/* Within a callback of the exchange with the backend, which goes on if it is not stopped. */
static void
stop_and_fail (MrExchange *self, MrErrorCode code, const char *message)
{
  mr_http_exchange_cancel (self->http);
  fail (self, code, message);
}

/* --- backend --> relay --- */

static void
on_head (MrHttpExchange *http, guint status, const MrHeaders *headers, gpointer data)
{
  MrExchange *self = data;
  const char *connection = mr_headers_get (headers, "connection");

  self->status = status;
  self->streaming = self->wants_stream && status >= 200 && status < 300;
  self->headers = mr_headers_new ();
  for (guint i = 0; i < mr_headers_length (headers); i++) {
    const MrHeader *header = mr_headers_index (headers, i);
    if (mr_header_travels (header->name, connection)) {
      mr_headers_add (self->headers, header->name, header->value);
    }
  }
  if (self->streaming && (self->extensions & MR_EXTENSION_RESPONSE_START)) {
    send_start (self);
  }
}

static void
pass_on (MrExchange *self, const char *bytes, gsize length)
{
  gsize complete;
  gsize was_held = self->held->len;

  if (was_held > 0) {
    g_string_append_len (self->held, bytes, length);
    bytes = self->held->str;
    length = self->held->len;
  }
  if (!mr_utf8_complete_length (bytes, length, &complete)) {
    stop_and_fail (self, MR_ERROR_BACKEND_PROTOCOL, not_text);
    return;
  }
  mr_sse_scanner_feed (&self->scanner, bytes, complete);
  send_chunk (self, bytes, complete);
  if (was_held > 0) {
    g_string_erase (self->held, 0, complete);
  } else {
    g_string_append_len (self->held, bytes + complete, length - complete);
  }
}

static void
on_data (MrHttpExchange *http, const char *bytes, gsize length, gpointer data)
{
  MrExchange *self = data;

  if (self->streaming) {
    pass_on (self, bytes, length);
  } else if (length > MR_LIMIT_RESPONSE_BODY_BYTES - self->held->len) {
    stop_and_fail (self, MR_ERROR_RESPONSE_TOO_LARGE, "The backend's answer is too large");
  } else {
    g_string_append_len (self->held, bytes, length);
  }
}

static void
complete_stream (MrExchange *self)
{
  if (self->held->len > 0) {
    fail (self, MR_ERROR_BACKEND_PROTOCOL, not_text);
    return;
  }
  gboolean head_sent = (self->extensions & MR_EXTENSION_RESPONSE_START) != 0;
  send_complete (self, head_sent ? NULL : self->headers, (MrSpan){ 0 }, mr_sse_scanner_get_usage (&self->scanner));
  end (self);
}

static void
complete_body (MrExchange *self)
{
  const GString *body = self->held;
  MrUsage usage = MR_USAGE_UNKNOWN;
  gsize complete;

  if (!mr_utf8_complete_length (body->str, body->len, &complete) || complete < body->len) {
    fail (self, MR_ERROR_BACKEND_PROTOCOL, not_text);
    return;
  }
  mr_usage_update_from_json (&usage, body->str, body->len);
  send_complete (self, self->headers, (MrSpan){ body->len > 0 ? body->str : NULL, body->len }, usage);
  end (self);
}

static void
on_done (MrHttpExchange *http, gpointer data)
{
  MrExchange *self = data;
  if (self->streaming) {
    complete_stream (self);
  } else {
    complete_body (self);
  }
}

static void
on_failed (MrHttpExchange *http, const GError *error, gpointer data)
{
  MrExchange *self = data;
  self->unreachable = g_error_matches (error, MR_ERROR, MR_ERROR_BACKEND_UNREACHABLE);
  fail (self, error->domain == MR_ERROR ? error->code : MR_ERROR_BACKEND_PROTOCOL, error->message);
}

static const MrHttpExchangeEvents http_events = {
  .head = on_head,
  .data = on_data,
  .done = on_done,
  .failed = on_failed,
};

/* --- life --- */

MrExchange *
mr_exchange_new (const MrExchangeRoute *route, const MrMessage *request, const MrExchangeEvents *events, gpointer data)
{
  MrExchange *self = g_new0 (MrExchange, 1);
  g_autoptr (MrHeaders) headers = headers_for_backend (request->headers, route->backend_headers);
  g_autoptr (GBytes) body = g_bytes_new (request->payload.data, request->payload.length);

  self->link = route->link;
  self->extensions = route->extensions;
  self->request_id = g_strdup (request->request_id);
  self->events = events;
  self->data = data;
  self->wants_stream = request->is_streaming;
  self->held = g_string_new (NULL);
  mr_sse_scanner_init (&self->scanner, TRUE);
  mr_log (MR_LOG_INFO, "forwarding request", "request_id", request->request_id, "model", request->model, NULL);
  self->http =
      mr_http_client_request (route->client, "POST", request->endpoint_path, headers, body, &http_events, self);
  return self;
}

void
mr_exchange_free (MrExchange *self)
{
  if (self == NULL) {
    return;
  }
  g_clear_pointer (&self->http, mr_http_exchange_cancel);
  mr_sse_scanner_clear (&self->scanner);
  g_clear_pointer (&self->headers, mr_headers_free);
  g_string_free (self->held, TRUE);
  g_free (self->request_id);
  g_free (self);
}

void
mr_exchange_cancel (MrExchange *self)
{
  g_clear_pointer (&self->http, mr_http_exchange_cancel);
  mr_exchange_refuse (self->link, self->extensions, self->request_id, MR_ERROR_CANCELLED, "cancelled");
}

void
mr_exchange_set_reading (MrExchange *self, gboolean reading)
{
  mr_http_exchange_set_reading (self->http, reading);
}

const char *
mr_exchange_get_request_id (MrExchange *self)
{
  return self->request_id;
}

gboolean
mr_exchange_failed_to_connect (MrExchange *self)
{
  return self->unreachable;
}
