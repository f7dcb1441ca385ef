/* SPDX-License-Identifier: MIT */
/*
 * The session with one relay: registration, heartbeat, and coming back after each way that a session can end.
 */
#include "harness.h"

#include <string.h>

#define CHAT "/v1/chat/completions"

typedef struct {
  MrtRelay *relay;
  MrtBackend *backend;
  Harness *harness;
} Stage;

static Stage
stage_open (const char *option)
{
  Stage stage = { .relay = mrt_relay_new (), .backend = mrt_backend_new () };

  stage.harness = harness_new_between (stage.relay, stage.backend, option);
  return stage;
}

static void
stage_close (Stage *stage)
{
  harness_free (stage->harness);
  mrt_backend_free (stage->backend);
  mrt_relay_free (stage->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)

static void
test_registration (void)
{
  g_auto (Stage) stage = stage_open ("--provider=a b/c");
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  g_autoptr (JsonObject) registration = mrt_websocket_expect (link, "register");
  g_autofree char *models = mrt_json_strings (registration, "models");
  g_autofree char *extensions = mrt_json_strings (registration, "extensions");

  g_assert_cmpstr (link->handshake->line, ==, "GET /v1/worker/connect?provider=a%20b%2Fc HTTP/1.1");
  g_assert_cmpstr (mrt_head_get (link->handshake, "x-worker-secret"), ==, HARNESS_SECRET);
  g_assert_cmpstr (mrt_json_string (registration, "worker_name"), ==, "w");
  g_assert_cmpstr (mrt_json_string (registration, "protocol_version"), ==, "2026-04-bridge-v1");
  g_assert_cmpint (mrt_json_int (registration, "max_concurrent"), ==, 1);
  g_assert_cmpint (mrt_json_int (registration, "current_load"), ==, 0);
  g_assert_cmpstr (models, ==, "m");
  g_assert_cmpstr (extensions, ==, "request_errors|response_start|binary_frames|load_updates|flow_control");
  harness_wait_state (stage.harness, MR_WORKER_CONNECTING);
  mrt_websocket_send (link, "{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[\"m\"],\"warnings\":[\"x\"]}");
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
  harness_wait_status (stage.harness, "connected to http://127.0.0.1:");
}

static void
check_pong (MrtWebsocket *link, const char *ping, gint64 load, gint64 timestamp)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonObject) pong = NULL;

  mrt_websocket_send (link, "%s", ping);
  g_assert_cmpint (mrt_websocket_receive (link, text, MRT_WAIT_MS), ==, MRT_MESSAGE_TEXT);
  pong = mrt_json_parse (text->str);
  g_assert_cmpstr (mrt_json_string (pong, "type"), ==, "pong");
  g_assert_cmpint (mrt_json_int (pong, "current_load"), ==, load);
  if (timestamp >= 0) {
    g_assert_cmpint (mrt_json_int (pong, "timestamp_unix_ms"), ==, timestamp);
  } else {
    g_assert_false (mrt_json_has (pong, "timestamp_unix_ms"));
  }
}

/* What a pong said of the load is taken back when it is no longer true. */
static void
test_heartbeat (void)
{
  g_auto (Stage) stage = stage_open (NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (stage.relay, NULL);

  check_pong (link, "{\"type\":\"ping\",\"timestamp_unix_ms\":1795209798123}", 0, 1795209798123);
  check_pong (link, "{\"type\":\"ping\"}", 0, -1);

  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  harness_wait_state (stage.harness, MR_WORKER_RELAYING);
  check_pong (link, "{\"type\":\"ping\"}", 1, -1);
  mrt_backend_answer (request, 200, NULL, "{}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (link, "response_complete");
  g_autoptr (JsonObject) update = mrt_websocket_expect (link, "models_update");
  g_assert_cmpint (mrt_json_int (update, "current_load"), ==, 0);
  harness_wait_state (stage.harness, MR_WORKER_CONNECTED);
}

/* (transfer full): the time from @since to the next registration, which is acknowledged. */
static MrtWebsocket *
expect_return (Stage *stage, gint64 since, gint64 at_least_ms, gint64 at_most_ms)
{
  MrtWebsocket *link = mrt_relay_welcome (stage->relay, NULL);
  gint64 waited = mrt_now_ms () - since;

  g_test_message ("back after %d ms", (int) waited);
  g_assert_cmpint (waited, >=, at_least_ms);
  g_assert_cmpint (waited, <=, at_most_ms);
  harness_wait_state (stage->harness, MR_WORKER_CONNECTED);
  return link;
}

static void
test_server_close (void)
{
  g_auto (Stage) stage = stage_open (NULL);
  g_autoptr (MrtWebsocket) first = mrt_relay_welcome (stage.relay, NULL);
  gint64 since = mrt_now_ms ();

  mrt_websocket_close (first, 1000, "worker heartbeat timed out");
  harness_wait_status (stage.harness, "worker heartbeat timed out");
  harness_wait_state (stage.harness, MR_WORKER_ERROR);
  g_autoptr (MrtWebsocket) second = expect_return (&stage, since, 1000, 3000);

  /* The second session was short as well: the wait doubles. */
  since = mrt_now_ms ();
  mrt_stream_reset (second->stream);
  harness_wait_status (stage.harness, "lost");
  g_autoptr (MrtWebsocket) third = expect_return (&stage, since, 2000, 4000);
}

static void
test_graceful_shutdown (void)
{
  g_auto (Stage) stage = stage_open ("--max-concurrency=4");
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (stage.relay, ALL_EXTENSIONS);

  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_websocket_send (link, "{\"type\":\"graceful_shutdown\",\"reason\":\"restart\",\"drain_timeout_secs\":30}");
  mrt_relay_request (link, "r-2", CHAT, FALSE, NULL, "{}");
  g_autoptr (JsonObject) refused = mrt_websocket_expect (link, "error");
  g_assert_cmpstr (mrt_json_string (refused, "code"), ==, "draining");
  mrt_backend_answer (request, 200, NULL, "{}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (link, "response_complete");
  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, "r-1");
  g_assert_true (mrt_websocket_is_quiet (link, MRT_QUIET_MS)); /* closing is the relay's part */

  gint64 since = mrt_now_ms ();
  mrt_websocket_close (link, 1000, "graceful shutdown complete");
  harness_wait_status (stage.harness, "restarting");

  /* It may still be draining and refuse: the wait does not grow meanwhile. */
  for (int i = 0; i < 3; i++) {
    g_autoptr (MrtWebsocket) refused_link = mrt_relay_accept (stage.relay, MRT_WAIT_MS);

    g_assert_cmpint (mrt_now_ms () - since, >=, 1900);
    g_assert_cmpint (mrt_now_ms () - since, <, 3000);
    since = mrt_now_ms ();
    mrt_stream_reset (refused_link->stream);
  }
  g_autoptr (MrtWebsocket) next = expect_return (&stage, since, 1900, 3000);
}

static void
test_wrong_secret (void)
{
  g_auto (Stage) stage = stage_open (NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  gint64 since = mrt_now_ms ();

  mrt_websocket_close (link, 1008, "worker authentication failed");
  harness_wait_status (stage.harness, "wrong worker secret");
  harness_wait_state (stage.harness, MR_WORKER_ERROR);
  g_autoptr (MrtWebsocket) next = expect_return (&stage, since, 1000, 3000);
}

static void
test_no_relay (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new (harness_free_port (), mrt_backend_get_port (backend), NULL);

  harness_wait_status (harness, "cannot reach http://127.0.0.1:");
  harness_wait_state (harness, MR_WORKER_ERROR);
}

/* A web server is no relay. */
static void
test_wrong_address (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new (mrt_backend_get_port (backend), mrt_backend_get_port (backend), NULL);

  harness_wait_status (harness, "404");
  harness_wait_state (harness, MR_WORKER_ERROR);
}

static void
check_protocol_error (const char *first, const char *second)
{
  g_auto (Stage) stage = stage_open (NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (stage.relay, MRT_WAIT_MS);

  mrt_websocket_send (link, "%s", first);
  if (second != NULL) {
    mrt_websocket_send (link, "%s", second);
  }
  mrt_websocket_expect_close (link, 1002, NULL);
  harness_wait_state (stage.harness, MR_WORKER_ERROR);
}

static void
test_protocol_errors (void)
{
  const char *ack = "{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[\"m\"]}";

  check_protocol_error ("{\"type\":\"ping\"}", NULL);
  check_protocol_error ("{\"type\":\"register_ack\",\"models\":[]}", NULL);
  check_protocol_error ("{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[],\"protocol_version\":\"0\"}",
                        NULL);
  check_protocol_error (ack, ack);
  check_protocol_error (ack, "{\"type\":\"unheard\"}");
}

static void
test_request_id_in_use (void)
{
  g_auto (Stage) stage = stage_open (NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (stage.relay, NULL);

  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  mrt_websocket_expect_close (link, 1002, NULL);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay-link/registration", test_registration);
  g_test_add_func ("/relay-link/heartbeat", test_heartbeat);
  g_test_add_func ("/relay-link/server-close", test_server_close);
  g_test_add_func ("/contract/F5/graceful-shutdown", test_graceful_shutdown);
  g_test_add_func ("/relay-link/wrong-secret", test_wrong_secret);
  g_test_add_func ("/relay-link/no-relay", test_no_relay);
  g_test_add_func ("/relay-link/wrong-address", test_wrong_address);
  g_test_add_func ("/contract/F4/protocol-errors", test_protocol_errors);
  g_test_add_func ("/contract/F4/request-id-in-use", test_request_id_in_use);
  return g_test_run ();
}
