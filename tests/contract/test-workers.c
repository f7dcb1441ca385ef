/* SPDX-License-Identifier: MIT */
/*
 * Contract B1 and the protocol's chapters on transport, registration and heartbeat, as a worker sees them.
 */
#include "stage.h"

#include <string.h>

#define CONNECT "/v1/worker/connect"
#define WRONG "worker authentication failed"
#define LIMITED "worker authentication temporarily rate limited"
#define BAD_REGISTRATION "worker registration protocol error"

static JsonObject *
register_with (MrtWebsocket *worker, const char *members)
{
  mrt_websocket_send (worker, "{\"type\":\"register\",%s}", members);
  return mrt_websocket_expect (worker, "register_ack");
}

static void
test_ack (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack =
      register_with (worker, "\"worker_name\":\"w\",\"models\":[\"a\",\"b/c:d\",\"*\"],\"max_concurrent\":2,"
                             "\"protocol_version\":\"2026-04-bridge-v1\",\"current_load\":0,\"unknown\":{\"x\":1}");
  g_autofree char *models = mrt_json_strings (ack, "models");

  g_assert_cmpstr (mrt_json_string (ack, "worker_id"), !=, "");
  g_assert_cmpstr (models, ==, "a|b/c:d|*");
  g_assert_cmpstr (mrt_json_string (ack, "protocol_version"), ==, "2026-04-bridge-v1");
  g_assert_false (mrt_json_has (ack, "warnings"));
  /* An original worker did not ask for extensions: it must not see any. */
  g_assert_false (mrt_json_has (ack, "extensions"));
}

static void
test_extensions (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack =
      register_with (worker, "\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1,"
                             "\"extensions\":[\"time_travel\",\"response_start\",\"request_errors\"]");
  g_autofree char *extensions = mrt_json_strings (ack, "extensions");

  g_assert_nonnull (strstr (extensions, "response_start"));
  g_assert_nonnull (strstr (extensions, "request_errors"));
  g_assert_null (strstr (extensions, "time_travel"));
}

static void
test_no_version (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = register_with (worker, "\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1");

  g_assert_nonnull (mrt_json_string (ack, "worker_id"));
}

static void
test_sanitised (void)
{
  g_autofree char *name = g_strnfill (127, 'n');
  g_autofree char *members =
      g_strdup_printf ("\"worker_name\":\"%s\xc3\xa9\",\"models\":[\"  a \",\"\",\"b\",\"a\",\"   \",\"A\"],"
                       "\"max_concurrent\":0",
                       name);
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = register_with (worker, members);
  g_autofree char *models = mrt_json_strings (ack, "models");
  g_autofree char *warnings = mrt_json_strings (ack, "warnings");
  g_autoptr (MrtStream) client = stage_post (relay, "{\"model\":\"a\"}");
  g_autoptr (MrtResponse) response = NULL;

  g_assert_cmpstr (models, ==, "a|b|A");
  g_assert_cmpstr (warnings, !=, "");
  /* max_concurrent 0 became 1, and the name was cut before the character that did not fit. */
  stage_serve (worker, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
  g_assert_cmpstr (mrt_head_get (response->head, "x-modelrelay-worker"), ==, name);
}

static void
test_too_many_models (void)
{
  g_autoptr (GString) members = g_string_new ("\"worker_name\":\"w\",\"max_concurrent\":1,\"models\":[\"first\"");
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = NULL;
  g_autofree char *models = NULL;

  for (guint i = 0; i < 300; i++)
    g_string_append_printf (members, ",\"m%u\"", i);
  g_string_append_c (members, ']');
  ack = register_with (worker, members->str);
  models = mrt_json_strings (ack, "models");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (ack, "models")), ==, 256);
  g_assert_true (g_str_has_prefix (models, "first|m0|m1|"));
  g_assert_true (mrt_json_has (ack, "warnings"));
}

static void
test_long_model_name (void)
{
  g_autofree char *long_name = g_strnfill (300, 'L');
  g_autofree char *members =
      g_strdup_printf ("\"worker_name\":\"w\",\"max_concurrent\":9999,\"models\":[\"%s\",\"ok\"]", long_name);
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = register_with (worker, members);
  g_autofree char *models = mrt_json_strings (ack, "models");

  g_assert_null (strstr (models, long_name));
  g_assert_nonnull (strstr (models, "ok"));
  g_assert_true (mrt_json_has (ack, "warnings"));
}

static void
check_refused_registration (const char *first_message)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);

  mrt_websocket_send (worker, "%s", first_message);
  mrt_websocket_expect_close (worker, 1002, BAD_REGISTRATION);
}

static void
test_wrong_version (void)
{
  check_refused_registration ("{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1,"
                              "\"protocol_version\":\"2025-01-bridge-v0\"}");
}

static void
test_not_register (void)
{
  check_refused_registration ("{\"type\":\"pong\",\"current_load\":0}");
  check_refused_registration ("{\"type\":\"register\",\"worker_name\":\"w\",\"max_concurrent\":1}");
  check_refused_registration ("{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":-1}");
  check_refused_registration ("{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[5],\"max_concurrent\":1}");
  check_refused_registration ("hello");
}

static void
test_provider (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--provider", "gpus", NULL);
  g_autoptr (MrtWebsocket) wrong =
      mrt_worker_connect (relay->port, CONNECT "?provider=other", "X-Worker-Secret: " STAGE_SECRET "\r\n");
  g_autoptr (MrtWebsocket) right =
      mrt_worker_connect (relay->port, CONNECT "?provider=gpus", "X-Worker-Secret: " STAGE_SECRET "\r\n");
  g_autoptr (JsonObject) ack = NULL;

  mrt_websocket_expect_close (wrong, 1008, WRONG);
  ack = register_with (right, "\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1");
}

static void
test_default_provider (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect (relay->port, CONNECT, "X-Worker-Secret: " STAGE_SECRET "\r\n");
  g_autoptr (JsonObject) ack = register_with (worker, "\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1");
}

static void
check_secret (const char *target, const char *headers, gboolean accepted)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect (relay->port, target, headers);
  g_autoptr (JsonObject) ack = NULL;

  if (accepted)
    ack = register_with (worker, "\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1");
  else
    mrt_websocket_expect_close (worker, 1008, WRONG);
}

static void
test_secret (void)
{
  check_secret (CONNECT "?provider=local", NULL, FALSE);
  check_secret (CONNECT "?provider=local", "X-Worker-Secret: \r\n", FALSE);
  check_secret (CONNECT "?provider=local", "X-Worker-Secret: wrong\r\n", FALSE);
  check_secret (CONNECT "?provider=local", "X-Worker-Secret: " STAGE_SECRET "x\r\n", FALSE);
  check_secret (CONNECT "?provider=local&worker_secret=" STAGE_SECRET, NULL, TRUE);
  check_secret (CONNECT "?worker_secret=wrong", NULL, FALSE);
  check_secret (CONNECT "?worker_secret=wrong", "X-Worker-Secret: " STAGE_SECRET "\r\n", TRUE);
  check_secret (CONNECT "?worker_secret=" STAGE_SECRET, "X-Worker-Secret: wrong\r\n", FALSE);
}

static void
expect_refusal (StageRelay *relay, const char *headers, const char *reason)
{
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect (relay->port, CONNECT, headers);

  mrt_websocket_expect_close (worker, 1008, reason);
}

static gboolean
joins (StageRelay *relay, const char *headers)
{
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect (relay->port, CONNECT, headers);
  g_autoptr (JsonObject) ack = NULL;

  mrt_websocket_send (worker, "{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"a\"],\"max_concurrent\":1}");
  ack = mrt_websocket_next (worker, MRT_WAIT_MS);
  return ack != NULL;
}

static void
test_rate_limit (void)
{
  static const char right[] = "X-Worker-Secret: " STAGE_SECRET "\r\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  gint64 blocked_at;

  for (guint i = 0; i < 3; i++)
    expect_refusal (relay, "X-Worker-Secret: wrong\r\n", WRONG);
  blocked_at = mrt_now_ms ();
  expect_refusal (relay, right, LIMITED);
  /* The first cooldown is 1 s; being asked meanwhile is no failure and does not prolong it. */
  while (!joins (relay, right))
    g_assert_cmpint (mrt_now_ms () - blocked_at, <, 2000);
  g_assert_cmpint (mrt_now_ms () - blocked_at, >=, 900);
  /* A success forgets the failures. */
  expect_refusal (relay, "X-Worker-Secret: wrong\r\n", WRONG);
  expect_refusal (relay, "X-Worker-Secret: wrong\r\n", WRONG);
  g_assert_true (joins (relay, right));
}

static void
test_rate_limit_by_address (void)
{
  static const char wrong_elsewhere[] = "X-Worker-Secret: wrong\r\nX-Forwarded-For: 203.0.113.7\r\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < 3; i++)
    expect_refusal (relay, wrong_elsewhere, WRONG);
  expect_refusal (relay, wrong_elsewhere, LIMITED);
  expect_refusal (relay, "X-Worker-Secret: wrong\r\nForwarded: for=203.0.113.7;proto=https\r\n", LIMITED);
  g_assert_true (joins (relay, "X-Worker-Secret: " STAGE_SECRET "\r\n"));
}

/* Who is no trusted proxy cannot choose its address. */
static void
test_untrusted_proxy (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--trusted-proxy", "192.0.2.1", NULL);

  expect_refusal (relay, "X-Worker-Secret: wrong\r\nX-Forwarded-For: 203.0.113.1\r\n", WRONG);
  expect_refusal (relay, "X-Worker-Secret: wrong\r\nX-Forwarded-For: 203.0.113.2\r\n", WRONG);
  expect_refusal (relay, "X-Worker-Secret: wrong\r\nX-Forwarded-For: 203.0.113.3\r\n", WRONG);
  expect_refusal (relay, "X-Worker-Secret: wrong\r\nX-Forwarded-For: 203.0.113.4\r\n", LIMITED);
}

static void
test_plain_get (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) response =
      mrt_client_ask (relay->port, "GET", CONNECT "?provider=local", "X-Worker-Secret: " STAGE_SECRET "\r\n", NULL);

  g_assert_cmpuint (response->status, ==, 426);
  g_assert_cmpstr (mrt_head_get (response->head, "upgrade"), ==, "websocket");
}

static void
test_ping (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--heartbeat-interval", "0.2", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 start = mrt_now_ms ();
  g_autoptr (JsonObject) ping = NULL;

  g_assert_cmpint (mrt_websocket_receive (worker, text, MRT_WAIT_MS), ==, MRT_MESSAGE_TEXT);
  ping = mrt_json_parse (text->str);
  g_assert_cmpstr (mrt_json_string (ping, "type"), ==, "ping");
  g_assert_cmpint (mrt_now_ms () - start, >=, 100);
}

static void
test_heartbeat_timeout (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--heartbeat-interval", "0.2", "--pong-timeout", "0.6", NULL);
  g_autoptr (MrtWebsocket) mute = stage_join (relay, "mute", "[\"m\"]", 1);
  g_autoptr (MrtWebsocket) alive = stage_join (relay, "alive", "[\"other\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (mute);
  gint64 start = mrt_now_ms ();
  g_autofree char *line = NULL;
  g_autoptr (MrtWebsocket) second = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mute->mute = TRUE;
  while (mrt_now_ms () < start + 1000)
    g_assert_true (mrt_websocket_is_quiet (alive, 50));
  mrt_websocket_expect_close (mute, 1000, "worker heartbeat timed out");
  line = mrt_process_wait_log (relay->process, "worker heartbeat timed out");
  /* Its request is not lost, and who answered pings is still here. */
  second = stage_join (relay, "second", "[\"m\"]", 1);
  stage_serve (second, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
  mrt_websocket_sync (alive);
}

static void
test_star_routes (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"*\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, "{\"model\":\"anything at all\"}");
  g_autoptr (MrtResponse) response = NULL;

  stage_serve (worker, "served");
  response = mrt_client_receive (client);
  stage_check_ok (response, "served");
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/protocol/register-ack", test_ack);
  g_test_add_func ("/contract/protocol/extensions", test_extensions);
  g_test_add_func ("/contract/protocol/no-version-is-tolerated", test_no_version);
  g_test_add_func ("/contract/protocol/registration-is-sanitised", test_sanitised);
  g_test_add_func ("/contract/protocol/too-many-models", test_too_many_models);
  g_test_add_func ("/contract/protocol/long-model-name", test_long_model_name);
  g_test_add_func ("/contract/protocol/wrong-version", test_wrong_version);
  g_test_add_func ("/contract/protocol/not-a-register", test_not_register);
  g_test_add_func ("/contract/protocol/unknown-provider", test_provider);
  g_test_add_func ("/contract/protocol/default-provider", test_default_provider);
  g_test_add_func ("/contract/protocol/plain-get", test_plain_get);
  g_test_add_func ("/contract/protocol/ping", test_ping);
  g_test_add_func ("/contract/protocol/heartbeat-timeout", test_heartbeat_timeout);
  g_test_add_func ("/contract/protocol/star-routes", test_star_routes);
  g_test_add_func ("/contract/B1/secret", test_secret);
  g_test_add_func ("/contract/B1/rate-limit", test_rate_limit);
  g_test_add_func ("/contract/B1/rate-limit-by-address", test_rate_limit_by_address);
  g_test_add_func ("/contract/B1/untrusted-proxy", test_untrusted_proxy);
  return g_test_run ();
}
