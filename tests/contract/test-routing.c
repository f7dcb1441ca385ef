/* SPDX-License-Identifier: MIT */
/*
 * Contract C8 and the `[models]` of the configuration: conversations that stay with their worker, and names that stand
 * for other models.
 */
#include "stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define N_WORKERS 4

/* --- aliases --- */

typedef struct {
  char *directory;
  char *path;
} Config;

static Config
write_config (const char *models)
{
  Config config = { g_dir_make_tmp ("contract-routing-XXXXXX", NULL), NULL };
  g_autofree char *text = g_strdup_printf ("[models]\n%s", models);

  config.path = g_build_filename (config.directory, "relay.conf", NULL);
  g_assert_true (g_file_set_contents (config.path, text, -1, NULL));
  return config;
}

static void
config_clear (Config *config)
{
  (void) g_unlink (config->path);
  (void) g_rmdir (config->directory);
  g_free (config->path);
  g_free (config->directory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Config, config_clear)

static void
check_taken (MrtWebsocket *worker, const char *model, const char *body)
{
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");

  g_assert_cmpstr (mrt_json_string (request, "model"), ==, model);
  g_assert_cmpstr (mrt_json_string (request, "body"), ==, body);
  mrt_worker_complete (worker, mrt_json_string (request, "request_id"), 200, NULL, "ok");
}

/* Only the bytes of the name change, wherever it stands and however it is written. */
static void
test_alias (void)
{
  static const char *const bodies[][2] = {
    { "{\"model\":\"gpt-4o\",\"n\":1e400}", "{\"model\":\"llama/3:8b\",\"n\":1e400}" },
    { "{ \"messages\": [\"gpt-4o\"],\n\"model\" :\t\"gpt-4o\" }",
      "{ \"messages\": [\"gpt-4o\"],\n\"model\" :\t\"llama/3:8b\" }" },
    { "{\"model\":\"gp\\u0074-4o\"}", "{\"model\":\"llama/3:8b\"}" },
    { "{\"model\":\"first\",\"model\":\"gpt-4o\"}", "{\"model\":\"first\",\"model\":\"llama/3:8b\"}" },
  };
  g_auto (Config) config = write_config ("gpt-4o = llama/3:8b\n");
  g_autoptr (StageRelay) relay = stage_relay ("--config", config.path, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"llama/3:8b\"]", 4);
  g_autoptr (MrtResponse) models = mrt_client_ask (relay->port, "GET", "/v1/models", NULL, NULL);
  g_autoptr (MrtResponse) model = mrt_client_ask (relay->port, "GET", "/v1/models/gpt-4o", NULL, NULL);

  g_assert_nonnull (strstr (models->body.data->str, "\"gpt-4o\""));
  g_assert_nonnull (strstr (models->body.data->str, "\"llama/3:8b\""));
  g_assert_cmpuint (model->status, ==, 200);
  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autoptr (MrtStream) client = stage_post (relay, bodies[i][0]);
    g_autoptr (MrtResponse) response = NULL;

    check_taken (worker, "llama/3:8b", bodies[i][1]);
    response = mrt_client_receive (client);
    stage_check_ok (response, "ok");
  }
}

static void
test_fallback (void)
{
  g_auto (Config) config = write_config ("best = big, small\nonly = big\n");
  g_autoptr (StageRelay) relay = stage_relay ("--config", config.path, NULL);
  g_autoptr (MrtWebsocket) small = stage_join (relay, "small", "[\"small\"]", 1);
  g_autoptr (MrtStream) first = stage_post (relay, "{\"model\":\"best\"}");
  g_autoptr (MrtWebsocket) big = NULL;
  g_autoptr (MrtResponse) models = NULL;
  g_autoptr (MrtStream) second = NULL;
  g_autoptr (MrtStream) third = NULL;
  g_autofree char *running = NULL;

  check_taken (small, "small", "{\"model\":\"small\"}"); /* nobody has the first choice */
  models = mrt_client_ask (relay->port, "GET", "/v1/models", NULL, NULL);
  g_assert_nonnull (strstr (models->body.data->str, "\"best\""));
  g_assert_null (strstr (models->body.data->str, "\"only\"")); /* nobody serves it */
  big = stage_join (relay, "big", "[\"big\"]", 1);
  second = stage_post (relay, "{\"model\":\"best\"}");
  running = mrt_worker_take (big);
  third = stage_post (relay, "{\"model\":\"best\"}");
  check_taken (small, "small", "{\"model\":\"small\"}"); /* the first choice is busy */
}

/* Its worker was lost: the next one gets the name of its own model, from the body as it came. */
static void
test_alias_after_requeue (void)
{
  g_auto (Config) config = write_config ("best = big, small\n");
  g_autoptr (StageRelay) relay = stage_relay ("--config", config.path, NULL);
  g_autoptr (MrtWebsocket) small = stage_join (relay, "small", "[\"small\"]", 1);
  g_autoptr (MrtWebsocket) big = stage_join (relay, "big", "[\"big\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, "{\"model\":\"best\"}");
  g_autofree char *lost = stage_expect_body (big, "{\"model\":\"big\"}");
  g_autoptr (MrtResponse) response = NULL;

  g_clear_pointer (&big, mrt_websocket_free);
  check_taken (small, "small", "{\"model\":\"small\"}");
  response = mrt_client_receive (client);
  stage_check_ok (response, "ok");
}

static void
test_alias_reloaded (void)
{
  g_auto (Config) config = write_config ("a = old\n");
  g_autoptr (StageRelay) relay = stage_relay ("--config", config.path, "--unknown-models", "queue", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"new\"]", 4);
  g_autoptr (MrtStream) waiting = stage_post (relay, "{\"model\":\"a\"}");

  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);
  g_assert_true (g_file_set_contents (config.path, "[models]\na = new\n", -1, NULL));
  mrt_process_signal (relay->process, SIGHUP);
  check_taken (worker, "new", "{\"model\":\"new\"}"); /* it waited under the old meaning */
}

static void
test_bad_aliases (void)
{
  static const char *const cases[][2] = {
    { "a =\n", "[models] a: a comma-separated list" },
    { "a = b,,c\n", "[models] a: a comma-separated list" },
    { "a = *\n", "[models] a: a comma-separated list" },
    { "* = b\n", "[models] *: a name" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
    g_auto (Config) config = write_config (cases[i][0]);
    const char *argv[] = { stage_server_path (), "--check-config", "--config", config.path, NULL };
    g_autoptr (MrtProcess) process = mrt_process_start (argv, env);

    g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 2);
    g_free (mrt_process_wait_log (process, cases[i][1]));
  }
}

/* --- affinity --- */

typedef struct {
  StageRelay *relay;
  MrtWebsocket *workers[N_WORKERS];
} Fleet;

static Fleet
fleet_new (const char *option)
{
  Fleet fleet = { stage_relay (option, NULL) };

  for (guint i = 0; i < N_WORKERS; i++) {
    g_autofree char *name = g_strdup_printf ("w%u", i);

    fleet.workers[i] = stage_join (fleet.relay, name, "[\"m\"]", 4);
  }
  return fleet;
}

static void
fleet_clear (Fleet *fleet)
{
  for (guint i = 0; i < N_WORKERS; i++)
    mrt_websocket_free (fleet->workers[i]);
  stage_relay_free (fleet->relay);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fleet, fleet_clear)

/* Sends a request and answers it on whichever worker got it. Returns: that worker's number */
static guint
turn (Fleet *fleet, const char *headers, const char *body)
{
  g_autoptr (MrtStream) client = mrt_client_open (fleet->relay->port, "POST", STAGE_CHAT, headers, body);
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (mrt_now_ms () < deadline)
    for (guint i = 0; i < N_WORKERS; i++) {
      g_autoptr (JsonObject) request = mrt_websocket_next (fleet->workers[i], 2);
      g_autoptr (MrtResponse) response = NULL;

      if (request == NULL)
        continue;
      g_assert_cmpstr (mrt_json_string (request, "type"), ==, "request");
      mrt_worker_complete (fleet->workers[i], mrt_json_string (request, "request_id"), 200, NULL, "ok");
      response = mrt_client_receive (client);
      stage_check_ok (response, "ok");
      return i;
    }
  g_error ("no worker got the request");
}

static void
test_session_header (void)
{
  static const char *const headers[] = { "x-session-affinity: s1\r\n", "x-session-id: s2\r\n",
                                         "x-claude-code-session-id: s3\r\n", "session-id: s4\r\n",
                                         "thread-id: s5\r\n" };
  g_auto (Fleet) fleet = fleet_new ("--affinity=on");

  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++) {
    guint home = turn (&fleet, headers[i], STAGE_BODY);

    for (guint n = 0; n < 5; n++) {
      g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"messages\":[%u]}", n);

      g_assert_cmpuint (turn (&fleet, headers[i], body), ==, home);
    }
  }
}

static void
append_turn (GString *messages, guint conversation, guint n)
{
  g_string_append_printf (messages, "%s{\"role\":\"user\",\"content\":\"", messages->len > 0 ? "," : "");
  for (guint i = 0; i < 60; i++)
    g_string_append_printf (messages, "conversation %u turn %u word %u; ", conversation, n, i);
  g_string_append (messages, "\"}");
}

/* Without any session header: several conversations with one big system prompt, each on its own worker's cache. */
static guint
count_moves (Fleet *fleet)
{
  enum { CONVERSATIONS = 4, TURNS = 8 };
  g_autoptr (GString) system = g_string_new (NULL);
  g_autoptr (GPtrArray) histories = g_ptr_array_new ();
  guint homes[CONVERSATIONS];
  guint moves = 0;

  for (guint i = 0; i < 800; i++)
    g_string_append_printf (system, "rule %u of the assistant; ", i);
  for (guint i = 0; i < CONVERSATIONS; i++)
    g_ptr_array_add (histories, g_string_new (NULL));
  for (guint n = 0; n < TURNS; n++)
    for (guint i = 0; i < CONVERSATIONS; i++) {
      GString *history = g_ptr_array_index (histories, i);
      g_autofree char *body = NULL;
      guint worker;

      append_turn (history, i, n);
      body = g_strdup_printf ("{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},%s]}",
                              system->str, history->str);
      worker = turn (fleet, NULL, body);
      moves += n > 0 && worker != homes[i];
      homes[i] = worker;
    }
  for (guint i = 0; i < CONVERSATIONS; i++)
    g_string_free (g_ptr_array_index (histories, i), TRUE);
  return moves;
}

static void
test_prefix (void)
{
  g_auto (Fleet) fleet = fleet_new ("--affinity=on");
  guint moves = count_moves (&fleet);

  g_test_message ("%u of 28 turns moved", moves);
  g_assert_cmpuint (moves, <=, 1);
}

static void
test_affinity_off (void)
{
  g_auto (Fleet) fleet = fleet_new ("--affinity=off");

  /* Of idle workers the one that was used longest ago is next. */
  g_assert_cmpuint (turn (&fleet, "x-session-id: s\r\n", STAGE_BODY), !=,
                    turn (&fleet, "x-session-id: s\r\n", STAGE_BODY));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A2/alias", test_alias);
  g_test_add_func ("/contract/C1/fallback", test_fallback);
  g_test_add_func ("/contract/F1/alias-after-requeue", test_alias_after_requeue);
  g_test_add_func ("/contract/J/alias-reloaded", test_alias_reloaded);
  g_test_add_func ("/contract/J/bad-aliases", test_bad_aliases);
  g_test_add_func ("/contract/C8/session-header", test_session_header);
  g_test_add_func ("/contract/C8/prefix", test_prefix);
  g_test_add_func ("/contract/C8/off", test_affinity_off);
  return g_test_run ();
}
