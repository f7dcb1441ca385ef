/* SPDX-License-Identifier: MIT */
/*
 * Two relays that share a PostgreSQL database: contract B3, B6, F8 between them. The test starts Debian's PostgreSQL.
 */
#include "stage-admin.h"

#include "postgres.h"

typedef struct {
  TestPostgres *server;
  StageRelay *relays[2];
  MrtWebsocket *workers[2];
} Pair;

static Pair
pair_new (void)
{
  Pair pair = { .server = postgres_start () };
  g_autofree char *url = postgres_new_database (pair.server);

  for (guint i = 0; i < 2; i++) {
    pair.relays[i] = stage_relay (STAGE_ADMIN, "--require-api-keys", "--database", url, NULL);
    pair.workers[i] = stage_join (pair.relays[i], "w", "[\"m\"]", 4);
  }
  return pair;
}

static void
pair_clear (Pair *pair)
{
  for (guint i = 0; i < 2; i++) {
    mrt_websocket_free (pair->workers[i]);
    stage_relay_free (pair->relays[i]);
  }
  postgres_free (pair->server);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pair, pair_clear)

static guint
ask_status (StageRelay *relay, const char *path, const StageKey *key)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, "GET", path, key->header, NULL);

  return response->status;
}

/* Until the relay answers a request for its models with @status. */
static void
wait_models_status (StageRelay *relay, const StageKey *key, guint status, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;

  while (ask_status (relay, "/v1/models", key) != status) {
    g_assert_cmpint (mrt_now_ms (), <, deadline);
    g_usleep (5000);
  }
}

/* A key made on one relay works on the other; revoked on one, it ends a stream on the other: each within a second. */
static void
test_revoked_everywhere (void)
{
  g_auto (Pair) pair = pair_new ();
  g_auto (StageKey) key = stage_create_key (pair.relays[0], "{\"name\":\"shared\"}");
  g_autoptr (MrtStream) client = NULL;
  g_autofree char *id = NULL;
  g_autoptr (MrtResponse) response = NULL;
  gint64 start;

  wait_models_status (pair.relays[1], &key, 200, 1000);
  client = mrt_client_open (pair.relays[1]->port, "POST", STAGE_CHAT, key.header, STAGE_STREAM);
  id = mrt_worker_take (pair.workers[1]);
  mrt_worker_start (pair.workers[1], id, 200, STAGE_SSE);
  mrt_worker_chunk (pair.workers[1], id, "data: 1\\n\\n");
  response = mrt_client_receive_head (client, FALSE);
  start = mrt_now_ms ();
  stage_revoke_key (pair.relays[0], &key);
  mrt_body_finish (&response->body, 1000);
  g_test_message ("the other relay's stream ended after %" G_GINT64_FORMAT " ms", mrt_now_ms () - start);
  g_assert_nonnull (strstr (response->body.data->str, "invalid_api_key"));
  g_assert_cmpuint (ask_status (pair.relays[1], "/v1/models", &key), ==, 401);
}

static guint
post_status (Pair *pair, guint which, const StageKey *key, guint tokens)
{
  g_autoptr (MrtStream) client =
      mrt_client_open (pair->relays[which]->port, "POST", STAGE_CHAT, key->header, STAGE_BODY);
  g_autoptr (JsonObject) request = mrt_websocket_next (pair->workers[which], 300);
  g_autoptr (MrtResponse) response = NULL;

  if (request != NULL)
    mrt_websocket_send (pair->workers[which],
                        "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"ok\","
                        "\"token_counts\":{\"prompt_tokens\":0,\"completion_tokens\":%u}}",
                        mrt_json_string (request, "request_id"), tokens);
  response = mrt_client_receive (client);
  return response->status;
}

/* What was used on one relay counts on the other: 60 of 100 on each, and both are over. */
static void
test_one_budget (void)
{
  g_auto (Pair) pair = pair_new ();
  g_auto (StageKey) key = stage_create_key (pair.relays[0], "{\"name\":\"shared\",\"tokens_per_day\":100}");
  gint64 deadline;

  wait_models_status (pair.relays[1], &key, 200, 1000);
  g_assert_cmpuint (post_status (&pair, 0, &key, 60), ==, 200);
  g_assert_cmpuint (post_status (&pair, 1, &key, 60), ==, 200);
  deadline = mrt_now_ms () + 5000;
  for (guint i = 0; i < 2; i++)
    while (post_status (&pair, i, &key, 0) != 429)
      g_assert_cmpint (mrt_now_ms (), <, deadline);
}

/* The database is gone: known keys go on working, /health says so, and all is well when it is back. */
static void
test_database_gone (void)
{
  g_auto (Pair) pair = pair_new ();
  g_auto (StageKey) key = stage_create_key (pair.relays[0], "{\"name\":\"shared\"}");
  g_auto (StageKey) later = { NULL };
  g_autofree char *refusal = NULL;

  postgres_kill (pair.server);
  g_free (mrt_process_wait_log (pair.relays[0]->process, "key store degraded"));
  g_assert_cmpuint (post_status (&pair, 0, &key, 1), ==, 200);
  stage_wait_health (pair.relays[0], "workers_connected", 1, MRT_WAIT_MS);
  refusal = stage_admin_error (pair.relays[0], "POST", "/admin/keys", "{\"name\":\"n\"}", 503, "store_unavailable");
  g_assert_null (strstr (refusal, POSTGRES_PASSWORD));
  postgres_restart (pair.server);
  g_free (mrt_process_wait_log (pair.relays[0]->process, "key store ready"));
  g_free (mrt_process_wait_log (pair.relays[1]->process, "key store ready"));
  later = stage_create_key (pair.relays[1], "{\"name\":\"later\"}");
  wait_models_status (pair.relays[0], &later, 200, 2000);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/B3/revoked-everywhere", test_revoked_everywhere);
  g_test_add_func ("/contract/B6/one-budget", test_one_budget);
  g_test_add_func ("/contract/F8/database-gone", test_database_gone);
  return g_test_run ();
}
