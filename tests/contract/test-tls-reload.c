/* SPDX-License-Identifier: MIT */
/*
 * Contract N3 and J: the certificate is replaced while the relay runs. Which one is shown is seen by OpenSSL.
 */
#include "tls-stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define NAMES "DNS:localhost,IP:127.0.0.1"
#define N_STREAMS 20
#define N_CALLERS 4
#define N_REPLACEMENTS 3

static void
wait_for_pin (TlsStage *stage, const char *pin)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (TRUE) {
    g_autofree char *shown = mrt_tls_dup_shown_pin (stage->tls_port);

    if (g_strcmp0 (shown, pin) == 0)
      return;
    if (mrt_now_ms () > deadline)
      g_error ("the certificate that is shown is not the new one");
    g_usleep (5000);
  }
}

static void
check_pin (TlsStage *stage, const char *pin)
{
  g_autofree char *shown = mrt_tls_dup_shown_pin (stage->tls_port);

  g_assert_cmpstr (shown, ==, pin);
}

static void
replace (TlsStage *stage)
{
  mrt_authority_issue (stage->authority, NAMES, 60 * MRT_DAY_SECS, stage->cert, stage->key);
}

/* --- under load --- */

typedef struct {
  TlsStage *stage;
  gint stop;
  gint n_answers;
} Load;

/* Each request on a connection of its own: OpenSSL checks the certificate, and what fails ends the test. */
static gpointer
call_on_and_on (gpointer data)
{
  Load *load = data;

  while (!g_atomic_int_get (&load->stop)) {
    g_autoptr (MrtResponse) response = mrt_client_ask (load->stage->relay.port, "GET", "/health", NULL, NULL);

    g_assert_cmpuint (response->status, ==, 200);
    g_atomic_int_inc (&load->n_answers);
  }
  return NULL;
}

typedef struct {
  MrtStream *client;
  char *id;
  GString *sent;
} Stream;

static void
send_chunks (MrtWebsocket *worker, Stream *streams, guint round)
{
  for (guint i = 0; i < N_STREAMS; i++) {
    g_autofree char *chunk = g_strdup_printf ("data: {\"round\":%u,\"stream\":%u}\n\n", round, i);

    mrt_worker_chunk (worker, streams[i].id, chunk);
    g_string_append (streams[i].sent, chunk);
  }
}

static void
finish_stream (MrtWebsocket *worker, Stream *stream)
{
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (worker, stream->id, 200, NULL, NULL);
  response = mrt_client_receive (stream->client);
  stage_check_ok (response, stream->sent->str);
  mrt_stream_free (stream->client);
  g_free (stream->id);
  g_string_free (stream->sent, TRUE);
}

static void
test_under_load (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (&stage->relay, "w", "[\"m\"]", N_STREAMS);
  Load load = { .stage = stage };
  GThread *callers[N_CALLERS];
  Stream streams[N_STREAMS];
  guint round = 0;

  for (guint i = 0; i < N_STREAMS; i++) {
    streams[i].client = stage_post (&stage->relay, STAGE_STREAM);
    streams[i].id = mrt_worker_take (worker);
    streams[i].sent = g_string_new (NULL);
    mrt_worker_start (worker, streams[i].id, 200, STAGE_SSE);
  }
  for (guint i = 0; i < N_CALLERS; i++)
    callers[i] = g_thread_new ("caller", call_on_and_on, &load);
  for (guint i = 0; i < N_REPLACEMENTS; i++) {
    g_autofree char *pin = NULL;

    replace (stage);
    pin = mrt_certificate_pin (stage->cert);
    for (guint j = 0; j < 20; j++)
      send_chunks (worker, streams, round++);
    wait_for_pin (stage, pin);
    send_chunks (worker, streams, round++);
  }
  g_atomic_int_set (&load.stop, TRUE);
  for (guint i = 0; i < N_CALLERS; i++)
    g_thread_join (callers[i]);
  g_assert_cmpint (load.n_answers, >, 10 * N_REPLACEMENTS);
  for (guint i = 0; i < N_STREAMS; i++)
    finish_stream (worker, &streams[i]);
  mrt_process_wait_log_count (stage->relay.process, "certificate loaded", 1 + N_REPLACEMENTS);
}

/* --- how files are replaced --- */

/* The certificate, and its key a good while later. */
static void
test_one_after_the_other (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *old_pin = mrt_certificate_pin (stage->cert);
  g_autofree char *new_cert = tls_stage_file (stage, "new-cert.pem");
  g_autofree char *new_key = tls_stage_file (stage, "new-key.pem");
  g_autofree char *new_pin = NULL;
  g_autofree char *line = NULL;

  mrt_authority_issue (stage->authority, NAMES, MRT_DAY_SECS * 60, new_cert, new_key);
  new_pin = mrt_certificate_pin (new_cert);
  g_assert_cmpint (g_rename (new_cert, stage->cert), ==, 0);
  line = mrt_process_wait_log (stage->relay.process, "certificate not reloaded");
  g_assert_nonnull (strstr (line, "not the key of the certificate"));
  check_pin (stage, old_pin);
  g_assert_cmpint (g_rename (new_key, stage->key), ==, 0);
  wait_for_pin (stage, new_pin);
}

/* As certbot does it: the files are symbolic links, and these are replaced. */
static void
test_links (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *archive = mrt_directory_new ();
  g_autofree char *cert = g_build_filename (archive, "cert2.pem", NULL);
  g_autofree char *key = g_build_filename (archive, "key2.pem", NULL);
  g_autofree char *link = tls_stage_file (stage, "link");
  g_autofree char *pin = NULL;

  mrt_authority_issue (stage->authority, NAMES, MRT_DAY_SECS * 60, cert, key);
  pin = mrt_certificate_pin (cert);
  g_assert_cmpint (symlink (cert, link), ==, 0);
  g_assert_cmpint (g_rename (link, stage->cert), ==, 0);
  g_assert_cmpint (symlink (key, link), ==, 0);
  g_assert_cmpint (g_rename (link, stage->key), ==, 0);
  wait_for_pin (stage, pin);
  mrt_directory_remove (g_steal_pointer (&archive));
}

/* As Kubernetes does it: what is replaced is a link to a directory, on the way to the files. */
static void
test_linked_directory (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  char *old_data = mrt_directory_new ();
  char *new_data = mrt_directory_new ();
  g_autofree char *data = tls_stage_file (stage, "..data");
  g_autofree char *beside = tls_stage_file (stage, "..data_tmp");
  g_autofree char *cert = g_build_filename (new_data, "cert.pem", NULL);
  g_autofree char *key = g_build_filename (new_data, "key.pem", NULL);
  g_autofree char *old_cert = g_build_filename (old_data, "cert.pem", NULL);
  g_autofree char *old_key = g_build_filename (old_data, "key.pem", NULL);
  g_autofree char *old_pin = NULL;
  g_autofree char *pin = NULL;

  mrt_authority_issue (stage->authority, NAMES, MRT_DAY_SECS * 60, old_cert, old_key);
  old_pin = mrt_certificate_pin (old_cert);
  g_assert_cmpint (symlink (old_data, data), ==, 0);
  g_assert_true (g_unlink (stage->cert) == 0 && symlink ("..data/cert.pem", stage->cert) == 0);
  g_assert_true (g_unlink (stage->key) == 0 && symlink ("..data/key.pem", stage->key) == 0);
  wait_for_pin (stage, old_pin);
  mrt_authority_issue (stage->authority, NAMES, MRT_DAY_SECS * 60, cert, key);
  pin = mrt_certificate_pin (cert);
  g_assert_cmpint (symlink (new_data, beside), ==, 0);
  g_assert_cmpint (g_rename (beside, data), ==, 0);
  wait_for_pin (stage, pin);
  mrt_directory_remove (old_data);
  mrt_directory_remove (new_data);
}

static void
test_broken_file (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *pin = mrt_certificate_pin (stage->cert);
  g_autofree char *line = NULL;

  g_assert_true (g_file_set_contents (stage->cert, "-----BEGIN", -1, NULL));
  line = mrt_process_wait_log (stage->relay.process, "certificate not reloaded");
  g_assert_nonnull (strstr (line, stage->cert));
  check_pin (stage, pin);
}

/* --- SIGHUP --- */

static void
test_reload (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *other = tls_stage_file (stage, "other.pem");
  g_autofree char *other_key = tls_stage_file (stage, "other-key.pem");
  g_autofree char *pin = NULL;

  replace (stage);
  mrt_process_signal (stage->relay.process, SIGHUP);
  g_free (mrt_process_wait_log (stage->relay.process, "configuration reloaded"));
  pin = mrt_certificate_pin (stage->cert);
  check_pin (stage, pin);
  /* A pair that does not match leaves the whole configuration as it was. */
  mrt_authority_issue (stage->authority, NAMES, MRT_DAY_SECS * 60, other, other_key);
  g_assert_cmpint (g_rename (other_key, stage->key), ==, 0);
  mrt_process_signal (stage->relay.process, SIGHUP);
  g_free (mrt_process_wait_log (stage->relay.process, "configuration not reloaded"));
  check_pin (stage, pin);
}

/* --- warnings --- */

static void
check_warning (gint64 end_secs, const char *warning)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *line = NULL;

  mrt_authority_issue (stage->authority, NAMES, end_secs, stage->cert, stage->key);
  line = mrt_process_wait_log (stage->relay.process, warning);
  g_assert_nonnull (strstr (line, stage->cert));
}

static void
test_warnings (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *log = mrt_process_get_log (stage->relay.process);
  MrtProcess *process;
  guint16 port;

  g_assert_null (strstr (log, "readable"));
  g_assert_null (strstr (log, "expires soon"));
  check_warning (13 * MRT_DAY_SECS, "certificate expires soon");
  check_warning (-60, "certificate has expired");
  g_assert_cmpint (g_chmod (stage->key, 0644), ==, 0);
  process = tls_stage_relay (stage->cert, stage->key, &port, NULL);
  g_free (mrt_process_wait_log (process, "key is readable by everybody"));
  mrt_process_free (process);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/N3/certificate/replaced-under-load", test_under_load);
  g_test_add_func ("/contract/N3/certificate/one-after-the-other", test_one_after_the_other);
  g_test_add_func ("/contract/N3/certificate/links", test_links);
  g_test_add_func ("/contract/N3/certificate/linked-directory", test_linked_directory);
  g_test_add_func ("/contract/N3/certificate/broken-file", test_broken_file);
  g_test_add_func ("/contract/J/certificate-on-sighup", test_reload);
  g_test_add_func ("/contract/N3/certificate/warnings", test_warnings);
  return g_test_run ();
}
