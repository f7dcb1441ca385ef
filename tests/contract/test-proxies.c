/* SPDX-License-Identifier: MIT */
/*
 * Contract N3: Debian's nginx and Caddy before the relay, with the configurations of data/. Only ports, the name and
 * the certificate in them are replaced. The client is curl, and the worker comes through the proxy, too.
 *
 *   curl, modelrelay-worker -- TLS --> nginx or Caddy -- HTTP/1.1 --> modelrelay-server
 */
#include "stage-admin.h"
#include "tls-files.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EVENT_1 "data: {\"n\":1}\n\n"
#define EVENT_2 "data: {\"n\":2}\n\n"
#define SILENCE_USEC (2 * G_USEC_PER_SEC)
#define BIG_BYTES (2 * 1024 * 1024)
#define SITE "site"

/* What curl tells of an answer; the body is on its standard output. */
#define WRITE_OUT "%{stderr}status=%{response_code} version=%{http_version} location=%{redirect_url};\n"

typedef enum { NGINX, CADDY } Kind;

/* What a test is run with. */
typedef struct {
  const char *name;
  Kind kind;
  const char *version; /* curl's option */
  const char *seen;    /* how curl calls it */
} Case;

typedef struct {
  char *directory;
  char *ca;
  guint16 relay_port, http_port, https_port;
  MrtBackend *backend;
  MrtProcess *relay;
  MrtProcess *proxy;
  MrtProcess *worker;
} Front;

/* --- the configurations --- */

static char *
shipped (Kind kind)
{
  const char *name = kind == NGINX ? "nginx/modelrelay.conf" : "caddy/Caddyfile";
  g_autofree char *path = g_build_filename (MRT_DATA, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text;

  if (!g_file_get_contents (path, &text, NULL, &error))
    g_error ("%s", error->message);
  return text;
}

/* Takes @text and @to; @from must be there. */
static char *
replace (char *text, const char *from, char *to)
{
  g_autofree char *old_text = text;
  g_autofree char *new_part = to;
  g_auto (GStrv) parts = g_strsplit (old_text, from, -1);

  if (g_strv_length (parts) < 2)
    g_error ("\"%s\" is not in the configuration", from);
  return g_strjoinv (new_part, parts);
}

static char *
file_in (Front *front, const char *name)
{
  return g_build_filename (front->directory, name, NULL);
}

static void
write_file (Front *front, const char *name, const char *text)
{
  g_autofree char *path = file_in (front, name);
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents (path, text, -1, &error))
    g_error ("%s", error->message);
}

static char *
nginx_site (Front *front)
{
  char *text = shipped (NGINX);

  text = replace (text, "listen 80;", g_strdup_printf ("listen 127.0.0.1:%u;", front->http_port));
  text = replace (text, "listen [::]:80;", g_strdup_printf ("listen [::1]:%u;", front->http_port));
  text = replace (text, "listen 443 ssl", g_strdup_printf ("listen 127.0.0.1:%u ssl", front->https_port));
  text = replace (text, "listen [::]:443 ssl", g_strdup_printf ("listen [::1]:%u ssl", front->https_port));
  text = replace (text, "/etc/letsencrypt/live/relay.example/fullchain.pem", file_in (front, "cert.pem"));
  text = replace (text, "/etc/letsencrypt/live/relay.example/privkey.pem", file_in (front, "key.pem"));
  text = replace (text, "server_name relay.example", g_strdup ("server_name localhost"));
  return replace (text, "127.0.0.1:8080", g_strdup_printf ("127.0.0.1:%u", front->relay_port));
}

/* As Debian's nginx.conf, with more compression than it has. One process, so that nothing outlives the test. */
static char *
nginx_main (Front *front)
{
  const char *dir = front->directory;

  return g_strdup_printf ("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr notice;\nevents {}\n"
                          "http {\naccess_log off;\ngzip on;\ngzip_types *;\ngzip_min_length 1;\n"
                          "client_body_temp_path %s/t1;\nproxy_temp_path %s/t2;\nfastcgi_temp_path %s/t3;\n"
                          "uwsgi_temp_path %s/t4;\nscgi_temp_path %s/t5;\ninclude %s/" SITE ";\n}\n",
                          dir, dir, dir, dir, dir, dir, dir);
}

static char *
caddy_site (Front *front)
{
  char *text = shipped (CADDY);

  text = replace (text, "relay.example {", g_strdup ("localhost {"));
  text = replace (text, "#tls /etc/caddy/fullchain.pem /etc/caddy/privkey.pem",
                  g_strdup_printf ("tls %s/cert.pem %s/key.pem", front->directory, front->directory));
  return replace (text, "127.0.0.1:8080", g_strdup_printf ("127.0.0.1:%u", front->relay_port));
}

/* `disable_certs`: no certificate is asked for anywhere. */
static char *
caddy_main (Front *front)
{
  return g_strdup_printf ("{\nadmin off\nauto_https disable_certs\ndefault_bind 127.0.0.1\nhttp_port %u\n"
                          "https_port %u\n}\nimport %s/" SITE "\n",
                          front->http_port, front->https_port, front->directory);
}

/* --- the programs --- */

static void
start_proxy (Front *front, Kind kind)
{
  g_autofree char *site = kind == NGINX ? nginx_site (front) : caddy_site (front);
  g_autofree char *text = kind == NGINX ? nginx_main (front) : caddy_main (front);
  g_autofree char *path = file_in (front, "main");
  g_autofree char *home = g_strdup_printf ("HOME=%s", front->directory);
  g_autofree char *data = g_strdup_printf ("XDG_DATA_HOME=%s/data", front->directory);
  g_autofree char *config = g_strdup_printf ("XDG_CONFIG_HOME=%s/config", front->directory);
  const char *const nginx[] = { MRT_NGINX, "-e", "stderr", "-p", front->directory, "-c", path, NULL };
  const char *const caddy[] = { MRT_CADDY, "run", "--adapter", "caddyfile", "--config", path, NULL };
  const char *const env[] = { home, data, config, NULL };

  write_file (front, SITE, site);
  write_file (front, "main", text);
  front->proxy = mrt_process_start (kind == NGINX ? nginx : caddy, env);
  g_free (mrt_process_wait_log (front->proxy, kind == NGINX ? "event method" : "serving initial configuration"));
}

/* Heartbeats are off: who is silent here is kept by nobody but the proxy. */
static void
start_relay (Front *front, const char *trusted_proxy)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", front->relay_port);
  const char *const argv[] = {
    stage_server_path (), "--listen",  address, "--heartbeat-interval", "0", "--pong-timeout", "0", "--trusted-proxy",
    trusted_proxy,        STAGE_ADMIN, NULL
  };

  front->relay = mrt_process_start (argv, env);
  g_free (mrt_process_wait_log (front->relay, "listening address="));
}

static void
start_worker (Front *front)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autofree char *relay = g_strdup_printf ("https://localhost:%u", front->https_port);
  g_autofree char *backend = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (front->backend));
  const char *const argv[] = { stage_worker_path (), "--proxy-url", relay, "--backend-url", backend,
                               "--ca-file",          front->ca,     NULL };

  front->worker = mrt_process_start (argv, env);
  g_free (mrt_process_wait_log (front->worker, "registered"));
}

static guint16
free_port (void)
{
  guint16 port;

  close (mrt_listen (&port));
  return port;
}

static Front *
front_new (Kind kind, const char *trusted_proxy)
{
  Front *front = g_new0 (Front, 1);
  g_autoptr (MrtAuthority) authority = NULL;
  g_autofree char *cert = NULL;
  g_autofree char *key = NULL;

  front->directory = mrt_directory_new ();
  front->ca = file_in (front, "ca.pem");
  cert = file_in (front, "cert.pem");
  key = file_in (front, "key.pem");
  authority = mrt_authority_new ("Test authority", front->ca);
  mrt_authority_issue (authority, "DNS:localhost", 30 * MRT_DAY_SECS, cert, key);
  front->relay_port = free_port ();
  front->http_port = free_port ();
  front->https_port = free_port ();
  front->backend = mrt_backend_new ();
  start_relay (front, trusted_proxy);
  start_proxy (front, kind);
  start_worker (front);
  return front;
}

static void
front_free (Front *front)
{
  mrt_process_free (front->worker);
  mrt_process_free (front->proxy);
  mrt_process_free (front->relay);
  mrt_backend_free (front->backend);
  g_free (front->ca);
  mrt_directory_remove (front->directory);
  g_free (front);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Front, front_free)

/* --- the client --- */

/* (transfer full): curl on its way to @path, with these options beside (the last is NULL). */
static MrtProcess *
start_curl (Front *front, const char *path, const char *option, ...)
{
  g_autofree char *url = g_strdup_printf ("https://localhost:%u%s", front->https_port, path);
  const char *fixed[] = { MRT_CURL, "-q4sSN", "--path-as-is", "--cacert", front->ca, "-w", WRITE_OUT, url };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  va_list more;

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, (gpointer) fixed[i]);
  va_start (more, option);
  for (; option != NULL; option = va_arg (more, const char *))
    g_ptr_array_add (argv, (gpointer) option);
  va_end (more);
  g_ptr_array_add (argv, NULL);
  return mrt_process_start ((const char *const *) argv->pdata, NULL);
}

/* @encoding: the header, or "Accept-Encoding:" for none */
static MrtProcess *
start_post (Front *front, const Case *with, const char *encoding, const char *body)
{
  return start_curl (front, STAGE_CHAT, with->version, "-H", "Content-Type: application/json", "-H", encoding, "-H",
                     "Expect:", "--data-binary", body, NULL);
}

static void
wait_output (MrtProcess *curl, const char *text)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  g_autofree char *output = mrt_process_get_output (curl);

  while (!g_str_equal (output, text)) {
    if (mrt_now_ms () > deadline)
      g_error ("curl got \"%s\" instead of \"%s\"", output, text);
    g_usleep (2000);
    g_free (output);
    output = mrt_process_get_output (curl);
  }
}

/* curl has got a whole answer with this status. Returns: (transfer full): what it tells of it */
static char *
finish (MrtProcess *curl, const char *status)
{
  g_autofree char *wanted = g_strdup_printf ("status=%s ", status);
  g_autofree char *log = NULL;
  int code = mrt_process_wait_exit (curl, MRT_WAIT_MS);

  log = mrt_process_get_log (curl);
  if (code != 0 || strstr (log, wanted) == NULL)
    g_error ("curl: exit %d, %s", code, log);
  return g_steal_pointer (&log);
}

static void
check_ok (MrtProcess *curl, const Case *with, const char *body)
{
  g_autofree char *told = finish (curl, "200");
  g_autofree char *output = mrt_process_get_output (curl);
  g_autofree char *version = g_strdup_printf ("version=%s ", with->seen);

  g_assert_nonnull (strstr (told, version));
  g_assert_true (g_str_equal (output, body));
}

static void
serve_one (Front *front, const Case *with)
{
  g_autoptr (MrtProcess) curl = start_post (front, with, "Accept-Encoding:", STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (front->backend);

  g_assert_cmpstr (request->body->str, ==, STAGE_BODY);
  g_assert_null (mrt_head_get (request->head, "accept-encoding"));
  mrt_backend_answer (request, 200, NULL, "{\"served\":true}");
  check_ok (curl, with, "{\"served\":true}");
}

/* --- the tests --- */

/* Each event comes before the next is sent. */
static void
run_stream (Front *front, const Case *with, gulong silence_us)
{
  g_autoptr (MrtProcess) curl = start_post (front, with, "Accept-Encoding: gzip", STAGE_STREAM);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (front->backend);

  mrt_backend_sse_head (request);
  mrt_backend_event (request, EVENT_1);
  wait_output (curl, EVENT_1);
  g_usleep (silence_us);
  mrt_backend_event (request, EVENT_2);
  wait_output (curl, EVENT_1 EVENT_2);
  mrt_backend_end (request);
  check_ok (curl, with, EVENT_1 EVENT_2);
}

static void
test_stream (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");

  run_stream (front, with, 0);
  serve_one (front, with);
}

/* Neither the client's connection nor the worker's carries a byte meanwhile. */
static void
test_silence (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");
  g_autofree char *log = NULL;

  run_stream (front, with, SILENCE_USEC);
  log = mrt_process_get_log (front->worker);
  g_assert_null (strstr (log, "disconnected"));
}

static char *
random_text (gsize length)
{
  char *text = g_malloc (length + 1);

  for (gsize i = 0; i < length; i++)
    text[i] = (char) ('a' + g_test_rand_int_range (0, 26));
  text[length] = '\0';
  return text;
}

static void
test_big (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");
  g_autofree char *question = random_text (BIG_BYTES);
  g_autofree char *answer = random_text (BIG_BYTES);
  g_autofree char *body = g_strdup_printf ("{\"model\":\"m\",\"messages\":[],\"x\":\"%s\"}", question);
  g_autofree char *path = file_in (front, "body");
  g_autofree char *from_file = g_strconcat ("@", path, NULL);
  g_autoptr (MrtProcess) curl = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;

  write_file (front, "body", body);
  curl = start_post (front, with, "Accept-Encoding:", from_file);
  request = mrt_backend_accept (front->backend);
  g_assert_true (g_str_equal (request->body->str, body));
  mrt_backend_answer (request, 200, "Content-Type: application/json\r\n", answer);
  check_ok (curl, with, answer);
}

/* A client that goes stops its model, whether something of the answer was there or not. */
static void
test_client_gone (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");

  for (guint i = 0; i < 2; i++) {
    g_autoptr (MrtProcess) curl = start_post (front, with, "Accept-Encoding: gzip", STAGE_STREAM);
    g_autoptr (MrtBackendRequest) request = mrt_backend_accept (front->backend);

    if (i == 1) {
      mrt_backend_sse_head (request);
      mrt_backend_event (request, EVENT_1);
      wait_output (curl, EVENT_1);
    }
    mrt_process_signal (curl, SIGTERM);
    g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
  }
}

/* Plain HTTP leads to HTTPS, and by a status that keeps the method. */
static void
check_redirect (Front *front)
{
  g_autofree char *url = g_strdup_printf ("http://localhost:%u/v1/models?a=%%20b", front->http_port);
  const char *const argv[] = { MRT_CURL, "-q4sS", "-w", WRITE_OUT, url, NULL };
  g_autoptr (MrtProcess) curl = mrt_process_start (argv, NULL);
  g_autofree char *told = finish (curl, "308");

  g_assert_nonnull (strstr (told, "location=https://localhost/v1/models?a=%20b;"));
}

/* A page of the relay comes with its headers as they were. */
static void
check_page (Front *front, const Case *with)
{
  g_autoptr (MrtProcess) curl = start_curl (front, "/dashboard", with->version, "-i", NULL);
  g_autofree char *told = finish (curl, "200");
  g_autofree char *output = mrt_process_get_output (curl);
  g_autofree char *lower = g_ascii_strdown (output, -1);
  const char *first = strstr (lower, "\ncontent-security-policy:");

  g_assert_nonnull (first);
  g_assert_null (strstr (first + 1, "\ncontent-security-policy:"));
  g_assert_nonnull (strstr (lower, "</html>"));
}

static char *
ask_admin (Front *front, const char *from, const char *path)
{
  g_autoptr (MrtProcess) curl =
      start_curl (front, path, "--interface", from, "-H", "Authorization: Bearer " STAGE_TOKEN, NULL);

  g_assert_cmpint (mrt_process_wait_exit (curl, MRT_WAIT_MS), ==, 0);
  return mrt_process_get_log (curl);
}

static void
check_admin (Front *front)
{
  static const char *const paths[] = { "/admin/stats",     "/metrics",        "/admin/stats?a=b", "/%61dmin/stats",
                                       "//admin/stats",    "/./admin/stats",  "/v1/../metrics",   "/v1/%2e%2e/metrics",
                                       "/admin%2fstats",   "/ADMIN/stats",    "/metrics/",        "/admin/../metrics",
                                       "/admin/./workers", "/x/../admin/keys" };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autofree char *outside = ask_admin (front, "127.0.0.2", paths[i]);
    g_autofree char *inside = i < 2 ? ask_admin (front, "127.0.0.1", paths[i]) : NULL;

    g_assert_null (strstr (outside, "status=200"));
    if (i < 2) {
      g_assert_nonnull (strstr (outside, "status=403"));
      g_assert_nonnull (strstr (inside, "status=200"));
    }
  }
}

static void
test_sites (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");

  check_redirect (front);
  check_page (front, with);
  check_admin (front);
}

/* Where a worker with a wrong secret comes from, as the relay sees it, whatever that worker claims. */
static void
check_address (const Case *with, const char *trusted_proxy, const char *seen)
{
  g_autoptr (Front) front = front_new (with->kind, trusted_proxy);
  g_autofree char *field = g_strdup_printf (" address=%s", seen);
  g_autofree char *line = NULL;
  g_autoptr (MrtProcess) curl =
      start_curl (front, "/v1/worker/connect?provider=local", "--http1.1", "--interface", "127.0.0.2", "-H",
                  "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H", "X-Worker-Secret: wrong", "-H",
                  "X-Forwarded-For: 203.0.113.9", "-H", "Forwarded: for=203.0.113.9", NULL);

  line = mrt_process_wait_log (front->relay, "worker refused");
  g_assert_true (g_str_has_suffix (line, field));
}

static void
test_address (gconstpointer data)
{
  check_address (data, "127.0.0.1", "127.0.0.2");
  check_address (data, "192.0.2.1", "127.0.0.1");
}

static void
test_relay_restarts (gconstpointer data)
{
  const Case *with = data;
  g_autoptr (Front) front = front_new (with->kind, "127.0.0.1");
  g_autoptr (MrtProcess) curl = NULL;

  serve_one (front, with);
  g_clear_pointer (&front->relay, mrt_process_free);
  curl = start_post (front, with, "Accept-Encoding:", STAGE_BODY);
  g_free (finish (curl, "502"));
  start_relay (front, "127.0.0.1");
  mrt_process_wait_log_count (front->worker, "registered", 2);
  serve_one (front, with);
}

/* How long silence may last cannot be waited for. */
static void
test_values (void)
{
  g_autofree char *nginx = shipped (NGINX);
  g_autofree char *caddy = shipped (CADDY);

  g_assert_true (g_regex_match_simple ("\n  proxy_read_timeout 360s;\n  proxy_send_timeout 360s;\n", nginx, 0, 0));
  g_assert_true (g_regex_match_simple ("location = /v1/worker/connect \\{\n +proxy_read_timeout 86400s;\n"
                                       " +proxy_send_timeout 86400s;\n",
                                       nginx, 0, 0));
  g_assert_true (g_regex_match_simple ("\n +client_max_body_size 64m;\n", nginx, 0, 0));
  /* Caddy waits for ever where nothing is said. */
  g_assert_false (g_regex_match_simple ("^\\s*[^#\\s].*(timeout|flush_interval|acme)", caddy, G_REGEX_MULTILINE, 0));
}

static const Case cases[] = { { "nginx/http1", NGINX, "--http1.1", "1.1" },
                              { "nginx/http2", NGINX, "--http2", "2" },
                              { "caddy/http1", CADDY, "--http1.1", "1.1" },
                              { "caddy/http2", CADDY, "--http2", "2" } };

static void
add_tests (const char *name, GTestDataFunc test, gboolean each_version)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i += each_version ? 1 : 2) {
    g_autofree char *path = g_strdup_printf ("/contract/N3/%s/%s", cases[i].name, name);

    g_test_add_data_func (path, &cases[i], test);
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  add_tests ("stream", test_stream, TRUE);
  add_tests ("big", test_big, TRUE);
  add_tests ("client-gone", test_client_gone, TRUE);
  add_tests ("silence", test_silence, FALSE);
  add_tests ("sites", test_sites, FALSE);
  add_tests ("address", test_address, FALSE);
  add_tests ("relay-restarts", test_relay_restarts, FALSE);
  g_test_add_func ("/contract/N3/values", test_values);
  return g_test_run ();
}
