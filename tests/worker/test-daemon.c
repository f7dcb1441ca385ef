/* SPDX-License-Identifier: MIT */
/*
 * The program: exit status, signals, log lines, and what the process list shows of its secrets.
 */
#include "process.h"
#include "scripted-backend.h"
#include "scripted-relay.h"

#include <signal.h>
#include <string.h>

#define SECRET "sesame-4711"

static const char *program;

static MrtProcess *
start (MrtRelay *relay, MrtBackend *backend)
{
  g_autofree char *proxy = g_strdup_printf ("--proxy-url=http://127.0.0.1:%u", relay->port);
  g_autofree char *url = g_strdup_printf ("--backend-url=http://127.0.0.1:%u", mrt_backend_get_port (backend));
  const char *const argv[] = {
    program, proxy, url, "--worker-secret", SECRET, "--backend-header=X-Key: " SECRET, NULL
  };

  return mrt_process_start (argv, NULL);
}

static void
test_drain (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) process = start (relay, backend);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);

  mrt_relay_request (link, "r-1", "/v1/x", FALSE, NULL, "{\"prompt\":\"whisper\"}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  mrt_process_signal (process, SIGTERM);
  g_autofree char *line = mrt_process_wait_log (process, "graceful shutdown");
  mrt_backend_answer (request, 200, NULL, "{\"answer\":\"murmur\"}");
  g_autoptr (JsonObject) update = mrt_websocket_expect (link, "models_update");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (link, "response_complete");
  mrt_websocket_expect_close (link, 1000, "worker drained");
  g_clear_pointer (&link, mrt_websocket_free);
  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 0);

  g_autofree char *log = mrt_process_get_log (process);
  const char *const patterns[] = { "connected to proxy", "registered", "forwarding request", "graceful shutdown" };
  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++) {
    g_assert_nonnull (strstr (log, patterns[i]));
  }
  g_assert_nonnull (strstr (log, "request_id=r-1"));
  g_assert_null (strstr (log, "whisper"));
  g_assert_null (strstr (log, "murmur"));
  g_assert_null (strstr (log, SECRET));
}

static void
test_second_signal (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) process = start (relay, backend);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);

  mrt_relay_request (link, "r-1", "/v1/x", FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  mrt_process_signal (process, SIGTERM);
  g_autofree char *line = mrt_process_wait_log (process, "graceful shutdown");
  mrt_process_signal (process, SIGINT);
  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 1);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
}

static void
test_log_of_failures (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) process = start (relay, backend);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);

  mrt_relay_request (link, "r-1", "/v1/x", FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) first = mrt_backend_accept (backend);
  g_clear_pointer (&first, mrt_backend_request_free);
  g_autofree char *failed = mrt_process_wait_log (process, "backend error");
  g_assert_nonnull (strstr (failed, "request_id=r-1"));

  mrt_relay_request (link, "r-2", "/v1/x", FALSE, NULL, "{}");
  g_autoptr (MrtBackendRequest) second = mrt_backend_accept (backend);
  mrt_websocket_send (link, "{\"type\":\"cancel\",\"request_id\":\"r-2\",\"reason\":\"timeout\"}");
  g_autofree char *cancelled = mrt_process_wait_log (process, "cancelled");
  g_assert_nonnull (strstr (cancelled, "request_id=r-2"));
  g_assert_nonnull (strstr (cancelled, "reason=timeout"));
}

static void
test_command_line_is_clean (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) process = start (relay, backend);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autofree char *command_line = mrt_process_read_proc (process, "cmdline");

  g_assert_nonnull (strstr (command_line, "--worker-secret"));
  g_assert_null (strstr (command_line, SECRET));
  g_assert_cmpstr (mrt_head_get (link->handshake, "x-worker-secret"), ==, SECRET);
}

static void
check_exit (const char *option, int expected, const char *output, const char *log)
{
  const char *const argv[] = { program, "--worker-secret=" SECRET, option, NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, NULL);

  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, expected);
  g_autofree char *printed = mrt_process_get_output (process);
  g_autofree char *logged = mrt_process_get_log (process);
  g_assert_nonnull (strstr (printed, output));
  g_assert_nonnull (strstr (logged, log));
  g_assert_null (strstr (logged, SECRET));
}

static void
test_exit_status (void)
{
  check_exit ("--help", 0, "--backend-url", "");
  check_exit ("--version", 0, "modelrelay-worker ", "");
  check_exit ("--check-config", 0, "", "");
  check_exit ("--max-concurrency=many", 2, "", "max-concurrency");
  check_exit ("--backend-url=ftp://x", 2, "", "https://");
  check_exit ("--no-such-flag", 2, "", "no-such-flag");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  program = argv[1];
  g_test_add_func ("/contract/F6/sigterm-drains", test_drain);
  g_test_add_func ("/contract/F6/second-signal-ends-at-once", test_second_signal);
  g_test_add_func ("/contract/H2/failures-and-cancels", test_log_of_failures);
  g_test_add_func ("/contract/B7/command-line-is-clean", test_command_line_is_clean);
  g_test_add_func ("/contract/K/exit-status", test_exit_status);
  return g_test_run ();
}
