/* SPDX-License-Identifier: MIT */
/*
 * Contract F1 to F3: workers that get lost, refuse or fail. F4 is in test-protocol.c, F5 in test-drain.c, F6 and F7 in
 * test-end-to-end.c.
 */
#include "stage.h"

#include <string.h>

static const char LATER[] = "{\"model\":\"m\",\"later\":true}";

static void
test_requeue (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) first = stage_join (relay, "first", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (first);
  g_autoptr (MrtWebsocket) second = stage_join (relay, "second", "[\"m\"]", 1);
  g_autofree char *again = NULL;
  g_autofree char *line = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_reset (first->stream);
  again = stage_expect_body (second, STAGE_STREAM);
  line = mrt_process_wait_log (relay->process, "request requeued");
  mrt_worker_start (second, again, 200, STAGE_SSE);
  mrt_worker_chunk (second, again, "data: [DONE]\n\n");
  mrt_worker_complete (second, again, 200, NULL, NULL);
  response = mrt_client_receive (client);
  stage_check_ok (response, "data: [DONE]\n\n");
  g_assert_cmpstr (mrt_head_get (response->head, "x-modelrelay-worker"), ==, "second");
}

/* Who waited longest is served first, also after a detour. */
static void
test_requeue_to_the_head (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) first = stage_join (relay, "first", "[\"m\"]", 1);
  g_autoptr (MrtStream) early = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (first);
  g_autoptr (MrtStream) late = stage_post (relay, LATER);
  g_autoptr (MrtWebsocket) second = NULL;
  g_autofree char *early_id = NULL;
  g_autofree char *late_id = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_stream_reset (first->stream);
  stage_wait_health (relay, "queue_depth", 2, MRT_WAIT_MS);
  second = stage_join (relay, "second", "[\"m\"]", 1);
  early_id = stage_expect_body (second, STAGE_BODY);
  mrt_worker_complete (second, early_id, 200, NULL, "x");
  late_id = stage_expect_body (second, LATER);
}

/* A full queue has room for what was in it before. */
static void
test_requeue_into_full_queue (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-queue-len", "1", NULL);
  g_autoptr (MrtWebsocket) first = stage_join (relay, "first", "[\"m\"]", 1);
  g_autoptr (MrtStream) early = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (first);
  g_autoptr (MrtStream) late = stage_post (relay, LATER);
  g_autoptr (MrtWebsocket) second = NULL;
  g_autofree char *early_id = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_stream_reset (first->stream);
  stage_wait_health (relay, "queue_depth", 2, MRT_WAIT_MS);
  second = stage_join (relay, "second", "[\"m\"]", 1);
  early_id = stage_expect_body (second, STAGE_BODY);
}

static void
lose_worker (StageRelay *relay)
{
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "lost", "[\"m\"]", 1);
  g_autofree char *id = mrt_worker_take (worker);

  mrt_stream_reset (worker->stream);
}

static void
check_exhausted (const char *option, guint workers, const char *target)
{
  g_autoptr (StageRelay) relay = stage_relay (option, NULL);
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", target, NULL, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;
  g_autofree char *line = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  for (guint i = 0; i < workers; i++) {
    g_assert_true (mrt_stream_is_quiet (client, 20));
    lose_worker (relay);
  }
  response = mrt_client_receive (client);
  if (strcmp (target, STAGE_CHAT) == 0)
    message = stage_check_error (response, 503, "requeue_exhausted");
  else
    stage_check_anthropic_error (response, 503, "api_error");
  line = mrt_process_wait_log (relay->process, "requeue exhausted");
}

static void
test_exhausted (void)
{
  check_exhausted (NULL, 4, STAGE_CHAT);
  check_exhausted (NULL, 4, "/v1/messages");
  check_exhausted ("--max-requeue-count=1", 2, STAGE_CHAT);
  check_exhausted ("--max-requeue-count=0", 1, STAGE_CHAT);
}

/* Refusals with these codes are no loss: seven of them, and the eighth worker serves. */
static void
check_not_counted (const char *code)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (GPtrArray) refusing = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_websocket_free);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtResponse) response = NULL;

  for (guint i = 0; i < 7; i++) {
    MrtWebsocket *refuser = stage_join (relay, "refuser", "[\"m\"]", 1);
    g_autofree char *id = mrt_worker_take (refuser);

    g_ptr_array_add (refusing, refuser);
    mrt_websocket_send (refuser, "{\"type\":\"models_update\",\"models\":[],\"current_load\":1}");
    mrt_worker_fail (refuser, id, code);
    mrt_websocket_sync (refuser);
  }
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  stage_serve (worker, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
}

static void
test_draining (void)
{
  check_not_counted ("draining");
}

static void
test_busy (void)
{
  check_not_counted ("busy");
}

/* A busy worker's request goes to one that is not. */
static void
test_busy_moves_on (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) busy = stage_join (relay, "busy", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (busy);
  g_autoptr (MrtWebsocket) idle = stage_join (relay, "idle", "[\"m\"]", 1);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_fail (busy, id, "busy");
  stage_serve (idle, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
}

/* An error is the answer to its own request and touches nothing else. */
static void
test_error_touches_nothing_else (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 3);
  g_autoptr (MrtStream) streamed = stage_post (relay, STAGE_STREAM);
  g_autofree char *streamed_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) failing = stage_post (relay, STAGE_BODY);
  g_autofree char *failing_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) plain = stage_post (relay, STAGE_BODY);
  g_autofree char *plain_id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) failed = NULL;
  g_autoptr (MrtResponse) answered = NULL;
  g_autoptr (MrtResponse) stream = NULL;
  g_autofree char *message = NULL;

  mrt_worker_start (worker, streamed_id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, streamed_id, "data: 1\n\n");
  mrt_worker_fail (worker, failing_id, "backend_timeout");
  failed = mrt_client_receive (failing);
  g_assert_true (failed->status == 502 || failed->status == 504);
  mrt_worker_complete (worker, plain_id, 200, NULL, "plain");
  answered = mrt_client_receive (plain);
  stage_check_ok (answered, "plain");
  mrt_worker_chunk (worker, streamed_id, "data: 2\n\n");
  mrt_worker_complete (worker, streamed_id, 200, NULL, NULL);
  stream = mrt_client_receive (streamed);
  stage_check_ok (stream, "data: 1\n\ndata: 2\n\n");
}

/* All requests of a lost worker are saved, streams that had begun excepted. */
static void
test_many_in_flight (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) first = stage_join (relay, "first", "[\"m\"]", 8);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtWebsocket) second = NULL;

  for (guint i = 0; i < 8; i++) {
    g_autofree char *id = NULL;

    g_ptr_array_add (clients, stage_post (relay, STAGE_BODY));
    id = mrt_worker_take (first);
  }
  mrt_stream_reset (first->stream);
  second = stage_join (relay, "second", "[\"m\"]", 8);
  for (guint i = 0; i < 8; i++)
    stage_serve (second, "saved");
  for (guint i = 0; i < 8; i++) {
    g_autoptr (MrtResponse) response = mrt_client_receive (clients->pdata[i]);

    stage_check_ok (response, "saved");
  }
}

/* Clients of a request that waits for its second worker can go away, too. */
static void
test_gone_after_requeue (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtWebsocket) worker = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  lose_worker (relay);
  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  mrt_stream_reset (client);
  stage_wait_health (relay, "queue_depth", 0, 1000);
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/F1/requeue-before-first-byte", test_requeue);
  g_test_add_func ("/contract/F1/requeue-to-the-head", test_requeue_to_the_head);
  g_test_add_func ("/contract/F1/requeue-into-full-queue", test_requeue_into_full_queue);
  g_test_add_func ("/contract/F1/exhausted", test_exhausted);
  g_test_add_func ("/contract/F1/draining-does-not-count", test_draining);
  g_test_add_func ("/contract/F1/busy-does-not-count", test_busy);
  g_test_add_func ("/contract/F1/busy-moves-on", test_busy_moves_on);
  g_test_add_func ("/contract/F1/many-in-flight", test_many_in_flight);
  g_test_add_func ("/contract/F1/client-gone-after-requeue", test_gone_after_requeue);
  g_test_add_func ("/contract/F3/error-touches-nothing-else", test_error_touches_nothing_else);
  return g_test_run ();
}
