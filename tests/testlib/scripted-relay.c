/* SPDX-License-Identifier: MIT */
/*
 * The relay of scripted-relay.h.
 */
#include "scripted-relay.h"

#include <unistd.h>

MrtRelay *
mrt_relay_new (void)
{
  MrtRelay *relay = g_new0 (MrtRelay, 1);

  relay->fd = mrt_listen (&relay->port);
  return relay;
}

void
mrt_relay_free (MrtRelay *relay)
{
  if (relay == NULL)
    return;
  close (relay->fd);
  g_free (relay);
}

MrtWebsocket *
mrt_relay_accept (MrtRelay *relay, int timeout_ms)
{
  MrtStream *stream = mrt_accept (relay->fd, timeout_ms);
  g_autofree char *text = NULL;
  g_autofree char *accept = NULL;
  g_autofree char *answer = NULL;
  MrtHead *head;

  if (stream == NULL)
    return NULL;
  text = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);
  g_assert_nonnull (text);
  head = mrt_head_parse (text);
  g_assert_true (g_str_has_prefix (head->line, "GET /v1/worker/connect?provider="));
  g_assert_nonnull (mrt_head_get (head, "sec-websocket-key"));
  accept = mrt_websocket_accept_key (mrt_head_get (head, "sec-websocket-key"));
  answer = g_strdup_printf ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
  mrt_stream_write_text (stream, answer);
  return mrt_websocket_new (stream, head, FALSE);
}

MrtWebsocket *
mrt_relay_welcome (MrtRelay *relay, const char *extensions)
{
  MrtWebsocket *link = mrt_relay_accept (relay, MRT_WAIT_MS);
  g_autoptr (JsonObject) registration = NULL;
  g_autofree char *models = NULL;

  if (link == NULL)
    g_error ("no worker connected");
  registration = mrt_websocket_expect (link, "register");
  g_assert_true (mrt_json_has (registration, "models"));
  models = json_to_string (mrt_json_get (registration, "models"), FALSE);
  mrt_websocket_send (link,
                      "{\"type\":\"register_ack\",\"worker_id\":\"w-1\",\"models\":%s,"
                      "\"protocol_version\":\"2026-04-bridge-v1\"%s%s}",
                      models, extensions != NULL ? ",\"extensions\":" : "", extensions != NULL ? extensions : "");
  return link;
}

void
mrt_relay_request (MrtWebsocket *link, const char *request_id, const char *path, gboolean streaming,
                   const char *headers, const char *body)
{
  g_autofree char *quoted = mrt_json_quote (body, -1);

  mrt_websocket_send (link,
                      "{\"type\":\"request\",\"request_id\":\"%s\",\"model\":\"m\",\"endpoint_path\":\"%s\","
                      "\"is_streaming\":%s,\"body\":%s%s%s}",
                      request_id, path, streaming ? "true" : "false", quoted, headers != NULL ? ",\"headers\":" : "",
                      headers != NULL ? headers : "");
}
