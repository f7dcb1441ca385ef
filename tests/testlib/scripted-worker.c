/* SPDX-License-Identifier: MIT */
/*
 * The worker of scripted-worker.h.
 */
#include "scripted-worker.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

MrtWebsocket *
mrt_worker_connect (guint16 port, const char *target, const char *headers)
{
  MrtStream *stream = mrt_stream_connect (port);
  g_autofree char *request =
      g_strdup_printf ("GET %s HTTP/1.1\r\nHost: relay.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n%s\r\n",
                       target, headers != NULL ? headers : "");
  g_autofree char *answer = NULL;
  g_autofree char *accept = mrt_websocket_accept_key (KEY);
  MrtHead *head;

  mrt_stream_write_text (stream, request);
  answer = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);
  g_assert_nonnull (answer);
  head = mrt_head_parse (answer);
  if (!g_str_has_prefix (head->line, "HTTP/1.1 101 "))
    g_error ("the upgrade was refused: %s", answer);
  g_assert_cmpstr (mrt_head_get (head, "sec-websocket-accept"), ==, accept);
  g_assert_null (mrt_head_get (head, "sec-websocket-extensions"));
  return mrt_websocket_new (stream, head, TRUE);
}

MrtWebsocket *
mrt_worker_connect_secret (guint16 port, const char *secret)
{
  g_autofree char *headers = g_strdup_printf ("X-Worker-Secret: %s\r\n", secret);

  return mrt_worker_connect (port, "/v1/worker/connect?provider=local", headers);
}

static MrtWebsocket *
join (guint16 port, const char *secret, const char *name, const char *models, guint max_concurrent, const char *more)
{
  MrtWebsocket *worker = mrt_worker_connect_secret (port, secret);
  g_autoptr (JsonObject) ack = NULL;

  mrt_websocket_send (worker, "{\"type\":\"register\",\"worker_name\":\"%s\",\"models\":%s,\"max_concurrent\":%u%s}",
                      name, models, max_concurrent, more);
  ack = mrt_websocket_expect (worker, "register_ack");
  g_assert_nonnull (mrt_json_string (ack, "worker_id"));
  return worker;
}

MrtWebsocket *
mrt_worker_join (guint16 port, const char *secret, const char *name, const char *models, guint max_concurrent)
{
  return join (port, secret, name, models, max_concurrent,
               ",\"protocol_version\":\"2026-04-bridge-v1\",\"extensions\":[\"request_errors\",\"response_start\"]");
}

MrtWebsocket *
mrt_worker_join_original (guint16 port, const char *secret, const char *name, const char *models, guint max_concurrent)
{
  return join (port, secret, name, models, max_concurrent, ",\"protocol_version\":\"2026-04-bridge-v1\"");
}

char *
mrt_worker_take (MrtWebsocket *worker)
{
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");

  return g_strdup (mrt_json_string (request, "request_id"));
}

void
mrt_worker_start (MrtWebsocket *worker, const char *request_id, guint status, const char *headers)
{
  mrt_websocket_send (worker, "{\"type\":\"response_start\",\"request_id\":\"%s\",\"status_code\":%u,\"headers\":%s}",
                      request_id, status, headers);
}

void
mrt_worker_chunk (MrtWebsocket *worker, const char *request_id, const char *chunk)
{
  g_autofree char *quoted = mrt_json_quote (chunk, -1);

  mrt_websocket_send (worker, "{\"type\":\"response_chunk\",\"request_id\":\"%s\",\"chunk\":%s}", request_id, quoted);
}

void
mrt_worker_complete (MrtWebsocket *worker, const char *request_id, guint status, const char *headers, const char *body)
{
  g_autofree char *quoted = body != NULL ? mrt_json_quote (body, -1) : NULL;

  mrt_websocket_send (worker, "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":%u%s%s%s%s}",
                      request_id, status, headers != NULL ? ",\"headers\":" : "", headers != NULL ? headers : "",
                      body != NULL ? ",\"body\":" : "", body != NULL ? quoted : "");
}

void
mrt_worker_fail (MrtWebsocket *worker, const char *request_id, const char *code)
{
  mrt_websocket_send (worker,
                      "{\"type\":\"error\",\"request_id\":\"%s\",\"code\":\"%s\",\"message\":\"scripted failure\"}",
                      request_id, code);
}
