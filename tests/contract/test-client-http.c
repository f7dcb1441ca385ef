/* SPDX-License-Identifier: MIT */
/*
 * Contract A7: HTTP as RFC 9112 says, and heads that try to smuggle a second request past somebody.
 */
#include "stage.h"

#include <string.h>

static void
test_head (void)
{
  static const char *const targets[] = { "/health", "/v1/models", "/v1/models/m" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (MrtResponse) head = NULL;
    g_autoptr (MrtResponse) get = NULL;

    mrt_client_send (client, "HEAD", targets[i], NULL, NULL);
    head = mrt_client_receive_head (client, TRUE);
    /* A body would be taken for the head of the next answer. */
    mrt_client_send (client, "GET", targets[i], NULL, NULL);
    get = mrt_client_receive (client);
    g_assert_cmpuint (head->status, ==, 200);
    g_assert_cmpuint (get->status, ==, 200);
    g_assert_cmpstr (mrt_head_get (head->head, "content-type"), ==, mrt_head_get (get->head, "content-type"));
  }
}

static void
test_keep_alive (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);

  for (guint i = 0; i < 20; i++) {
    g_autoptr (MrtResponse) response = NULL;
    g_autofree char *id = NULL;

    mrt_client_send (client, "POST", STAGE_CHAT, NULL, i % 2 == 0 ? STAGE_BODY : STAGE_STREAM);
    id = mrt_worker_take (worker);
    if (i % 2 == 1) {
      mrt_worker_start (worker, id, 200, STAGE_SSE);
      mrt_worker_chunk (worker, id, "answer");
    }
    mrt_worker_complete (worker, id, 200, NULL, i % 2 == 0 ? "answer" : NULL);
    response = mrt_client_receive (client);
    stage_check_ok (response, "answer");
  }
}

static void
test_connection_close (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "GET", "/health", "Connection: close\r\n", NULL);
  g_autoptr (MrtResponse) response = mrt_client_receive (client);

  g_assert_cmpuint (response->status, ==, 200);
  g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
}

static void
test_pipelined (void)
{
  static const char post[] = "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}";
  static const char get[] = "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *all = g_strconcat (post, get, post, get, NULL);

  mrt_stream_write_text (client, all);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *answer = g_strdup_printf ("answer %u", i);
    g_autoptr (MrtResponse) response = NULL;
    g_autoptr (MrtResponse) models = NULL;

    stage_serve (worker, answer);
    response = mrt_client_receive (client);
    stage_check_ok (response, answer);
    models = mrt_client_receive (client);
    g_assert_nonnull (strstr (models->body.data->str, "\"list\""));
  }
}

static void
test_many_pipelined (void)
{
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (all, "POST /v1/x HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-%u\r\nContent-Length: 2\r\n\r\n{}",
                            i);
  mrt_stream_write (client, all->str, all->len);
  for (guint i = 0; i < 200; i++) {
    g_autoptr (MrtResponse) response = mrt_client_receive (client);
    g_autofree char *id = g_strdup_printf ("id-%u", i);

    g_assert_cmpuint (response->status, ==, 400);
    g_assert_cmpstr (mrt_head_get (response->head, "x-request-id"), ==, id);
  }
}

static void
test_http_1_0 (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *request = g_strdup_printf ("POST " STAGE_CHAT " HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s",
                                              strlen (STAGE_STREAM), STAGE_STREAM);
  g_autofree char *id = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, request);
  id = mrt_worker_take (worker);
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, "data: 1\n\n");
  response = mrt_client_receive_head (client, FALSE);
  g_assert_null (mrt_head_get (response->head, "transfer-encoding"));
  mrt_body_wait_text (&response->body, "data: 1\n\n");
  mrt_worker_chunk (worker, id, "data: [DONE]\n\n");
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  stage_check_ok (response, "data: 1\n\ndata: [DONE]\n\n");
}

static void
test_http_1_0_keep_alive (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "GET /health HTTP/1.0\r\n\r\n");
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
}

static void
test_chunked_request (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *id = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "5;ext=1\r\n{\"mod\r\n");
  mrt_stream_write_text (client, "A\r\nel\":\"m\",\"x\r\n5\r\n\":1 }\r\n0\r\nX-Trailer: 1\r\n\r\n");
  id = stage_expect_body (worker, "{\"model\":\"m\",\"x\":1 }");
  mrt_worker_complete (worker, id, 200, NULL, "got it");
  response = mrt_client_receive (client);
  stage_check_ok (response, "got it");
}

static void
test_slow_fragments (void)
{
  static const char request[] =
      "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *id = NULL;

  for (gsize i = 0; i < strlen (request); i++)
    mrt_stream_write (client, request + i, 1);
  id = stage_expect_body (worker, "{\"model\":\"m\"}");
}

static void
test_expect_continue (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) interim = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                                 "Content-Length: 13\r\n\r\n");
  interim = mrt_client_receive_head (client, FALSE);
  g_assert_cmpuint (interim->status, ==, 100);
  mrt_stream_write_text (client, "{\"model\":\"m\"}");
  stage_serve (worker, "continued");
  response = mrt_client_receive (client);
  stage_check_ok (response, "continued");
}

/* Clients that try a WebSocket on an inference path fall back on a 404. */
static void
test_upgrade_refused (void)
{
  static const char *const targets[] = { "/v1/responses", "/v1/chat/completions" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (MrtResponse) response =
        mrt_client_ask (relay->port, "GET", targets[i],
                        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                        NULL);

    g_assert_cmpuint (response->status, ==, 404);
  }
}

static void
test_empty_lines_before_request (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
}

/* Each is refused with 400 and the connection closed: what follows must not be answered as a request of its own. */
static void
test_smuggling (void)
{
  static const char *const fields[] = {
    "Content-Length: 13\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 13\r\n",
    "Content-Length: 13\r\nContent-Length: 14\r\n",
    "Content-Length: 13, 14\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: +13\r\n",
    "Content-Length: 0x0d\r\n",
    "Content-Length: 13a\r\n",
    "Content-Length: 99999999999999999999999\r\n",
    "Content-Length:\r\n",
    "X-Folded: a\r\n b\r\nContent-Length: 13\r\n",
    "Content-Length : 13\r\n",
    " Content-Length: 13\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "NoColon\r\nContent-Length: 13\r\n",
    "Bad Name: x\r\nContent-Length: 13\r\n",
  };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
    g_autofree char *text = g_strdup_printf ("POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\n%s\r\n{\"model\":\"m\"}"
                                             "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
                                             fields[i]);
    g_autoptr (MrtResponse) response = NULL;

    g_test_message ("%s", fields[i]);
    mrt_stream_write_text (client, text);
    response = mrt_client_receive (client);
    if (response->status != 400 && response->status != 501 && response->status != 413)
      g_error ("status %u for %s", response->status, fields[i]);
    g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
    if (strstr (client->in->str, "HTTP/1.1") != NULL)
      g_error ("a second answer came after %s", fields[i]);
  }
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

/* A broken chunk size ends the connection: what follows is not a request. */
static void
test_bad_chunks (void)
{
  static const char *const bodies[] = { "zz\r\n{\"model\":\"m\"}\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n",
                                        "5\r\n{}\r\n0\r\n\r\n" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
    g_autofree char *text = g_strdup_printf ("POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                                             "\r\n\r\n%sGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
                                             bodies[i]);

    mrt_stream_write_text (client, text);
    mrt_stream_half_close (client);
    g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
    g_assert_null (strstr (client->in->str, "HTTP/1.1 200"));
  }
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

static void
test_not_http (void)
{
  static const char *const texts[] = { "hello\r\n\r\n", "GET\r\n\r\n", "GET / FTP/1.0\r\n\r\n",
                                       "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);

    mrt_stream_write_text (client, texts[i]);
    g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
    g_assert_null (strstr (client->in->str, " 200 "));
  }
}

/* RFC 9112 3.2: a request of HTTP/1.1 without Host is refused. */
static void
test_no_host (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "GET /health HTTP/1.1\r\n\r\n");
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 400);
}

/* Connections come and go without a trace. */
static void
test_no_fd_leak (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  guint before;

  stage_wait_health (relay, "queue_depth", 0, MRT_WAIT_MS);
  before = mrt_process_count_fds (relay->process);
  for (guint i = 0; i < 100; i++) {
    g_autoptr (MrtStream) client = mrt_client_open (relay->port, "GET", "/health", NULL, NULL);

    if (i % 4 == 0) {
      g_autoptr (MrtResponse) response = mrt_client_receive (client);
    } else if (i % 4 == 1) {
      mrt_stream_reset (client);
    } else if (i % 4 == 2) {
      mrt_stream_write_text (client, "POST /v1/x HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    }
  }
  /* Connections are accepted in their order: with this answer all of them were. */
  stage_wait_health (relay, "queue_depth", 0, MRT_WAIT_MS);
  while (mrt_process_count_fds (relay->process) > before) {
    g_assert_cmpint (mrt_now_ms (), <, deadline);
    g_usleep (5000);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A7/head", test_head);
  g_test_add_func ("/contract/A7/keep-alive", test_keep_alive);
  g_test_add_func ("/contract/A7/connection-close", test_connection_close);
  g_test_add_func ("/contract/A7/pipelined", test_pipelined);
  g_test_add_func ("/contract/A7/many-pipelined", test_many_pipelined);
  g_test_add_func ("/contract/A7/http-1.0", test_http_1_0);
  g_test_add_func ("/contract/A7/http-1.0-closes", test_http_1_0_keep_alive);
  g_test_add_func ("/contract/A7/chunked-request", test_chunked_request);
  g_test_add_func ("/contract/A7/one-byte-fragments", test_slow_fragments);
  g_test_add_func ("/contract/A7/expect-continue", test_expect_continue);
  g_test_add_func ("/contract/A7/upgrade-refused", test_upgrade_refused);
  g_test_add_func ("/contract/A7/empty-line-first", test_empty_lines_before_request);
  g_test_add_func ("/contract/A7/smuggling", test_smuggling);
  g_test_add_func ("/contract/A7/bad-chunks", test_bad_chunks);
  g_test_add_func ("/contract/A7/not-http", test_not_http);
  g_test_add_func ("/contract/A7/no-host", test_no_host);
  g_test_add_func ("/contract/A7/no-descriptor-leak", test_no_fd_leak);
  return g_test_run ();
}
