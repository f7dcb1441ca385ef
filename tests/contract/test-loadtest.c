/* SPDX-License-Identifier: MIT */
/*
 * Contract N5: modelrelay-loadtest against the real relay, worker and demonstration backend, against a relay that
 * refuses, and against servers that die or talk nonsense. What a percentile is, is tested with the tally.
 */
#include "json-text.h"
#include "process.h"
#include "raw-client.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET "load-secret-77"

static const char *server_path;
static const char *worker_path;
static const char *demo_path;
static const char *program_path;

/* A relay with a worker and a backend that lists "demo". */
typedef struct {
  MrtProcess *demo;
  MrtProcess *relay;
  MrtProcess *worker;
  char *url;
} Stage;

static char *
wait_url (MrtProcess *process)
{
  g_autofree char *line = mrt_process_wait_log (process, "127.0.0.1:");
  const char *address = strstr (line, "127.0.0.1:");

  return g_strdup_printf ("http://%.*s", (int) strcspn (address, " \n"), address);
}

static Stage *
stage_new (const char *option, const char *tokens_per_second)
{
  const char *secret[] = { "WORKER_SECRET=" SECRET, NULL };
  const char *demo[] = { demo_path, "--slots=64", "--tokens-per-second", tokens_per_second, NULL };
  const char *relay[] = { server_path, "--listen=127.0.0.1:0", option, NULL };
  const char *worker[] = { worker_path, "--proxy-url", NULL, "--backend-url", NULL, "--max-concurrency=64", NULL };
  g_autofree char *backend_url = NULL;
  g_autofree char *line = NULL;
  Stage *stage = g_new0 (Stage, 1);

  stage->demo = mrt_process_start (demo, NULL);
  backend_url = wait_url (stage->demo);
  stage->relay = mrt_process_start (relay, secret);
  stage->url = wait_url (stage->relay);
  worker[2] = stage->url;
  worker[4] = backend_url;
  stage->worker = mrt_process_start (worker, secret);
  line = mrt_process_wait_log (stage->relay, "worker registered");
  g_assert_nonnull (strstr (line, "demo"));
  return stage;
}

static void
stage_free (Stage *stage)
{
  mrt_process_free (stage->worker);
  mrt_process_free (stage->relay);
  mrt_process_free (stage->demo);
  g_free (stage->url);
  g_free (stage);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stage, stage_free)

/* --- Running it --- */

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

/* With these arguments, separated by spaces. */
static MrtProcess *
start (const char *url, const char *arguments)
{
  g_autofree char *line = g_strdup_printf ("%s --url %s %s", program_path, url, arguments);
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);

  return mrt_process_start ((const char *const *) argv, NULL);
}

static Run
finish (MrtProcess *process)
{
  Run result = { .exit_code = mrt_process_wait_exit (process, MRT_WAIT_MS) };

  result.out = mrt_process_get_output (process);
  result.err = mrt_process_get_log (process);
  g_test_message ("%s%s", result.out, result.err);
  return result;
}

static Run
run (const char *url, const char *arguments)
{
  g_autoptr (MrtProcess) process = start (url, arguments);

  return finish (process);
}

/* Whether exactly one kind of failure came, this one. */
static gboolean
failed_with (JsonObject *result, const char *kind)
{
  JsonArray *failures = json_node_get_array (mrt_json_get (result, "failures"));
  JsonObject *first = json_array_get_length (failures) == 1 ? json_array_get_object_element (failures, 0) : NULL;

  return first != NULL && strstr (json_object_get_string_member (first, "kind"), kind) != NULL &&
         json_object_get_int_member (first, "count") == mrt_json_int (result, "failed");
}

/* --- All well --- */

static void
check_order (JsonObject *result, const char *which)
{
  static const char *const names[] = { "p50", "p90", "p95", "p99", "max" };
  gint64 before = 1;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_strdup_printf ("%s.%s", which, names[i]);
    gint64 value = mrt_json_int (result, path);

    g_assert_cmpint (value, >=, before);
    before = value;
  }
}

static void
test_streamed (void)
{
  g_autoptr (Stage) stage = stage_new (NULL, "0");
  g_auto (Run) json = run (stage->url, "-n 30 -c 5 --json");
  g_auto (Run) text = run (stage->url, "-n20 -m demo");
  g_autoptr (JsonObject) result = mrt_json_parse (json.out);

  g_assert_cmpint (json.exit_code, ==, 0);
  g_assert_cmpstr (json.err, ==, "");
  g_assert_cmpint (mrt_json_int (result, "ok"), ==, 30);
  g_assert_cmpint (mrt_json_int (result, "failed"), ==, 0);
  g_assert_cmpstr (mrt_json_string (result, "model"), ==, "demo");
  g_assert_cmpint (mrt_json_int (result, "tokens.answers_counted"), ==, 30);
  g_assert_cmpint (mrt_json_int (result, "tokens.completion"), >, 30);
  check_order (result, "first_byte_us");
  check_order (result, "first_token_us");
  check_order (result, "total_us");
  g_assert_cmpint (mrt_json_int (result, "first_token_us.p50"), <=, mrt_json_int (result, "total_us.max"));

  g_assert_cmpint (text.exit_code, ==, 0);
  g_assert_nonnull (strstr (text.out, "20 ok, 0 failed"));
  g_assert_nonnull (strstr (text.out, "First token"));
  /* A pipe gets neither colours nor a progress line. */
  g_assert_null (strchr (text.out, '\033'));
  g_assert_cmpstr (text.err, ==, "");
}

static void
test_whole (void)
{
  g_autoptr (Stage) stage = stage_new (NULL, "0");
  g_auto (Run) whole = run (stage->url, "-n 10 --no-stream --json");
  g_auto (Run) messages = run (stage->url, "-n 10 --anthropic --json");
  g_auto (Run) both = run (stage->url, "-n 10 --anthropic --stream=false --json --max-tokens 3");
  g_autoptr (JsonObject) first = mrt_json_parse (whole.out);
  g_autoptr (JsonObject) second = mrt_json_parse (messages.out);
  g_autoptr (JsonObject) third = mrt_json_parse (both.out);

  g_assert_cmpint (mrt_json_int (first, "ok"), ==, 10);
  g_assert_false (mrt_json_has (first, "first_token_us"));
  g_assert_cmpint (mrt_json_int (second, "ok"), ==, 10);
  g_assert_true (mrt_json_has (second, "first_token_us"));
  g_assert_cmpint (mrt_json_int (second, "tokens.answers_counted"), ==, 10);
  g_assert_cmpint (mrt_json_int (third, "ok"), ==, 10);
  g_assert_cmpint (mrt_json_int (third, "tokens.completion"), <=, 30);
}

/* An answer takes a second or two here: nothing that is due may wait for one. */
static void
test_rate (void)
{
  g_autoptr (Stage) stage = stage_new (NULL, "20");
  g_autoptr (MrtProcess) open = start (stage->url, "--rate 100 --duration 0.2 -c 64 --max-tokens 8 --json");
  g_autoptr (MrtProcess) crowded = start (stage->url, "--rate 100 -n 6 -c 2 --max-tokens 4 --json");
  g_auto (Run) first = finish (open);
  g_auto (Run) second = finish (crowded);
  g_autoptr (JsonObject) all = mrt_json_parse (first.out);
  g_autoptr (JsonObject) late = mrt_json_parse (second.out);

  g_assert_cmpint (first.exit_code, ==, 0);
  g_assert_cmpint (mrt_json_int (all, "started"), >, 1);
  g_assert_cmpint (mrt_json_int (all, "started"), <=, 21);
  g_assert_cmpint (mrt_json_int (all, "ok"), ==, mrt_json_int (all, "started"));
  /* Two at a time: the last two wait for two rounds, and that is in their time. */
  g_assert_cmpint (second.exit_code, ==, 0);
  g_assert_cmpint (mrt_json_int (late, "ok"), ==, 6);
  g_assert_cmpint (mrt_json_int (late, "late"), >=, 4);
  g_assert_cmpint (mrt_json_int (late, "total_us.max"), >, mrt_json_int (late, "total_us.p50") + 50000);
}

/* (transfer full): what a terminal gets to see. @term, @variable: (nullable): its environment */
static char *
run_on_terminal (const char *url, const char *term, const char *variable)
{
  g_autofree char *line = g_strdup_printf ("%s --url %s -n 3 -c 1", program_path, url);
  g_autofree char *script = g_find_program_in_path ("script");
  const char *argv[] = { script, "--quiet", "--return", "--command", line, "/dev/null", NULL };
  const char *env[] = { "LC_ALL=C.UTF-8", term, variable, NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, env);

  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 0);
  return mrt_process_get_output (process);
}

static void
test_terminal (void)
{
  g_autoptr (Stage) stage = stage_new (NULL, "0");
  g_autofree char *colored = run_on_terminal (stage->url, "TERM=xterm", NULL);
  g_autofree char *plain = run_on_terminal (stage->url, "TERM=xterm", "NO_COLOR=1");
  g_autofree char *dumb = run_on_terminal (stage->url, "TERM=dumb", NULL);

  g_assert_nonnull (strstr (colored, "running"));
  g_assert_nonnull (strstr (colored, "░"));
  g_assert_nonnull (strstr (colored, "\033[1m"));
  /* The line is gone when the report comes. */
  g_assert_nonnull (strstr (colored, "\r\033[K\033[1mServer"));
  g_assert_nonnull (strstr (plain, "running"));
  g_assert_null (strstr (plain, "\033[1m"));
  g_assert_null (strstr (dumb, "running"));
  g_assert_null (strchr (dumb, '\033'));
}

/* A server that accepts and never answers sees no more connections than may be under way. */
static void
test_concurrency (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (MrtProcess) process = start (url, "-n 50 -c 3 -m m --json");
  MrtStream *streams[3];

  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    streams[i] = mrt_accept (fd, MRT_WAIT_MS);
    g_assert_nonnull (streams[i]);
  }
  g_assert_null (mrt_accept (fd, MRT_QUIET_MS));
  mrt_process_signal (process, SIGINT);
  g_auto (Run) stopped = finish (process);
  g_autoptr (JsonObject) result = mrt_json_parse (stopped.out);

  g_assert_cmpint (stopped.exit_code, ==, 1);
  g_assert_cmpint (mrt_json_int (result, "started"), ==, 3);
  g_assert_cmpint (mrt_json_int (result, "stopped"), ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    mrt_stream_free (streams[i]);
  close (fd);
}

/* Stopped before there is anything to report. */
static void
test_stopped_early (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (MrtProcess) process = start (url, "-n 5");
  g_autoptr (MrtStream) stream = mrt_accept (fd, MRT_WAIT_MS);
  g_autofree char *head = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);

  g_assert_true (g_str_has_prefix (head, "GET /v1/models "));
  mrt_process_signal (process, SIGTERM);
  g_auto (Run) stopped = finish (process);

  g_assert_cmpint (stopped.exit_code, ==, 1);
  g_assert_cmpstr (stopped.out, ==, "");
  close (fd);
}

/* --- Refusals --- */

static void
test_refused (void)
{
  g_autoptr (Stage) stage = stage_new ("--require-api-keys", "0");
  g_auto (Run) unnamed = run (stage->url, "-n 3");
  g_auto (Run) keyless = run (stage->url, "-n 3 -m demo --json");
  g_auto (Run) wrong = run (stage->url, "-n 3 -m demo --anthropic --json --api-key mr-wrong");
  g_autoptr (JsonObject) first = mrt_json_parse (keyless.out);
  g_autoptr (JsonObject) second = mrt_json_parse (wrong.out);

  g_assert_cmpint (unnamed.exit_code, ==, 1);
  g_assert_nonnull (strstr (unnamed.err, "401 invalid_api_key"));
  g_assert_cmpint (keyless.exit_code, ==, 1);
  g_assert_true (failed_with (first, "401 invalid_api_key"));
  g_assert_false (mrt_json_has (first, "first_byte_us"));
  g_assert_cmpint (wrong.exit_code, ==, 1);
  g_assert_true (failed_with (second, "401 authentication_error"));
  g_assert_null (strstr (wrong.out, "mr-wrong"));
  g_assert_null (strstr (wrong.err, "mr-wrong"));
}

static void
test_unknown_model (void)
{
  g_autoptr (Stage) stage = stage_new ("--unknown-models=reject", "0");
  g_auto (Run) unknown = run (stage->url, "-n 4 -m nothing");

  g_assert_cmpint (unknown.exit_code, ==, 1);
  g_assert_nonnull (strstr (unknown.out, "0 ok, 4 failed"));
  g_assert_nonnull (strstr (unknown.out, "404 model_not_found"));
}

static void
test_queue_full (void)
{
  const char *env[] = { "WORKER_SECRET=" SECRET, NULL };
  const char *argv[] = { server_path, "--listen=127.0.0.1:0", "--max-queue-len=1", "--queue-timeout=0.3", NULL };
  g_autoptr (MrtProcess) relay = mrt_process_start (argv, env);
  g_autofree char *url = wait_url (relay);
  g_auto (Run) full = run (url, "-n 5 -c 5 -m m --json");
  g_auto (Run) none = run (url, "-n 5");
  g_autoptr (JsonObject) result = mrt_json_parse (full.out);

  g_assert_cmpint (full.exit_code, ==, 1);
  g_assert_cmpint (mrt_json_int (result, "failed"), ==, 5);
  g_assert_nonnull (strstr (full.out, "429 queue_full"));
  g_assert_nonnull (strstr (full.out, "504 queue_timeout"));
  g_assert_cmpint (none.exit_code, ==, 1);
  g_assert_nonnull (strstr (none.err, "no model"));
}

/* --- What goes wrong --- */

static void
test_unreachable (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);

  close (fd);
  g_auto (Run) asking = run (url, "-n 3");
  g_auto (Run) sending = run (url, "-n 3 -m m --json");
  g_autoptr (JsonObject) result = mrt_json_parse (sending.out);

  g_assert_cmpint (asking.exit_code, ==, 3);
  g_assert_nonnull (strstr (asking.err, url));
  g_assert_cmpint (sending.exit_code, ==, 3);
  g_assert_true (failed_with (result, "cannot be reached"));
}

/* Until the relay says that so many requests are with its worker. */
static void
wait_in_flight (Stage *stage, guint n)
{
  g_autofree char *wanted = g_strdup_printf ("\nmodelrelay_requests_in_flight %u\n", n);
  guint16 port = (guint16) g_ascii_strtoull (strrchr (stage->url, ':') + 1, NULL, 10);
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  gboolean seen = FALSE;

  while (!seen && mrt_now_ms () < deadline) {
    g_autoptr (MrtResponse) metrics = mrt_client_ask (port, "GET", "/metrics", NULL, NULL);

    seen = strstr (metrics->body.data->str, wanted) != NULL;
  }
  g_assert_true (seen);
}

static void
test_dies (void)
{
  g_autoptr (Stage) stage = stage_new ("--metrics-public", "1");
  g_autoptr (MrtProcess) process = start (stage->url, "-n 12 -c 4 -m demo --json");

  wait_in_flight (stage, 4);
  mrt_process_signal (stage->relay, SIGKILL);
  g_auto (Run) died = finish (process);
  g_autoptr (JsonObject) result = mrt_json_parse (died.out);

  g_assert_cmpint (died.exit_code, ==, 1);
  g_assert_cmpint (mrt_json_int (result, "failed"), ==, 12);
  g_assert_nonnull (strstr (died.out, "cannot be reached"));
}

/* Answers each connection with these bytes and closes it. */
typedef struct {
  int fd;
  const char *answer;
} Nonsense;

static gpointer
talk_nonsense (gpointer data)
{
  const Nonsense *nonsense = data;
  MrtStream *stream;

  while ((stream = mrt_accept (nonsense->fd, MRT_WAIT_MS)) != NULL) {
    g_autofree char *head = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);

    mrt_stream_write_text (stream, nonsense->answer);
    mrt_stream_half_close (stream);
    mrt_stream_wait_end (stream, MRT_WAIT_MS);
    mrt_stream_free (stream);
  }
  return NULL;
}

static void
test_nonsense (void)
{
  static const struct {
    const char *answer;
    const char *kind;
  } rows[] = {
    { "", "connection closed without an answer" },
    { "SSH-2.0-OpenSSH\r\n\r\n", "connection closed without an answer" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", "200, but not JSON" },
    { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", "200, but no stream" },
    { "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n\033[2J", "500" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n", "stream without its last event" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\n\n", "not JSON" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\ndata: {}\n\n", "cut off" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"error\":{\"code\":\"worker_lost\"}}\n\n",
      "stream ended with worker_lost" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint16 port;
    Nonsense nonsense = { mrt_listen (&port), rows[i].answer };
    GThread *thread = g_thread_new ("nonsense", talk_nonsense, &nonsense);
    g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
    g_auto (Run) bad = run (url, "-n 2 -c 1 -m m --json");
    g_auto (Run) shown = run (url, "-n 1 -m m");
    g_autoptr (JsonObject) result = mrt_json_parse (bad.out);

    g_assert_cmpint (bad.exit_code, ==, 1);
    g_assert_true (failed_with (result, rows[i].kind));
    g_assert_null (strchr (shown.out, '\033'));
    shutdown (nonsense.fd, SHUT_RDWR);
    g_thread_join (thread);
    close (nonsense.fd);
  }
}

static void
test_timeout (void)
{
  g_autoptr (Stage) stage = stage_new (NULL, "1");
  g_auto (Run) slow = run (stage->url, "-n 2 --timeout 0.2 --json");
  g_autoptr (JsonObject) result = mrt_json_parse (slow.out);

  g_assert_cmpint (slow.exit_code, ==, 1);
  g_assert_true (failed_with (result, "timeout"));
}

static void
test_usage (void)
{
  static const char *const bad[] = { "-n 0",
                                     "-c 0",
                                     "-n x",
                                     "--rate=fast",
                                     "stray",
                                     "--prompt-file=/nonexistent",
                                     "--prompt=a --prompt-file=b",
                                     "--max-tokens 0",
                                     "--url=ftp://x",
                                     "--url=x:y",
                                     "--ca-file=/nonexistent" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_auto (Run) result = run ("http://127.0.0.1:1", bad[i]);

    g_assert_cmpint (result.exit_code, ==, 2);
    g_assert_cmpstr (result.out, ==, "");
    g_assert_true (g_str_has_prefix (result.err, "modelrelay-loadtest: "));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 5);
  server_path = argv[1];
  worker_path = argv[2];
  demo_path = argv[3];
  program_path = argv[4];
  g_test_add_func ("/contract/N5/loadtest/streamed", test_streamed);
  g_test_add_func ("/contract/N5/loadtest/whole-and-messages", test_whole);
  g_test_add_func ("/contract/N5/loadtest/rate", test_rate);
  g_test_add_func ("/contract/N5/loadtest/concurrency", test_concurrency);
  g_test_add_func ("/contract/N5/loadtest/terminal", test_terminal);
  g_test_add_func ("/contract/N5/loadtest/stopped-early", test_stopped_early);
  g_test_add_func ("/contract/N5/loadtest/refused", test_refused);
  g_test_add_func ("/contract/N5/loadtest/unknown-model", test_unknown_model);
  g_test_add_func ("/contract/N5/loadtest/queue-full", test_queue_full);
  g_test_add_func ("/contract/N5/loadtest/unreachable", test_unreachable);
  g_test_add_func ("/contract/N5/loadtest/dies", test_dies);
  g_test_add_func ("/contract/N5/loadtest/nonsense", test_nonsense);
  g_test_add_func ("/contract/N5/loadtest/timeout", test_timeout);
  g_test_add_func ("/contract/N5/loadtest/usage", test_usage);
  return g_test_run ();
}
