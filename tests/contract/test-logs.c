/* SPDX-License-Identifier: MIT */
/*
 * Contract H2 to H4, B7: what is logged, and what never is, nor shown in the process list.
 */
#include "stage.h"

#include <signal.h>
#include <string.h>

#define PROMPT "PROMPT-a83b1c"
#define ANSWER "ANSWER-77fe02"
#define CLIENT_KEY "CLIENTKEY-c0ffee"
#define PRIVATE_BODY "{\"model\":\"m\",\"messages\":[{\"content\":\"" PROMPT "\"}]}"
#define PRIVATE_STREAM "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"content\":\"" PROMPT "\"}]}"

static void
check_log_clean (MrtProcess *process)
{
  static const char *const private[] = { PROMPT, ANSWER, CLIENT_KEY, STAGE_SECRET };
  g_autofree char *log = mrt_process_get_log (process);

  g_assert_cmpuint (strlen (log), >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (private); i++) {
    if (strstr (log, private[i]) != NULL)
      g_error ("%s is in the log:\n%s", private[i], log);
  }
}

static void
ask (StageRelay *relay, MrtBackend *backend, gboolean streaming, guint status)
{
  g_autoptr (MrtStream) client =
      mrt_client_open (relay->port, "POST", STAGE_CHAT "?q=" PROMPT, "Authorization: Bearer " CLIENT_KEY "\r\n",
                       streaming ? PRIVATE_STREAM : PRIVATE_BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  g_autoptr (MrtResponse) response = NULL;

  if (streaming && status == 200) {
    mrt_backend_sse_head (request);
    mrt_backend_event (request, "data: " ANSWER "\n\n");
    mrt_backend_end (request);
  } else {
    mrt_backend_answer (request, status, NULL, "{\"text\":\"" ANSWER "\"}");
  }
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, status);
  g_assert_nonnull (strstr (response->body.data->str, ANSWER));
}

/* At the most talkative level, over every kind of exchange, good and bad. */
static void
test_private (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--log-level", "trace", "--queue-timeout", "0.2", NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--log-level", "trace", NULL);
  g_autoptr (MrtStream) gone = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) broken = NULL;
  g_autoptr (MrtResponse) unknown = NULL;

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  ask (relay, backend, FALSE, 200);
  ask (relay, backend, TRUE, 200);
  ask (relay, backend, FALSE, 500);
  ask (relay, backend, TRUE, 400);
  broken = mrt_client_ask (relay->port, "POST", STAGE_CHAT, NULL, "{\"model\":\"m\",\"x\":\"" PROMPT "\" oops}");
  g_assert_cmpuint (broken->status, ==, 400);
  g_assert_null (strstr (broken->body.data->str, PROMPT));
  gone = stage_post (relay, PRIVATE_BODY);
  request = mrt_backend_accept (backend);
  mrt_backend_write (request, ANSWER " is no status line\r\n\r\n");
  mrt_stream_half_close (request->stream);
  unknown = mrt_client_receive (gone);
  g_assert_cmpuint (unknown->status, ==, 502);
  check_log_clean (relay->process);
  check_log_clean (worker);
}

static void
test_wrong_secret_unlogged (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--log-level", "trace", NULL);
  g_autoptr (MrtWebsocket) header = mrt_worker_connect_secret (relay->port, PROMPT);
  g_autoptr (MrtWebsocket) query =
      mrt_worker_connect (relay->port, "/v1/worker/connect?worker_secret=" CLIENT_KEY, NULL);

  mrt_websocket_expect_close (header, 1008, NULL);
  mrt_websocket_expect_close (query, 1008, NULL);
  check_log_clean (relay->process);
}

static void
check_cmdline (MrtProcess *process)
{
  g_autofree char *cmdline = mrt_process_read_proc (process, "cmdline");
  g_autofree char *title = mrt_process_read_proc (process, "comm");

  if (strstr (cmdline, STAGE_SECRET) != NULL)
    g_error ("the secret is in the process list: %s", cmdline);
  g_assert_nonnull (strstr (cmdline, "modelrelay"));
  g_assert_null (strstr (title, STAGE_SECRET));
}

/* A secret that came as a flag is not left where `ps` shows it, in either spelling. */
static void
test_process_list (void)
{
  g_autoptr (StageRelay) apart = stage_relay ("--worker-secret", STAGE_SECRET, NULL);
  g_autoptr (StageRelay) joined = stage_relay ("--worker-secret=" STAGE_SECRET, NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (apart->port, mrt_backend_get_port (backend), "--worker-secret", STAGE_SECRET, NULL);

  stage_wait_health (apart, "workers_connected", 1, MRT_WAIT_MS);
  check_cmdline (apart->process);
  check_cmdline (joined->process);
  check_cmdline (worker);
}

static void
wait_logs (MrtProcess *process, const char *const *patterns)
{
  for (guint i = 0; patterns[i] != NULL; i++)
    g_free (mrt_process_wait_log (process, patterns[i]));
}

/* The runbook's words; those of failures are waited for in the tests of these failures. */
static void
test_patterns (void)
{
  static const char *const relay_patterns[] = { "worker registered", "request dispatched", "response complete", NULL };
  static const char *const worker_patterns[] = { "connected to proxy", "registered", "forwarding request", NULL };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtStream) gone = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  ask (relay, backend, FALSE, 200);
  wait_logs (relay->process, relay_patterns);
  wait_logs (worker, worker_patterns);
  gone = stage_post (relay, STAGE_BODY);
  request = mrt_backend_accept (backend);
  mrt_stream_reset (gone);
  g_free (mrt_process_wait_log (worker, "cancelled"));
  mrt_process_signal (relay->process, SIGTERM);
  g_free (mrt_process_wait_log (relay->process, "graceful shutdown"));
  g_free (mrt_process_wait_log (relay->process, "worker drained"));
  g_free (mrt_process_wait_log (worker, "graceful shutdown"));
}

/* A request's lines can be found by its id, its worker and its model. */
static void
test_fields (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "gpu-box", "[\"m\"]", 1);
  g_autoptr (MrtStream) client =
      mrt_client_open (relay->port, "POST", STAGE_CHAT, "X-Request-Id: find-me-1\r\n", STAGE_BODY);
  g_autofree char *line = NULL;

  stage_serve (worker, "{}");
  line = mrt_process_wait_log (relay->process, "request dispatched");
  g_assert_nonnull (strstr (line, "find-me-1"));
  g_assert_nonnull (strstr (line, "worker=gpu-box"));
  g_assert_nonnull (strstr (line, "model=m"));
}

/* The line of a finished request with or without the counts that its backend stated. */
static void
check_token_counts (gboolean streaming, const char *usage, const char *expected)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autofree char *json = g_strdup_printf ("{\"text\":\"three little words\"%s}", usage);
  g_autofree char *event = g_strdup_printf ("data: %s\n\ndata: [DONE]\n\n", json);
  g_autoptr (MrtStream) client = stage_post (relay, streaming ? STAGE_STREAM : STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *line = NULL;

  if (streaming) {
    mrt_backend_sse_head (request);
    mrt_backend_event (request, event);
    mrt_backend_end (request);
  } else {
    mrt_backend_answer (request, 200, NULL, json);
  }
  response = mrt_client_receive (client);
  stage_check_ok (response, streaming ? event : json);
  line = mrt_process_wait_log (relay->process, "response complete");
  if (expected != NULL ? strstr (line, expected) == NULL : strstr (line, "tokens") != NULL)
    g_error ("expected %s in: %s", expected != NULL ? expected : "no token counts", line);
}

static void
test_token_counts (void)
{
  static const char usage[] = ",\"usage\":{\"prompt_tokens\":1234,\"completion_tokens\":56,\"total_tokens\":1290}";

  check_token_counts (FALSE, usage, "prompt_tokens=1234 completion_tokens=56 total_tokens=1290");
  check_token_counts (TRUE, usage, "prompt_tokens=1234 completion_tokens=56 total_tokens=1290");
  check_token_counts (FALSE, "", NULL);
  check_token_counts (TRUE, "", NULL);
}

static void
test_level (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--log-level", "error", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autofree char *log = NULL;

  mrt_websocket_sync (link);
  log = mrt_process_get_log (worker);
  g_assert_cmpstr (log, ==, "");
}

/* No peer can write a line of its own. */
static void
test_no_forged_lines (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--log-level", "trace", "--unknown-models", "queue", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "evil\\nforged-1 worker", "[\"*\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, "{\"model\":\"m\\nforged-2\"}");
  g_autofree char *id = mrt_worker_take (worker);
  g_autofree char *log = NULL;

  mrt_websocket_send (
      worker, "{\"type\":\"error\",\"request_id\":\"%s\",\"code\":\"a\\nforged-3\",\"message\":\"b\\nforged-4\"}", id);
  mrt_websocket_sync (worker);
  log = mrt_process_get_log (relay->process);
  g_assert_null (strstr (log, "\nforged-"));
}

static void
test_json (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (1, mrt_backend_get_port (backend), "--log-format=json", NULL);
  g_autofree char *line = mrt_process_wait_log (worker, "cannot connect to proxy");
  g_autoptr (JsonObject) entry = mrt_json_parse (line);

  g_assert_cmpstr (mrt_json_string (entry, "event"), ==, "cannot connect to proxy");
  g_assert_cmpstr (mrt_json_string (entry, "level"), ==, "warn");
  g_assert_cmpstr (mrt_json_string (entry, "url"), ==, "http://127.0.0.1:1");
  g_assert_true (mrt_json_has (entry, "time"));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/H2/patterns", test_patterns);
  g_test_add_func ("/contract/H2/fields", test_fields);
  g_test_add_func ("/contract/H2/json", test_json);
  g_test_add_func ("/contract/H2/level", test_level);
  g_test_add_func ("/contract/H2/no-forged-lines", test_no_forged_lines);
  g_test_add_func ("/contract/H3/prompts-and-answers-unlogged", test_private);
  g_test_add_func ("/contract/H4/token-counts", test_token_counts);
  g_test_add_func ("/contract/B7/wrong-secret-unlogged", test_wrong_secret_unlogged);
  g_test_add_func ("/contract/B7/process-list", test_process_list);
  return g_test_run ();
}
