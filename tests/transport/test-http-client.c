/* SPDX-License-Identifier: MIT */
/*
 * The HTTP client: requests, connecting, framings and cuts over real sockets, and the pool. How an answer is read byte
 * by byte is shown in test-http-response.c, cancelling and back-pressure in test-http-client-flow.c.
 */
#include "http-client-stage.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Requests --- */

static void
test_request_head (Fixture *fixture, gconstpointer data)
{
  g_autofree char *base = g_strdup_printf ("http://localhost:%u/base/a%%20b/", fixture->port);
  g_autofree char *expected = NULL;
  g_autofree char *head = NULL;
  g_autoptr (GBytes) body = g_bytes_new_static ("{}", 2);
  g_autoptr (MrHttpClient) client = new_client (fixture->reactor, base);
  g_autoptr (GString) received = g_string_new (NULL);
  g_auto (Owner) owner = { 0 };
  int fd;

  start (&owner, client, "POST", "/v1/x?beta=true\r\nEvil: 1", body);
  fd = backend_accept (fixture);
  head = backend_read_head (fd);
  expected = g_strdup_printf ("POST /base/a%%20b/v1/x?beta=true%%0D%%0AEvil:%%201 HTTP/1.1\r\nHost: localhost:%u\r\n"
                              "Connection: keep-alive\r\nContent-Length: 2\r\naccept: */*\r\n\r\n",
                              fixture->port);
  g_assert_cmpstr (head, ==, expected);
  backend_read_bytes (fd, received, 2);
  g_assert_cmpstr (received->str, ==, "{}");
  backend_say (fd, LENGTH_ANSWER);
  expect_done (&owner, 200, "ok");
  close (fd);
}

static void
test_ipv6 (Fixture *fixture, gconstpointer data)
{
  guint16 port;
  Fixture v6 = { .reactor = fixture->reactor, .listener = open_listener (AF_INET6, &port) };
  g_autofree char *base = g_strdup_printf ("http://[::1]:%u", port);
  g_autofree char *host = g_strdup_printf ("\r\nHost: [::1]:%u\r\n", port);
  g_autoptr (MrHttpClient) client = new_client (fixture->reactor, base);
  g_autofree char *head = NULL;
  g_auto (Owner) owner = { 0 };
  int fd;

  start (&owner, client, "GET", "/", NULL);
  fd = backend_accept (&v6);
  head = backend_read_head (fd);
  g_assert_nonnull (strstr (head, host));
  g_assert_null (strstr (head, "Content-Length"));
  backend_say (fd, LENGTH_ANSWER);
  expect_done (&owner, 200, "ok");
  close (fd);
  close (v6.listener);
}

static void
test_bad_bases (Fixture *fixture, gconstpointer data)
{
  static const char *const bases[] = { "wss://127.0.0.1/", "ftp://x/", "http:///x", "unix:/x" };

  for (gsize i = 0; i < G_N_ELEMENTS (bases); i++) {
    g_autoptr (GUri) uri = g_uri_parse (bases[i], G_URI_FLAGS_NONE, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_null (mr_http_client_new (fixture->reactor, uri, &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, bases[i]));
  }
}

/* http_proxy points to a closed port for the whole program (see stage_main()). */
static void
test_proxy_is_ignored (Fixture *fixture, gconstpointer data)
{
  g_assert_nonnull (g_getenv ("http_proxy"));
  close (fill_pool (fixture));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *base = NULL;
  g_autoptr (MrHttpClient) client = NULL;
  guint16 port;
  g_auto (Owner) owner = { 0 };

  close (open_listener (AF_INET, &port));
  base = g_strdup_printf ("http://127.0.0.1:%u", port);
  client = new_client (fixture->reactor, base);
  start (&owner, client, "GET", "/", NULL);
  g_assert_cmpuint (owner.n_failures, ==, 0);
  expect_failed (&owner, MR_ERROR_BACKEND_UNREACHABLE);
  g_assert_cmpstr (owner.error->message, ==, "backend refuses connections");
}

/* A listener whose queue is full lets connections hang. */
static void
test_connect_timeout (Fixture *fixture, gconstpointer data)
{
  gint64 began = g_get_monotonic_time ();
  struct sockaddr_in address = {
    .sin_family = AF_INET,
    .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
    .sin_port = htons (fixture->port),
  };
  int fillers[8];
  g_auto (Owner) owner = { 0 };

  g_assert_cmpint (listen (fixture->listener, 0), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (fillers); i++) {
    fillers[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void) connect (fillers[i], (struct sockaddr *) &address, sizeof address);
  }
  start_get (&owner, fixture);
  expect_failed (&owner, MR_ERROR_BACKEND_TIMEOUT);
  g_assert_cmpint (g_get_monotonic_time () - began, >=, MR_LIMIT_CONNECT_USEC);
  for (gsize i = 0; i < G_N_ELEMENTS (fillers); i++)
    close (fillers[i]);
}

/* --- Framings over sockets --- */

typedef struct {
  const char *name;
  const char *method;
  const char *answer;
  guint status;
  const char *body;
  gboolean reused;
  gboolean ends; /* the backend closes after it */
} Framing;

static const Framing framings[] = {
  { "length", "GET", LENGTH_ANSWER, 200, "ok", TRUE, FALSE },
  { "length-zero", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", TRUE, FALSE },
  { "chunked", "GET", CHUNKED_HEAD "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n", 200, "abcde", TRUE, FALSE },
  { "chunked-and-length", "GET",
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, "a", FALSE,
    FALSE },
  { "until-close", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", 200, "abc", FALSE, TRUE },
  { "connection-close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", 200, "a", FALSE,
    FALSE },
  { "http-1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", FALSE, FALSE },
  { "http-1.0-keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, "a",
    TRUE, FALSE },
  { "to-head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200, "", TRUE, FALSE },
  { "no-content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", TRUE, FALSE },
  { "continue", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" LENGTH_ANSWER, 200, "ok",
    TRUE, FALSE },
  { "error-status", "GET", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", 503, "busy", TRUE, FALSE },
};

/* One exchange; the answer comes in pieces of @piece bytes after a first one of @first. */
static void
run_framing (Fixture *fixture, const Framing *framing, int *fd, gsize first, gsize piece)
{
  gsize length = strlen (framing->answer);
  g_autofree char *head = NULL;
  g_auto (Owner) owner = { 0 };

  start (&owner, fixture->client, framing->method, "/", NULL);
  if (*fd < 0)
    *fd = backend_accept (fixture);
  head = backend_read_head (*fd);
  backend_send (*fd, framing->answer, first);
  settle ();
  for (gsize at = first; at < length; at += piece) {
    backend_send (*fd, framing->answer + at, MIN (piece, length - at));
    settle ();
  }
  if (framing->ends) {
    pump_until (owner.body->len == strlen (framing->body));
    g_assert_nonnull (owner.exchange);
    close (*fd);
    *fd = -1;
  }
  expect_done (&owner, framing->status, framing->body);
  if (*fd >= 0 && !framing->reused) {
    expect_end_soon (*fd);
    *fd = -1;
  }
}

static void
test_framing (Fixture *fixture, gconstpointer data)
{
  const Framing *framing = data;
  gsize length = strlen (framing->answer);
  guint n_exchanges = 0;
  int fd = -1;

  for (gsize first = 1; first <= length; first++, n_exchanges++)
    run_framing (fixture, framing, &fd, first, length);
  run_framing (fixture, framing, &fd, 1, 1);
  n_exchanges++;
  g_assert_cmpuint (fixture->n_accepted, ==, framing->reused ? 1 : n_exchanges);
  if (fd >= 0)
    close (fd);
}

static void
test_bytes_after_the_end (Fixture *fixture, gconstpointer data)
{
  g_auto (Owner) owner = { 0 };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, LENGTH_ANSWER "HTTP/1.1 200 OK\r\n");
  expect_done (&owner, 200, "ok");
  expect_end_soon (fd);
}

static void
test_chunks_are_joined (Fixture *fixture, gconstpointer data)
{
  g_auto (Owner) owner = { 0 };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, CHUNKED_HEAD);
  pump_until (owner.n_heads == 1);
  backend_say (fd, "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n4\r\nghij\r\n");
  pump_until (owner.body->len > 0);
  g_assert_cmpstr (owner.body->str, ==, "abcdefghij");
  g_assert_cmpuint (owner.n_datas, ==, 1);
  backend_say (fd, "1\r\nk\r\n0\r\n\r\n");
  expect_done (&owner, 200, "abcdefghijk");
  g_assert_cmpuint (owner.n_datas, ==, 2);
  close (fd);
}

/* --- Broken answers --- */

static void
expect_cut_failure (Fixture *fixture, const char *answer, gsize cut, gboolean reset)
{
  g_auto (Owner) owner = { 0 };
  g_autofree char *head = NULL;
  int fd;

  start_get (&owner, fixture);
  fd = backend_accept (fixture);
  head = backend_read_head (fd);
  backend_send (fd, answer, cut);
  if (reset) {
    settle ();
    close_with_reset (fd);
  } else {
    close (fd);
  }
  expect_failed (&owner, MR_ERROR_BACKEND_PROTOCOL);
  if (!reset && cut > 0)
    g_assert_cmpstr (owner.error->message, ==, "backend closed the connection in the middle of its answer");
}

static void
test_cut (Fixture *fixture, gconstpointer data)
{
  const char *answer = data;

  for (gsize cut = 0; cut < strlen (answer); cut++) {
    expect_cut_failure (fixture, answer, cut, FALSE);
    expect_cut_failure (fixture, answer, cut, TRUE);
  }
}

static void
test_cut_until_close (Fixture *fixture, gconstpointer data)
{
  expect_cut_failure (fixture, "HTTP/1.1 200 OK\r\n\r\nabc", strlen ("HTTP/1.1 200 OK\r\n"), FALSE);
  expect_cut_failure (fixture, "HTTP/1.1 200 OK\r\n\r\nabc", strlen ("HTTP/1.1 200 OK\r\n\r\nabc"), TRUE);
}

static void
test_malformed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (MR_LIMIT_HEAD_BYTES, 'h');
  g_autofree char *huge = g_strconcat ("HTTP/1.1 200 OK\r\nX: ", filler, NULL);
  const char *const answers[] = {
    "garbage\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    CHUNKED_HEAD "zz\r\n",
    CHUNKED_HEAD "-1\r\n",
    CHUNKED_HEAD "1\r\nxx\r\n",
    CHUNKED_HEAD "fffffffffffffffff\r\n",
    huge,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_auto (Owner) owner = { 0 };
    int fd;

    start_get (&owner, fixture);
    fd = backend_answer (fixture, answers[i]);
    expect_failed (&owner, MR_ERROR_BACKEND_PROTOCOL);
    expect_end_soon (fd);
  }
}

/* --- The pool --- */

static void
test_keep_alive (Fixture *fixture, gconstpointer data)
{
  int fd = fill_pool (fixture);

  for (guint i = 0; i < 100; i++) {
    g_autofree char *head = NULL;
    g_auto (Owner) owner = { 0 };

    start_get (&owner, fixture);
    head = backend_read_head (fd);
    backend_say (fd, LENGTH_ANSWER);
    expect_done (&owner, 200, "ok");
  }
  g_assert_cmpuint (fixture->n_accepted, ==, 1);
  g_assert_true (nobody_connects (fixture));
  close (fd);
}

/* The backend takes the second request on the kept connection and dies, as one does whose idle time has just passed. */
static void
test_retry_once (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("twice", 5);
  g_autoptr (GString) received = g_string_new (NULL);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_auto (Owner) owner = { 0 };
  int fd = fill_pool (fixture);

  start (&owner, fixture->client, "POST", "/retry", body);
  first = backend_read_head (fd);
  close (fd);
  fd = backend_accept (fixture);
  second = backend_read_head (fd);
  g_assert_cmpstr (first, ==, second);
  backend_read_bytes (fd, received, 5);
  g_assert_cmpstr (received->str, ==, "twice");
  backend_say (fd, LENGTH_ANSWER);
  expect_done (&owner, 200, "ok");
  g_assert_cmpuint (fixture->n_accepted, ==, 2);
  close (fd);
}

static void
test_no_second_retry (Fixture *fixture, gconstpointer data)
{
  gboolean reset = GPOINTER_TO_INT (data);
  g_auto (Owner) owner = { 0 };
  int others = fill_pool (fixture);
  int fd = others;

  start_get (&owner, fixture);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *head = backend_read_head (fd);

    if (reset)
      close_with_reset (fd);
    else
      close (fd);
    if (i == 0)
      fd = backend_accept (fixture);
  }
  expect_failed (&owner, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_true (nobody_connects (fixture));
}

static void
test_no_retry_after_a_byte (Fixture *fixture, gconstpointer data)
{
  g_autofree char *head = NULL;
  g_auto (Owner) owner = { 0 };
  int fd = fill_pool (fixture);

  start_get (&owner, fixture);
  head = backend_read_head (fd);
  backend_say (fd, "H");
  close (fd);
  expect_failed (&owner, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_true (nobody_connects (fixture));
}

static void
test_no_retry_on_a_fresh_one (Fixture *fixture, gconstpointer data)
{
  g_auto (Owner) owner = { 0 };

  start_get (&owner, fixture);
  close (backend_answer (fixture, ""));
  expect_failed (&owner, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_cmpstr (owner.error->message, ==, "backend closed the connection without an answer");
  g_assert_true (nobody_connects (fixture));
}

/* An idle connection that ends, or says something, is not used again. */
static void
test_idle_dropped (Fixture *fixture, gconstpointer data)
{
  const char *last_words = data;
  int fd = fill_pool (fixture);
  int next;

  if (last_words != NULL) {
    backend_say (fd, last_words);
    expect_end_soon (fd);
  } else {
    close (fd);
    settle ();
  }
  next = fill_pool (fixture);
  g_assert_cmpuint (fixture->n_accepted, ==, 2);
  close (next);
}

static void
test_idle_timeout (Fixture *fixture, gconstpointer data)
{
  int fd = fill_pool (fixture);
  gint64 began = g_get_monotonic_time ();

  pump_until (backend_sees_end (fd));
  g_assert_cmpint (g_get_monotonic_time () - began, >=, MR_LIMIT_BACKEND_IDLE_USEC - G_USEC_PER_SEC);
  close (fd);
}

static void
test_idle_cap (Fixture *fixture, gconstpointer data)
{
  Owner owners[MR_LIMIT_BACKEND_IDLE + 2] = { 0 };
  int fds[G_N_ELEMENTS (owners)];
  guint n_closed = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (owners); i++)
    start_get (&owners[i], fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (owners); i++)
    fds[i] = backend_answer (fixture, LENGTH_ANSWER);
  for (gsize i = 0; i < G_N_ELEMENTS (owners); i++) {
    expect_done (&owners[i], 200, "ok");
    owner_clear (&owners[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++) {
    n_closed += backend_sees_end (fds[i]);
    close (fds[i]);
  }
  g_assert_cmpuint (n_closed, ==, 2);
}

static void
add_framings (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (framings); i++) {
    g_autofree char *path = g_strconcat ("/transport/http-client/framing/", framings[i].name, NULL);

    stage_add (path, &framings[i], test_framing);
  }
  stage_add ("/transport/http-client/framing/bytes-after-the-end", NULL, test_bytes_after_the_end);
  stage_add ("/transport/http-client/framing/chunks-are-joined", NULL, test_chunks_are_joined);
  stage_add ("/transport/http-client/framing/malformed", NULL, test_malformed);
  stage_add ("/contract/D4/cut-anywhere/length", LENGTH_ANSWER, test_cut);
  stage_add ("/contract/D4/cut-anywhere/chunked", CHUNKED_HEAD "3\r\nabc\r\n0\r\n\r\n", test_cut);
  stage_add ("/contract/D4/cut-anywhere/until-close", NULL, test_cut_until_close);
}

static void
add_pool (void)
{
  stage_add ("/transport/http-client/pool/keep-alive", NULL, test_keep_alive);
  stage_add ("/transport/http-client/pool/retry-once", NULL, test_retry_once);
  stage_add ("/transport/http-client/pool/no-second-retry/closed", GINT_TO_POINTER (FALSE), test_no_second_retry);
  stage_add ("/transport/http-client/pool/no-second-retry/reset", GINT_TO_POINTER (TRUE), test_no_second_retry);
  stage_add ("/transport/http-client/pool/no-retry-after-a-byte", NULL, test_no_retry_after_a_byte);
  stage_add ("/transport/http-client/pool/no-retry-on-a-fresh-one", NULL, test_no_retry_on_a_fresh_one);
  stage_add ("/transport/http-client/pool/idle-closed", NULL, test_idle_dropped);
  stage_add ("/transport/http-client/pool/idle-speaks", LENGTH_ANSWER, test_idle_dropped);
  stage_add ("/transport/http-client/pool/idle-timeout", NULL, test_idle_timeout);
  stage_add ("/transport/http-client/pool/idle-cap", NULL, test_idle_cap);
}

static void
add_tests (void)
{
  stage_add ("/transport/http-client/request-head", NULL, test_request_head);
  stage_add ("/transport/http-client/ipv6", NULL, test_ipv6);
  stage_add ("/transport/http-client/bad-bases", NULL, test_bad_bases);
  stage_add ("/transport/http-client/proxy-is-ignored", NULL, test_proxy_is_ignored);
  stage_add ("/transport/http-client/connect/refused", NULL, test_refused);
  stage_add ("/transport/http-client/connect/timeout", NULL, test_connect_timeout);
  add_framings ();
  add_pool ();
}

int
main (int argc, char **argv)
{
  return stage_main (argc, argv, add_tests);
}
