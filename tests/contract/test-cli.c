/* SPDX-License-Identifier: MIT */
/*
 * Contract J and K: command lines, environment, configuration files. What an option does is tested with its rule.
 */
#include "stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Runs a program that ends by itself. */
typedef struct {
  int exit_code;
  char *out;
  char *err;
} Run;

static void
run_clear (Run *run)
{
  g_free (run->out);
  g_free (run->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static Run
run (const char *program, const char *first, const char *second, const char *variable)
{
  const char *argv[] = { program, first, second, NULL };
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, variable, NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, env);
  Run result = { .exit_code = mrt_process_wait_exit (process, MRT_WAIT_MS) };

  if (result.exit_code < 0)
    g_error ("%s %s %s did not end", program, first, second != NULL ? second : "");
  result.out = mrt_process_get_output (process);
  result.err = mrt_process_get_log (process);
  return result;
}

static void
check_help (const char *program, const char *const *options)
{
  g_auto (Run) help = run (program, "--help", NULL, NULL);

  g_assert_cmpint (help.exit_code, ==, 0);
  g_assert_cmpstr (help.err, ==, "");
  for (guint i = 0; options[i] != NULL; i++) {
    if (strstr (help.out, options[i]) == NULL)
      g_error ("%s --help does not mention %s", program, options[i]);
  }
}

static void
test_help (void)
{
  static const char *const server[] = { "--listen",
                                        "LISTEN_ADDR",
                                        "127.0.0.1:8080",
                                        "--worker-secret",
                                        "WORKER_SECRET",
                                        "--provider",
                                        "PROVIDER_NAME",
                                        "--max-queue-len",
                                        "MAX_QUEUE_LEN",
                                        "--queue-timeout",
                                        "QUEUE_TIMEOUT_SECS",
                                        "--request-timeout",
                                        "REQUEST_TIMEOUT_SECS",
                                        "--log-level",
                                        "LOG_LEVEL",
                                        "--heartbeat-interval",
                                        "HEARTBEAT_INTERVAL",
                                        "--max-requeue-count",
                                        "MAX_REQUEUE_COUNT",
                                        "--config",
                                        "--version",
                                        "--completions",
                                        "--check-config",
                                        "--cors-origin",
                                        "--unknown-models",
                                        "--max-response-size",
                                        "--drain-timeout",
                                        "--trusted-proxy",
                                        "--pong-timeout",
                                        "--worker-header",
                                        "--max-request-size",
                                        "--worker-secret-file",
                                        NULL };
  static const char *const worker[] = { "--proxy-url",
                                        "PROXY_URL",
                                        "http://127.0.0.1:8080",
                                        "--worker-secret",
                                        "WORKER_SECRET",
                                        "--worker-name",
                                        "WORKER_NAME",
                                        "--backend-url",
                                        "BACKEND_URL",
                                        "http://127.0.0.1:8000",
                                        "--models",
                                        "MODELS",
                                        "--provider",
                                        "--max-concurrency",
                                        "MAX_CONCURRENCY",
                                        "--poll-interval",
                                        "MODEL_POLL_INTERVAL",
                                        "--backend-header",
                                        "--log-level",
                                        "--config",
                                        "--completions",
                                        "--version",
                                        "--worker-secret-file",
                                        NULL };

  check_help (stage_server_path (), server);
  check_help (stage_worker_path (), worker);
}

static void
check_version (const char *program, const char *name)
{
  g_auto (Run) version = run (program, "--version", NULL, NULL);

  g_assert_cmpint (version.exit_code, ==, 0);
  g_assert_cmpstr (version.err, ==, "");
  g_assert_true (g_str_has_prefix (version.out, name));
  g_assert_true (g_ascii_isdigit (version.out[strlen (name)]));
}

static void
test_version (void)
{
  check_version (stage_server_path (), "modelrelay-server ");
  check_version (stage_worker_path (), "modelrelay-worker ");
}

static void
test_check_config (void)
{
  const char *const programs[] = { stage_server_path (), stage_worker_path () };

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++) {
    g_auto (Run) good = run (programs[i], "--check-config", NULL, NULL);
    g_auto (Run) bad = run (programs[i], "--check-config", "--log-level=loud", NULL);

    g_assert_cmpint (good.exit_code, ==, 0);
    g_assert_cmpint (bad.exit_code, ==, 2);
    g_assert_nonnull (strstr (bad.err, "log-level"));
  }
}

/* A bad value: exit 2, and a message with the option, the value and what is allowed. */
typedef struct {
  const char *option;
  const char *value;
  const char *allowed; /* part of it; NULL where the words are free */
} BadValue;

static void
check_bad_values (const char *program, const BadValue *rows, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    g_autofree char *flag = g_strdup_printf ("--%s", rows[i].option);
    g_auto (Run) apart = run (program, flag, rows[i].value, NULL);
    g_autofree char *joined_flag = g_strdup_printf ("--%s=%s", rows[i].option, rows[i].value);
    g_auto (Run) joined = run (program, joined_flag, NULL, NULL);

    g_test_message ("%s", joined.err);
    g_assert_cmpint (apart.exit_code, ==, 2);
    g_assert_cmpint (joined.exit_code, ==, 2);
    g_assert_nonnull (strstr (joined.err, rows[i].option));
    g_assert_nonnull (strstr (joined.err, rows[i].value));
    if (rows[i].allowed != NULL)
      g_assert_nonnull (strstr (joined.err, rows[i].allowed));
    g_assert_cmpstr (joined.out, ==, "");
  }
}

static void
test_server_bad_values (void)
{
  static const BadValue rows[] = {
    { "log-level", "loud", "debug" },
    { "unknown-models", "maybe", "reject" },
    { "max-queue-len", "many", NULL },
    { "max-queue-len", "-1", NULL },
    { "max-queue-len", "99999999999999999999999", NULL },
    { "queue-timeout", "soon", NULL },
    { "queue-timeout", "1e400", NULL },
    { "request-timeout", "-5", NULL },
    { "heartbeat-interval", "nan", NULL },
    { "max-response-size", "10X", NULL },
    { "max-request-size", "-1K", NULL },
    { "max-requeue-count", "3.5", NULL },
    { "listen", "nowhere", NULL },
    { "listen", "127.0.0.1:99999", NULL },
  };

  check_bad_values (stage_server_path (), rows, G_N_ELEMENTS (rows));
}

static void
test_worker_bad_values (void)
{
  static const BadValue rows[] = {
    { "log-level", "loud", "debug" },        { "max-concurrency", "some", "auto" },
    { "max-concurrency", "-2", NULL },       { "max-concurrency", "0x10", NULL },
    { "poll-interval", "often", NULL },      { "proxy-url", "relay.example", NULL },
    { "proxy-url", "ftp://x/", "http" },     { "backend-url", "localhost:8000:1", NULL },
    { "backend-url", "gopher://x", "http" },
  };

  check_bad_values (stage_worker_path (), rows, G_N_ELEMENTS (rows));
}

static void
test_unknown_option (void)
{
  const char *const programs[] = { stage_server_path (), stage_worker_path () };

  for (guint i = 0; i < G_N_ELEMENTS (programs); i++) {
    g_auto (Run) unknown = run (programs[i], "--log-levle", "debug", NULL);
    g_auto (Run) word = run (programs[i], "serve", NULL, NULL);

    g_assert_cmpint (unknown.exit_code, ==, 2);
    g_assert_nonnull (strstr (unknown.err, "log-levle"));
    g_assert_cmpint (word.exit_code, ==, 2);
    g_assert_nonnull (strstr (word.err, "serve"));
  }
}

static void
test_bad_environment (void)
{
  static const char *const server[] = { "MAX_QUEUE_LEN=zzz", "QUEUE_TIMEOUT_SECS=zzz", "REQUEST_TIMEOUT_SECS=zzz",
                                        "LOG_LEVEL=zzz",     "HEARTBEAT_INTERVAL=zzz", "MAX_REQUEUE_COUNT=zzz",
                                        "LISTEN_ADDR=zzz" };
  static const char *const worker[] = { "PROXY_URL=zzz", "BACKEND_URL=zzz", "MAX_CONCURRENCY=zzz",
                                        "MODEL_POLL_INTERVAL=zzz", "LOG_LEVEL=zzz" };

  for (guint i = 0; i < G_N_ELEMENTS (server) + G_N_ELEMENTS (worker); i++) {
    gboolean of_server = i < G_N_ELEMENTS (server);
    const char *variable = of_server ? server[i] : worker[i - G_N_ELEMENTS (server)];
    g_auto (Run) bad = run (of_server ? stage_server_path () : stage_worker_path (), "--check-config", NULL, variable);

    g_test_message ("%s: %s", variable, bad.err);
    g_assert_cmpint (bad.exit_code, ==, 2);
    g_assert_nonnull (strstr (bad.err, "zzz"));
  }
}

static void
test_secret_required (void)
{
  /* Whether the relay needs one depends on the keys in its database, which a check does not open. */
  g_auto (Run) server = run (stage_server_path (), "--listen", "127.0.0.1:0", "WORKER_SECRET=");
  g_auto (Run) worker = run (stage_worker_path (), "--check-config", NULL, "WORKER_SECRET=");

  g_assert_cmpint (server.exit_code, ==, 2);
  g_assert_nonnull (strstr (server.err, "modelrelay-server: --worker-secret is required"));
  g_assert_cmpint (worker.exit_code, ==, 2);
  g_assert_nonnull (strstr (worker.err, "worker-secret"));
}

/* A file that is removed when the test is over. */
typedef char *TemporaryFile;

static void
temporary_file_clear (TemporaryFile *path)
{
  g_unlink (*path);
  g_free (*path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TemporaryFile, temporary_file_clear)

static char *
write_file (const char *contents)
{
  char *path = NULL;
  int fd = g_file_open_tmp ("contract-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  g_assert_true (g_file_set_contents (path, contents, -1, NULL));
  return path;
}

/* Starts the relay with what is given and checks where it listens. */
static void
check_listen (const char *const *options, const char *variable, const char *expected)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, variable, NULL };
  g_autoptr (MrtProcess) process = NULL;
  g_autofree char *line = NULL;

  g_ptr_array_add (argv, (gpointer) stage_server_path ());
  for (guint i = 0; options[i] != NULL; i++)
    g_ptr_array_add (argv, (gpointer) options[i]);
  g_ptr_array_add (argv, NULL);
  process = mrt_process_start ((const char *const *) argv->pdata, env);
  line = mrt_process_wait_log (process, "listening address=");
  if (strstr (line, expected) == NULL)
    g_error ("expected %s in: %s", expected, line);
}

static void
test_precedence (void)
{
  g_auto (TemporaryFile) path = write_file ("[server]\nlisten=127.0.0.4:0\n");
  const char *all[] = { "--config", path, "--listen", "127.0.0.2:0", NULL };
  const char *file[] = { "--config", path, NULL };

  check_listen (all, "LISTEN_ADDR=127.0.0.3:0", "address=127.0.0.2:");
  check_listen (file, "LISTEN_ADDR=127.0.0.3:0", "address=127.0.0.3:");
  check_listen (file, NULL, "address=127.0.0.4:");
}

/* The name that the worker registers with. */
static void
check_worker_name (const char *first, const char *second, const char *third, const char *variable, const char *expected)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", relay->port);
  const char *argv[] = { stage_worker_path (), "--proxy-url", url, "--models=m", first, second, third, NULL };
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, variable, NULL };
  g_autoptr (MrtProcess) worker = mrt_process_start (argv, env);
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (relay, MRT_WAIT_MS);
  g_autoptr (JsonObject) registration = NULL;

  g_assert_nonnull (link);
  registration = mrt_websocket_expect (link, "register");
  g_assert_cmpstr (mrt_json_string (registration, "worker_name"), ==, expected);
}

static void
test_worker_precedence (void)
{
  g_auto (TemporaryFile) path = write_file ("[worker]\nworker-name=from-file\n");

  check_worker_name ("--config", path, "--worker-name=from-flag", "WORKER_NAME=from-env", "from-flag");
  check_worker_name ("--config", path, NULL, "WORKER_NAME=from-env", "from-env");
  check_worker_name ("--config", path, NULL, NULL, "from-file");
  check_worker_name (NULL, NULL, NULL, NULL, g_get_host_name ());
}

static void
test_bad_config_file (void)
{
  static const char *const contents[] = { "[server]\nmax-queue-len=zzz\n", "[server]\nno-such-key=1\n",
                                          "not a key file" };

  for (guint i = 0; i < G_N_ELEMENTS (contents); i++) {
    g_auto (TemporaryFile) path = write_file (contents[i]);
    g_auto (Run) bad = run (stage_server_path (), "--config", path, NULL);

    g_assert_cmpint (bad.exit_code, ==, 2);
    g_assert_cmpstr (bad.err, !=, "");
  }
  {
    g_auto (Run) missing = run (stage_server_path (), "--config", "/no/such/file.conf", NULL);

    g_assert_cmpint (missing.exit_code, ==, 2);
    g_assert_nonnull (strstr (missing.err, "/no/such/file.conf"));
  }
}

/* A relay that was given the secret "right" in some way, and no other. */
static void
check_secret (const char *option, const char *variable)
{
  const char *argv[] = { stage_server_path (), "--listen=127.0.0.1:0", option, NULL };
  const char *env[] = { variable, NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, env);
  g_autofree char *line = mrt_process_wait_log (process, "listening address=127.0.0.1:");
  guint16 port = (guint16) g_ascii_strtoull (strrchr (line, ':') + 1, NULL, 10);
  g_autoptr (MrtWebsocket) wrong = mrt_worker_connect_secret (port, "wrong");
  g_autoptr (MrtWebsocket) right = mrt_worker_join (port, "right", "w", "[\"m\"]", 1);

  mrt_websocket_expect_close (wrong, 1008, "worker authentication failed");
}

static void
test_secret_sources (void)
{
  g_auto (TemporaryFile) secret_file = write_file ("right\n");
  g_autofree char *config = g_strdup_printf ("[server]\nworker-secret-file=%s\n", secret_file);
  g_auto (TemporaryFile) config_file = write_file (config);
  g_autofree char *secret_option = g_strdup_printf ("--worker-secret-file=%s", secret_file);
  g_autofree char *config_option = g_strdup_printf ("--config=%s", config_file);
  g_autofree char *credentials = g_dir_make_tmp ("contract-XXXXXX", NULL);
  g_autofree char *variable = g_strdup_printf ("CREDENTIALS_DIRECTORY=%s", credentials);
  g_auto (TemporaryFile) credential = g_build_filename (credentials, "worker-secret", NULL);

  g_assert_true (g_file_set_contents (credential, "right\n", -1, NULL));
  check_secret ("--worker-secret=right", "WORKER_SECRET=wrong");
  check_secret (NULL, "WORKER_SECRET=right");
  check_secret (secret_option, "WORKER_SECRET=wrong");
  check_secret (config_option, NULL);
  check_secret (NULL, variable);
  g_unlink (credential);
  g_rmdir (credentials);
}

static void
test_several_listeners (void)
{
  g_autofree char *dir = g_dir_make_tmp ("contract-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "relay.sock", NULL);
  g_autofree char *unix_address = g_strdup_printf ("unix:%s", path);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  MrtStream client = { .fd = -1 };

  {
    g_autoptr (StageRelay) relay = stage_relay ("--listen", "[::1]:0", "--listen", unix_address, NULL);
    g_autofree char *line = mrt_process_wait_log (relay->process, "listening address=[::1]:");
    g_autoptr (MrtResponse) response = NULL;

    g_free (mrt_process_wait_log (relay->process, unix_address));
    client.fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client.in = g_string_new (NULL);
    g_strlcpy (address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint (connect (client.fd, (struct sockaddr *) &address, sizeof address), ==, 0);
    mrt_client_send (&client, "GET", "/health", NULL, NULL);
    response = mrt_client_receive (&client);
    g_assert_cmpuint (response->status, ==, 200);
    close (client.fd);
    g_string_free (client.in, TRUE);
  }
  g_unlink (path);
  g_rmdir (dir);
}

static void
test_address_in_use (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", port);
  g_auto (Run) result = run (stage_server_path (), "--listen", address, NULL);

  g_assert_cmpint (result.exit_code, >, 0);
  g_assert_cmpint (result.exit_code, <, 128);
  g_assert_nonnull (strstr (result.err, address));
  close (fd);
}

static void
test_hangup (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_process_signal (relay->process, SIGHUP);
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_QUIET_MS), ==, -1);
  mrt_worker_complete (worker, id, 200, NULL, "still here");
  response = mrt_client_receive (client);
  stage_check_ok (response, "still here");
}

/* SIGHUP takes over what can change, and keeps the old configuration when the new one is bad. */
static void
test_reload (void)
{
  g_auto (TemporaryFile) path = write_file ("[server]\nunknown-models=queue\n");
  g_autoptr (StageRelay) relay = NULL;
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtStream) waiting = NULL;
  g_autoptr (MrtResponse) refused = NULL;

  relay = stage_relay ("--config", path, NULL);
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  waiting = stage_post (relay, "{\"model\":\"nobody-has-it\"}");
  stage_wait_health (relay, "queue_depth", 1, MRT_WAIT_MS);

  g_assert_true (g_file_set_contents (path, "[server]\nunknown-models=perhaps\n", -1, NULL));
  mrt_process_signal (relay->process, SIGHUP);
  g_free (mrt_process_wait_log (relay->process, "configuration not reloaded"));
  g_assert_true (mrt_stream_is_quiet (waiting, MRT_QUIET_MS));

  g_assert_true (g_file_set_contents (path, "[server]\nunknown-models=reject\n", -1, NULL));
  mrt_process_signal (relay->process, SIGHUP);
  g_free (mrt_process_wait_log (relay->process, "configuration reloaded"));
  refused = mrt_client_ask (relay->port, "POST", STAGE_CHAT, NULL, "{\"model\":\"nobody-has-it\"}");
  g_free (stage_check_error (refused, 404, "model_not_found"));
  g_assert_true (mrt_stream_is_quiet (waiting, MRT_QUIET_MS)); /* who waits already goes on waiting */
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/J/help", test_help);
  g_test_add_func ("/contract/J/version", test_version);
  g_test_add_func ("/contract/J/check-config", test_check_config);
  g_test_add_func ("/contract/J/bad-values", test_server_bad_values);
  g_test_add_func ("/contract/J/unknown-option", test_unknown_option);
  g_test_add_func ("/contract/J/bad-environment", test_bad_environment);
  g_test_add_func ("/contract/J/secret-required", test_secret_required);
  g_test_add_func ("/contract/J/precedence", test_precedence);
  g_test_add_func ("/contract/J/bad-config-file", test_bad_config_file);
  g_test_add_func ("/contract/J/several-listeners", test_several_listeners);
  g_test_add_func ("/contract/J/address-in-use", test_address_in_use);
  g_test_add_func ("/contract/J/hangup-drops-nothing", test_hangup);
  g_test_add_func ("/contract/J/reload", test_reload);
  g_test_add_func ("/contract/K/bad-values", test_worker_bad_values);
  g_test_add_func ("/contract/K/precedence", test_worker_precedence);
  g_test_add_func ("/contract/B7/secret-sources", test_secret_sources);
  return g_test_run ();
}
