/* SPDX-License-Identifier: MIT */
/*
 * The facade as a desktop app uses it: hidden models, the requests that run, the totals, why a relay failed, and a
 * drain that is taken back (contract L1, L2, L4).
 */
#include "harness.h"

#include <string.h>

#define CHAT "/v1/chat/completions"
#define USAGE "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}"

typedef struct {
  MrtRelay *relay;
  MrtBackend *backend;
  Harness *harness;
  MrtWebsocket *link;
} Stage;

static Stage
stage_open (const char *models)
{
  Stage stage = { .relay = mrt_relay_new (), .backend = mrt_backend_new () };

  mrt_backend_set_models (stage.backend, models);
  stage.harness = harness_new_between (stage.relay, stage.backend, "--max-concurrency=4");
  stage.link = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
  return stage;
}

static void
stage_close (Stage *stage)
{
  harness_free (stage->harness);
  mrt_websocket_free (stage->link);
  mrt_backend_free (stage->backend);
  mrt_relay_free (stage->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)

static MrtBackendRequest *
forward (Stage *stage, const char *id, gboolean streaming)
{
  mrt_relay_request (stage->link, id, CHAT, streaming, NULL, "{}");
  return mrt_backend_accept (stage->backend);
}

static void
expect_models (MrtWebsocket *link, const char *type, const char *expected)
{
  g_autoptr (JsonObject) message = mrt_websocket_expect (link, type);
  g_autofree char *models = mrt_json_strings (message, "models");

  g_assert_cmpstr (models, ==, expected);
}

static void
expect_end (Stage *stage, const char *type)
{
  g_autoptr (JsonObject) message = mrt_websocket_expect (stage->link, type);
}

/* --- models --- */

static void
hide_b (MrWorker *worker)
{
  mr_worker_set_hidden_models (worker, (const char *const[]){ "b", "not there", NULL });
}

static void
hide_none (MrWorker *worker)
{
  mr_worker_set_hidden_models (worker, (const char *const[]){ NULL });
}

static void
check_b_is_hidden (MrWorker *worker)
{
  g_autofree char *listed = g_strjoinv ("|", (char **) mr_worker_get_backend_models (worker));
  g_autofree char *offered = g_strjoinv ("|", (char **) mr_worker_get_models (worker));

  g_assert_true (mr_worker_get_backend_is_up (worker));
  g_assert_cmpstr (listed, ==, "a|b|c");
  g_assert_cmpstr (offered, ==, "a|c");
}

static void
test_hidden_models (void)
{
  g_auto (Stage) stage = stage_open ("a,b,c");

  harness_call (stage.harness, hide_b);
  expect_models (stage.link, "models_update", "a|c");
  harness_call (stage.harness, check_b_is_hidden);
  harness_call (stage.harness, mr_worker_refresh_models);
  g_assert_true (mrt_websocket_is_quiet (stage.link, MRT_QUIET_MS)); /* nothing is new */
  harness_call (stage.harness, hide_none);
  expect_models (stage.link, "models_update", "a|b|c");

  /* It holds over a stop, for what is registered as well. */
  harness_call (stage.harness, hide_b);
  harness_call (stage.harness, mr_worker_stop);
  harness_call (stage.harness, mr_worker_start);
  g_autoptr (MrtWebsocket) again = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  expect_models (again, "register", "a|c");
}

static void
check_named (MrWorker *worker)
{
  g_autofree char *listed = g_strjoinv ("|", (char **) mr_worker_get_backend_models (worker));

  g_assert_cmpstr (listed, ==, "x|y");
  hide_b (worker);
}

static void
test_hidden_of_named_models (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  mrt_backend_set_models (backend, "x,y");
  g_autoptr (Harness) harness = harness_new_between (relay, backend, "--models=a,b");
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, ALL_EXTENSIONS);

  harness_wait_state (harness, MR_WORKER_CONNECTED);
  harness_call (harness, check_named);
  expect_models (link, "models_update", "a");
}

/* What is running, or was on its way when the model was hidden, is served. */
static void
test_hidden_model_is_served (void)
{
  g_auto (Stage) stage = stage_open ("b");
  g_autoptr (MrtBackendRequest) running = forward (&stage, "r-1", FALSE);

  harness_call (stage.harness, hide_b);
  expect_models (stage.link, "models_update", "");
  g_autoptr (MrtBackendRequest) late = forward (&stage, "r-2", FALSE);
  mrt_backend_answer (running, 200, NULL, "{}");
  expect_end (&stage, "response_complete");
  mrt_backend_answer (late, 200, NULL, "{}");
  expect_end (&stage, "response_complete");
}

/* --- requests and totals --- */

static MrWorkerTotals totals;
static guint notifications;
static GString *running;

static void
look (MrWorker *worker)
{
  mr_worker_get_totals (worker, &totals);
}

static void
wait_requests (Stage *stage, guint64 requests)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  do {
    harness_call (stage->harness, look);
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  } while (totals.requests < requests);
  g_assert_cmpuint (totals.requests, ==, requests);
}

static void
wait_events (Stage *stage, guint64 events)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  do {
    harness_call (stage->harness, look);
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  } while (totals.events < events);
  g_assert_cmpuint (totals.events, ==, events);
}

static void
add_running (const MrWorkerRequest *request, gpointer data)
{
  g_assert_true (g_str_has_prefix (request->relay_url, "http://127.0.0.1:"));
  g_assert_cmpint (request->started_us, >, 0);
  g_assert_cmpint (request->started_us, <=, g_get_monotonic_time ());
  g_string_append_printf (running, "%s:%s:%u ", request->request_id, request->model, (guint) request->events);
}

static void
list_running (MrWorker *worker)
{
  g_string_truncate (running, 0);
  mr_worker_foreach_request (worker, add_running, NULL);
}

static void
on_any_notify (MrWorker *worker, GParamSpec *pspec, gpointer data)
{
  notifications++;
}

static void
count_notifications (MrWorker *worker)
{
  g_signal_connect (worker, "notify::load", G_CALLBACK (on_any_notify), NULL);
}

static void
test_running_requests (void)
{
  g_auto (Stage) stage = stage_open ("m");
  running = g_string_new (NULL);

  harness_call (stage.harness, list_running);
  g_assert_cmpstr (running->str, ==, "");
  g_autoptr (MrtBackendRequest) first = forward (&stage, "r-9", TRUE);
  g_autoptr (MrtBackendRequest) second = forward (&stage, "r-1", FALSE);
  mrt_backend_sse_head (first);
  mrt_backend_event (first, "data: {}\n\n");
  mrt_backend_event (first, ": comment\n\n");
  wait_events (&stage, 1);

  /* Chunks cause no notification: who wants to show events looks in its own time. */
  harness_call (stage.harness, count_notifications);
  for (guint i = 0; i < 20; i++) {
    mrt_backend_event (first, "data: {}\n\n");
  }
  wait_events (&stage, 21);
  g_assert_cmpuint (notifications, ==, 0);
  harness_call (stage.harness, list_running);
  g_assert_cmpstr (running->str, ==, "r-9:m:21 r-1:m:0 ");

  mrt_backend_event (first, "data: " USAGE "\n\n");
  mrt_backend_event (first, "data: [DONE]\n\n");
  mrt_backend_end (first);
  wait_requests (&stage, 1);
  mrt_backend_answer (second, 200, NULL, USAGE);
  wait_requests (&stage, 2);
  harness_call (stage.harness, list_running);
  g_assert_cmpstr (running->str, ==, "");
  g_assert_cmpuint (totals.events, ==, 22);
  g_assert_cmpuint (totals.prompt_tokens, ==, 14);
  g_assert_cmpuint (totals.completion_tokens, ==, 10);
  g_assert_cmpuint (totals.failed + totals.cancelled, ==, 0);
  g_string_free (g_steal_pointer (&running), TRUE);
}

static void
test_totals_of_other_endings (void)
{
  g_auto (Stage) stage = stage_open ("m");

  g_autoptr (MrtBackendRequest) refused = forward (&stage, "r-1", FALSE);
  mrt_backend_answer (refused, 500, NULL, "{}"); /* an answer like any other */
  g_clear_pointer (&refused, mrt_backend_request_free);
  wait_requests (&stage, 1);
  g_autoptr (MrtBackendRequest) broken = forward (&stage, "r-2", TRUE);
  mrt_backend_sse_head (broken);
  mrt_backend_event (broken, "data: {}\n\n");
  wait_events (&stage, 1);
  g_clear_pointer (&broken, mrt_backend_request_free);
  wait_requests (&stage, 2);
  g_assert_cmpuint (totals.failed, ==, 1);
  g_assert_cmpuint (totals.events, ==, 1);

  g_autoptr (MrtBackendRequest) unwanted = forward (&stage, "r-3", FALSE);
  mrt_websocket_send (stage.link, "{\"type\":\"cancel\",\"request_id\":\"r-3\",\"reason\":\"client_disconnect\"}");
  wait_requests (&stage, 3);
  g_assert_cmpuint (totals.cancelled, ==, 1);

  g_autoptr (MrtBackendRequest) lost = forward (&stage, "r-4", FALSE);
  mrt_stream_reset (stage.link->stream);
  wait_requests (&stage, 4);
  g_assert_cmpuint (totals.failed, ==, 2);

  harness_call (stage.harness, mr_worker_reconnect);
  g_autoptr (MrtWebsocket) again = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);
  mrt_relay_request (again, "r-5", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) dropped = mrt_backend_accept (stage.backend);
  harness_call (stage.harness, mr_worker_stop);
  wait_requests (&stage, 5);
  g_assert_cmpuint (totals.cancelled, ==, 2);
  g_assert_cmpuint (totals.failed, ==, 2);
}

/* --- why a relay failed --- */

static MrRelayFailure failure;

static void
read_failure (MrWorker *worker)
{
  MrWorkerRelay relay;

  g_assert_true (mr_worker_get_relay (worker, 0, &relay));
  failure = relay.failure;
}

static void
expect_failure (Harness *harness, MrRelayFailure expected)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  do {
    harness_call (harness, read_failure);
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  } while (failure != expected);
  harness_wait_state (harness, expected != MR_RELAY_FAILURE_NONE ? MR_WORKER_ERROR : MR_WORKER_CONNECTED);
}

static void
test_failures_of_sessions (void)
{
  g_auto (Stage) stage = stage_open ("m");

  expect_failure (stage.harness, MR_RELAY_FAILURE_NONE);
  mrt_websocket_close (stage.link, 1000, "worker heartbeat timed out");
  expect_failure (stage.harness, MR_RELAY_FAILURE_LOST);
  harness_call (stage.harness, mr_worker_reconnect);
  g_autoptr (MrtWebsocket) second = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  mrt_websocket_close (second, 1008, "worker authentication failed");
  expect_failure (stage.harness, MR_RELAY_FAILURE_REFUSED);
  harness_call (stage.harness, mr_worker_reconnect);
  g_autoptr (MrtWebsocket) third = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);
  expect_failure (stage.harness, MR_RELAY_FAILURE_NONE);
}

static void
test_failures_of_attempts (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  guint16 port = mrt_backend_get_port (backend);
  g_autoptr (Harness) nobody = harness_new (harness_free_port (), port, NULL);
  g_autoptr (Harness) web_server = harness_new (port, port, NULL);

  expect_failure (nobody, MR_RELAY_FAILURE_CONNECT);
  expect_failure (web_server, MR_RELAY_FAILURE_NOT_A_RELAY);
}

/* --- drain --- */

static void
start_drain_start (MrWorker *worker)
{
  mr_worker_stop (worker);
  mr_worker_start (worker);
  mr_worker_drain (worker);
}

static void
test_drain_right_after_start (void)
{
  g_auto (Stage) stage = stage_open ("m");

  harness_call (stage.harness, start_drain_start);
  harness_wait_drained (stage.harness);
  harness_wait_state (stage.harness, MR_WORKER_STOPPED);
}

static void
drain_and_start (MrWorker *worker)
{
  start_drain_start (worker);
  mr_worker_start (worker);
}

static void
test_start_takes_back_an_early_drain (void)
{
  g_auto (Stage) stage = stage_open ("m");

  harness_call (stage.harness, drain_and_start);
  g_autoptr (MrtWebsocket) again = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
}

static void
test_start_takes_back_a_drain (void)
{
  g_auto (Stage) stage = stage_open ("m");
  g_autoptr (MrtBackendRequest) request = forward (&stage, "r-1", FALSE);

  harness_call (stage.harness, mr_worker_drain);
  expect_models (stage.link, "models_update", "");
  harness_call (stage.harness, mr_worker_start);
  expect_models (stage.link, "models_update", "m");
  g_autoptr (MrtBackendRequest) next = forward (&stage, "r-2", FALSE);
  mrt_backend_answer (request, 200, NULL, "{}");
  expect_end (&stage, "response_complete");
  mrt_backend_answer (next, 200, NULL, "{}");
  expect_end (&stage, "response_complete");
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
}

/* Goodbye has been said: it comes back at once. */
static void
drain_start (MrWorker *worker)
{
  mr_worker_drain (worker);
  mr_worker_start (worker);
}

static void
test_start_comes_back (void)
{
  g_auto (Stage) stage = stage_open ("m");

  harness_call (stage.harness, drain_start);
  mrt_websocket_expect_close (stage.link, 1000, "worker drained");
  g_autoptr (MrtWebsocket) again = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L2/hidden-models", test_hidden_models);
  g_test_add_func ("/contract/L2/hidden-of-named-models", test_hidden_of_named_models);
  g_test_add_func ("/contract/L2/hidden-model-is-served", test_hidden_model_is_served);
  g_test_add_func ("/contract/L1/running-requests", test_running_requests);
  g_test_add_func ("/contract/L1/totals-of-other-endings", test_totals_of_other_endings);
  g_test_add_func ("/contract/L4/failures-of-sessions", test_failures_of_sessions);
  g_test_add_func ("/contract/L4/failures-of-attempts", test_failures_of_attempts);
  g_test_add_func ("/contract/L1/drain-right-after-start", test_drain_right_after_start);
  g_test_add_func ("/contract/L1/start-takes-back-an-early-drain", test_start_takes_back_an_early_drain);
  g_test_add_func ("/contract/L1/start-takes-back-a-drain", test_start_takes_back_a_drain);
  g_test_add_func ("/contract/L1/start-comes-back", test_start_comes_back);
  return g_test_run ();
}
