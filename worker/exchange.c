/* SPDX-License-Identifier: MIT */
/*
 * One request against the backend, top to bottom:
 *
 *   request -> backend -> head --2xx, is_streaming--> response_start, response_chunk ..., response_complete
 *                          +----anything else------> (whole body collected) response_complete
 *   broken off, not text, too large -> error, or response_complete with 502 or 504
 *
 * A streamed read goes out as it came. Where JSON carries it (no binary_frames) the first bytes of a character wait for
 * the rest. Where the relay gives credit (flow_control) what is beyond it waits here, and the backend is not read
 * meanwhile.
 *
 * The request's body is in the message, or follows in frames: a small one is collected first, a large one goes to the
 * backend as it comes, and the relay gets credit back as the backend takes it.
 */
#include "exchange.h"

#include "credit.h"
#include "limits.h"
#include "log.h"

#include <string.h>

struct _MrExchange {
  MrLink *link;         /* Borrowed: outlives us */
  MrHttpClient *client; /* Borrowed: outlives us */
  MrExtensions extensions;
  char *request_id; /* Owned */
  char *model;      /* Owned */
  char *path;       /* Owned */
  gint64 started_us;
  const MrExchangeEvents *events;
  gpointer data;

  /* The request's body, when it follows in frames. */
  MrHeaders *request_headers; /* Owned: until the request is sent */
  GByteArray *collected;      /* Owned: of a small body; NULL otherwise */
  guint64 body_left;          /* bytes that are still to come */
  MrCreditWindow upload;
  MrFlush upload_flush;

  /* The answer. */
  MrHttpExchange *http; /* Borrowed from the client; NULL before it starts and once it is over */
  gboolean wants_stream;
  gboolean streaming; /* asked for, and the backend answered 2xx */
  gboolean unreachable;
  gboolean failed;
  gboolean relay_reads; /* the link is not congested */
  guint status;
  MrHeaders *headers;   /* Owned: those of the answer that travel; NULL before its head */
  MrSseScanner scanner; /* of a stream */
  MrUsage usage;
  GString *held;      /* Owned: the body so far; of a stream, the bytes of a character that is not complete */
  GString *pending;   /* Owned: of what is to be sent in frames or chunks, all that has no credit yet */
  gsize pending_sent; /* of its bytes, those that have gone */
  gboolean finishing; /* the backend is done; pending is the rest */
  MrCredit credit;
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

static gboolean
has (MrExchange *self, MrExtensions extension)
{
  return (self->extensions & extension) != 0;
}

static void
send_frame (MrExchange *self, MrFrameKind kind, const char *data, gsize length, gboolean last)
{
  const MrFrame frame = { .kind = kind,
                          .last = last,
                          .request_id = { self->request_id, strlen (self->request_id) },
                          .payload = { data, length } };

  mr_link_send_frame (self->link, &frame);
}

static void
send_chunk (MrExchange *self, const char *data, gsize length)
{
  if (length == 0) {
    return;
  }
  if (has (self, MR_EXTENSION_BINARY_FRAMES)) {
    send_frame (self, MR_FRAME_RESPONSE_CHUNK, data, length, FALSE);
  } else {
    mr_link_send (self->link, &(MrMessage){ MR_MESSAGE_INIT (RESPONSE_CHUNK), .request_id = self->request_id,
                                            .payload = { data, length } });
  }
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
                        .status_code = self->status, .headers = headers };

  if (has (self, MR_EXTENSION_BINARY_FRAMES) && body.length > 0) {
    message.body_bytes = (gint64) body.length;
  } else {
    message.payload = body;
  }
  message.token_counts = usage;
  self->usage = usage;
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
                                    .status_code = code == MR_ERROR_BACKEND_TIMEOUT ? 504 : 502, .headers = headers,
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
  self->failed = TRUE;
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
  if (self->streaming && has (self, MR_EXTENSION_RESPONSE_START)) {
    send_start (self);
  }
}

/* As much of @length as there is credit for; JSON carries whole characters only. */
static gsize
take_credit (MrExchange *self, const char *data, gsize length)
{
  gsize taken = mr_credit_take (&self->credit, length);
  gsize whole = taken;

  if (taken < length && !has (self, MR_EXTENSION_BINARY_FRAMES)) {
    (void) mr_utf8_complete_length (data, taken, &whole);
    mr_credit_add (&self->credit, taken - whole);
  }
  return whole;
}

/* Not reading the backend is the back-pressure. */
static void
update_reading (MrExchange *self)
{
  if (self->http != NULL) {
    mr_http_exchange_set_reading (self->http, self->relay_reads && self->pending->len == 0);
  }
}

static void
deliver (MrExchange *self, const char *bytes, gsize length)
{
  gsize allowed = self->pending->len == 0 ? take_credit (self, bytes, length) : 0;

  mr_sse_scanner_feed (&self->scanner, bytes, length);
  send_chunk (self, bytes, allowed);
  if (allowed < length) {
    g_string_append_len (self->pending, bytes + allowed, (gssize) (length - allowed));
    update_reading (self);
  }
}

static void
pass_on_text (MrExchange *self, const char *bytes, gsize length)
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
  deliver (self, bytes, complete);
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

  if (self->streaming && has (self, MR_EXTENSION_BINARY_FRAMES)) {
    deliver (self, bytes, length);
  } else if (self->streaming) {
    pass_on_text (self, bytes, length);
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
  send_complete (self, has (self, MR_EXTENSION_RESPONSE_START) ? NULL : self->headers, (MrSpan){ 0 },
                 mr_sse_scanner_get_usage (&self->scanner));
  end (self);
}

static void
send_pending_piece (MrExchange *self)
{
  const char *piece = self->pending->str + self->pending_sent;
  gsize left = self->pending->len - self->pending_sent;
  gsize length = take_credit (self, piece, MIN (left, MR_LIMIT_BODY_FRAME_BYTES));

  if (self->streaming) {
    send_chunk (self, piece, length);
  } else if (length > 0) {
    send_frame (self, MR_FRAME_RESPONSE_BODY, piece, length, length == left);
  }
  self->pending_sent += length;
}

/* Sends what there is credit for; ends the exchange if that was the rest. */
static void
send_pending (MrExchange *self)
{
  gsize before;

  do {
    before = self->pending_sent;
    send_pending_piece (self);
  } while (self->pending_sent > before && self->pending_sent < self->pending->len);
  if (self->pending_sent < self->pending->len) {
    return;
  }
  g_string_truncate (self->pending, 0);
  self->pending_sent = 0;
  if (!self->finishing) {
    update_reading (self);
  } else if (self->streaming) {
    complete_stream (self);
  } else {
    end (self);
  }
}

static void
complete_body (MrExchange *self)
{
  GString *body = self->held;
  MrUsage usage = MR_USAGE_UNKNOWN;
  gboolean in_frames = has (self, MR_EXTENSION_BINARY_FRAMES) && body->len > 0;
  gsize complete;

  if (!in_frames && (!mr_utf8_complete_length (body->str, body->len, &complete) || complete < body->len)) {
    fail (self, MR_ERROR_BACKEND_PROTOCOL, not_text);
    return;
  }
  mr_usage_update_from_json (&usage, body->str, body->len);
  send_complete (self, self->headers, (MrSpan){ body->len > 0 ? body->str : NULL, body->len }, usage);
  if (!in_frames) {
    end (self);
    return;
  }
  self->held = self->pending;
  self->pending = body;
  self->finishing = TRUE;
  send_pending (self);
}

static void
on_done (MrHttpExchange *http, gpointer data)
{
  MrExchange *self = data;

  self->http = NULL;
  if (!self->streaming) {
    complete_body (self);
  } else if (self->pending->len > 0) {
    self->finishing = TRUE;
  } else {
    complete_stream (self);
  }
}

static void
on_failed (MrHttpExchange *http, const GError *error, gpointer data)
{
  MrExchange *self = data;
  self->unreachable = g_error_matches (error, MR_ERROR, MR_ERROR_BACKEND_UNREACHABLE);
  fail (self, error->domain == MR_ERROR ? error->code : MR_ERROR_BACKEND_PROTOCOL, error->message);
}

/* --- relay --> backend: a body that follows in frames --- */

/* What the backend has taken of the body is given back as credit. */
static void
return_upload_credit (MrExchange *self)
{
  guint64 unsent = self->http != NULL ? mr_http_exchange_get_unsent (self->http) : 0;
  guint64 due = mr_credit_window_give_back (&self->upload, unsent);

  if (due > 0 && self->body_left > 0 && has (self, MR_EXTENSION_FLOW_CONTROL)) {
    MrMessage update = { MR_MESSAGE_INIT (WINDOW_UPDATE), .request_id = self->request_id, .bytes = (gint64) due };

    mr_link_send (self->link, &update);
  }
}

static void
on_upload_flush (MrFlush *flush)
{
  return_upload_credit (MR_OWNER_OF (flush, MrExchange, upload_flush));
}

static void
on_http_drained (MrHttpExchange *http, gpointer data)
{
  return_upload_credit (data);
}

static const MrHttpExchangeEvents http_events = {
  .head = on_head,
  .data = on_data,
  .drained = on_http_drained,
  .done = on_done,
  .failed = on_failed,
};

/* --- life --- */

static void
start_with_body (MrExchange *self, GBytes *body)
{
  self->http =
      mr_http_client_request (self->client, "POST", self->path, self->request_headers, body, &http_events, self);
}

static void
start_collected (MrExchange *self)
{
  g_autoptr (GBytes) body = g_byte_array_free_to_bytes (g_steal_pointer (&self->collected));

  start_with_body (self, body);
}

static void
start (MrExchange *self, const MrMessage *request, guint64 window_bytes)
{
  self->upload.window = has (self, MR_EXTENSION_FLOW_CONTROL) ? window_bytes : G_MAXINT64;
  self->body_left = (guint64) MAX (request->body_bytes, 0);
  if (request->body_bytes < 0) {
    g_autoptr (GBytes) body = g_bytes_new (request->payload.data, request->payload.length);

    start_with_body (self, body);
  } else if (self->body_left <= MR_LIMIT_STREAM_WINDOW_BYTES) {
    self->collected = g_byte_array_sized_new ((guint) self->body_left);
    if (self->body_left == 0) {
      start_collected (self);
    }
  } else {
    self->http = mr_http_client_request_streamed (self->client, "POST", self->path, self->request_headers,
                                                  self->body_left, &http_events, self);
  }
}

MrExchange *
mr_exchange_new (const MrExchangeRoute *route, const MrMessage *request, const MrExchangeEvents *events, gpointer data)
{
  MrExchange *self = g_new0 (MrExchange, 1);

  self->link = route->link;
  self->client = route->client;
  self->extensions = route->extensions;
  self->request_id = g_strdup (request->request_id);
  self->model = g_strdup (request->model);
  self->path = g_strdup (request->endpoint_path);
  self->started_us = g_get_monotonic_time ();
  self->events = events;
  self->data = data;
  self->request_headers = headers_for_backend (request->headers, route->backend_headers);
  self->upload_flush.func = on_upload_flush;
  self->wants_stream = request->is_streaming;
  self->relay_reads = TRUE;
  self->held = g_string_new (NULL);
  self->pending = g_string_new (NULL);
  self->credit = MR_CREDIT_UNLIMITED;
  if (has (self, MR_EXTENSION_FLOW_CONTROL)) {
    self->credit.available = route->window_bytes;
  }
  mr_sse_scanner_init (&self->scanner, TRUE);
  self->usage = MR_USAGE_UNKNOWN;
  mr_log (MR_LOG_INFO, "forwarding request", "request_id", request->request_id, "model", request->model, NULL);
  start (self, request, route->window_bytes);
  return self;
}

void
mr_exchange_free (MrExchange *self)
{
  if (self == NULL) {
    return;
  }
  g_clear_pointer (&self->http, mr_http_exchange_cancel);
  mr_flush_unqueue (mr_link_get_reactor (self->link), &self->upload_flush);
  mr_sse_scanner_clear (&self->scanner);
  g_clear_pointer (&self->headers, mr_headers_free);
  mr_headers_free (self->request_headers);
  g_clear_pointer (&self->collected, g_byte_array_unref);
  g_string_free (self->held, TRUE);
  g_string_free (self->pending, TRUE);
  g_free (self->path);
  g_free (self->model);
  g_free (self->request_id);
  g_free (self);
}

void
mr_exchange_cancel (MrExchange *self)
{
  g_clear_pointer (&self->http, mr_http_exchange_cancel);
  mr_exchange_refuse (self->link, self->extensions, self->request_id, MR_ERROR_CANCELLED, "cancelled");
}

gboolean
mr_exchange_take_body (MrExchange *self, MrSpan payload)
{
  if (payload.length > self->body_left || !mr_credit_window_receive (&self->upload, payload.length)) {
    return FALSE;
  }
  self->body_left -= payload.length;
  if (self->collected != NULL) {
    g_byte_array_append (self->collected, (const guint8 *) payload.data, (guint) payload.length);
    if (self->body_left == 0) {
      start_collected (self);
    }
  } else if (self->http != NULL) { /* else the backend has answered already and does not want the rest */
    mr_http_exchange_send (self->http, payload.data, payload.length);
  }
  mr_flush_queue (mr_link_get_reactor (self->link), &self->upload_flush);
  return TRUE;
}

void
mr_exchange_add_credit (MrExchange *self, guint64 bytes)
{
  mr_credit_add (&self->credit, bytes);
  if (self->pending->len > 0) {
    send_pending (self);
  }
}

void
mr_exchange_set_reading (MrExchange *self, gboolean reading)
{
  self->relay_reads = reading;
  update_reading (self);
}

MrExchangeFacts
mr_exchange_get_facts (MrExchange *self)
{
  return (MrExchangeFacts){ self->request_id, self->model, self->started_us, mr_sse_scanner_get_events (&self->scanner),
                            self->usage,      self->failed };
}

gboolean
mr_exchange_failed_to_connect (MrExchange *self)
{
  return self->unreachable;
}
