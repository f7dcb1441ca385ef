/* SPDX-License-Identifier: MIT */
/*
 * Contract F5: how the relay shuts down. The worker is played by hand; F6, the worker's own way out, is in
 * test-end-to-end.c and test-worker-life.c.
 */
#include "stage.h"

#include <signal.h>
#include <string.h>

static void
wait_closed_port (StageRelay *relay)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (mrt_stream_connects (relay->port)) {
    g_assert_cmpint (mrt_now_ms (), <, deadline);
    g_usleep (2000);
  }
}

/* What a kept-alive connection hears of the shutdown. */
static void
check_draining_health (MrtStream *kept)
{
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) health = NULL;

  mrt_client_send (kept, "GET", "/health", NULL, NULL);
  response = mrt_client_receive (kept);
  g_assert_cmpuint (response->status, ==, 503);
  health = mrt_json_parse (response->body.data->str);
  g_assert_cmpstr (mrt_json_string (health, "status"), ==, "draining");
}

static void
test_graceful (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) kept = mrt_client_open (relay->port, "GET", "/health", NULL, NULL);
  g_autoptr (MrtResponse) before = mrt_client_receive (kept);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtStream) queued = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) stream = NULL;
  g_autoptr (MrtResponse) refused = NULL;
  g_autoptr (JsonObject) goodbye = NULL;
  g_autofree char *message = NULL;
  g_autofree char *line = NULL;

  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, "data: 1\n\n");
  stream = mrt_client_receive_head (running, FALSE);
  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_process_signal (relay->process, SIGTERM);

  goodbye = mrt_websocket_expect (worker, "graceful_shutdown");
  refused = mrt_client_receive (queued);
  message = stage_check_error (refused, 503, "shutting_down");
  g_assert_nonnull (mrt_head_get (refused->head, "retry-after"));
  wait_closed_port (relay);
  check_draining_health (kept);

  mrt_worker_chunk (worker, id, "data: [DONE]\n\n");
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  stage_check_ok (stream, "data: 1\n\ndata: [DONE]\n\n");
  mrt_websocket_expect_close (worker, 1000, "graceful shutdown complete");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
  line = mrt_process_wait_log (relay->process, "graceful shutdown");
}

static void
test_refused_while_draining (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_autoptr (MrtStream) openai = mrt_client_open (relay->port, "GET", "/health", NULL, NULL);
  g_autoptr (MrtResponse) openai_before = mrt_client_receive (openai);
  g_autoptr (MrtStream) anthropic = mrt_client_open (relay->port, "GET", "/health", NULL, NULL);
  g_autoptr (MrtResponse) anthropic_before = mrt_client_receive (anthropic);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) goodbye = NULL;
  g_autoptr (MrtResponse) openai_refused = NULL;
  g_autoptr (MrtResponse) anthropic_refused = NULL;
  g_autofree char *message = NULL;

  mrt_process_signal (relay->process, SIGTERM);
  goodbye = mrt_websocket_expect (worker, "graceful_shutdown");
  mrt_client_send (openai, "POST", STAGE_CHAT, NULL, STAGE_BODY);
  openai_refused = mrt_client_receive (openai);
  message = stage_check_error (openai_refused, 503, "shutting_down");
  mrt_client_send (anthropic, "POST", "/v1/messages", NULL, STAGE_BODY);
  anthropic_refused = mrt_client_receive (anthropic);
  stage_check_anthropic_error (anthropic_refused, 503, "overloaded_error");
  mrt_worker_complete (worker, id, 200, NULL, "x");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

static void
check_idle (int signal)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) idle = mrt_stream_connect (relay->port);

  mrt_process_signal (relay->process, signal);
  mrt_websocket_expect_close (worker, 1000, "graceful shutdown complete");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

static void
test_idle (void)
{
  check_idle (SIGTERM);
  check_idle (SIGINT);
}

static void
test_deadline (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--drain-timeout", "0.5", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) streamed = stage_post (relay, STAGE_STREAM);
  g_autofree char *streamed_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) plain = stage_post (relay, STAGE_BODY);
  g_autofree char *plain_id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) stream = NULL;
  g_autoptr (MrtResponse) refused = NULL;
  gint64 since;

  mrt_worker_start (worker, streamed_id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, streamed_id, "data: 1\n\n");
  stream = mrt_client_receive_head (streamed, FALSE);
  since = mrt_now_ms ();
  mrt_process_signal (relay->process, SIGTERM);
  g_assert_cmpint (mrt_body_finish (&stream->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  g_assert_cmpint (mrt_now_ms () - since, >=, 400);
  g_assert_cmpint (mrt_now_ms () - since, <=, 1000);
  g_assert_nonnull (strstr (stream->body.data->str, "data: {\"error\":{"));
  refused = mrt_client_receive (plain);
  g_assert_cmpuint (refused->status, ==, 503);
  mrt_websocket_expect_close (worker, 1000, "graceful shutdown timed out");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), >=, 0);
}

static void
check_second_signal (int second)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) goodbye = NULL;

  mrt_process_signal (relay->process, SIGTERM);
  goodbye = mrt_websocket_expect (worker, "graceful_shutdown");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_QUIET_MS), ==, -1);
  mrt_process_signal (relay->process, second);
  g_assert_cmpint (mrt_process_wait_exit (relay->process, 1000), >=, 0);
}

static void
test_second_signal (void)
{
  check_second_signal (SIGTERM);
  check_second_signal (SIGINT);
}

/* The same for an answer that has not begun, from an original worker. */
static void
test_running_plain_finishes (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_join_original (relay->port, STAGE_SECRET, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) goodbye = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_process_signal (relay->process, SIGTERM);
  goodbye = mrt_websocket_expect (worker, "graceful_shutdown");
  mrt_worker_complete (worker, id, 200, NULL, "finished");
  response = mrt_client_receive (running);
  stage_check_ok (response, "finished");
  mrt_websocket_expect_close (worker, 1000, "graceful shutdown complete");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

/* A worker lost while draining: its request has nowhere to go. */
static void
test_worker_lost_while_draining (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) goodbye = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_process_signal (relay->process, SIGTERM);
  goodbye = mrt_websocket_expect (worker, "graceful_shutdown");
  mrt_stream_reset (worker->stream);
  response = mrt_client_receive (running);
  g_assert_cmpuint (response->status, ==, 503);
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/F5/graceful", test_graceful);
  g_test_add_func ("/contract/F5/refused-while-draining", test_refused_while_draining);
  g_test_add_func ("/contract/F5/idle", test_idle);
  g_test_add_func ("/contract/F5/running-request-finishes", test_running_plain_finishes);
  g_test_add_func ("/contract/F5/worker-lost-while-draining", test_worker_lost_while_draining);
  g_test_add_func ("/contract/F5/deadline", test_deadline);
  g_test_add_func ("/contract/F5/second-signal", test_second_signal);
  return g_test_run ();
}
