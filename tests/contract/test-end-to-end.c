/* SPDX-License-Identifier: MIT */
/*
 * The whole way: client, our relay, our worker, backend. Byte-exact passing, leaving clients, killed workers.
 */
#include "stage.h"

#include <signal.h>
#include <string.h>

/* A relay with one worker and its backend. */
typedef struct {
  StageRelay *relay;
  MrtBackend *backend;
  MrtProcess *worker;
} Chain;

static void
chain_clear (Chain *chain)
{
  mrt_process_free (chain->worker);
  mrt_backend_free (chain->backend);
  stage_relay_free (chain->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

static void
chain_open (Chain *chain, const char *concurrency)
{
  chain->relay = stage_relay (NULL);
  chain->backend = mrt_backend_new ();
  chain->worker =
      stage_worker (chain->relay->port, mrt_backend_get_port (chain->backend), "--max-concurrency", concurrency, NULL);
  stage_wait_health (chain->relay, "workers_connected", 1, MRT_WAIT_MS);
}

static void
test_answers (void)
{
  static const guint statuses[] = { 200, 201, 400, 401, 404, 422, 429, 500, 503 };
  static const char body[] = "{\"a\" : \"\xf0\x9f\x98\x80\", \"n\":1e400}\r\n";
  g_auto (Chain) chain = { 0 };

  chain_open (&chain, "1");
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autoptr (MrtStream) client = mrt_client_open (chain.relay->port, "POST", "/v1/messages?beta=true",
                                                    "Authorization: Bearer of-the-client\r\nX-Conversation-Id: 1\r\n",
                                                    i % 2 ? STAGE_STREAM : STAGE_BODY);
    g_autoptr (MrtBackendRequest) request = mrt_backend_accept (chain.backend);
    g_autoptr (MrtResponse) response = NULL;

    g_assert_cmpstr (request->target, ==, "/v1/messages?beta=true");
    g_assert_cmpstr (request->body->str, ==, i % 2 ? STAGE_STREAM : STAGE_BODY);
    g_assert_cmpstr (mrt_head_get (request->head, "authorization"), ==, "Bearer of-the-client");
    g_assert_null (mrt_head_get (request->head, "x-conversation-id"));
    mrt_backend_answer (request, statuses[i],
                        "Content-Type: application/json; charset=utf-8\r\nX-Backend: a\r\nX-Backend: b\r\n"
                        "Retry-After: 3\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
                        body);
    response = mrt_client_receive (client);
    g_assert_cmpuint (response->status, ==, statuses[i]);
    g_assert_cmpstr (response->body.data->str, ==, body);
    g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
    g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "application/json; charset=utf-8");
    g_assert_cmpstr (mrt_head_get (response->head, "x-backend"), ==, "a, b");
    g_assert_cmpstr (mrt_head_get (response->head, "retry-after"), ==, "3");
    g_assert_cmpstr (mrt_head_get (response->head, "keep-alive"), !=, "timeout=5");
  }
}

/* The three framings of a backend's answer. */
static void
test_framings (void)
{
  static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
  };
  g_auto (Chain) chain = { 0 };

  chain_open (&chain, "1");
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autoptr (MrtStream) client = stage_post (chain.relay, STAGE_BODY);
    g_autoptr (MrtBackendRequest) request = mrt_backend_accept (chain.backend);
    g_autoptr (MrtResponse) response = NULL;

    mrt_backend_write (request, answers[i]);
    mrt_stream_half_close (request->stream);
    response = mrt_client_receive (client);
    stage_check_ok (response, "hello");
  }
}

static void
test_stream_fragments (void)
{
  static const char text[] = ": comment\r\n\r\nevent: x\r\ndata: \xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9\r\n\r\n"
                             "data: 1\ndata: 2\n\n\n\nid: 1\rdata: cr\r\rdata: {\"a\":\"\\u20ac\"}\n\ndata: [DONE]";
  g_auto (Chain) chain = { 0 };

  chain_open (&chain, "1");
  /* Every length of fragments from one byte up, so that each cut is made. */
  for (gsize size = 1; size < 12; size++) {
    g_autoptr (MrtStream) client = stage_post (chain.relay, STAGE_STREAM);
    g_autoptr (MrtBackendRequest) request = mrt_backend_accept (chain.backend);
    g_autoptr (MrtResponse) response = NULL;

    mrt_backend_sse_head (request);
    for (gsize at = 0; at < strlen (text); at += size)
      mrt_backend_chunk (request, text + at, MIN (size, strlen (text) - at));
    mrt_backend_end (request);
    response = mrt_client_receive (client);
    stage_check_ok (response, text);
  }
}

/* Each character is cut in two, and its second half is sent only after the client has the text before it. */
static void
test_cut_character (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: a\xf0\x9f");
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, "data: a");
  mrt_backend_event (request, "\x98\x80");
  mrt_body_wait_text (&response->body, "\xf0\x9f\x98\x80");
  mrt_backend_event (request, "\n\n");
  mrt_backend_end (request);
  stage_check_ok (response, "data: a\xf0\x9f\x98\x80\n\n");
}

static void
test_huge_event (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GString) event = g_string_new ("data: \"");
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  for (guint i = 0; event->len < 4 * 1024 * 1024; i++)
    g_string_append_printf (event, "%u \xe2\x82\xac\\n\\\"", i);
  g_string_append (event, "\"\r\n\r\n");
  mrt_backend_sse_head (request);
  mrt_backend_chunk (request, event->str, event->len);
  mrt_backend_end (request);
  response = mrt_client_receive (client);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
  g_assert_true (strcmp (response->body.data->str, event->str) == 0);
}

static void
test_flushed_at_once (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;
  gsize total = 0;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  mrt_backend_sse_head (request);
  response = mrt_client_receive_head (client, FALSE);
  for (guint i = 0; i < 50; i++) {
    g_autofree char *event = g_strdup_printf ("data: %u\n\n", i);

    mrt_backend_event (request, event);
    total += strlen (event);
    g_assert_true (mrt_body_wait (&response->body, total, 1000));
  }
  mrt_backend_end (request);
  g_assert_cmpint (mrt_body_finish (&response->body, MRT_WAIT_MS), ==, MRT_BODY_COMPLETE);
}

static void
check_gone (gboolean streaming, gboolean begun, gboolean reset)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (MrtStream) next = NULL;
  g_autoptr (MrtBackendRequest) next_request = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, streaming ? STAGE_STREAM : STAGE_BODY);
  request = mrt_backend_accept (chain.backend);
  if (begun) {
    mrt_backend_sse_head (request);
    mrt_backend_event (request, "data: 1\n\n");
    response = mrt_client_receive_head (client, FALSE);
    mrt_body_wait_text (&response->body, "data: 1");
  }
  if (reset)
    mrt_stream_reset (client);
  else
    mrt_stream_half_close (client);
  g_assert_true (mrt_backend_wait_gone (request, 100));
  /* The slot is free at once: no grace has to pass. */
  next = stage_post (chain.relay, STAGE_BODY);
  next_request = mrt_backend_accept (chain.backend);
}

static void
test_gone (void)
{
  check_gone (FALSE, FALSE, TRUE);
  check_gone (FALSE, FALSE, FALSE);
  check_gone (TRUE, FALSE, TRUE);
  check_gone (TRUE, FALSE, FALSE);
  check_gone (TRUE, TRUE, TRUE);
  check_gone (TRUE, TRUE, FALSE);
}

static void
test_gone_while_queued (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) running = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtStream) queued = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  running = stage_post (chain.relay, STAGE_BODY);
  request = mrt_backend_accept (chain.backend);
  queued = stage_post (chain.relay, STAGE_BODY);
  stage_wait_health (chain.relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_stream_reset (queued);
  stage_wait_health (chain.relay, "queue_depth", 0, 100);
  mrt_backend_answer (request, 200, NULL, "finished");
  response = mrt_client_receive (running);
  stage_check_ok (response, "finished");
  g_assert_true (mrt_backend_is_quiet (chain.backend, MRT_QUIET_MS));
}

static void
test_killed_before_first_byte (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtBackend) second_backend = mrt_backend_new ();
  g_autoptr (MrtProcess) second = NULL;
  g_autoptr (MrtBackendRequest) again = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  second = stage_worker (chain.relay->port, mrt_backend_get_port (second_backend), "--worker-name", "second", NULL);
  stage_wait_health (chain.relay, "workers_connected", 2, MRT_WAIT_MS);
  mrt_process_signal (chain.worker, SIGKILL);
  again = mrt_backend_accept (second_backend);
  g_assert_cmpstr (again->body->str, ==, STAGE_STREAM);
  mrt_backend_sse_head (again);
  mrt_backend_event (again, "data: [DONE]\n\n");
  mrt_backend_end (again);
  response = mrt_client_receive (client);
  stage_check_ok (response, "data: [DONE]\n\n");
  g_assert_cmpstr (mrt_head_get (response->head, "x-modelrelay-worker"), ==, "second");
}

/* Checks the end of a stream that broke after "data: 1": error event, no [DONE], an aborted body. */
static void
check_broken_stream (MrtResponse *response)
{
  g_assert_cmpint (mrt_body_finish (&response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  g_assert_true (g_str_has_prefix (response->body.data->str, "data: 1\n\ndata: {\"error\":{"));
  g_assert_null (strstr (response->body.data->str, "[DONE]"));
}

static void
test_killed_after_first_byte (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtBackend) second_backend = mrt_backend_new ();
  g_autoptr (MrtProcess) second = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  second = stage_worker (chain.relay->port, mrt_backend_get_port (second_backend), NULL);
  stage_wait_health (chain.relay, "workers_connected", 2, MRT_WAIT_MS);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: 1\n\n");
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, "data: 1\n\n");
  mrt_process_signal (chain.worker, SIGKILL);
  check_broken_stream (response);
  g_assert_true (mrt_backend_is_quiet (second_backend, MRT_QUIET_MS));
}

static void
test_backend_dies_in_stream (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_STREAM);
  request = mrt_backend_accept (chain.backend);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: 1\n\n");
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, "data: 1\n\n");
  mrt_stream_reset (request->stream);
  check_broken_stream (response);
}

static void
test_backend_dies_before (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;
  g_autoptr (MrtStream) next = NULL;
  g_autoptr (MrtBackendRequest) next_request = NULL;
  g_autoptr (MrtResponse) next_response = NULL;

  chain_open (&chain, "1");
  client = stage_post (chain.relay, STAGE_BODY);
  request = mrt_backend_accept (chain.backend);
  mrt_stream_reset (request->stream);
  response = mrt_client_receive (client);
  message = stage_check_error (response, 502, "backend_error");
  next = stage_post (chain.relay, STAGE_BODY);
  next_request = mrt_backend_accept (chain.backend);
  mrt_backend_answer (next_request, 200, NULL, "next");
  next_response = mrt_client_receive (next);
  stage_check_ok (next_response, "next");
}

/* SIGTERM to a worker while it streams, while it computes, and while more requests come: nothing is lost. */
static void
test_worker_drains (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (MrtBackend) second_backend = mrt_backend_new ();
  g_autoptr (MrtProcess) second = NULL;
  g_autoptr (MrtStream) streamed = NULL;
  g_autoptr (MrtStream) plain = NULL;
  g_autoptr (MrtStream) later = NULL;
  g_autoptr (MrtBackendRequest) streamed_request = NULL;
  g_autoptr (MrtBackendRequest) plain_request = NULL;
  g_autoptr (MrtBackendRequest) later_request = NULL;
  g_autoptr (MrtResponse) stream = NULL;
  g_autoptr (MrtResponse) plain_response = NULL;
  g_autoptr (MrtResponse) later_response = NULL;

  chain_open (&chain, "2");
  streamed = stage_post (chain.relay, STAGE_STREAM);
  streamed_request = mrt_backend_accept (chain.backend);
  mrt_backend_sse_head (streamed_request);
  stream = mrt_client_receive_head (streamed, FALSE);
  plain = stage_post (chain.relay, STAGE_BODY);
  plain_request = mrt_backend_accept (chain.backend);
  later = stage_post (chain.relay, STAGE_BODY);
  stage_wait_health (chain.relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_process_signal (chain.worker, SIGTERM);
  second = stage_worker (chain.relay->port, mrt_backend_get_port (second_backend), NULL);
  later_request = mrt_backend_accept (second_backend);
  mrt_backend_answer (later_request, 200, NULL, "later");
  later_response = mrt_client_receive (later);
  stage_check_ok (later_response, "later");
  mrt_backend_answer (plain_request, 200, NULL, "plain");
  plain_response = mrt_client_receive (plain);
  stage_check_ok (plain_response, "plain");
  mrt_backend_event (streamed_request, "data: [DONE]\n\n");
  mrt_backend_end (streamed_request);
  stage_check_ok (stream, "data: [DONE]\n\n");
  g_assert_cmpint (mrt_process_wait_exit (chain.worker, MRT_WAIT_MS), ==, 0);
}

/* In the middle of two streams; another relay on the same port: the worker is there within 3 s, and its backend is told
 * that the streams are over. */
static void
test_relay_killed (void)
{
  g_auto (Chain) chain = { 0 };
  g_autofree char *listen = NULL;
  const char *argv[] = { stage_server_path (), "--listen", NULL, NULL };
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  MrtStream *streams[2];
  MrtBackendRequest *running[2];
  MrtResponse *answers[2];
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  chain_open (&chain, "2");
  listen = g_strdup_printf ("127.0.0.1:%u", chain.relay->port);
  argv[2] = listen;
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    streams[i] = stage_post (chain.relay, STAGE_STREAM);
    running[i] = mrt_backend_accept (chain.backend);
    mrt_backend_sse_head (running[i]);
    mrt_backend_event (running[i], "data: 1\n\n");
    answers[i] = mrt_client_receive_head (streams[i], FALSE);
  }
  mrt_process_signal (chain.relay->process, SIGKILL);
  mrt_process_free (chain.relay->process);
  chain.relay->process = mrt_process_start (argv, env);
  g_free (mrt_process_wait_log (chain.relay->process, "listening"));
  stage_wait_health (chain.relay, "workers_connected", 1, 3000);
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    mrt_body_finish (&answers[i]->body, MRT_WAIT_MS);
    g_assert_cmpint (answers[i]->body.state, !=, MRT_BODY_COMPLETE);
    g_assert_true (mrt_backend_wait_gone (running[i], MRT_WAIT_MS));
    mrt_response_free (answers[i]);
    mrt_stream_free (streams[i]);
    mrt_backend_request_free (running[i]);
  }
  client = stage_post (chain.relay, STAGE_BODY);
  request = mrt_backend_accept (chain.backend);
  mrt_backend_answer (request, 200, NULL, "back again");
  response = mrt_client_receive (client);
  stage_check_ok (response, "back again");
}

/* Many at once over four slots: each gets its own answer. */
static void
test_concurrent (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);

  chain_open (&chain, "4");
  for (guint i = 0; i < 40; i++) {
    g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"n\":%u}", i);

    g_ptr_array_add (clients, stage_post (chain.relay, body));
  }
  for (guint i = 0; i < 40; i++) {
    g_autoptr (MrtBackendRequest) request = mrt_backend_accept (chain.backend);

    mrt_backend_answer (request, 200, NULL, request->body->str);
  }
  for (guint i = 0; i < 40; i++) {
    g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"n\":%u}", i);
    g_autoptr (MrtResponse) response = mrt_client_receive (clients->pdata[i]);

    stage_check_ok (response, body);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A4/whole-way", test_answers);
  g_test_add_func ("/contract/A4/framings", test_framings);
  g_test_add_func ("/contract/D1/flushed-at-once", test_flushed_at_once);
  g_test_add_func ("/contract/D7/fragments", test_stream_fragments);
  g_test_add_func ("/contract/D7/cut-character", test_cut_character);
  g_test_add_func ("/contract/D7/whole-way-event-of-4-mib", test_huge_event);
  g_test_add_func ("/contract/E2/backend-closed-within-100-ms", test_gone);
  g_test_add_func ("/contract/E2/gone-while-queued", test_gone_while_queued);
  g_test_add_func ("/contract/F1/killed-before-first-byte", test_killed_before_first_byte);
  g_test_add_func ("/contract/F2/killed-after-first-byte", test_killed_after_first_byte);
  g_test_add_func ("/contract/F3/backend-dies-before-first-byte", test_backend_dies_before);
  g_test_add_func ("/contract/D4/backend-dies-in-stream", test_backend_dies_in_stream);
  g_test_add_func ("/contract/F6/worker-drains", test_worker_drains);
  g_test_add_func ("/contract/F7/relay-killed", test_relay_killed);
  g_test_add_func ("/contract/C1/concurrent", test_concurrent);
  return g_test_run ();
}
