/* SPDX-License-Identifier: MIT */
/*
 * Contract B3 to B6, C7: what a key lets its holder do, as clients and workers meet it. How keys are made and listed is
 * test-admin-keys.c's matter.
 */
#include "stage-admin.h"

#include <string.h>

#define OTHER_BODY "{\"model\":\"other\",\"messages\":[]}"

static StageRelay *
keyed_relay (const char *database)
{
  return stage_relay (STAGE_ADMIN, "--require-api-keys", "--database", database, NULL);
}

static MrtStream *
post (StageRelay *relay, const StageKey *key, const char *body)
{
  return mrt_client_open (relay->port, "POST", STAGE_CHAT, key->header, body);
}

static void
check_refused (StageRelay *relay, const char *header, const char *body, guint status, const char *code)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, "POST", STAGE_CHAT, header, body);
  g_autofree char *message = stage_check_error (response, status, code);

  if (status == 401)
    g_assert_cmpstr (mrt_head_get (response->head, "www-authenticate"), ==, "Bearer");
  if (status == 429)
    g_assert_cmpint (g_ascii_strtoll (mrt_head_get (response->head, "retry-after"), NULL, 10), >, 0);
}

/* --- B3 --- */

static void
test_key_needed (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\"}");
  g_autofree char *x_api_key = g_strdup_printf ("x-api-key: %s\r\n", key.secret);
  g_autoptr (MrtResponse) models = mrt_client_ask (relay->port, "GET", "/v1/models", NULL, NULL);
  g_autoptr (MrtResponse) health = mrt_client_ask (relay->port, "GET", "/health", NULL, NULL);
  g_autoptr (MrtStream) first = NULL;
  g_autoptr (MrtResponse) answer = NULL;

  g_assert_cmpuint (models->status, ==, 401);
  g_assert_cmpuint (health->status, ==, 200);
  check_refused (relay, NULL, STAGE_BODY, 401, "invalid_api_key");
  check_refused (relay, "Authorization: Bearer mr-wrong\r\n", STAGE_BODY, 401, "invalid_api_key");
  check_refused (relay, "x-api-key: \r\n", STAGE_BODY, 401, "invalid_api_key");
  check_refused (relay, "Authorization: Basic dXNlcjpwYXNz\r\n", STAGE_BODY, 401, "invalid_api_key");
  for (int i = 0; i < 2; i++) {
    const char *header = i == 0 ? key.header : x_api_key;
    g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", STAGE_CHAT, header, STAGE_BODY);
    g_autoptr (MrtResponse) response = NULL;

    stage_serve (worker, "served");
    response = mrt_client_receive (client);
    stage_check_ok (response, "served");
  }
  stage_revoke_key (relay, &key);
  check_refused (relay, key.header, STAGE_BODY, 401, "invalid_api_key");
}

static void
test_expired (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) soon = g_date_time_add_seconds (now, 2);
  g_autofree char *time = g_date_time_format (soon, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *spec = g_strdup_printf ("{\"name\":\"n\",\"expires_at\":\"%s\"}", time);
  g_auto (StageKey) key = stage_create_key (relay, spec);
  g_autoptr (MrtStream) client = post (relay, &key, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = mrt_client_receive (client); /* running when the key expires */
  g_autofree char *message = stage_check_error (response, 401, "invalid_api_key");

  check_refused (relay, key.header, STAGE_BODY, 401, "invalid_api_key");
}

/* Requests that run and requests that wait end when their key is revoked; another key's do not. */
static void
test_revoked_at_once (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"doomed\"}");
  g_auto (StageKey) other = stage_create_key (relay, "{\"name\":\"other\"}");
  g_autoptr (MrtStream) streaming = post (relay, &key, STAGE_STREAM);
  g_autofree char *streaming_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) running = post (relay, &key, STAGE_BODY);
  g_autofree char *running_id = mrt_worker_take (worker);
  g_autoptr (MrtStream) waiting = post (relay, &key, STAGE_BODY);
  g_autoptr (MrtStream) others = post (relay, &other, STAGE_BODY);
  g_autoptr (MrtResponse) streaming_answer = NULL;
  g_autoptr (MrtResponse) running_answer = NULL;
  g_autoptr (MrtResponse) waiting_answer = NULL;
  g_autoptr (MrtResponse) others_answer = NULL;
  gint64 start;

  mrt_worker_start (worker, streaming_id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, streaming_id, "data: 1\\n\\n");
  streaming_answer = mrt_client_receive_head (streaming, FALSE);
  stage_wait_health (relay, "queue_depth", 2, MRT_WAIT_MS);
  start = mrt_now_ms ();
  stage_revoke_key (relay, &key);
  running_answer = mrt_client_receive (running);
  waiting_answer = mrt_client_receive (waiting);
  mrt_body_finish (&streaming_answer->body, MRT_WAIT_MS);
  g_assert_cmpint (mrt_now_ms () - start, <, 1000);
  g_free (stage_check_error (running_answer, 401, "invalid_api_key"));
  g_free (stage_check_error (waiting_answer, 401, "invalid_api_key"));
  g_assert_nonnull (strstr (streaming_answer->body.data->str, "invalid_api_key"));
  g_assert_cmpint (streaming_answer->body.state, !=, MRT_BODY_COMPLETE);
  for (int i = 0; i < 2; i++) {
    g_autoptr (JsonObject) cancel = mrt_websocket_expect (worker, "cancel");

    mrt_worker_fail (worker, mrt_json_string (cancel, "request_id"), "cancelled");
  }
  stage_serve (worker, "other");
  others_answer = mrt_client_receive (others);
  stage_check_ok (others_answer, "other");
}

/* --- B4 --- */

static JsonObject *
take_headers (MrtWebsocket *worker)
{
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");

  mrt_worker_complete (worker, mrt_json_string (request, "request_id"), 200, NULL, "ok");
  return json_object_ref (json_object_get_object_member (request, "headers"));
}

static void
test_key_stays_here (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\"}");
  g_autofree char *both = g_strdup_printf ("Authorization: Bearer %s\r\nx-api-key: backend-key\r\n", key.secret);
  g_autofree char *turned = g_strdup_printf ("Authorization: Bearer backend-key\r\nx-api-key: %s\r\n", key.secret);
  const struct {
    const char *send;
    const char *authorization;
    const char *x_api_key;
  } cases[] = { { key.header, NULL, NULL }, { both, NULL, "backend-key" }, { turned, "Bearer backend-key", NULL } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", STAGE_CHAT, cases[i].send, STAGE_BODY);
    g_autoptr (JsonObject) headers = take_headers (worker);
    g_autoptr (MrtResponse) response = mrt_client_receive (client);

    g_assert_cmpstr (json_object_get_string_member_with_default (headers, "authorization", NULL), ==,
                     cases[i].authorization);
    g_assert_cmpstr (json_object_get_string_member_with_default (headers, "x-api-key", NULL), ==, cases[i].x_api_key);
  }
}

static void
test_own_headers_pass (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_autoptr (MrtStream) client =
      mrt_client_open (relay->port, "POST", STAGE_CHAT, "Authorization: Bearer sk-1\r\nx-api-key: k2\r\n", STAGE_BODY);
  g_autoptr (JsonObject) headers = take_headers (worker);

  g_assert_cmpstr (json_object_get_string_member (headers, "authorization"), ==, "Bearer sk-1");
  g_assert_cmpstr (json_object_get_string_member (headers, "x-api-key"), ==, "k2");
}

/* --- B5 --- */

static void
test_worker_key (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_auto (StageKey) client_key = stage_create_key (relay, "{\"name\":\"c\"}");
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"gpu\",\"scope\":\"worker\"}");
  g_autoptr (MrtWebsocket) refused = mrt_worker_connect_secret (relay->port, client_key.secret);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtWebsocket) again = NULL;

  mrt_websocket_expect_close (refused, 1008, "worker authentication failed");
  worker = mrt_worker_join (relay->port, key.secret, "w", "[\"m\"]", 1);
  check_refused (relay, key.header, STAGE_BODY, 401, "invalid_api_key"); /* a worker's key is no client's */
  stage_revoke_key (relay, &key);
  mrt_websocket_expect_close (worker, 1008, "worker authentication failed");
  again = mrt_worker_connect_secret (relay->port, key.secret);
  mrt_websocket_expect_close (again, 1008, "worker authentication failed");
}

/* The real worker with a key of its own, and a relay that has no shared secret. */
static void
test_without_shared_secret (void)
{
  g_autofree char *directory = g_dir_make_tmp ("contract-keys-XXXXXX", NULL);
  g_autofree char *database = g_strdup_printf ("sqlite:%s/relay.db", directory);
  g_autofree char *listen = NULL;
  const char *none[] = { stage_server_path (), "--listen", "127.0.0.1:0", "--database", database, NULL };
  const char *with_token[] = { none[0], none[1], none[2], none[3], none[4], STAGE_ADMIN, NULL };
  StageRelay first = { mrt_process_start (with_token, NULL), 0 };
  g_auto (StageKey) key = { NULL };
  g_autoptr (MrtProcess) refused = NULL;
  g_autoptr (MrtProcess) second = NULL;

  listen = mrt_process_wait_log (first.process, "listening address=127.0.0.1:");
  first.port = (guint16) g_ascii_strtoull (strstr (listen, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
  g_free (mrt_process_wait_log (first.process, "no worker can connect"));
  refused = mrt_process_start (none, NULL);
  g_assert_cmpint (mrt_process_wait_exit (refused, MRT_WAIT_MS), ==, 2);
  g_free (mrt_process_wait_log (refused, "--worker-secret is required"));
  key = stage_create_key (&first, "{\"name\":\"gpu\",\"scope\":\"worker\"}");
  mrt_process_free (first.process);
  /* Now a worker can come in, and nothing else is needed. */
  second = mrt_process_start (none, NULL);
  g_free (mrt_process_wait_log (second, "listening address="));
}

/* --- B6 --- */

static void
test_models (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\",\"m:7b\",\"other\"]", 4);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\",\"models\":[\"m\",\"m:*\"]}");
  g_autoptr (MrtResponse) list = mrt_client_ask (relay->port, "GET", "/v1/models", key.header, NULL);
  g_autoptr (MrtResponse) hidden = mrt_client_ask (relay->port, "GET", "/v1/models/other", key.header, NULL);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  g_assert_nonnull (strstr (list->body.data->str, "\"m:7b\""));
  g_assert_null (strstr (list->body.data->str, "other"));
  g_assert_cmpuint (hidden->status, ==, 404);
  check_refused (relay, key.header, OTHER_BODY, 403, "model_not_allowed");
  check_refused (relay, key.header, "{\"model\":\"m7b\"}", 403, "model_not_allowed");
  client = post (relay, &key, "{\"model\":\"m:7b\"}");
  stage_serve (worker, "ok");
  response = mrt_client_receive (client);
  stage_check_ok (response, "ok");
}

/* Fifty connections at once, and ten requests a minute: exactly ten get in. */
static void
test_requests_a_minute (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 50);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\",\"requests_per_minute\":10}");
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  guint served = 0;
  guint refused = 0;

  for (int i = 0; i < 50; i++)
    g_ptr_array_add (clients, post (relay, &key, STAGE_BODY));
  for (int i = 0; i < 10; i++)
    stage_serve (worker, "ok");
  for (guint i = 0; i < clients->len; i++) {
    g_autoptr (MrtResponse) response = mrt_client_receive (g_ptr_array_index (clients, i));

    served += response->status == 200;
    if (response->status == 429) {
      g_autofree char *message = stage_check_error (response, 429, "rate_limit_exceeded");

      refused++;
      g_assert_cmpint (g_ascii_strtoll (mrt_head_get (response->head, "retry-after"), NULL, 10), <=,
                       7); /* 6 s, rounded up */
    }
  }
  g_assert_cmpuint (served, ==, 10);
  g_assert_cmpuint (refused, ==, 40);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

/* What is over the cap waits; it is not refused. */
static void
test_concurrent_requests (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 50);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\",\"max_concurrent\":2}");
  g_auto (StageKey) other = stage_create_key (relay, "{\"name\":\"o\"}");
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtStream) others = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  for (int i = 0; i < 6; i++)
    g_ptr_array_add (clients, post (relay, &key, STAGE_BODY));
  first = mrt_worker_take (worker);
  second = mrt_worker_take (worker);
  stage_wait_health (relay, "queue_depth", 4, MRT_WAIT_MS);
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  others = post (relay, &other, STAGE_BODY); /* nobody else is held up */
  stage_serve (worker, "ok");
  mrt_worker_complete (worker, first, 200, NULL, "ok");
  mrt_worker_complete (worker, second, 200, NULL, "ok");
  for (int i = 0; i < 4; i++)
    stage_serve (worker, "ok");
  for (guint i = 0; i < clients->len; i++) {
    g_autoptr (MrtResponse) response = mrt_client_receive (g_ptr_array_index (clients, i));

    stage_check_ok (response, "ok");
  }
}

/* A client that goes away makes room for its key's next request, before the worker has confirmed anything. */
static void
test_place_freed_by_a_gone_client (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 50);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\",\"max_concurrent\":1}");
  g_autoptr (MrtStream) gone = post (relay, &key, STAGE_BODY);
  g_autofree char *first = mrt_worker_take (worker);
  g_autoptr (MrtStream) next = post (relay, &key, STAGE_BODY);
  g_autoptr (JsonObject) cancel = NULL;
  g_autoptr (MrtResponse) response = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  g_clear_pointer (&gone, mrt_stream_free);
  cancel = mrt_websocket_expect (worker, "cancel");
  stage_serve (worker, "next");
  response = mrt_client_receive (next);
  stage_check_ok (response, "next");
}

static void
serve_tokens (MrtWebsocket *worker, guint prompt, guint completion)
{
  g_autofree char *id = mrt_worker_take (worker);

  mrt_websocket_send (worker,
                      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"ok\","
                      "\"token_counts\":{\"prompt_tokens\":%u,\"completion_tokens\":%u}}",
                      id, prompt, completion);
}

/* A budget is used up by what backends state, and a restart does not refill it. */
static void
test_tokens_a_day (void)
{
  g_autofree char *directory = g_dir_make_tmp ("contract-keys-XXXXXX", NULL);
  g_autofree char *database = g_strdup_printf ("sqlite:%s/relay.db", directory);
  g_autoptr (StageRelay) relay = keyed_relay (database);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_auto (StageKey) key = stage_create_key (relay, "{\"name\":\"n\",\"tokens_per_day\":100}");

  for (int i = 0; i < 2; i++) {
    g_autoptr (MrtStream) client = post (relay, &key, STAGE_BODY);
    g_autoptr (MrtResponse) response = NULL;

    serve_tokens (worker, 40, 20);
    response = mrt_client_receive (client);
    stage_check_ok (response, "ok");
  }
  check_refused (relay, key.header, STAGE_BODY, 429, "rate_limit_exceeded");
  g_clear_pointer (&worker, mrt_websocket_free);
  g_clear_pointer (&relay, stage_relay_free);
  relay = keyed_relay (database);
  check_refused (relay, key.header, STAGE_BODY, 429, "rate_limit_exceeded");
}

/* --- C7 --- */

/* One key sends 200 requests; a second key's one is the next to be served. */
static void
test_turns (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--require-api-keys", "--max-queue-len", "1000", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_auto (StageKey) batch = stage_create_key (relay, "{\"name\":\"batch\"}");
  g_auto (StageKey) person = stage_create_key (relay, "{\"name\":\"person\"}");
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtStream) single = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  for (int i = 0; i < 200; i++)
    g_ptr_array_add (clients, post (relay, &batch, STAGE_BODY));
  first = mrt_worker_take (worker);
  stage_wait_health (relay, "queue_depth", 199, MRT_WAIT_MS);
  single = post (relay, &person, "{\"model\":\"m\",\"who\":\"person\"}");
  stage_wait_health (relay, "queue_depth", 200, MRT_WAIT_MS);
  mrt_worker_complete (worker, first, 200, NULL, "ok");
  second = stage_expect_body (worker, "{\"model\":\"m\",\"who\":\"person\"}");
  mrt_worker_complete (worker, second, 200, NULL, "ok");
  stage_serve (worker, "ok");
}

static void
test_priority (void)
{
  g_autoptr (StageRelay) relay = keyed_relay ("sqlite::memory:");
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  static const char *const names[] = { "low", "normal", "high" };
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autofree char *running = NULL;

  for (guint i = 0; i < 3; i++) {
    g_autofree char *spec = g_strdup_printf ("{\"name\":\"n\",\"priority\":\"%s\"}", names[i]);
    g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"who\":\"%s\"}", names[i]);
    g_auto (StageKey) key = stage_create_key (relay, spec);

    if (i == 0) {
      g_ptr_array_add (clients, post (relay, &key, STAGE_BODY)); /* takes the slot */
      running = mrt_worker_take (worker);
    }
    g_ptr_array_add (clients, post (relay, &key, body));
    stage_wait_health (relay, "queue_depth", i + 1, MRT_WAIT_MS);
  }
  for (guint i = 3; i > 0; i--) {
    g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"who\":\"%s\"}", names[i - 1]);

    mrt_worker_complete (worker, running, 200, NULL, "ok");
    g_free (running);
    running = stage_expect_body (worker, body);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/B3/key-needed", test_key_needed);
  g_test_add_func ("/contract/B3/expired", test_expired);
  g_test_add_func ("/contract/B3/revoked-at-once", test_revoked_at_once);
  g_test_add_func ("/contract/B4/key-stays-here", test_key_stays_here);
  g_test_add_func ("/contract/B4/own-headers-pass", test_own_headers_pass);
  g_test_add_func ("/contract/B5/worker-key", test_worker_key);
  g_test_add_func ("/contract/B5/without-shared-secret", test_without_shared_secret);
  g_test_add_func ("/contract/B6/models", test_models);
  g_test_add_func ("/contract/B6/requests-a-minute", test_requests_a_minute);
  g_test_add_func ("/contract/B6/concurrent-requests", test_concurrent_requests);
  g_test_add_func ("/contract/B6/place-freed-by-a-gone-client", test_place_freed_by_a_gone_client);
  g_test_add_func ("/contract/B6/tokens-a-day", test_tokens_a_day);
  g_test_add_func ("/contract/C7/turns", test_turns);
  g_test_add_func ("/contract/C7/priority", test_priority);
  return g_test_run ();
}
