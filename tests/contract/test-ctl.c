/* SPDX-License-Identifier: MIT */
/*
 * Contract M2: modelrelayctl against a real relay and a real worker, over the admin API and over a bus of its own. The
 * live screen is in test-ctl-top.c.
 */
#include "ctl-stage.h"

#include <string.h>

/* --- What is shown --- */

/* A plain answer for people, and one of JSON that holds @member. */
static void
check_shows (CtlStage *stage, CtlWay way, const char *command, const char *word, const char *expected,
             const char *member)
{
  g_auto (CtlRun) plain = ctl_run (stage, way, command, word, NULL);
  g_auto (CtlRun) json = ctl_run (stage, way, "--json", command, word, NULL);
  g_autoptr (JsonObject) object = NULL;

  ctl_expect (&plain, 0);
  ctl_expect (&json, 0);
  g_assert_cmpstr (plain.err, ==, "");
  if (strstr (plain.out, expected) == NULL)
    g_error ("%s does not show \"%s\":\n%s", command, expected, plain.out);
  g_assert_null (strchr (plain.out, '\033'));
  g_assert_null (strchr (json.out, '\033'));
  object = mrt_json_parse (json.out);
  g_assert_true (mrt_json_has (object, member));
}

static void
test_shows (gconstpointer data)
{
  const CtlWay way = (CtlWay) GPOINTER_TO_INT (data);
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);

  check_shows (stage, way, "status", NULL, "1 connected", "relay.version");
  check_shows (stage, way, "status", NULL, "serving", "statistics.requests.total");
  check_shows (stage, way, "workers", NULL, "tower", "workers");
  check_shows (stage, way, "models", NULL, "m ", "models");
  check_shows (stage, way, "requests", NULL, "No request", "requests");
  check_shows (stage, way, "usage", NULL, "Nothing was used", "usage");
  check_shows (stage, way, "keys", "list", "no keys", "keys");
  check_shows (stage, way, "top", "--once", "tower", "workers");
}

/* --- Keys --- */

static void
test_keys (gconstpointer data)
{
  const CtlWay way = (CtlWay) GPOINTER_TO_INT (data);
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  g_auto (CtlRun) made =
      ctl_run (stage, way, "keys", "create", "laptop", "--models", "m*,n", "--requests-per-minute=60",
               "--tokens-per-day", "1000000", "--priority=low", "--expires", "2099-01-31", "--json", NULL);
  g_auto (CtlRun) plain = ctl_run (stage, way, "keys", "create", "phone", NULL);
  g_auto (CtlRun) shown = ctl_run (stage, way, "keys", "show", "laptop", "--json", NULL);
  g_autoptr (JsonObject) key = mrt_json_parse (made.out);
  g_autoptr (JsonObject) same = mrt_json_parse (shown.out);
  g_autofree char *models = mrt_json_strings (same, "models");
  g_autofree char *prefix = g_strndup (mrt_json_string (key, "id"), 8);
  g_auto (CtlRun) revoked = ctl_run (stage, way, "keys", "revoke", prefix, NULL);
  g_auto (CtlRun) listed = ctl_run (stage, way, "keys", "list", NULL);
  g_auto (CtlRun) again = ctl_run (stage, way, "keys", "create", "phone", "--scope=king", NULL);

  ctl_expect (&made, 0);
  g_assert_true (g_str_has_prefix (mrt_json_string (key, "secret"), "mr-"));
  g_assert_cmpstr (models, ==, "m*|n");
  g_assert_cmpint (mrt_json_int (same, "requests_per_minute"), ==, 60);
  g_assert_cmpint (mrt_json_int (same, "tokens_per_day"), ==, 1000000);
  g_assert_cmpstr (mrt_json_string (same, "priority"), ==, "low");
  g_assert_true (g_str_has_prefix (mrt_json_string (same, "expires_at"), "2099-01-31"));
  g_assert_false (mrt_json_has (same, "secret"));
  /* Nothing but the secret, so that it can go into a file. */
  ctl_expect (&plain, 0);
  g_assert_true (g_str_has_prefix (plain.out, "mr-"));
  g_assert_cmpuint (strlen (plain.out), ==, strlen ("mr-") + 43 + 1);
  g_assert_null (strstr (plain.err, "mr-"));
  ctl_expect (&revoked, 0);
  g_assert_nonnull (strstr (listed.out, "revoked"));
  g_assert_nonnull (strstr (listed.out, "live"));
  ctl_expect (&again, 1);
  g_assert_nonnull (strstr (again.err, "scope"));
}

/* --- Changes --- */

static void
test_worker_commands (gconstpointer data)
{
  const CtlWay way = (CtlWay) GPOINTER_TO_INT (data);
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  MrtWebsocket *one = mrt_worker_join (stage->port, CTL_SECRET, "twin", "[\"m\"]", 1);
  MrtWebsocket *other = mrt_worker_join (stage->port, CTL_SECRET, "twin", "[\"m\"]", 1);
  g_auto (CtlRun) ambiguous = ctl_run (stage, way, "drain", "twin", NULL);
  g_auto (CtlRun) unknown = ctl_run (stage, way, "drain", "nobody", NULL);
  g_auto (CtlRun) refresh = ctl_run (stage, way, "refresh", NULL);
  g_autoptr (JsonObject) refreshed = mrt_websocket_expect (one, "models_refresh");
  g_auto (CtlRun) drain = ctl_run (stage, way, "drain", "tower", NULL);
  g_autofree char *line = mrt_process_wait_log (stage->relay, "worker drained");

  ctl_expect (&ambiguous, 2);
  g_assert_nonnull (strstr (ambiguous.err, "2 workers"));
  ctl_expect (&unknown, 5);
  ctl_expect (&refresh, 0);
  ctl_expect (&drain, 0);
  g_assert_nonnull (strstr (drain.out, "tower"));
  mrt_websocket_free (one);
  mrt_websocket_free (other);
}

static void
test_cancel (gconstpointer data)
{
  const CtlWay way = (CtlWay) GPOINTER_TO_INT (data);
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  g_autoptr (MrtStream) client =
      mrt_client_open (stage->port, "POST", "/v1/chat/completions", NULL, "{\"model\":\"m\",\"messages\":[]}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage->backend);
  g_auto (CtlRun) listed = ctl_run (stage, way, "requests", "--json", NULL);
  g_autoptr (JsonObject) object = mrt_json_parse (listed.out);
  JsonObject *only = json_array_get_object_element (json_node_get_array (mrt_json_get (object, "requests")), 0);
  g_autofree char *prefix = g_strndup (json_object_get_string_member (only, "id"), 8);
  g_auto (CtlRun) cancelled = ctl_run (stage, way, "cancel", prefix, NULL);
  g_autoptr (MrtResponse) response = mrt_client_receive (client);
  g_auto (CtlRun) unknown = ctl_run (stage, way, "cancel", prefix, NULL);

  ctl_expect (&cancelled, 0);
  g_assert_cmpuint (response->status, >=, 400);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
  ctl_expect (&unknown, 5);
}

/* --- A prompt --- */

static gpointer
run_test_command (gpointer data)
{
  CtlRun *run = g_new (CtlRun, 1);

  *run = ctl_run (data, CTL_HTTP, "test", "hello", "there", NULL);
  return run;
}

static void
test_prompt (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  GThread *thread = g_thread_new ("test", run_test_command, stage);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage->backend);
  g_autofree CtlRun *run = NULL;

  g_assert_nonnull (strstr (request->body->str, "hello there"));
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: {\"choices\":[{\"delta\":{\"content\":\"Good \\u001b[31mday\"}}]}\n\n");
  mrt_backend_event (request, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n");
  mrt_backend_event (request, "data: [DONE]\n\n");
  mrt_backend_end (request);
  run = g_thread_join (thread);
  ctl_expect (run, 0);
  g_assert_true (g_str_has_prefix (run->out, "Good ?[31mday\n"));
  g_assert_nonnull (strstr (run->out, "tower"));
  g_assert_nonnull (strstr (run->out, "7 in, 3 out"));
  ctl_run_clear (run);
}

static void
test_prompt_refused (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new ("--require-api-keys");
  g_auto (CtlRun) made = ctl_run (stage, CTL_HTTP, "keys", "create", "k", NULL);
  g_autofree char *key = g_strconcat ("--api-key=", g_strchomp (made.out), NULL);
  g_auto (CtlRun) without = ctl_run (stage, CTL_HTTP, "test", NULL);
  g_auto (CtlRun) wrong = ctl_run (stage, CTL_HTTP, "test", "--api-key=mr-wrong", NULL);
  g_auto (CtlRun) unknown = ctl_run (stage, CTL_DBUS, "test", key, "--model", "nothing", NULL);

  ctl_expect (&without, 4);
  ctl_expect (&wrong, 4);
  g_assert_null (strstr (wrong.err, "mr-wrong"));
  ctl_expect (&unknown, 5);
}

/* --- What goes wrong --- */

static void
test_token (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  g_auto (CtlRun) wrong = ctl_run (stage, CTL_HTTP, "workers", "--token=wrong-token", NULL);
  g_auto (CtlRun) flag = ctl_run (stage, CTL_NOWHERE, "workers", "--url", stage->url, "--token", CTL_TOKEN, NULL);
  g_auto (CtlRun) without = ctl_run (stage, CTL_NOWHERE, "workers", "--url", stage->url, NULL);

  ctl_expect (&wrong, 4);
  g_assert_null (strstr (wrong.err, "wrong-token"));
  ctl_expect (&flag, 0);
  ctl_expect (&without, 4);
  g_assert_nonnull (strstr (without.err, "--token-file"));
}

static void
test_unreachable (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *url = g_strdup_printf ("--url=http://127.0.0.1:%u", port);
  g_auto (CtlRun) no_bus = ctl_run (NULL, CTL_NOWHERE, "status", NULL);
  g_autoptr (MrtProcess) none = NULL;

  close (fd);
  {
    g_auto (CtlRun) down = ctl_run (NULL, CTL_NOWHERE, "status", url, NULL);

    ctl_expect (&down, 3);
    g_assert_nonnull (strstr (down.err, url + strlen ("--url=")));
  }
  ctl_expect (&no_bus, 3);
}

static void
test_usage_errors (void)
{
  static const struct {
    const char *first, *second, *third;
    const char *says;
  } rows[] = {
    { NULL, NULL, NULL, "--help" },
    { "stauts", NULL, NULL, "stauts" },
    { "keys", NULL, NULL, "list, show" },
    { "drain", NULL, NULL, "WORKER" },
    { "status", "more", NULL, "more" },
    { "usage", "--form=2026-01-01", NULL, "--from" },
    { "usage", "--from=2026-02-30", NULL, "2026-02-30" },
    { "usage", "--from", "yesterday", "yesterday" },
    { "workers", "--from=2026-01-01", NULL, "unknown option" },
    { "status", "--url=nowhere", NULL, "nowhere" },
    { "status", "--url=ftp://nowhere", NULL, "ftp://nowhere" },
    { "status", "--url=http://127.0.0.1:1", "--dbus=session", "choose one" },
    { "status", "--dbus=maybe", NULL, "session" },
    { "status", "--config=x", NULL, "no config file" },
    { "top", "--sort=size", NULL, "requests" },
    { "help", "me", NULL, "me" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (CtlRun) run = ctl_run (NULL, CTL_NOWHERE, rows[i].first, rows[i].second, rows[i].third, NULL);

    g_test_message ("%s", run.err);
    ctl_expect (&run, 2);
    g_assert_cmpstr (run.out, ==, "");
    g_assert_nonnull (strstr (run.err, rows[i].says));
  }
}

static void
test_help (void)
{
  static const char *const commands[] = { "status",    "workers",   "models",      "requests",   "top",
                                          "usage",     "test",      "drain",       "refresh",    "cancel",
                                          "keys list", "keys show", "keys create", "keys revoke" };
  g_auto (CtlRun) help = ctl_run (NULL, CTL_NOWHERE, "--help", NULL);
  g_auto (CtlRun) own = ctl_run (NULL, CTL_NOWHERE, "help", "usage", NULL);
  g_auto (CtlRun) version = ctl_run (NULL, CTL_NOWHERE, "--version", NULL);
  g_auto (GStrv) lines = g_strsplit (help.out, "\n", -1);

  ctl_expect (&help, 0);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    g_assert_nonnull (strstr (help.out, commands[i]));
  g_assert_nonnull (strstr (help.out, "Exit codes:"));
  for (guint i = 0; lines[i] != NULL; i++)
    g_assert_cmpint (g_utf8_strlen (lines[i], -1), <=, 80);
  ctl_expect (&own, 0);
  g_assert_nonnull (strstr (own.out, "--from DAY"));
  ctl_expect (&version, 0);
  g_assert_true (g_str_has_prefix (version.out, "modelrelayctl "));
}

/* What comes from outside must not steer the terminal. */
static void
test_escapes (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  MrtWebsocket *worker = mrt_worker_join (stage->port, CTL_SECRET, "sly", "[\"x\\u009b2Jy\"]", 1);
  g_auto (CtlRun) run = ctl_run (stage, CTL_HTTP, "workers", NULL);

  ctl_expect (&run, 0);
  g_assert_nonnull (strstr (run.out, "sly"));
  g_assert_nonnull (strstr (run.out, "x?2Jy"));
  g_assert_null (strstr (run.out, "\302\233"));
  mrt_websocket_free (worker);
}

static void
add_both (const char *name, void (*test) (gconstpointer data))
{
  g_autofree char *http = g_strdup_printf ("/contract/M2/http/%s", name);
  g_autofree char *dbus = g_strdup_printf ("/contract/M2/dbus/%s", name);

  g_test_add_data_func (http, GINT_TO_POINTER (CTL_HTTP), test);
  g_test_add_data_func (dbus, GINT_TO_POINTER (CTL_DBUS), test);
}

int
main (int argc, char **argv)
{
  ctl_stage_init (argc, argv);
  add_both ("shows", test_shows);
  add_both ("keys", test_keys);
  add_both ("workers", test_worker_commands);
  add_both ("cancel", test_cancel);
  g_test_add_func ("/contract/M2/prompt", test_prompt);
  g_test_add_func ("/contract/M2/prompt-refused", test_prompt_refused);
  g_test_add_func ("/contract/M2/token", test_token);
  g_test_add_func ("/contract/M2/unreachable", test_unreachable);
  g_test_add_func ("/contract/M2/usage-errors", test_usage_errors);
  g_test_add_func ("/contract/M2/help", test_help);
  g_test_add_func ("/contract/M2/escapes", test_escapes);
  return g_test_run ();
}
