/* SPDX-License-Identifier: MIT */
/*
 * Contract N3: the relay speaks TLS itself, and what holds for plain connections holds for these. OpenSSL is on the
 * other end. The worker is played by hand, over TLS as well.
 */
#include "tls-stage.h"

#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK "data: {\"n\":0}\n\n"
#define BIG_BYTES (6 << 20)
#define FIRST_BYTE_MS 500

static void
test_stream (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (&stage->relay, STAGE_STREAM);
  g_autofree char *id = stage_expect_body (worker, STAGE_STREAM);
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (MrtResponse) response = NULL;
  gint64 start = mrt_now_ms ();

  mrt_worker_start (worker, id, 200, STAGE_SSE);
  for (guint i = 0; i < 500; i++) {
    g_autofree char *chunk = g_strdup_printf ("data: {\"n\":%u,\"text\":\"\u00e4\u20ac\"}\r\n\r\n", i);

    mrt_worker_chunk (worker, id, chunk);
    g_string_append (all, chunk);
    if (i == 0) {
      response = mrt_client_receive_head (client, FALSE);
      g_assert_true (mrt_body_wait (&response->body, all->len, MRT_WAIT_MS));
      g_assert_cmpint (mrt_now_ms () - start, <, FIRST_BYTE_MS);
    }
    /* Half of them come one by one, the rest in a burst. */
    if (i < 250)
      g_assert_true (mrt_body_wait (&response->body, all->len, MRT_WAIT_MS));
  }
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  stage_check_ok (response, all->str);
}

static void
test_keep_alive (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (stage->relay.port);

  /* Two at a time: the second is decrypted with the first, and no socket tells of it. */
  for (guint i = 0; i < 20; i++) {
    g_autoptr (MrtResponse) first = NULL;
    g_autoptr (MrtResponse) second = NULL;

    mrt_stream_write_text (client, "GET /health HTTP/1.1\r\nHost: h\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n");
    first = mrt_client_receive (client);
    second = mrt_client_receive (client);
    g_assert_cmpuint (first->status, ==, 200);
    g_assert_nonnull (strstr (first->body.data->str, "uptime_secs"));
    g_assert_cmpuint (second->status, ==, 200);
    g_assert_nonnull (strstr (second->body.data->str, "\"list\""));
  }
}

static void
test_big_bodies (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", 1);
  g_autofree char *filler = g_strnfill (BIG_BYTES, 'x');
  g_autofree char *body = g_strconcat ("{\"model\":\"m\",\"text\":\"", filler, "\"}", NULL);
  g_autoptr (MrtStream) client = stage_post (&stage->relay, body);
  g_autofree char *id = stage_expect_body (worker, body);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (worker, id, 200, "{\"content-type\":\"application/json\"}", body);
  response = mrt_client_receive (client);
  stage_check_ok (response, body);
}

/* Contract E2 */
static void
test_cancel (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", 1);
  MrtStream *client = stage_post (&stage->relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) cancel = NULL;

  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, CHUNK);
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, CHUNK);
  mrt_stream_free (client);
  cancel = mrt_websocket_expect (worker, "cancel");
  g_assert_cmpstr (mrt_json_string (cancel, "request_id"), ==, id);
}

/* Contract D4: the client can tell that the answer is not whole. */
static void
test_broken_stream (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  MrtWebsocket *worker = stage_join (&stage->relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (&stage->relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, CHUNK);
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, CHUNK);
  mrt_websocket_free (worker);
  g_assert_cmpint (mrt_body_finish (&response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  g_assert_nonnull (strstr (response->body.data->str, "\"error\""));
}

/* HTTP/1.0: the close is the end of the body, and only close_notify makes it one. */
static void
test_until_close (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = mrt_stream_connect (stage->relay.port);
  g_autofree char *id = NULL;

  mrt_stream_write_text (client, "POST " STAGE_CHAT " HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: "
                                 "41\r\n\r\n" STAGE_STREAM);
  g_assert_cmpuint (strlen (STAGE_STREAM), ==, 41);
  id = mrt_worker_take (worker);
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, CHUNK);
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  while (mrt_stream_fill (client, MRT_WAIT_MS) == MRT_READ_DATA)
    continue;
  g_assert_true (g_str_has_suffix (client->in->str, CHUNK));
  g_assert_cmpint (mrt_stream_fill (client, MRT_WAIT_MS), ==, MRT_READ_END);
}

/* Contract D5: what a client does not read stays with the worker. */
static void
test_slow_client (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) client = stage_post (&stage->relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autofree char *filler = g_strnfill (65536, 'y');
  g_autofree char *chunk = g_strconcat ("data: ", filler, "\n\n", NULL);
  gsize total = 0;
  g_autoptr (MrtResponse) response = NULL;

  /* As much as the relay holds for a worker that knows no windows, less a little. */
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  for (; total < 7 << 20; total += strlen (chunk))
    mrt_worker_chunk (worker, id, chunk);
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  stage_wait_health (&stage->relay, "queue_depth", 0, MRT_WAIT_MS);
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->body.data->len, ==, total);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
}

static void
test_versions (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);

  g_assert_false (mrt_tls_try_version (stage->tls_port, TLS1_VERSION));
  g_assert_false (mrt_tls_try_version (stage->tls_port, TLS1_1_VERSION));
  g_assert_true (mrt_tls_try_version (stage->tls_port, TLS1_2_VERSION));
  g_assert_true (mrt_tls_try_version (stage->tls_port, TLS1_3_VERSION));
}

static void
test_plain_client (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtStream) client = mrt_client_open (stage->tls_port, "GET", "/health", NULL, NULL);

  while (mrt_stream_fill (client, MRT_WAIT_MS) == MRT_READ_DATA)
    continue;
  /* An alert, and an end that is no reset. */
  g_assert_cmpint (mrt_stream_fill (client, MRT_WAIT_MS), ==, MRT_READ_END);
  g_assert_cmpuint (client->in->len, ==, 7);
  g_assert_cmpint (client->in->str[0], ==, 21);
  stage_wait_health (&stage->relay, "queue_depth", 0, MRT_WAIT_MS);
}

static void
test_connection_cap (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new ("--max-connections", "16", NULL);
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtStream) extra = NULL;

  for (guint i = 0; i < 16; i++) {
    g_autoptr (MrtResponse) response = NULL;
    MrtStream *client = mrt_client_open (stage->relay.port, "GET", "/health", NULL, NULL);

    g_ptr_array_add (held, client);
    response = mrt_client_receive (client);
    g_assert_cmpuint (response->status, ==, 200);
  }
  extra = mrt_stream_connect (stage->tls_port);
  g_assert_true (mrt_stream_wait_end (extra, MRT_WAIT_MS));
  g_assert_cmpuint (extra->in->len, ==, 0);
}

static void
test_unix_socket (void)
{
  g_autofree char *directory = mrt_directory_new ();
  g_autofree char *path = g_build_filename (directory, "relay.sock", NULL);
  g_autofree char *address = g_strconcat ("unix:", path, NULL);
  g_autoptr (TlsStage) stage = tls_stage_new ("--listen", address, NULL);
  struct sockaddr_un name = { .sun_family = AF_UNIX };
  char answer[16] = "";
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_autofree char *line = mrt_process_wait_log (stage->relay.process, "listening address=unix:");

  g_strlcpy (name.sun_path, path, sizeof name.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &name, sizeof name), ==, 0);
  g_assert_cmpint (send (fd, "GET /health HTTP/1.0\r\n\r\n", 24, 0), ==, 24);
  g_assert_cmpint (recv (fd, answer, 12, MSG_WAITALL), ==, 12);
  g_assert_cmpstr (answer, ==, "HTTP/1.1 200");
  close (fd);
  g_clear_pointer (&stage, tls_stage_free);
  mrt_directory_remove (g_steal_pointer (&directory));
}

/* --- the command line (contract J) --- */

static void
check_refused (const char *const *options, const char *first, const char *second)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (MrtProcess) process = NULL;
  g_autofree char *log = NULL;

  g_ptr_array_add (argv, (gpointer) stage_server_path ());
  g_ptr_array_add (argv, (gpointer) "--listen=127.0.0.1:0");
  for (; *options != NULL; options++)
    g_ptr_array_add (argv, (gpointer) *options);
  g_ptr_array_add (argv, NULL);
  process = mrt_process_start ((const char *const *) argv->pdata, env);
  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 2);
  log = mrt_process_get_log (process);
  if (strstr (log, first) == NULL || strstr (log, second) == NULL)
    g_error ("\"%s\" does not say \"%s\" and \"%s\"", log, first, second);
}

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_options (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *other = tls_stage_file (stage, "other.pem");
  g_autofree char *other_key = tls_stage_file (stage, "other-key.pem");

  mrt_authority_issue (stage->authority, "DNS:localhost", MRT_DAY_SECS, other, other_key);
  check_refused (OPTIONS ("--tls-cert", stage->cert), "--tls-key", "belong together");
  check_refused (OPTIONS ("--tls-key", stage->key), "--tls-cert", "belong together");
  check_refused (OPTIONS ("--tls-cert", "/nowhere/c", "--tls-key", stage->key), "--tls-cert", "/nowhere/c");
  check_refused (OPTIONS ("--tls-cert", stage->cert, "--tls-key", other_key), "--tls-key", "not the key");
  check_refused (OPTIONS ("--check-config", "--tls-cert", stage->cert, "--tls-key", other_key), "--tls-key", other_key);
}

/* Contract M2: modelrelayctl knows the authority, or says why it does not come in. */
static void
test_ctl (void)
{
  /* The leak checker itself crashes while GIO's TLS has threads. */
  static const char *const env[] = { "MODELRELAY_ADMIN_TOKEN=t", "ASAN_OPTIONS=detect_leaks=0", NULL };
  g_autoptr (TlsStage) stage = tls_stage_new ("--admin-token", "t", NULL);
  g_autofree char *url = g_strdup_printf ("https://localhost:%u", stage->tls_port);
  const char *const known[] = { MRT_CTL, "--url", url, "--ca-file", stage->ca, "status", NULL };
  const char *const unknown[] = { MRT_CTL, "--url", url, "status", NULL };
  g_autoptr (MrtProcess) first = mrt_process_start (known, env);
  g_autoptr (MrtProcess) second = mrt_process_start (unknown, env);
  g_autofree char *output = NULL;
  g_autofree char *log = NULL;

  g_assert_cmpint (mrt_process_wait_exit (first, MRT_WAIT_MS), ==, 0);
  output = mrt_process_get_output (first);
  g_assert_nonnull (strstr (output, "serving"));
  g_assert_cmpint (mrt_process_wait_exit (second, MRT_WAIT_MS), ==, 3);
  log = mrt_process_get_log (second);
  g_assert_nonnull (strstr (log, "certificate"));
}

/* What is told of the certificate: log, metrics, and the pin that a worker is given. */
static void
test_told (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new ("--metrics-public", NULL);
  g_autofree char *end = mrt_certificate_end (stage->cert);
  g_autofree char *line = mrt_process_wait_log (stage->relay.process, "certificate loaded");
  g_autoptr (MrtResponse) metrics = mrt_client_ask (stage->relay.port, "GET", "/metrics", NULL, NULL);
  g_autoptr (GDateTime) date = g_date_time_new_from_iso8601 (end, NULL);
  g_autofree char *sample = g_strdup_printf (
      "\nmodelrelay_tls_certificate_expiry_timestamp_seconds %" G_GINT64_FORMAT "\n", g_date_time_to_unix (date));

  g_assert_nonnull (strstr (line, end));
  g_assert_nonnull (strstr (line, " pin=sha256:"));
  g_assert_nonnull (strstr (metrics->body.data->str, sample));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/N3/D1/stream", test_stream);
  g_test_add_func ("/contract/N3/A7/keep-alive-and-pipelining", test_keep_alive);
  g_test_add_func ("/contract/N3/A2/big-bodies", test_big_bodies);
  g_test_add_func ("/contract/N3/E2/cancel", test_cancel);
  g_test_add_func ("/contract/N3/D4/broken-stream", test_broken_stream);
  g_test_add_func ("/contract/N3/A7/until-close", test_until_close);
  g_test_add_func ("/contract/N3/D5/slow-client", test_slow_client);
  g_test_add_func ("/contract/N3/versions", test_versions);
  g_test_add_func ("/contract/N3/plain-client", test_plain_client);
  g_test_add_func ("/contract/N3/E5/connection-cap", test_connection_cap);
  g_test_add_func ("/contract/N3/unix-socket-is-plain", test_unix_socket);
  g_test_add_func ("/contract/J/tls-options", test_options);
  g_test_add_func ("/contract/M2/tls", test_ctl);
  g_test_add_func ("/contract/N3/told", test_told);
  return g_test_run ();
}
