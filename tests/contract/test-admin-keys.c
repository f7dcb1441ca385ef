/* SPDX-License-Identifier: MIT */
/*
 * Contract G3 and G4's usage: keys as an administrator makes, sees and revokes them, and what was used. What a key lets
 * its bearer do is in test-keys.c.
 */
#include "stage-admin.h"

#include <string.h>

static JsonObject *
create (StageRelay *relay, const char *body)
{
  return stage_admin_json (relay, "POST", "/admin/keys", body, 201);
}

static char *
refused (StageRelay *relay, const char *body)
{
  return stage_admin_error (relay, "POST", "/admin/keys", body, 400, "invalid_request");
}

static guint
status_of (StageRelay *relay, const char *method, const char *target)
{
  g_autoptr (MrtResponse) response = stage_admin (relay, method, target, NULL);

  return response->status;
}

static MrtStream *
post_with_key (StageRelay *relay, const char *secret, const char *body)
{
  g_autofree char *headers = g_strdup_printf ("Authorization: Bearer %s\r\n", secret);

  return mrt_client_open (relay->port, "POST", STAGE_CHAT, headers, body);
}

/* --- making --- */

static void
test_create (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (JsonObject) key =
      create (relay, "{\"name\":\"Zo\xc3\xab's laptop\",\"scope\":\"client\",\"models\":[\"a*\",\"b/c\"],"
                     "\"requests_per_minute\":60,\"max_concurrent\":4,\"tokens_per_day\":5000000000,"
                     "\"priority\":\"high\",\"expires_at\":\"2099-01-31T12:00:00+02:00\"}");
  g_autofree char *members = stage_member_names (key, NULL);
  g_autofree char *models = mrt_json_strings (key, "models");
  const char *secret = mrt_json_string (key, "secret");
  g_autofree char *path = g_strdup_printf ("/admin/keys/%s", mrt_json_string (key, "id"));
  g_autoptr (MrtResponse) again = stage_admin (relay, "GET", path, NULL);
  g_autofree char *log = NULL;

  g_assert_cmpstr (members, ==,
                   "id|name|scope|prefix|created_at|expires_at|last_used_at|revoked|live|models|requests_per_minute|"
                   "max_concurrent|tokens_per_day|priority|usage|secret");
  g_assert_true (g_uuid_string_is_valid (mrt_json_string (key, "id")));
  g_assert_true (g_regex_match_simple ("^mr-[A-Za-z0-9_-]{43}$", secret, 0, 0));
  g_assert_true (g_str_has_prefix (secret, mrt_json_string (key, "prefix")));
  g_assert_cmpstr (mrt_json_string (key, "name"), ==, "Zo\xc3\xab's laptop");
  g_assert_cmpstr (mrt_json_string (key, "expires_at"), ==, "2099-01-31T10:00:00Z");
  g_assert_cmpstr (models, ==, "a*|b/c");
  g_assert_cmpint (mrt_json_int (key, "requests_per_minute"), ==, 60);
  g_assert_cmpint (mrt_json_int (key, "max_concurrent"), ==, 4);
  g_assert_cmpint (mrt_json_int (key, "tokens_per_day"), ==, 5000000000);
  g_assert_cmpstr (mrt_json_string (key, "priority"), ==, "high");
  g_assert_false (mrt_json_bool (key, "revoked"));
  g_assert_true (mrt_json_bool (key, "live"));
  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (key, "last_used_at")));
  g_assert_cmpint (mrt_json_int (key, "usage.tokens_today"), ==, 0);
  /* The secret is shown once. */
  g_assert_cmpuint (again->status, ==, 200);
  g_assert_null (strstr (again->body.data->str, secret));
  log = mrt_process_get_log (relay->process);
  g_assert_null (strstr (log, secret));
}

static void
test_defaults (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (JsonObject) key = create (relay, "{\"name\":\"n\",\"models\":null,\"expires_at\":null}");
  static const char *const none[] = { "models",         "requests_per_minute", "max_concurrent",
                                      "tokens_per_day", "expires_at",          "last_used_at" };

  g_assert_cmpstr (mrt_json_string (key, "scope"), ==, "client");
  g_assert_cmpstr (mrt_json_string (key, "priority"), ==, "normal");
  for (guint i = 0; i < G_N_ELEMENTS (none); i++)
    g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (key, none[i])));
}

static void
test_bounds (void)
{
  static const struct {
    const char *body;
    const char *named;
  } rows[] = {
    { "{}", "\"name\"" },
    { "{\"name\":null}", "\"name\"" },
    { "{\"name\":\"\"}", "\"name\"" },
    { "{\"name\":7}", "\"name\"" },
    { "{\"name\":\"a\\nb\"}", "\"name\"" },
    { "{\"name\":\"a\\u009fb\"}", "\"name\"" },
    { "{\"name\":\"n\",\"scope\":\"admin\"}", "\"scope\"" },
    { "{\"name\":\"n\",\"models\":[]}", "\"models\"" },
    { "{\"name\":\"n\",\"models\":\"m\"}", "\"models\"" },
    { "{\"name\":\"n\",\"models\":[\"m\",3]}", "\"models\"" },
    { "{\"name\":\"n\",\"models\":[[\"m\"]]}", "\"models\"" },
    { "{\"name\":\"n\",\"requests_per_minute\":0}", "\"requests_per_minute\"" },
    { "{\"name\":\"n\",\"requests_per_minute\":2147483648}", "\"requests_per_minute\"" },
    { "{\"name\":\"n\",\"requests_per_minute\":\"5\"}", "\"requests_per_minute\"" },
    { "{\"name\":\"n\",\"max_concurrent\":-1}", "\"max_concurrent\"" },
    { "{\"name\":\"n\",\"max_concurrent\":1.5}", "\"max_concurrent\"" },
    { "{\"name\":\"n\",\"tokens_per_day\":99999999999999999999}", "\"tokens_per_day\"" },
    { "{\"name\":\"n\",\"tokens_per_day\":9223372036854775808}", "\"tokens_per_day\"" },
    { "{\"name\":\"n\",\"tokens_per_day\":true}", "\"tokens_per_day\"" },
    { "{\"name\":\"n\",\"priority\":\"urgent\"}", "\"priority\"" },
    { "{\"name\":\"n\",\"expires_at\":\"2001-01-01T00:00:00Z\"}", "\"expires_at\"" },
    { "{\"name\":\"n\",\"expires_at\":\"2099-01-01T00:00:00\"}", "\"expires_at\"" },
    { "{\"name\":\"n\",\"expires_at\":4102444800}", "\"expires_at\"" },
    { "{\"name\":\"n\",\"colour\":\"red\"}", "\"colour\"" },
  };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (JsonObject) list = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *message = refused (relay, rows[i].body);

    if (strstr (message, rows[i].named) == NULL)
      g_error ("%s: %s", rows[i].body, message);
  }
  list = stage_admin_json (relay, "GET", "/admin/keys", NULL, 200);
  g_assert_cmpuint (stage_length (list, "keys"), ==, 0);
}

static void
test_unknown_member_lists_known (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autofree char *message = refused (relay, "{\"name\":\"n\",\"rpm\":5}");

  g_assert_nonnull (strstr (message, "name, scope, models, requests_per_minute, max_concurrent, tokens_per_day, "
                                     "priority, expires_at"));
}

/* A body of @before, a text of @length bytes, and @after. */
static void
check_text_length (StageRelay *relay, const char *before, gsize length, const char *after, gboolean fits)
{
  g_autofree char *text = g_strnfill (length, 'n');
  g_autofree char *body = g_strconcat (before, text, after, NULL);
  g_autoptr (MrtResponse) response = stage_admin (relay, "POST", "/admin/keys", body);

  g_assert_cmpuint (response->status, ==, fits ? 201 : 400);
}

static void
check_globs (StageRelay *relay, guint n, gboolean fits)
{
  g_autoptr (GString) body = g_string_new ("{\"name\":\"n\",\"models\":[\"first\"");
  g_autoptr (MrtResponse) response = NULL;

  for (guint i = 1; i < n; i++)
    g_string_append_printf (body, ",\"m%u\"", i);
  g_string_append (body, "]}");
  response = stage_admin (relay, "POST", "/admin/keys", body->str);
  g_assert_cmpuint (response->status, ==, fits ? 201 : 400);
}

static void
test_lengths (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  check_text_length (relay, "{\"name\":\"", 128, "\"}", TRUE);
  check_text_length (relay, "{\"name\":\"", 129, "\"}", FALSE);
  check_text_length (relay, "{\"name\":\"n\",\"models\":[\"", 256, "\"]}", TRUE);
  check_text_length (relay, "{\"name\":\"n\",\"models\":[\"", 257, "\"]}", FALSE);
  check_globs (relay, 64, TRUE);
  check_globs (relay, 65, FALSE);
}

static void
test_bad_json (void)
{
  static const char *const bodies[] = {
    "",
    "[]",
    "\"n\"",
    "{\"name\":\"n\",}",
    "{'name':'n'}",
    "{\"name\":\"n\"} {}",
    "/* c */ {\"name\":\"n\"}",
    "{\"name\":\"a\\u0000b\"}",
    "{\"name\":\"\\ud800\"}",
    "{\"name\":\"\xff\"}",
  };
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autofree char *deep = g_strnfill (60000, '[');
  g_autofree char *large = g_strnfill (70000, ' ');

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    g_free (stage_admin_error (relay, "POST", "/admin/keys", bodies[i], 400, "invalid_json"));
  g_free (stage_admin_error (relay, "POST", "/admin/keys", deep, 400, "invalid_json"));
  g_free (stage_admin_error (relay, "POST", "/admin/keys", large, 413, "request_too_large"));
}

/* --- living --- */

static void
test_life (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--require-api-keys", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) key = create (relay, "{\"name\":\"n\"}");
  const char *secret = mrt_json_string (key, "secret");
  g_autofree char *path = g_strdup_printf ("/admin/keys/%s", mrt_json_string (key, "id"));
  g_autoptr (MrtStream) without = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) unauthorized = mrt_client_receive (without);
  g_autoptr (MrtStream) running = post_with_key (relay, secret, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (JsonObject) seen = stage_admin_json (relay, "GET", path, NULL, 200);
  g_autoptr (JsonObject) requests = stage_admin_json (relay, "GET", "/admin/requests", NULL, 200);
  g_autoptr (MrtResponse) ended = NULL;
  g_autoptr (MrtStream) late = NULL;
  g_autoptr (MrtResponse) too_late = NULL;
  g_autoptr (JsonObject) dead = NULL;

  g_assert_cmpuint (unauthorized->status, ==, 401);
  g_assert_cmpint (mrt_json_int (seen, "usage.running"), ==, 1);
  g_assert_nonnull (mrt_json_string (seen, "last_used_at"));
  g_assert_cmpstr (mrt_json_string (stage_element (requests, "requests", 0), "key_name"), ==, "n");
  g_assert_cmpstr (mrt_json_string (stage_element (requests, "requests", 0), "key_id"), ==,
                   mrt_json_string (key, "id"));
  g_assert_cmpuint (status_of (relay, "DELETE", path), ==, 204);
  ended = mrt_client_receive (running);
  g_free (stage_check_error (ended, 401, "invalid_api_key"));
  late = post_with_key (relay, secret, STAGE_BODY);
  too_late = mrt_client_receive (late);
  g_assert_cmpuint (too_late->status, ==, 401);
  dead = stage_admin_json (relay, "GET", path, NULL, 200);
  g_assert_true (mrt_json_bool (dead, "revoked"));
  g_assert_false (mrt_json_bool (dead, "live"));
  g_assert_cmpuint (status_of (relay, "DELETE", path), ==, 204);
}

static void
test_unknown (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  g_free (stage_admin_error (relay, "GET", "/admin/keys/none", NULL, 404, "not_found"));
  g_free (stage_admin_error (relay, "DELETE", "/admin/keys/none", NULL, 404, "not_found"));
}

static void
test_worker_key (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (JsonObject) key = create (relay, "{\"name\":\"box\",\"scope\":\"worker\"}");
  g_autoptr (MrtWebsocket) worker = mrt_worker_join (relay->port, mrt_json_string (key, "secret"), "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) list = stage_admin_json (relay, "GET", "/admin/workers", NULL, 200);
  g_autofree char *path = g_strdup_printf ("/admin/keys/%s", mrt_json_string (key, "id"));

  g_assert_cmpstr (mrt_json_string (stage_element (list, "workers", 0), "key_id"), ==, mrt_json_string (key, "id"));
  g_assert_cmpuint (status_of (relay, "DELETE", path), ==, 204);
  mrt_websocket_expect_close (worker, 1008, NULL);
}

static void
test_pages (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree char *target = g_strdup ("/admin/keys?limit=3");
  guint pages = 0;

  for (guint i = 0; i < 7; i++) {
    g_autofree char *body = g_strdup_printf ("{\"name\":\"k%u\"}", i);
    g_autoptr (JsonObject) key = create (relay, body);
  }
  while (target != NULL) {
    g_autoptr (JsonObject) page = stage_admin_json (relay, "GET", target, NULL, 200);
    const char *next = mrt_json_string (page, "next");

    for (guint i = 0; i < stage_length (page, "keys"); i++)
      g_string_append (names, mrt_json_string (stage_element (page, "keys", i), "name"));
    g_free (target);
    target = next != NULL ? g_strdup_printf ("/admin/keys?limit=3&after=%s", next) : NULL;
    pages++;
  }
  g_assert_cmpuint (pages, ==, 3);
  g_assert_cmpstr (names->str, ==, "k0k1k2k3k4k5k6");
}

/* Who asks for a key and goes gets none, and harms nobody. */
static void
test_client_gone (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtResponse) health = NULL;

  for (guint i = 0; i < 20; i++) {
    g_autoptr (MrtStream) post =
        mrt_client_open (relay->port, "POST", "/admin/keys", STAGE_AUTHORIZATION, "{\"name\":\"gone\"}");
    g_autoptr (MrtStream) get = mrt_client_open (relay->port, "GET", "/admin/usage", STAGE_AUTHORIZATION, NULL);
    g_autoptr (MrtStream) delete =
        mrt_client_open (relay->port, "DELETE", "/admin/keys/none", STAGE_AUTHORIZATION, NULL);

    mrt_stream_reset (i % 2 == 0 ? post : get);
  }
  health = mrt_client_ask (relay->port, "GET", "/health", NULL, NULL);
  g_assert_cmpuint (health->status, ==, 200);
}

static void
test_store_degraded (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--database", "sqlite:/proc/no-such-place/keys.db", NULL);
  g_autoptr (MrtResponse) metrics = NULL;

  g_free (stage_admin_error (relay, "POST", "/admin/keys", "{\"name\":\"n\"}", 503, "store_unavailable"));
  metrics = stage_admin (relay, "GET", "/metrics", NULL);
  g_assert_nonnull (strstr (metrics->body.data->str, "modelrelay_key_store_ready 0\n"));
}

/* --- usage --- */

static void
use (StageRelay *relay, MrtWebsocket *worker, const char *secret, const char *model)
{
  g_autofree char *body = g_strdup_printf ("{\"model\":\"%s\"}", model);
  g_autoptr (MrtStream) client = secret != NULL ? post_with_key (relay, secret, body) : stage_post (relay, body);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_websocket_send (worker,
                      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"x\","
                      "\"token_counts\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}",
                      id);
  response = mrt_client_receive (client);
  stage_check_ok (response, "x");
}

/* Usage is in the database a moment after it was noted. */
static JsonObject *
wait_usage (StageRelay *relay, const char *target, guint n)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  for (;;) {
    g_autoptr (JsonObject) page = stage_admin_json (relay, "GET", target, NULL, 200);

    if (stage_length (page, "usage") == n)
      return g_steal_pointer (&page);
    if (mrt_now_ms () > deadline)
      g_error ("%s has %u rows, not %u", target, stage_length (page, "usage"), n);
    g_usleep (20000);
  }
}

static void
test_usage (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\",\"o\"]", 1);
  g_autoptr (JsonObject) key = create (relay, "{\"name\":\"counted\"}");
  const char *id = mrt_json_string (key, "id");
  g_autofree char *by_key = g_strdup_printf ("/admin/usage?key=%s", id);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *today = g_date_time_format (now, "%Y-%m-%d");
  g_autofree char *members = NULL;
  g_autoptr (JsonObject) all = NULL;
  g_autoptr (JsonObject) of_key = NULL;
  g_autoptr (JsonObject) of_model = NULL;
  g_autoptr (JsonObject) past = NULL;
  g_autoptr (JsonObject) page = NULL;
  g_autoptr (JsonObject) seen = NULL;
  g_autofree char *path = g_strdup_printf ("/admin/keys/%s", id);
  JsonObject *row;

  use (relay, worker, mrt_json_string (key, "secret"), "m");
  use (relay, worker, mrt_json_string (key, "secret"), "m");
  use (relay, worker, mrt_json_string (key, "secret"), "o");
  use (relay, worker, NULL, "m");
  all = wait_usage (relay, "/admin/usage", 3);
  of_key = wait_usage (relay, by_key, 2);
  row = stage_element (of_key, "usage", 0);
  members = stage_member_names (row, NULL);
  g_assert_cmpstr (members, ==, "day|key_id|key_name|model|requests|prompt_tokens|completion_tokens");
  g_assert_cmpstr (mrt_json_string (row, "day"), >=, today);
  g_assert_cmpstr (mrt_json_string (row, "key_id"), ==, id);
  g_assert_cmpstr (mrt_json_string (row, "key_name"), ==, "counted");
  g_assert_cmpstr (mrt_json_string (row, "model"), ==, "m");
  g_assert_cmpint (mrt_json_int (row, "requests"), ==, 2);
  g_assert_cmpint (mrt_json_int (row, "prompt_tokens"), ==, 14);
  g_assert_cmpint (mrt_json_int (row, "completion_tokens"), ==, 10);
  of_model = wait_usage (relay, "/admin/usage?model=o", 1);
  past = wait_usage (relay, "/admin/usage?from=2020-01-01&to=2020-12-31", 0);
  page = wait_usage (relay, "/admin/usage?limit=2", 2);
  g_assert_nonnull (mrt_json_string (page, "next"));
  g_clear_pointer (&page, json_object_unref);
  page = wait_usage (relay, "/admin/usage?limit=2&after=2", 1);
  g_assert_true (JSON_NODE_HOLDS_NULL (mrt_json_get (page, "next")));
  seen = stage_admin_json (relay, "GET", path, NULL, 200);
  g_assert_cmpint (mrt_json_int (seen, "usage.tokens_today"), ==, 36);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/G3/create", test_create);
  g_test_add_func ("/contract/G3/defaults", test_defaults);
  g_test_add_func ("/contract/G3/bounds", test_bounds);
  g_test_add_func ("/contract/G3/unknown-member", test_unknown_member_lists_known);
  g_test_add_func ("/contract/G3/lengths", test_lengths);
  g_test_add_func ("/contract/G3/bad-json", test_bad_json);
  g_test_add_func ("/contract/G3/life", test_life);
  g_test_add_func ("/contract/G3/unknown", test_unknown);
  g_test_add_func ("/contract/G3/worker-key", test_worker_key);
  g_test_add_func ("/contract/G3/pages", test_pages);
  g_test_add_func ("/contract/G3/client-gone", test_client_gone);
  g_test_add_func ("/contract/G3/store-degraded", test_store_degraded);
  g_test_add_func ("/contract/G4/usage", test_usage);
  return g_test_run ();
}
