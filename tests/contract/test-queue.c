/* SPDX-License-Identifier: MIT */
/*
 * Contract C1 to C4: which worker gets a request, and when a waiting one is served.
 */
#include "stage.h"

#define UPDATE(models, load) "{\"type\":\"models_update\",\"models\":" models ",\"current_load\":" #load "}"

static char *
numbered_body (const char *model, guint n)
{
  return g_strdup_printf ("{\"model\":\"%s\",\"n\":%u}", model, n);
}

/* Waits until the relay has queued @n requests. */
static void
wait_queued (StageRelay *relay, guint n)
{
  stage_wait_health (relay, "queue_depth", n, MRT_WAIT_MS);
}

static MrtWebsocket *
join_loaded (StageRelay *relay, const char *name, guint max_concurrent, guint load)
{
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = NULL;

  mrt_websocket_send (worker,
                      "{\"type\":\"register\",\"worker_name\":\"%s\",\"models\":[\"m\"],\"max_concurrent\":%u,"
                      "\"current_load\":%u}",
                      name, max_concurrent, load);
  ack = mrt_websocket_expect (worker, "register_ack");
  return g_steal_pointer (&worker);
}

static void
test_exact_model (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) other = stage_join (relay, "other", "[\"m2\",\"M\",\"m \xc3\xa9\"]", 4);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);

  for (guint i = 0; i < 3; i++) {
    g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
    g_autoptr (MrtResponse) response = NULL;

    stage_serve (worker, "served");
    response = mrt_client_receive (client);
    stage_check_ok (response, "served");
  }
  g_assert_true (mrt_websocket_is_quiet (other, MRT_QUIET_MS));
}

static void
test_no_free_slot (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) first = stage_post (relay, STAGE_BODY);
  g_autofree char *first_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) second = stage_post (relay, STAGE_BODY);
  g_autofree char *second_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) third = stage_post (relay, STAGE_BODY);

  wait_queued (relay, 1);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  mrt_worker_complete (worker, first_id, 200, NULL, "done");
  stage_serve (worker, "third");
}

static void
test_reported_load (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = join_loaded (relay, "w", 2, 2);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;

  wait_queued (relay, 1);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  mrt_websocket_send (worker, UPDATE ("[\"m\"]", 1));
  stage_serve (worker, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
}

static void
expect_choice (StageRelay *relay, MrtWebsocket *chosen, const char *name)
{
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;

  stage_serve (chosen, "served");
  response = mrt_client_receive (client);
  g_assert_cmpstr (mrt_head_get (response->head, "x-modelrelay-worker"), ==, name);
}

static void
test_lowest_load (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) busy = join_loaded (relay, "busy", 4, 3);
  g_autoptr (MrtWebsocket) idle = join_loaded (relay, "idle", 4, 1);

  for (guint i = 0; i < 3; i++)
    expect_choice (relay, idle, "idle");
}

static void
test_relative_load (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) small = join_loaded (relay, "small", 2, 1);
  g_autoptr (MrtWebsocket) large = join_loaded (relay, "large", 10, 3);

  for (guint i = 0; i < 3; i++)
    expect_choice (relay, large, "large");
}

/* Six requests one after the other over three equal workers: two each. */
static void
test_rotation (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) a = stage_join (relay, "a", "[\"m\"]", 1);
  g_autoptr (MrtWebsocket) b = stage_join (relay, "b", "[\"m\"]", 1);
  g_autoptr (MrtWebsocket) c = stage_join (relay, "c", "[\"m\"]", 1);
  MrtWebsocket *workers[] = { a, b, c };
  guint served[3] = { 0 };

  for (guint i = 0; i < 6; i++) {
    g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
    g_autoptr (MrtResponse) response = NULL;
    g_autoptr (JsonObject) request = NULL;
    guint w = 0;

    for (; request == NULL; w = (w + 1) % 3)
      request = mrt_websocket_next (workers[w], 20);
    w = (w + 2) % 3;
    served[w]++;
    mrt_worker_complete (workers[w], mrt_json_string (request, "request_id"), 200, NULL, "x");
    response = mrt_client_receive (client);
  }
  g_assert_cmpuint (served[0], ==, 2);
  g_assert_cmpuint (served[1], ==, 2);
  g_assert_cmpuint (served[2], ==, 2);
}

static void
test_arrival_order (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtWebsocket) worker = NULL;

  for (guint i = 0; i < 5; i++) {
    g_autofree char *body = numbered_body ("m", i);

    g_ptr_array_add (clients, stage_post (relay, body));
    wait_queued (relay, i + 1);
  }
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  for (guint i = 0; i < 5; i++) {
    g_autofree char *body = numbered_body ("m", i);
    g_autofree char *id = stage_expect_body (worker, body);
    g_autoptr (MrtResponse) response = NULL;

    g_assert_true (mrt_websocket_is_quiet (worker, 20));
    mrt_worker_complete (worker, id, 200, NULL, body);
    response = mrt_client_receive (clients->pdata[i]);
    stage_check_ok (response, body);
  }
}

static void
test_busy_model_blocks_nobody (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--unknown-models", "queue", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w1", "[\"m\"]", 1);
  g_autoptr (MrtWebsocket) other = stage_join (relay, "w2", "[\"other\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *running_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) waiting = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtStream) unserved = stage_post (relay, "{\"model\":\"nobody has it\"}");
  g_autoptr (MrtStream) free_one = NULL;
  g_autoptr (MrtResponse) response = NULL;

  wait_queued (relay, 2);
  free_one = stage_post (relay, "{\"model\":\"other\"}");
  stage_serve (other, "not blocked");
  response = mrt_client_receive (free_one);
  stage_check_ok (response, "not blocked");
  wait_queued (relay, 2);
}

static void
test_queue_full (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-queue-len", "2", NULL);
  g_autoptr (MrtStream) first = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtStream) second = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) openai = NULL;
  g_autoptr (MrtResponse) anthropic = NULL;
  g_autofree char *message = NULL;
  g_autofree char *line = NULL;

  wait_queued (relay, 2);
  openai = mrt_client_ask (relay->port, "POST", STAGE_CHAT, NULL, STAGE_BODY);
  anthropic = mrt_client_ask (relay->port, "POST", "/v1/messages", NULL, STAGE_BODY);
  message = stage_check_error (openai, 429, "queue_full");
  g_assert_nonnull (mrt_head_get (openai->head, "retry-after"));
  stage_check_anthropic_error (anthropic, 429, "overloaded_error");
  g_assert_nonnull (mrt_head_get (anthropic->head, "retry-after"));
  line = mrt_process_wait_log (relay->process, "queue full");
}

/* A request that a free worker takes at once needs no place in the queue. */
static void
test_full_queue_passes_free_model (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-queue-len", "1", NULL);
  g_autoptr (MrtStream) waiting = stage_post (relay, "{\"model\":\"later\"}");
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  wait_queued (relay, 1);
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  client = stage_post (relay, STAGE_BODY);
  stage_serve (worker, "passed");
  response = mrt_client_receive (client);
  stage_check_ok (response, "passed");
}

static void
test_unlimited_queue (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-queue-len", "0", NULL);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);

  for (guint i = 0; i < 150; i++)
    g_ptr_array_add (clients, stage_post (relay, STAGE_BODY));
  wait_queued (relay, 150);
}

/* What makes capacity appear serves the waiting request at once. */
static void
expect_at_once (MrtWebsocket *worker, gint64 since)
{
  g_autofree char *id = mrt_worker_take (worker);

  g_assert_cmpint (mrt_now_ms () - since, <, 100);
}

static void
test_after_completion (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) first = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtStream) second = stage_post (relay, STAGE_BODY);
  gint64 since;

  wait_queued (relay, 1);
  since = mrt_now_ms ();
  mrt_worker_complete (worker, id, 200, NULL, "x");
  expect_at_once (worker, since);
}

static void
test_after_registration (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtWebsocket) worker = NULL;
  gint64 since;

  wait_queued (relay, 1);
  since = mrt_now_ms ();
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  expect_at_once (worker, since);
}

static void
test_after_models_update (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--unknown-models", "queue", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"other\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  gint64 since;

  wait_queued (relay, 1);
  since = mrt_now_ms ();
  mrt_websocket_send (worker, UPDATE ("[\"other\",\"m\"]", 0));
  expect_at_once (worker, since);
}

static void
test_after_load_report (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = join_loaded (relay, "w", 1, 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  gint64 since;

  wait_queued (relay, 1);
  since = mrt_now_ms ();
  mrt_websocket_send (worker, "{\"type\":\"pong\",\"current_load\":0}");
  expect_at_once (worker, since);
}

static void
test_after_lost_worker (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) lost = stage_join (relay, "lost", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (lost);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  gint64 since = mrt_now_ms ();

  mrt_stream_reset (lost->stream);
  expect_at_once (worker, since);
}

static void
test_after_cancelled (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) gone = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (JsonObject) cancel = NULL;
  gint64 since;

  wait_queued (relay, 1);
  mrt_stream_reset (gone);
  cancel = mrt_websocket_expect (worker, "cancel");
  since = mrt_now_ms ();
  mrt_worker_fail (worker, id, "cancelled");
  expect_at_once (worker, since);
}

/* Waiting costs nothing: a relay with a full queue sleeps. */
static void
test_no_tick (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  gint64 before;

  for (guint i = 0; i < 50; i++)
    g_ptr_array_add (clients, stage_post (relay, STAGE_BODY));
  wait_queued (relay, 50);
  before = mrt_process_get_cpu_us (relay->process);
  g_assert_true (mrt_websocket_is_quiet (worker, 1000));
  g_assert_cmpint (mrt_process_get_cpu_us (relay->process) - before, <=, 20000);
}

/* A worker that announced no models is draining: it gets nothing more. */
static void
test_draining_worker (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_websocket_send (worker, UPDATE ("[]", 1));
  mrt_websocket_sync (worker);
  client = stage_post (relay, STAGE_BODY);
  wait_queued (relay, 1);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  mrt_worker_complete (worker, id, 200, NULL, "finished");
  response = mrt_client_receive (running);
  stage_check_ok (response, "finished");
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/C1/exact-model", test_exact_model);
  g_test_add_func ("/contract/C1/free-slot", test_no_free_slot);
  g_test_add_func ("/contract/C1/reported-load", test_reported_load);
  g_test_add_func ("/contract/C1/draining-worker", test_draining_worker);
  g_test_add_func ("/contract/C2/lowest-load", test_lowest_load);
  g_test_add_func ("/contract/C2/relative-to-capacity", test_relative_load);
  g_test_add_func ("/contract/C2/ties-rotate", test_rotation);
  g_test_add_func ("/contract/C3/arrival-order", test_arrival_order);
  g_test_add_func ("/contract/C3/busy-model-blocks-nobody", test_busy_model_blocks_nobody);
  g_test_add_func ("/contract/C3/queue-full", test_queue_full);
  g_test_add_func ("/contract/C3/full-queue-and-free-worker", test_full_queue_passes_free_model);
  g_test_add_func ("/contract/C3/unlimited", test_unlimited_queue);
  g_test_add_func ("/contract/C4/completion", test_after_completion);
  g_test_add_func ("/contract/C4/registration", test_after_registration);
  g_test_add_func ("/contract/C4/models-update", test_after_models_update);
  g_test_add_func ("/contract/C4/load-report", test_after_load_report);
  g_test_add_func ("/contract/C4/lost-worker", test_after_lost_worker);
  g_test_add_func ("/contract/C4/confirmed-cancel", test_after_cancelled);
  g_test_add_func ("/contract/C4/no-tick", test_no_tick);
  return g_test_run ();
}
