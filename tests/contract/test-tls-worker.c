/* SPDX-License-Identifier: MIT */
/*
 * Contract K: the worker's TLS, to relays (https and wss, --ca-file, --pin) and to its backend. The relay is the real
 * one; in front of the backend is OpenSSL.
 */
#include "tls-stage.h"

#include <string.h>
#include <unistd.h>

#define NAMES "DNS:localhost,IP:127.0.0.1"
#define EVENT "data: {\"n\":1}\n\n"

/* (transfer full): a worker at @relay_url and @backend_url with the stage's secret. @proxy: (nullable): https_proxy=...
 */
static MrtProcess *
start_worker_behind (const char *proxy, const char *relay_url, const char *backend_url, const char *const *more)
{
  const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, proxy, NULL };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer) stage_worker_path ());
  g_ptr_array_add (argv, (gpointer) "--proxy-url");
  g_ptr_array_add (argv, (gpointer) relay_url);
  g_ptr_array_add (argv, (gpointer) "--backend-url");
  g_ptr_array_add (argv, (gpointer) backend_url);
  for (; more != NULL && *more != NULL; more++)
    g_ptr_array_add (argv, (gpointer) *more);
  g_ptr_array_add (argv, NULL);
  return mrt_process_start ((const char *const *) argv->pdata, env);
}

static MrtProcess *
start_worker (const char *relay_url, const char *backend_url, const char *const *more)
{
  return start_worker_behind (NULL, relay_url, backend_url, more);
}

static char *
make_url (const char *scheme, const char *host, guint16 port)
{
  return g_strdup_printf ("%s://%s:%u", scheme, host, port);
}

static void
check_one_stream (TlsStage *stage, MrtBackend *backend)
{
  g_autoptr (MrtStream) client = stage_post (&stage->relay, STAGE_STREAM);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (backend);
  g_autoptr (MrtResponse) response = NULL;

  g_assert_cmpstr (request->body->str, ==, STAGE_STREAM);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, EVENT);
  response = mrt_client_receive_head (client, FALSE);
  mrt_body_wait_text (&response->body, EVENT);
  mrt_backend_event (request, EVENT);
  mrt_backend_end (request);
  stage_check_ok (response, EVENT EVENT);
}

/* --- relays that are believed --- */

static void
test_whole_way (gconstpointer scheme)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autofree char *relay_url = make_url (scheme, "localhost", stage->tls_port);
  g_autofree char *backend_url = make_url ("http", "127.0.0.1", mrt_backend_get_port (backend));
  const char *const more[] = { "--ca-file", stage->ca, NULL };
  g_autoptr (MrtProcess) worker = start_worker (relay_url, backend_url, more);

  g_free (mrt_process_wait_log (worker, "registered"));
  for (guint i = 0; i < 3; i++)
    check_one_stream (stage, backend);
}

/* A certificate that signs itself and is for nobody in particular. */
static void
test_pin (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *cert = tls_stage_file (stage, "self.pem");
  g_autofree char *key = tls_stage_file (stage, "self-key.pem");
  g_autofree char *pin = NULL;
  g_autofree char *url = NULL;
  g_autoptr (MrtProcess) relay = NULL;
  g_autoptr (MrtProcess) worker = NULL;
  guint16 port;

  mrt_authority_issue (NULL, "DNS:whoever", MRT_DAY_SECS, cert, key);
  pin = mrt_certificate_pin (cert);
  relay = tls_stage_relay (cert, key, &port, NULL);
  url = make_url ("https", "127.0.0.1", port);
  worker = start_worker (
      url, "http://127.0.0.1:1",
      (const char *const[]){ "--pin", "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "--pin", pin, NULL });
  g_free (mrt_process_wait_log (worker, "registered"));
}

/* A proxy for one connection, which leads to @target whatever was asked for. */
typedef struct {
  int listener;
  guint16 port;
  guint16 target;
  char *asked; /* Owned */
} Proxy;

/* FALSE at its end */
static gboolean
carry (MrtStream *from, MrtStream *to)
{
  MrtRead result = mrt_stream_fill (from, 2);

  if (from->in->len > 0)
    mrt_stream_write (to, from->in->str, from->in->len);
  g_string_truncate (from->in, 0);
  return result == MRT_READ_DATA || result == MRT_READ_TIMEOUT;
}

static gpointer
run_proxy (gpointer data)
{
  Proxy *proxy = data;
  g_autoptr (MrtStream) worker = mrt_accept (proxy->listener, MRT_WAIT_MS);
  g_autoptr (MrtStream) relay = mrt_stream_connect (proxy->target);

  proxy->asked = mrt_stream_take_until (worker, "\r\n\r\n", MRT_WAIT_MS);
  mrt_stream_write_text (worker, "HTTP/1.1 200 Connection established\r\n\r\n");
  while (carry (worker, relay) && carry (relay, worker))
    continue;
  return NULL;
}

/* The system's proxy knows the relay's name; the worker does not. */
static void
test_proxy (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *cert = tls_stage_file (stage, "proxied.pem");
  g_autofree char *key = tls_stage_file (stage, "proxied-key.pem");
  g_autofree char *variable = NULL;
  g_autoptr (MrtProcess) relay = NULL;
  g_autoptr (MrtProcess) worker = NULL;
  Proxy proxy = { 0 };
  GThread *thread;

  mrt_authority_issue (stage->authority, "DNS:relay.example", MRT_DAY_SECS, cert, key);
  relay = tls_stage_relay (cert, key, &proxy.target, NULL);
  proxy.listener = mrt_listen (&proxy.port);
  thread = g_thread_new ("proxy", run_proxy, &proxy);
  variable = g_strdup_printf ("https_proxy=http://127.0.0.1:%u", proxy.port);
  worker = start_worker_behind (variable, "https://relay.example", "http://127.0.0.1:1",
                                (const char *const[]){ "--ca-file", stage->ca, NULL });
  g_free (mrt_process_wait_log (worker, "registered"));
  g_clear_pointer (&worker, mrt_process_free);
  g_thread_join (thread);
  g_assert_true (g_str_has_prefix (proxy.asked, "CONNECT relay.example:443 "));
  g_free (proxy.asked);
  close (proxy.listener);
}

/* --- relays that are not --- */

typedef struct {
  const char *name;
  const char *names; /* of the certificate */
  gint64 end_secs;
  const char *host;
  gboolean other_authority;
  const char *pin; /* nullable */
  const char *problem;
} Refused;

static const Refused refused[] = {
  { "wrong-authority", NAMES, MRT_DAY_SECS, "localhost", TRUE, NULL, "issuer is not among the known authorities" },
  { "expired", NAMES, -60, "localhost", FALSE, NULL, "certificate has expired" },
  { "wrong-host", "DNS:relay.example", MRT_DAY_SECS, "localhost", FALSE, NULL, "not for the host localhost" },
  { "wrong-pin", NAMES, MRT_DAY_SECS, "localhost", FALSE,
    "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "its pin is sha256:" },
};

static void
test_refused (gconstpointer data)
{
  const Refused *row = data;
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autofree char *other_ca = tls_stage_file (stage, "other-ca.pem");
  g_autoptr (MrtAuthority) other = mrt_authority_new ("Other authority", other_ca);
  g_autofree char *cert = tls_stage_file (stage, "bad.pem");
  g_autofree char *key = tls_stage_file (stage, "bad-key.pem");
  const char *more[] = { "--ca-file", row->other_authority ? other_ca : stage->ca, row->pin != NULL ? "--pin" : NULL,
                         row->pin, NULL };
  g_autofree char *url = NULL;
  g_autofree char *line = NULL;
  g_autofree char *log = NULL;
  g_autoptr (MrtProcess) relay = NULL;
  g_autoptr (MrtProcess) worker = NULL;
  guint16 port;

  mrt_authority_issue (stage->authority, row->names, row->end_secs, cert, key);
  relay = tls_stage_relay (cert, key, &port, NULL);
  url = make_url ("https", row->host, port);
  worker = start_worker (url, "http://127.0.0.1:1", more);
  line = mrt_process_wait_log (worker, "cannot connect to proxy");
  if (strstr (line, row->problem) == NULL)
    g_error ("\"%s\" does not say \"%s\"", line, row->problem);
  log = mrt_process_get_log (relay);
  g_assert_null (strstr (log, STAGE_SECRET));
}

/* The other way round than it was meant: https to a plain relay, http to one with TLS. */
static void
test_mixed_up (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (StageRelay) plain = stage_relay (NULL);
  g_autofree char *https = make_url ("https", "localhost", plain->port);
  g_autofree char *http = make_url ("http", "localhost", stage->tls_port);
  g_autoptr (MrtProcess) first = start_worker (https, "http://127.0.0.1:1", NULL);
  g_autoptr (MrtProcess) second = start_worker (http, "http://127.0.0.1:1", NULL);
  g_autofree char *first_line = mrt_process_wait_log (first, "cannot connect to proxy");
  g_autofree char *second_line = mrt_process_wait_log (second, "cannot connect to proxy");

  g_assert_nonnull (strstr (first_line, "does not speak TLS"));
  g_assert_nonnull (strstr (second_line, "closed the connection before it answered"));
}

/* The secret is shown to nobody before the certificate was believed. */
static void
test_secret_is_kept (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  guint16 port;
  int listener = mrt_listen (&port);
  g_autoptr (MrtTunnel) tunnel = mrt_tunnel_from_tls (stage->cert, stage->key, port);
  g_autofree char *url = make_url ("https", "localhost", mrt_tunnel_get_port (tunnel));
  g_autoptr (MrtProcess) worker = start_worker (url, "http://127.0.0.1:1", NULL);
  g_autoptr (MrtStream) seen = mrt_accept (listener, MRT_WAIT_MS);

  g_free (mrt_process_wait_log (worker, "cannot connect to proxy"));
  g_assert_true (mrt_stream_wait_end (seen, MRT_WAIT_MS));
  g_assert_cmpuint (seen->in->len, ==, 0);
  mrt_stream_free (g_steal_pointer (&seen));
  g_clear_pointer (&tunnel, mrt_tunnel_free);
  close (listener);
}

/* --- the backend --- */

static void
test_backend (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtTunnel) tunnel = mrt_tunnel_from_tls (stage->cert, stage->key, mrt_backend_get_port (backend));
  g_autofree char *relay_url = make_url ("https", "localhost", stage->tls_port);
  g_autofree char *backend_url = make_url ("https", "localhost", mrt_tunnel_get_port (tunnel));
  const char *const more[] = { "--ca-file", stage->ca, NULL };
  g_autoptr (MrtProcess) worker = start_worker (relay_url, backend_url, more);
  g_autofree char *line = mrt_process_wait_log (worker, "registered");

  g_assert_nonnull (strstr (line, "models=m"));
  for (guint i = 0; i < 3; i++)
    check_one_stream (stage, backend);
  g_clear_pointer (&worker, mrt_process_free);
}

static void
test_unknown_backend (void)
{
  g_autoptr (TlsStage) stage = tls_stage_new (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtTunnel) tunnel = mrt_tunnel_from_tls (stage->cert, stage->key, mrt_backend_get_port (backend));
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autofree char *relay_url = make_url ("http", "127.0.0.1", relay->port);
  g_autofree char *backend_url = make_url ("https", "localhost", mrt_tunnel_get_port (tunnel));
  const char *const more[] = { "--models", "m", NULL };
  g_autoptr (MrtProcess) worker = start_worker (relay_url, backend_url, more);
  g_autofree char *line = mrt_process_wait_log (worker, "backend unavailable");

  g_assert_nonnull (strstr (line, "certificate"));
  g_clear_pointer (&worker, mrt_process_free);
}

/* --- the command line --- */

static void
test_options (void)
{
  static const struct {
    const char *option;
    const char *value;
    const char *problem;
  } rows[] = {
    { "--ca-file", "/nowhere/ca.pem", "--ca-file \"/nowhere/ca.pem\"" },
    { "--pin", "sha256:12", "--pin \"sha256:12\"" },
    { "--proxy-url", "ftp://relay", "https://" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *const more[] = { rows[i].option, rows[i].value, NULL };
    g_autoptr (MrtProcess) worker = start_worker ("https://relay.example", "http://127.0.0.1:1", more);
    g_autofree char *log = NULL;

    g_assert_cmpint (mrt_process_wait_exit (worker, MRT_WAIT_MS), ==, 2);
    log = mrt_process_get_log (worker);
    if (strstr (log, rows[i].problem) == NULL)
      g_error ("\"%s\" does not say \"%s\"", log, rows[i].problem);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_data_func ("/contract/K/tls/https", "https", test_whole_way);
  g_test_add_data_func ("/contract/K/tls/wss", "wss", test_whole_way);
  g_test_add_func ("/contract/K/tls/pin", test_pin);
  g_test_add_func ("/contract/K/tls/proxy", test_proxy);
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autofree char *path = g_strconcat ("/contract/K/tls/refused/", refused[i].name, NULL);

    g_test_add_data_func (path, &refused[i], test_refused);
  }
  g_test_add_func ("/contract/K/tls/mixed-up", test_mixed_up);
  g_test_add_func ("/contract/K/tls/secret-is-kept", test_secret_is_kept);
  g_test_add_func ("/contract/K/tls/backend", test_backend);
  g_test_add_func ("/contract/K/tls/unknown-backend", test_unknown_backend);
  g_test_add_func ("/contract/K/tls/options", test_options);
  return g_test_run ();
}
