/* SPDX-License-Identifier: MIT */
/*
 * The facade: draining, stopping, and what several relays know of each other's load.
 */
#include "harness.h"

#define CHAT "/v1/chat/completions"

static void
check_update (MrtWebsocket *link, const char *models, gint64 load)
{
  g_autoptr (JsonObject) update = mrt_websocket_expect (link, "models_update");
  g_autofree char *listed = mrt_json_strings (update, "models");

  g_assert_cmpstr (listed, ==, models);
  g_assert_cmpint (mrt_json_int (update, "current_load"), ==, load);
}

static void
test_drain_idle (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new_between (relay, backend, NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);

  harness_wait_state (harness, MR_WORKER_CONNECTED);
  harness_call (harness, mr_worker_drain);
  check_update (link, "", 0);
  mrt_websocket_expect_close (link, 1000, "worker drained");
  harness_wait_drained (harness);
  harness_wait_state (harness, MR_WORKER_STOPPED);
  g_assert_null (mrt_relay_accept (relay, MRT_QUIET_MS));
}

static void
drain_with_request (const char *extensions)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new_between (relay, backend, "--max-concurrency=4");
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, extensions);

  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  harness_call (harness, mr_worker_drain);
  check_update (link, "", 1);
  harness_wait_state (harness, MR_WORKER_DRAINING);

  mrt_relay_request (link, "r-2", CHAT, FALSE, NULL, "{}");
  if (extensions != NULL) {
    g_autoptr (JsonObject) refused = mrt_websocket_expect (link, "error");
    g_assert_cmpstr (mrt_json_string (refused, "request_id"), ==, "r-2");
    g_assert_cmpstr (mrt_json_string (refused, "code"), ==, "draining");
  } else {
    g_autoptr (JsonObject) refused = mrt_websocket_expect (link, "response_complete");
    g_assert_cmpstr (mrt_json_string (refused, "request_id"), ==, "r-2");
    g_assert_cmpint (mrt_json_int (refused, "status_code"), ==, 502);
  }

  mrt_backend_answer (request, 200, NULL, "{\"late\":true}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (link, "response_complete");
  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, "r-1");
  g_assert_cmpstr (mrt_json_string (complete, "body"), ==, "{\"late\":true}");
  mrt_websocket_expect_close (link, 1000, "worker drained");
  harness_wait_drained (harness);
}

static void
test_drain_with_request (void)
{
  drain_with_request (ALL_EXTENSIONS);
  drain_with_request (NULL);
}

/* The relay does not come back while the worker drains: nothing is left to wait for. */
static void
test_drain_with_lost_link (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new_between (relay, backend, NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);

  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  harness_call (harness, mr_worker_drain);
  check_update (link, "", 1);
  mrt_stream_reset (link->stream);
  harness_wait_drained (harness);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
}

static void
test_drain_without_relay (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new (harness_free_port (), mrt_backend_get_port (backend), NULL);

  harness_wait_state (harness, MR_WORKER_ERROR);
  harness_call (harness, mr_worker_drain);
  harness_wait_drained (harness);
}

static void
test_stop_and_start (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new_between (relay, backend, NULL);
  g_autoptr (MrtWebsocket) first = mrt_relay_welcome (relay, NULL);

  mrt_relay_request (first, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  harness_wait_state (harness, MR_WORKER_RELAYING);
  harness_call (harness, mr_worker_stop);
  harness_wait_state (harness, MR_WORKER_STOPPED);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
  harness_call (harness, mr_worker_start);
  g_autoptr (MrtWebsocket) second = mrt_relay_welcome (relay, NULL);
  harness_wait_state (harness, MR_WORKER_CONNECTED);
}

/* The capacity is shared, so each relay has to hear of the load that it did not make. */
static void
test_several_relays (void)
{
  g_autoptr (MrtRelay) relay_a = mrt_relay_new ();
  g_autoptr (MrtRelay) relay_b = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autofree char *second = g_strdup_printf ("--proxy-url=http://127.0.0.1:%u", relay_b->port);
  g_autoptr (Harness) harness = harness_new_between (relay_a, backend, second);
  g_autoptr (MrtWebsocket) link_a = mrt_relay_welcome (relay_a, ALL_EXTENSIONS);
  g_autoptr (MrtWebsocket) link_b = mrt_relay_welcome (relay_b, ALL_EXTENSIONS);

  harness_wait_status (harness, "connected to http://127.0.0.1:");
  mrt_websocket_sync (link_b);
  mrt_relay_request (link_a, "r-1", CHAT, FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  check_update (link_b, "m", 1);
  mrt_relay_request (link_b, "r-2", CHAT, FALSE, NULL, "{}");
  g_autoptr (JsonObject) busy = mrt_websocket_expect (link_b, "error");
  g_assert_cmpstr (mrt_json_string (busy, "code"), ==, "busy");
  mrt_backend_answer (request, 200, NULL, "{}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (link_a, "response_complete");
  check_update (link_b, "m", 0);
  g_assert_true (mrt_websocket_is_quiet (link_a, MRT_QUIET_MS));

  harness_call (harness, mr_worker_drain);
  check_update (link_a, "", 0);
  check_update (link_b, "", 0);
  mrt_websocket_expect_close (link_a, 1000, "worker drained");
  mrt_websocket_expect_close (link_b, 1000, "worker drained");
  harness_wait_drained (harness);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/F6/drain-idle", test_drain_idle);
  g_test_add_func ("/contract/F6/drain-with-request", test_drain_with_request);
  g_test_add_func ("/contract/F6/drain-with-lost-link", test_drain_with_lost_link);
  g_test_add_func ("/contract/F6/drain-without-relay", test_drain_without_relay);
  g_test_add_func ("/worker/stop-and-start", test_stop_and_start);
  g_test_add_func ("/worker/several-relays", test_several_relays);
  return g_test_run ();
}
