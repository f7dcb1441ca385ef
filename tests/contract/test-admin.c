/* SPDX-License-Identifier: MIT */
/*
 * Contract B2, G1, G2, G4 and H1's access rules: who is an administrator, what the admin API tells of workers, models,
 * figures and requests, and what it does to them. Keys are in test-admin-keys.c, events in test-events.c.
 */
#include "stage-admin.h"

#include <glib/gstdio.h>
#include <string.h>

#define ADMIN_PATHS                                                                                                    \
  "/metrics", "/admin/workers", "/admin/models", "/admin/stats", "/admin/keys", "/admin/requests", "/admin/usage"

static char *
first_worker_id (StageRelay *relay)
{
  g_autoptr (JsonObject) list = stage_admin_json (relay, "GET", "/admin/workers", NULL, 200);

  return g_strdup (mrt_json_string (stage_element (list, "workers", 0), "worker_id"));
}

/* --- who may --- */

static void
check_forbidden (StageRelay *relay, const char *method, const char *path, const char *headers)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, method, path, headers, NULL);
  g_autofree char *message = stage_check_error (response, 403, "forbidden");

  stage_check_admin_head (response);
  g_assert_null (strstr (message, STAGE_TOKEN));
}

static void
test_no_token_configured (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  check_forbidden (relay, "GET", "/admin/workers", NULL);
  check_forbidden (relay, "GET", "/metrics", "Authorization: Bearer \r\n");
}

/* Without the token nothing can be told apart: what there is, what there is not, and methods. Two attempts at a time,
 * so that the address does not have to wait. */
static void
test_nothing_to_probe (void)
{
  static const char *const paths[] = { ADMIN_PATHS, "/admin/events", "/admin/", "/admin/nothing",
                                       "/admin/workers/x/drain" };
  static const char *const headers[] = { NULL, "Authorization: Bearer wrong\r\n",
                                         "Authorization: Basic " STAGE_TOKEN "\r\n", "x-api-key: " STAGE_TOKEN "\r\n" };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (MrtResponse) success = NULL;

    check_forbidden (relay, "GET", paths[i], headers[i % G_N_ELEMENTS (headers)]);
    check_forbidden (relay, i % 2 == 0 ? "OPTIONS" : "PUT", paths[i], NULL);
    success = stage_admin (relay, "GET", "/admin/stats", NULL);
    g_assert_cmpuint (success->status, ==, 200);
  }
}

static void
test_cooldown (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autofree char *line = NULL;
  g_autofree char *message = NULL;
  g_autofree char *log = NULL;
  g_autoptr (MrtResponse) refused = NULL;
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  guint status;

  for (guint i = 0; i < 3; i++)
    check_forbidden (relay, "GET", "/admin/stats", "Authorization: Bearer guessed-token\r\n");
  refused = stage_admin (relay, "GET", "/admin/stats", NULL);
  message = stage_check_error (refused, 429, "rate_limit_exceeded");
  g_assert_cmpstr (mrt_head_get (refused->head, "retry-after"), ==, "1");
  line = mrt_process_wait_log (relay->process, "admin refused");
  g_assert_nonnull (strstr (line, "warn"));
  do {
    g_autoptr (MrtResponse) response = stage_admin (relay, "GET", "/admin/stats", NULL);

    status = response->status;
    g_assert_true (status == 200 || mrt_now_ms () < deadline);
    g_usleep (status == 200 ? 0 : 20000);
  } while (status != 200);
  log = mrt_process_get_log (relay->process);
  g_assert_null (strstr (log, "guessed-token"));
  g_assert_null (strstr (log, STAGE_TOKEN));
}

static void
test_failures_counted (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtResponse) metrics = NULL;

  check_forbidden (relay, "GET", "/admin/stats", NULL);
  check_forbidden (relay, "GET", "/admin/stats", "Authorization: Bearer no\r\n");
  metrics = stage_admin (relay, "GET", "/metrics", NULL);
  g_assert_nonnull (strstr (metrics->body.data->str, "modelrelay_auth_failures_total{realm=\"admin\"} 2\n"));
}

/* Behind a trusted proxy the attempts of one do not count against another. */
static void
test_forwarded (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtResponse) refused = NULL;
  g_autoptr (MrtResponse) other = NULL;

  for (guint i = 0; i < 3; i++)
    check_forbidden (relay, "GET", "/admin/stats", "X-Forwarded-For: 203.0.113.9\r\n");
  refused =
      mrt_client_ask (relay->port, "GET", "/admin/stats", STAGE_AUTHORIZATION "X-Forwarded-For: 203.0.113.9\r\n", NULL);
  g_assert_cmpuint (refused->status, ==, 429);
  other = mrt_client_ask (relay->port, "GET", "/admin/stats", STAGE_AUTHORIZATION "X-Forwarded-For: 203.0.113.10\r\n",
                          NULL);
  g_assert_cmpuint (other->status, ==, 200);
}

static void
test_no_cors (void)
{
  static const char *const paths[] = { ADMIN_PATHS };
  static const char headers[] = STAGE_AUTHORIZATION "Origin: https://page.test\r\n"
                                                    "Access-Control-Request-Method: GET\r\n";
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--cors-origin", "*", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (MrtResponse) plain = mrt_client_ask (relay->port, "GET", paths[i], headers, NULL);
    g_autoptr (MrtResponse) preflight = mrt_client_ask (relay->port, "OPTIONS", paths[i], headers, NULL);

    g_assert_cmpuint (plain->status, ==, 200);
    stage_check_admin_head (plain);
    g_assert_cmpuint (preflight->status, ==, 204);
    stage_check_admin_head (preflight);
  }
}

static void
test_head (void)
{
  static const char *const paths[] = { ADMIN_PATHS, "/admin/events" };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtStream) stream = mrt_stream_connect (relay->port);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (MrtResponse) head = NULL;
    g_autoptr (MrtResponse) next = NULL;

    mrt_client_send (stream, "HEAD", paths[i], STAGE_AUTHORIZATION, NULL);
    head = mrt_client_receive_head (stream, TRUE);
    g_assert_cmpuint (head->status, ==, 200);
    /* Nothing of a body came before the next answer. */
    mrt_client_send (stream, "GET", "/admin/models", STAGE_AUTHORIZATION, NULL);
    next = mrt_client_receive (stream);
    g_assert_cmpstr (next->body.data->str, ==, "{\"models\":[]}");
  }
}

static void
test_methods (void)
{
  static const struct {
    const char *method;
    const char *path;
    const char *allow;
  } rows[] = {
    { "POST", "/admin/workers", "GET, HEAD, OPTIONS" },        { "DELETE", "/admin/keys", "GET, HEAD, POST, OPTIONS" },
    { "POST", "/admin/keys/x", "GET, HEAD, DELETE, OPTIONS" }, { "GET", "/admin/workers/x/drain", "POST, OPTIONS" },
    { "GET", "/admin/requests/x", "DELETE, OPTIONS" },         { "PUT", "/metrics", "GET, HEAD, OPTIONS" },
  };
  static const char *const unknown[] = { "/admin/",          "/admin/nothing",        "/admin/workers/",
                                         "/admin/workers/x", "/admin/workers//drain", "/admin/workers/a/b/drain",
                                         "/admin/keys/a/b" };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (MrtResponse) response = stage_admin (relay, rows[i].method, rows[i].path, NULL);
    g_autofree char *message = stage_check_error (response, 405, "method_not_allowed");

    g_assert_cmpstr (mrt_head_get (response->head, "allow"), ==, rows[i].allow);
  }
  for (guint i = 0; i < G_N_ELEMENTS (unknown); i++)
    g_free (stage_admin_error (relay, "GET", unknown[i], NULL, 404, "not_found"));
}

/* --- workers and models --- */

static void
test_workers (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) zoe = stage_join (relay, "zoe", "[\"m\",\"n\"]", 3);
  g_autoptr (MrtWebsocket) adam = stage_join (relay, "adam", "[\"o\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (zoe);
  g_autoptr (JsonObject) list = stage_admin_json (relay, "GET", "/admin/workers", NULL, 200);
  JsonObject *worker = stage_element (list, "workers", 1);
  g_autofree char *members = stage_member_names (worker, NULL);
  g_autofree char *models = mrt_json_strings (worker, "models");
  g_autofree char *extensions = mrt_json_strings (worker, "extensions");
  g_autoptr (GDateTime) connected = g_date_time_new_from_iso8601 (mrt_json_string (worker, "connected_at"), NULL);

  g_assert_cmpstr (mrt_json_string (stage_element (list, "workers", 0), "worker_name"), ==, "adam");
  g_assert_cmpstr (members, ==,
                   "worker_id|worker_name|provider|models|max_concurrent|reported_load|in_flight_count|free_slots|"
                   "is_draining|connected_at|last_seen_at|remote_address|rtt_ms|requests_total|errors_total|"
                   "tokens_per_second|extensions|version|key_id");
  g_assert_cmpstr (mrt_json_string (worker, "worker_name"), ==, "zoe");
  g_assert_cmpstr (mrt_json_string (worker, "provider"), ==, "local");
  g_assert_cmpstr (models, ==, "m|n");
  g_assert_cmpstr (extensions, ==, "request_errors|response_start");
  g_assert_cmpint (mrt_json_int (worker, "max_concurrent"), ==, 3);
  g_assert_cmpint (mrt_json_int (worker, "in_flight_count"), ==, 1);
  g_assert_cmpint (mrt_json_int (worker, "free_slots"), ==, 2);
  g_assert_cmpint (mrt_json_int (worker, "requests_total"), ==, 1);
  g_assert_false (mrt_json_bool (worker, "is_draining"));
  g_assert_cmpstr (mrt_json_string (worker, "remote_address"), ==, "127.0.0.1");
  g_assert_true (g_str_has_suffix (mrt_json_string (worker, "connected_at"), "Z"));
  g_assert_cmpint (ABS (g_date_time_to_unix (connected) - g_get_real_time () / G_USEC_PER_SEC), <, 30);
  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (worker, "key_id")));
}

static void
test_models (void)
{
  g_autofree char *directory = g_dir_make_tmp ("contract-admin-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "relay.conf", NULL);
  g_autoptr (StageRelay) relay = NULL;
  g_autoptr (MrtWebsocket) one = NULL;
  g_autoptr (MrtWebsocket) two = NULL;
  g_autoptr (JsonObject) list = NULL;
  g_autofree char *stands_for = NULL;

  g_assert_true (g_file_set_contents (path, "[models]\nfast = b, a\n", -1, NULL));
  relay = stage_relay (STAGE_ADMIN, "--config", path, NULL);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
  one = stage_join (relay, "one", "[\"a\"]", 1);
  two = stage_join (relay, "two", "[\"a\"]", 1);
  list = stage_admin_json (relay, "GET", "/admin/models", NULL, 200);
  g_assert_cmpuint (stage_length (list, "models"), ==, 2);
  g_assert_cmpstr (mrt_json_string (stage_element (list, "models", 0), "name"), ==, "a");
  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (stage_element (list, "models", 0), "stands_for")));
  g_assert_cmpint (mrt_json_int (stage_element (list, "models", 0), "workers"), ==, 2);
  g_assert_cmpstr (mrt_json_string (stage_element (list, "models", 1), "name"), ==, "fast");
  g_assert_cmpint (mrt_json_int (stage_element (list, "models", 1), "workers"), ==, 2);
  g_assert_nonnull (mrt_json_string (stage_element (list, "models", 1), "first_seen_at"));
  stands_for = mrt_json_strings (stage_element (list, "models", 1), "stands_for");
  g_assert_cmpstr (stands_for, ==, "b|a");
}

static void
test_drain (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autofree char *worker_id = first_worker_id (relay);
  g_autofree char *path = g_strdup_printf ("/admin/workers/%s/drain", worker_id);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) drained = stage_admin_json (relay, "POST", path, NULL, 202);
  g_autoptr (JsonObject) word = mrt_websocket_expect (worker, "graceful_shutdown");
  g_autoptr (MrtResponse) response = NULL;

  g_assert_cmpstr (mrt_json_string (drained, "worker_id"), ==, worker_id);
  g_assert_true (mrt_json_bool (drained, "is_draining"));
  g_assert_cmpint (mrt_json_int (drained, "free_slots"), ==, 0);
  mrt_worker_complete (worker, id, 200, "{\"content-type\":\"application/json\"}", "last");
  response = mrt_client_receive (client);
  stage_check_ok (response, "last");
  mrt_websocket_expect_close (worker, 1000, NULL);
  g_free (stage_admin_error (relay, "POST", path, NULL, 404, "not_found"));
}

static void
test_refresh (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autofree char *worker_id = first_worker_id (relay);
  g_autofree char *path = g_strdup_printf ("/admin/workers/%s/refresh", worker_id);
  g_autoptr (JsonObject) told = stage_admin_json (relay, "POST", path, NULL, 202);
  g_autoptr (JsonObject) word = mrt_websocket_expect (worker, "models_refresh");

  g_assert_cmpstr (mrt_json_string (told, "worker_id"), ==, worker_id);
  g_free (stage_admin_error (relay, "POST", "/admin/workers/none/refresh", NULL, 404, "not_found"));
}

/* --- requests --- */

static void
test_requests (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running =
      mrt_client_open (relay->port, "POST", STAGE_CHAT "?secret=in-query", "X-Request-Id: mine\r\n",
                       "{\"model\":\"m\",\"messages\":[\"the-prompt\"]}");
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtStream) queued = stage_post (relay, STAGE_STREAM);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) list = NULL;
  g_autofree char *members = NULL;
  JsonObject *request;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  response = stage_admin (relay, "GET", "/admin/requests", NULL);
  g_assert_null (strstr (response->body.data->str, "the-prompt"));
  g_assert_null (strstr (response->body.data->str, "in-query"));
  list = mrt_json_parse (response->body.data->str);
  g_assert_cmpuint (stage_length (list, "requests"), ==, 2);
  request = stage_element (list, "requests", 0);
  members = stage_member_names (request, NULL);
  g_assert_cmpstr (members, ==,
                   "id|request_id|state|model|served_model|key_id|key_name|worker_id|worker_name|endpoint|streaming|"
                   "arrived_at|age_ms|wait_ms|answer_bytes|requeues");
  g_assert_cmpstr (mrt_json_string (request, "id"), ==, id);
  g_assert_cmpstr (mrt_json_string (request, "request_id"), ==, "mine");
  g_assert_cmpstr (mrt_json_string (request, "state"), ==, "dispatched");
  g_assert_cmpstr (mrt_json_string (request, "served_model"), ==, "m");
  g_assert_cmpstr (mrt_json_string (request, "worker_name"), ==, "w");
  g_assert_cmpstr (mrt_json_string (request, "endpoint"), ==, STAGE_CHAT);
  g_assert_false (mrt_json_bool (request, "streaming"));
  request = stage_element (list, "requests", 1);
  g_assert_cmpstr (mrt_json_string (request, "state"), ==, "queued");
  g_assert_true (mrt_json_bool (request, "streaming"));
  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (request, "worker_id")));
}

static void
test_requests_pages (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *target = g_strdup ("/admin/requests?limit=2");
  guint pages = 0;

  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (clients, stage_post (relay, STAGE_BODY));
  stage_wait_health (relay, "queue_depth", 5, MRT_WAIT_MS);
  while (target != NULL) {
    g_autoptr (JsonObject) page = stage_admin_json (relay, "GET", target, NULL, 200);
    const char *next = mrt_json_string (page, "next");

    for (guint i = 0; i < stage_length (page, "requests"); i++)
      g_assert_true (g_hash_table_add (seen, g_strdup (mrt_json_string (stage_element (page, "requests", i), "id"))));
    g_free (target);
    target = next != NULL ? g_strdup_printf ("/admin/requests?limit=2&after=%s", next) : NULL;
    pages++;
  }
  g_assert_cmpuint (pages, ==, 3);
  g_assert_cmpuint (g_hash_table_size (seen), ==, 5);
}

static void
test_bad_parameters (void)
{
  static const struct {
    const char *target;
    const char *name;
  } rows[] = {
    { "/admin/requests?limit=0", "limit" },
    { "/admin/requests?limit=1001", "limit" },
    { "/admin/requests?limit=x", "limit" },
    { "/admin/requests?after=-1", "after" },
    { "/admin/keys?limit=", "limit" },
    { "/admin/keys?after=nobody", "after" },
    { "/admin/usage?limit=1.5", "limit" },
    { "/admin/usage?after=y", "after" },
    { "/admin/usage?from=yesterday", "from" },
    { "/admin/usage?from=2026-13-01", "from" },
    { "/admin/usage?to=2026-1-1", "to" },
    { "/admin/usage?from=2026-02-02&to=2026-02-01", "from" },
    { "/admin/usage?from=2000-01-01&to=2026-01-01", "from" },
  };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *message = stage_admin_error (relay, "GET", rows[i].target, NULL, 400, "invalid_request");
    g_autofree char *quoted = g_strdup_printf ("\"%s\"", rows[i].name);

    if (strstr (message, quoted) == NULL)
      g_error ("%s: %s", rows[i].target, message);
  }
}

static void
test_cancel (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autofree char *running_path = g_strdup_printf ("/admin/requests/%s", id);
  g_autofree char *queued_path = NULL;
  g_autoptr (MrtStream) queued = stage_post (relay, STAGE_BODY);
  g_autoptr (JsonObject) list = NULL;
  g_autoptr (JsonObject) cancel = NULL;
  g_autoptr (MrtResponse) first = NULL;
  g_autoptr (MrtResponse) second = NULL;
  g_autoptr (MrtResponse) done = NULL;
  g_autofree char *message = NULL;
  g_autofree char *other = NULL;

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  list = stage_admin_json (relay, "GET", "/admin/requests", NULL, 200);
  queued_path = g_strdup_printf ("/admin/requests/%s", mrt_json_string (stage_element (list, "requests", 1), "id"));
  done = stage_admin (relay, "DELETE", queued_path, NULL);
  g_assert_cmpuint (done->status, ==, 204);
  second = mrt_client_receive (queued);
  other = stage_check_error (second, 499, "cancelled");
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
  g_clear_pointer (&done, mrt_response_free);
  done = stage_admin (relay, "DELETE", running_path, NULL);
  g_assert_cmpuint (done->status, ==, 204);
  first = mrt_client_receive (running);
  message = stage_check_error (first, 499, "cancelled");
  cancel = mrt_websocket_expect (worker, "cancel");
  g_assert_cmpstr (mrt_json_string (cancel, "request_id"), ==, id);
  g_free (stage_admin_error (relay, "DELETE", running_path, NULL, 404, "not_found"));
}

/* --- figures --- */

static void
answer_one (StageRelay *relay, MrtWebsocket *worker)
{
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_websocket_send (worker,
                      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"x\","
                      "\"token_counts\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}",
                      id);
  response = mrt_client_receive (client);
  stage_check_ok (response, "x");
}

static void
test_stats (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) before = stage_admin_json (relay, "GET", "/admin/stats", NULL, 200);
  g_autoptr (MrtStream) running = NULL;
  g_autoptr (MrtStream) queued = NULL;
  g_autoptr (JsonObject) stats = NULL;
  g_autofree char *members = NULL;
  g_autofree char *id = NULL;

  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (before, "latency.total.p50_ms")));
  answer_one (relay, worker);
  running = stage_post (relay, STAGE_BODY);
  id = mrt_worker_take (worker);
  queued = stage_post (relay, STAGE_BODY);
  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  stats = stage_admin_json (relay, "GET", "/admin/stats", NULL, 200);
  members = stage_member_names (stats, NULL);
  g_assert_cmpstr (members, ==, "queue_depth|active_workers|requests|latency|tokens|models|started_at");
  g_assert_cmpint (mrt_json_int (stats, "queue_depth.local"), ==, 1);
  g_assert_cmpint (mrt_json_int (stats, "active_workers"), ==, 1);
  g_assert_cmpint (mrt_json_int (stats, "requests.total"), ==, 3);
  g_assert_cmpint (mrt_json_int (stats, "requests.completed"), ==, 1);
  g_assert_cmpint (mrt_json_int (stats, "requests.in_flight"), ==, 1);
  g_assert_cmpint (mrt_json_int (stats, "requests.failed"), ==, 0);
  g_assert_cmpint (mrt_json_int (stats, "requests.cancelled"), ==, 0);
  g_assert_cmpint (mrt_json_int (stats, "requests.requeued"), ==, 0);
  g_assert_cmpint (mrt_json_int (stats, "requests.queue_full"), ==, 0);
  g_assert_cmpint (mrt_json_int (stats, "requests.queue_timeout"), ==, 0);
  g_assert_true (JSON_NODE_HOLDS_VALUE (mrt_json_get (stats, "latency.queue_wait.p95_ms")));
  g_assert_true (JSON_NODE_HOLDS_VALUE (mrt_json_get (stats, "latency.time_to_first_byte.p99_ms")));
  g_assert_true (JSON_NODE_HOLDS_VALUE (mrt_json_get (stats, "latency.total.p50_ms")));
  g_assert_cmpint (mrt_json_int (stats, "tokens.prompt"), ==, 7);
  g_assert_cmpint (mrt_json_int (stats, "tokens.completion"), ==, 5);
  g_assert_cmpint (mrt_json_int (stats, "models.m.completed"), ==, 1);
  g_assert_cmpint (mrt_json_int (stats, "models.m.tokens.completion"), ==, 5);
}

/* Every line is a comment or a sample, and there are samples for all that is counted here. */
static void
check_metrics (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL && **line != '\0'; line++)
    g_assert_true (g_str_has_prefix (*line, "# HELP ") || g_str_has_prefix (*line, "# TYPE ") ||
                   (g_ascii_isalpha (**line) && strrchr (*line, ' ') != NULL));
  g_assert_nonnull (strstr (text, "modelrelay_workers 1\n"));
  g_assert_nonnull (strstr (text, "modelrelay_slots 4\n"));
  g_assert_nonnull (strstr (text, "modelrelay_slots_busy 1\n"));
  g_assert_nonnull (strstr (text, "modelrelay_requests_in_flight 1\n"));
  g_assert_nonnull (strstr (text, "modelrelay_queue_depth 0\n"));
  g_assert_nonnull (strstr (text, "modelrelay_key_store_ready 1\n"));
  g_assert_nonnull (strstr (text, "modelrelay_connections 3\n"));
}

static void
test_metrics (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = stage_admin (relay, "GET", "/metrics", NULL);

  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "text/plain; version=0.0.4; charset=utf-8");
  stage_check_admin_head (response);
  check_metrics (response->body.data->str);
  check_forbidden (relay, "GET", "/metrics", NULL);
}

static void
test_metrics_public (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--metrics-public", NULL);

  /* Also for an address that has to wait. */
  for (guint i = 0; i < 3; i++)
    check_forbidden (relay, "GET", "/admin/stats", NULL);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, "GET", "/metrics", NULL, NULL);

    g_assert_cmpuint (response->status, ==, 200);
    stage_check_admin_head (response);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/B2/no-token-configured", test_no_token_configured);
  g_test_add_func ("/contract/B2/nothing-to-probe", test_nothing_to_probe);
  g_test_add_func ("/contract/B2/cooldown", test_cooldown);
  g_test_add_func ("/contract/B2/failures-counted", test_failures_counted);
  g_test_add_func ("/contract/B2/forwarded", test_forwarded);
  g_test_add_func ("/contract/A6/admin-never", test_no_cors);
  g_test_add_func ("/contract/A7/admin-head", test_head);
  g_test_add_func ("/contract/A5/admin-methods", test_methods);
  g_test_add_func ("/contract/G1/workers", test_workers);
  g_test_add_func ("/contract/G1/models", test_models);
  g_test_add_func ("/contract/G4/drain", test_drain);
  g_test_add_func ("/contract/G4/refresh", test_refresh);
  g_test_add_func ("/contract/G4/requests", test_requests);
  g_test_add_func ("/contract/G4/requests-pages", test_requests_pages);
  g_test_add_func ("/contract/G4/bad-parameters", test_bad_parameters);
  g_test_add_func ("/contract/G4/cancel", test_cancel);
  g_test_add_func ("/contract/G2/stats", test_stats);
  g_test_add_func ("/contract/H1/metrics", test_metrics);
  g_test_add_func ("/contract/H1/metrics-public", test_metrics_public);
  return g_test_run ();
}
