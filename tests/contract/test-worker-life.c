/* SPDX-License-Identifier: MIT */
/*
 * Our worker's life between a relay and a backend that are played by hand: polling, heartbeat, load, draining from both
 * sides, reconnecting.
 */
#include "stage.h"

#include <signal.h>
#include <string.h>

#define BOTH "[\"request_errors\",\"response_start\"]"

static void
test_pong (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--max-concurrency", "2", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonObject) pong = NULL;

  mrt_relay_request (link, "r1", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  request = mrt_backend_accept (backend);
  mrt_websocket_send (link, "{\"type\":\"ping\",\"timestamp_unix_ms\":1775000000123}");
  g_assert_cmpint (mrt_websocket_receive (link, text, MRT_WAIT_MS), ==, MRT_MESSAGE_TEXT);
  pong = mrt_json_parse (text->str);
  g_assert_cmpstr (mrt_json_string (pong, "type"), ==, "pong");
  g_assert_cmpint (mrt_json_int (pong, "timestamp_unix_ms"), ==, G_GINT64_CONSTANT (1775000000123));
  g_assert_cmpint (mrt_json_int (pong, "current_load"), ==, 1);
  mrt_websocket_sync (link);
}

static void
test_busy (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) error = NULL;
  g_autoptr (JsonObject) answer = NULL;

  mrt_relay_request (link, "r1", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  request = mrt_backend_accept (backend);
  mrt_relay_request (link, "r2", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  error = mrt_websocket_expect (link, "error");
  g_assert_cmpstr (mrt_json_string (error, "request_id"), ==, "r2");
  g_assert_cmpstr (mrt_json_string (error, "code"), ==, "busy");
  mrt_backend_answer (request, 200, NULL, "{}");
  answer = mrt_websocket_expect (link, "response_complete");
  g_assert_cmpstr (mrt_json_string (answer, "request_id"), ==, "r1");
}

static void
expect_models (MrtWebsocket *link, const char *expected)
{
  g_autoptr (JsonObject) update = mrt_websocket_expect (link, "models_update");
  g_autofree char *models = mrt_json_strings (update, "models");

  g_assert_cmpstr (models, ==, expected);
  g_assert_cmpint (mrt_json_int (update, "current_load"), ==, 0);
}

static void
test_polling (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--poll-interval", "1", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);

  mrt_backend_set_models (backend, "m,new");
  expect_models (link, "m|new");
  mrt_backend_set_models (backend, "new");
  expect_models (link, "new");
  mrt_backend_free (g_steal_pointer (&backend));
  expect_models (link, "");
  g_assert_cmpint (mrt_process_wait_exit (worker, 200), ==, -1);
}

/* Between two polls nothing changed: nothing is said. */
static void
test_polling_is_quiet (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--poll-interval", "1", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);

  g_assert_true (mrt_websocket_is_quiet (link, 2500));
}

static void
test_refresh (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);

  mrt_backend_set_models (backend, "fresh");
  mrt_websocket_send (link, "{\"type\":\"models_refresh\",\"reason\":\"asked\"}");
  expect_models (link, "fresh");
}

/* A backend that comes later than the worker. */
static void
test_backend_down_at_start (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  guint16 port = mrt_backend_get_port (backend);
  g_autoptr (MrtProcess) worker = NULL;
  g_autoptr (MrtWebsocket) link = NULL;
  g_autoptr (JsonObject) registration = NULL;
  g_autofree char *models = NULL;

  /* Its port is known, and nobody listens there any more. */
  mrt_backend_free (g_steal_pointer (&backend));
  worker = stage_worker (relay->port, port, NULL);
  link = mrt_relay_accept (relay, MRT_WAIT_MS);
  g_assert_nonnull (link);
  registration = mrt_websocket_expect (link, "register");
  models = mrt_json_strings (registration, "models");
  g_assert_cmpstr (models, ==, "");
}

static void
test_auto_concurrency (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = NULL;
  g_autoptr (MrtWebsocket) link = NULL;
  g_autoptr (JsonObject) registration = NULL;

  mrt_backend_set_answer (backend, "/props", "{\"total_slots\":6,\"model_path\":\"/x.gguf\"}");
  worker = stage_worker (relay->port, mrt_backend_get_port (backend), "--max-concurrency", "auto", NULL);
  link = mrt_relay_accept (relay, MRT_WAIT_MS);
  registration = mrt_websocket_expect (link, "register");
  g_assert_cmpint (mrt_json_int (registration, "max_concurrent"), ==, 6);
}

/* SIGTERM: no more requests, the running one finishes, a clean close, exit 0. */
static void
check_term (const char *extensions)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--max-concurrency", "2", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, extensions);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) update = NULL;
  g_autoptr (JsonObject) refused = NULL;
  g_autoptr (JsonObject) answer = NULL;
  g_autofree char *models = NULL;

  mrt_relay_request (link, "r1", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  request = mrt_backend_accept (backend);
  mrt_process_signal (worker, SIGTERM);
  update = mrt_websocket_expect (link, "models_update");
  models = mrt_json_strings (update, "models");
  g_assert_cmpstr (models, ==, "");
  mrt_relay_request (link, "r2", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  refused = mrt_websocket_expect (link, extensions != NULL ? "error" : "response_complete");
  g_assert_cmpstr (mrt_json_string (refused, "request_id"), ==, "r2");
  if (extensions != NULL)
    g_assert_cmpstr (mrt_json_string (refused, "code"), ==, "draining");
  g_assert_true (mrt_backend_is_quiet (backend, MRT_QUIET_MS));
  mrt_backend_answer (request, 200, NULL, "{\"finished\":true}");
  answer = mrt_websocket_expect (link, "response_complete");
  g_assert_cmpstr (mrt_json_string (answer, "body"), ==, "{\"finished\":true}");
  mrt_websocket_expect_close (link, 1000, NULL);
  g_assert_cmpint (mrt_process_wait_exit (worker, MRT_WAIT_MS), ==, 0);
}

static void
test_term (void)
{
  check_term (BOTH);
  check_term (NULL);
}

static void
test_term_idle (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autofree char *line = mrt_process_wait_log (worker, "registered");

  mrt_process_signal (worker, SIGTERM);
  mrt_websocket_expect_close (link, 1000, NULL);
  g_assert_cmpint (mrt_process_wait_exit (worker, MRT_WAIT_MS), ==, 0);
}

/* Without a relay there is nothing to wait for. */
static void
test_term_unconnected (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  guint16 port = relay->port;
  g_autoptr (MrtProcess) worker = NULL;

  mrt_relay_free (g_steal_pointer (&relay));
  worker = stage_worker (port, mrt_backend_get_port (backend), NULL);
  g_free (mrt_process_wait_log (worker, "cannot connect to proxy"));
  g_assert_cmpint (mrt_process_wait_exit (worker, MRT_QUIET_MS), ==, -1);
  mrt_process_signal (worker, SIGTERM);
  g_assert_cmpint (mrt_process_wait_exit (worker, 2000), ==, 0);
}

/* The next completion; what the worker says of its models and load does not matter here. */
static JsonObject *
expect_completion (MrtWebsocket *link)
{
  JsonObject *message = mrt_websocket_next (link, MRT_WAIT_MS);

  while (message != NULL && strcmp (mrt_json_string (message, "type"), "models_update") == 0) {
    json_object_unref (message);
    message = mrt_websocket_next (link, MRT_WAIT_MS);
  }
  g_assert_nonnull (message);
  g_assert_cmpstr (mrt_json_string (message, "type"), ==, "response_complete");
  return message;
}

/* A relay that restarts is coming back: the running request finishes, and the worker is here again in about 2 s. */
static void
test_relay_restarts (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtWebsocket) again = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) answer = NULL;
  g_autofree char *line = NULL;
  gint64 since;

  mrt_relay_request (link, "r1", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
  request = mrt_backend_accept (backend);
  mrt_websocket_send (link, "{\"type\":\"graceful_shutdown\",\"reason\":\"restart\",\"drain_timeout_secs\":30}");
  line = mrt_process_wait_log (worker, "graceful shutdown");
  mrt_backend_answer (request, 200, NULL, "{}");
  answer = expect_completion (link);
  since = mrt_now_ms ();
  mrt_websocket_close (link, 1000, "graceful shutdown complete");
  mrt_websocket_expect_close (link, 1000, NULL);
  again = mrt_relay_welcome (relay, BOTH);
  g_assert_cmpint (mrt_now_ms () - since, >=, 1000);
  g_assert_cmpint (mrt_now_ms () - since, <=, 3500);
}

static void
test_reconnects (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtWebsocket) again = NULL;
  gint64 since = mrt_now_ms ();

  mrt_relay_request (link, "r1", STAGE_CHAT, TRUE, NULL, STAGE_STREAM);
  request = mrt_backend_accept (backend);
  mrt_stream_reset (link->stream);
  /* Nobody will read the answer: the GPU stops. */
  g_assert_true (mrt_backend_wait_gone (request, 1000));
  again = mrt_relay_welcome (relay, BOTH);
  g_assert_cmpint (mrt_now_ms () - since, <=, 3000);
  g_assert_true (mrt_websocket_is_quiet (again, MRT_QUIET_MS));
}

static void
test_refused_secret (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (relay, MRT_WAIT_MS);
  g_autofree char *line = NULL;
  g_autofree char *log = NULL;

  g_assert_nonnull (link);
  mrt_websocket_close (link, 1008, "worker authentication failed");
  line = mrt_process_wait_log (worker, "refused");
  g_assert_cmpint (mrt_process_wait_exit (worker, 200), ==, -1);
  log = mrt_process_get_log (worker);
  g_assert_null (strstr (log, STAGE_SECRET));
}

/* A relay that breaks the protocol is left and tried again. */
static void
test_bad_relay (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtWebsocket) again = NULL;

  mrt_websocket_send (link, "{\"type\":\"telepathy\"}");
  mrt_websocket_expect_close (link, 1002, NULL);
  again = mrt_relay_welcome (relay, BOTH);
}

static void
test_two_relays (void)
{
  g_autoptr (MrtRelay) first = mrt_relay_new ();
  g_autoptr (MrtRelay) second = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", second->port);
  g_autoptr (MrtProcess) worker =
      stage_worker (first->port, mrt_backend_get_port (backend), "--proxy-url", url, "--max-concurrency", "2", NULL);
  g_autoptr (MrtWebsocket) first_link = mrt_relay_welcome (first, BOTH);
  g_autoptr (MrtWebsocket) second_link = mrt_relay_welcome (second, BOTH);
  MrtWebsocket *links[] = { first_link, second_link };

  for (guint i = 0; i < 2; i++) {
    g_autoptr (MrtBackendRequest) request = NULL;
    g_autoptr (JsonObject) answer = NULL;

    /* The same id at both: relays do not know of each other. */
    mrt_relay_request (links[i], "same", STAGE_CHAT, FALSE, NULL, STAGE_BODY);
    request = mrt_backend_accept (backend);
    mrt_backend_answer (request, 200, NULL, "{}");
    answer = expect_completion (links[i]);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/worker/pong", test_pong);
  g_test_add_func ("/contract/worker/busy", test_busy);
  g_test_add_func ("/contract/K/polling", test_polling);
  g_test_add_func ("/contract/K/polling-is-quiet", test_polling_is_quiet);
  g_test_add_func ("/contract/K/backend-down-at-start", test_backend_down_at_start);
  g_test_add_func ("/contract/K/auto-concurrency", test_auto_concurrency);
  g_test_add_func ("/contract/K/two-relays", test_two_relays);
  g_test_add_func ("/contract/worker/models-refresh", test_refresh);
  g_test_add_func ("/contract/F6/term", test_term);
  g_test_add_func ("/contract/F6/term-idle", test_term_idle);
  g_test_add_func ("/contract/F6/term-unconnected", test_term_unconnected);
  g_test_add_func ("/contract/worker/relay-restarts", test_relay_restarts);
  g_test_add_func ("/contract/worker/reconnects", test_reconnects);
  g_test_add_func ("/contract/worker/refused-secret", test_refused_secret);
  g_test_add_func ("/contract/worker/bad-relay", test_bad_relay);
  return g_test_run ();
}
