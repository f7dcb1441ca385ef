/* SPDX-License-Identifier: MIT */
/*
 * Contract E1 to E4: clients that go away, and requests that take too long. The worker is played by hand; the way to
 * the backend is in test-end-to-end.c.
 */
#include "stage.h"

#include <string.h>

typedef void (*Leave) (MrtStream *client);

static void
leave_with_fin (MrtStream *client)
{
  /* The descriptor stays valid for the stream's own cleanup. */
  mrt_stream_half_close (client);
}

static const struct {
  const char *name;
  Leave leave;
} ways[] = { { "reset", mrt_stream_reset }, { "half-close", leave_with_fin } };

/* Takes a cancel for @id, which must come within 100 ms of @since and carry this reason. */
static void
expect_cancel (MrtWebsocket *worker, const char *id, const char *reason, gint64 since)
{
  g_autoptr (JsonObject) cancel = mrt_websocket_expect (worker, "cancel");
  gint64 took = mrt_now_ms () - since;

  g_assert_cmpstr (mrt_json_string (cancel, "request_id"), ==, id);
  g_assert_cmpstr (mrt_json_string (cancel, "reason"), ==, reason);
  g_assert_cmpint (took, <=, 100);
}

static void
test_gone_while_queued (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autoptr (MrtStream) client = stage_post (relay, i == 0 ? STAGE_BODY : STAGE_STREAM);

    stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
    ways[i].leave (client);
    stage_wait_health (relay, "queue_depth", 0, 100);
  }
  worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

static void
test_gone_before_first_byte (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < 2 * G_N_ELEMENTS (ways); i++) {
    g_autoptr (MrtStream) client = stage_post (relay, i % 2 == 0 ? STAGE_BODY : STAGE_STREAM);
    g_autofree char *id = mrt_worker_take (worker);
    gint64 since = mrt_now_ms ();

    ways[i / 2].leave (client);
    expect_cancel (worker, id, "client_disconnect", since);
    mrt_worker_fail (worker, id, "cancelled");
  }
}

static void
test_gone_after_first_byte (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autoptr (MrtStream) client = stage_post (relay, STAGE_STREAM);
    g_autofree char *id = mrt_worker_take (worker);
    g_autoptr (MrtResponse) response = NULL;
    gint64 since;

    mrt_worker_start (worker, id, 200, STAGE_SSE);
    mrt_worker_chunk (worker, id, "data: 1\n\n");
    response = mrt_client_receive_head (client, FALSE);
    mrt_body_wait_text (&response->body, "data: 1");
    since = mrt_now_ms ();
    ways[i].leave (client);
    expect_cancel (worker, id, "client_disconnect", since);
    mrt_worker_fail (worker, id, "cancelled");
  }
}

/* While the body is still arriving nothing was asked of anybody. */
static void
test_gone_inside_body (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);

  mrt_stream_write_text (client, "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
                                 "{\"model\":\"m\"}");
  mrt_stream_half_close (client);
  g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

/* Bodies, descriptors and places in the queue go with their client. */
static void
test_gone_without_trace (void)
{
  g_autofree char *fill = g_strnfill (16 * 1024 * 1024, 'x');
  g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"x\":\"%s\"}", fill);
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  gsize rss_before = mrt_process_get_rss_bytes (relay->process);
  guint fds_before;

  stage_wait_health (relay, "queue_depth", 0, MRT_WAIT_MS);
  fds_before = mrt_process_count_fds (relay->process);
  for (guint i = 0; i < 24; i++) {
    g_autoptr (MrtStream) client = stage_post (relay, body);

    stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
    mrt_stream_reset (client);
    stage_wait_health (relay, "queue_depth", 0, 100);
  }
  g_assert_cmpuint (mrt_process_count_fds (relay->process), <=, fds_before + 1);
  /* Had the bodies stayed, it would be 384 MiB; a sanitizer keeps up to 256 MiB of freed memory. */
  g_assert_cmpuint (mrt_process_get_rss_bytes (relay->process), <, rss_before + 320 * 1024 * 1024);
}

static void
test_late_words (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) gone = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) cancel = NULL;
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_reset (gone);
  cancel = mrt_websocket_expect (worker, "cancel");
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, "data: late\n\n");
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  mrt_worker_fail (worker, id, "cancelled");
  mrt_websocket_sync (worker);
  client = stage_post (relay, STAGE_BODY);
  stage_serve (worker, "next");
  response = mrt_client_receive (client);
  stage_check_ok (response, "next");
}

/* Lets a client leave a worker of capacity one while another client waits. */
static MrtWebsocket *
leave_slot (StageRelay *relay, gboolean original, char **id, MrtStream **next)
{
  MrtWebsocket *worker = original ? mrt_worker_join_original (relay->port, STAGE_SECRET, "w", "[\"m\"]", 1)
                                  : stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) gone = stage_post (relay, STAGE_STREAM);
  g_autoptr (JsonObject) cancel = NULL;

  *id = mrt_worker_take (worker);
  *next = stage_post (relay, STAGE_BODY);
  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_stream_reset (gone);
  cancel = mrt_websocket_expect (worker, "cancel");
  return worker;
}

static void
test_slot_held (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autofree char *id = NULL;
  g_autoptr (MrtStream) next = NULL;
  g_autoptr (MrtWebsocket) worker = leave_slot (relay, FALSE, &id, &next);
  g_autoptr (MrtResponse) response = NULL;

  g_assert_true (mrt_websocket_is_quiet (worker, 500));
  mrt_worker_fail (worker, id, "cancelled");
  stage_serve (worker, "next");
  response = mrt_client_receive (next);
  stage_check_ok (response, "next");
}

static void
test_slot_confirmed_by_completion (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autofree char *id = NULL;
  g_autoptr (MrtStream) next = NULL;
  g_autoptr (MrtWebsocket) worker = leave_slot (relay, TRUE, &id, &next);

  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  mrt_worker_complete (worker, id, 499, NULL, NULL);
  stage_serve (worker, "next");
}

/* An original worker says nothing after a cancel. */
static void
test_slot_grace (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autofree char *id = NULL;
  g_autoptr (MrtStream) next = NULL;
  g_autoptr (MrtWebsocket) worker = leave_slot (relay, TRUE, &id, &next);
  g_autoptr (MrtResponse) response = NULL;

  g_assert_true (mrt_websocket_is_quiet (worker, 4500));
  stage_serve (worker, "after the grace");
  response = mrt_client_receive (next);
  stage_check_ok (response, "after the grace");
}

static void
test_timeout (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--request-timeout", "0.5", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) openai = stage_post (relay, STAGE_BODY);
  g_autofree char *openai_id = mrt_worker_take (worker);
  gint64 since = mrt_now_ms ();
  g_autoptr (MrtResponse) openai_response = NULL;
  g_autofree char *message = NULL;
  g_autoptr (MrtStream) anthropic = NULL;
  g_autofree char *anthropic_id = NULL;
  g_autoptr (MrtResponse) anthropic_response = NULL;

  expect_cancel (worker, openai_id, "timeout", since + 500);
  openai_response = mrt_client_receive (openai);
  message = stage_check_error (openai_response, 504, "request_timeout");
  g_assert_cmpint (mrt_now_ms () - since, >=, 480);
  anthropic = mrt_client_open (relay->port, "POST", "/v1/messages", NULL, STAGE_BODY);
  anthropic_id = mrt_worker_take (worker);
  anthropic_response = mrt_client_receive (anthropic);
  stage_check_anthropic_error (anthropic_response, 504, "timeout_error");
}

static void
test_first_byte_timeout (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--request-timeout", "0.5", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = mrt_client_receive (client);
  g_autofree char *message = stage_check_error (response, 504, "request_timeout");
}

static void
test_progress_and_silence (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--request-timeout", "0.6", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;
  gint64 since;

  mrt_worker_start (worker, id, 200, STAGE_SSE);
  response = mrt_client_receive_head (client, FALSE);
  /* Progress over more than twice the limit. */
  for (guint i = 0; i < 7; i++) {
    mrt_worker_chunk (worker, id, "data: x\n\n");
    g_assert_true (mrt_body_wait (&response->body, (i + 1) * strlen ("data: x\n\n"), MRT_WAIT_MS));
    g_assert_true (mrt_websocket_is_quiet (worker, 200));
  }
  since = mrt_now_ms () - 200;
  g_assert_cmpint (mrt_body_finish (&response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  g_assert_cmpint (mrt_now_ms () - since, >=, 580);
  expect_cancel (worker, id, "timeout", mrt_now_ms ());
  g_assert_nonnull (strstr (response->body.data->str, "data: {\"error\":{"));
  g_assert_null (strstr (response->body.data->str, "[DONE]"));
}

static void
test_no_timeout (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--request-timeout", "0", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  g_assert_true (mrt_websocket_is_quiet (worker, 500));
  mrt_worker_complete (worker, id, 200, NULL, "in its own time");
  response = mrt_client_receive (client);
  stage_check_ok (response, "in its own time");
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/E1/gone-while-queued", test_gone_while_queued);
  g_test_add_func ("/contract/E1/gone-before-first-byte", test_gone_before_first_byte);
  g_test_add_func ("/contract/E1/gone-after-first-byte", test_gone_after_first_byte);
  g_test_add_func ("/contract/E1/gone-inside-body", test_gone_inside_body);
  g_test_add_func ("/contract/E1/gone-without-trace", test_gone_without_trace);
  g_test_add_func ("/contract/E2/slot-held-until-confirmed", test_slot_held);
  g_test_add_func ("/contract/E2/slot-confirmed-by-completion", test_slot_confirmed_by_completion);
  g_test_add_func ("/contract/E2/slot-freed-after-grace", test_slot_grace);
  g_test_add_func ("/contract/E3/late-words-are-dropped", test_late_words);
  g_test_add_func ("/contract/E4/timeout", test_timeout);
  g_test_add_func ("/contract/E4/first-byte-timeout", test_first_byte_timeout);
  g_test_add_func ("/contract/E4/progress-and-silence", test_progress_and_silence);
  g_test_add_func ("/contract/E4/no-timeout", test_no_timeout);
  return g_test_run ();
}
