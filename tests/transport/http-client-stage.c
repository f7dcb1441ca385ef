/* SPDX-License-Identifier: MIT */
/*
 * The hand-played backend and the noting owner of the HTTP client's tests. See http-client-stage.h.
 */
#include "http-client-stage.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The main loop, in turns --- */

void
pump (void)
{
  if (!g_main_context_iteration (NULL, FALSE))
    g_usleep (50);
}

void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- The backend --- */

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static guint fds_before;

int
open_listener (int family, guint16 *port)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  struct sockaddr *address = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
  socklen_t length = family == AF_INET ? sizeof v4 : sizeof v6;
  int fd = socket (family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (bind (fd, address, length), ==, 0);
  g_assert_cmpint (listen (fd, 128), ==, 0);
  g_assert_cmpint (getsockname (fd, address, &length), ==, 0);
  *port = ntohs (family == AF_INET ? v4.sin_port : v6.sin6_port);
  return fd;
}

MrHttpClient *
new_client (MrReactor *reactor, const char *base)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = g_uri_parse (base, G_URI_FLAGS_NONE, &error);
  MrHttpClient *client;

  g_assert_no_error (error);
  client = mr_http_client_new (reactor, uri, &error);
  g_assert_no_error (error);
  return client;
}

void
stage_set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *base = NULL;

  fds_before = count_fds ();
  fixture->reactor = mr_reactor_new (NULL);
  fixture->listener = open_listener (AF_INET, &fixture->port);
  base = g_strdup_printf ("http://127.0.0.1:%u", fixture->port);
  fixture->client = new_client (fixture->reactor, base);
}

void
stage_tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->client, mr_http_client_free);
  settle ();
  mr_reactor_free (fixture->reactor);
  close (fixture->listener);
  pump_until (count_fds () == fds_before);
}

int
backend_accept (Fixture *fixture)
{
  int fd = -1;

  pump_until ((fd = accept4 (fixture->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
  /* Or each small piece would wait for the acknowledgement of the one before it. */
  g_assert_cmpint (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof (int)), ==, 0);
  fixture->n_accepted++;
  return fd;
}

gboolean
nobody_connects (Fixture *fixture)
{
  int fd = accept4 (fixture->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd >= 0)
    close (fd);
  return fd < 0;
}

void
backend_send (int fd, const char *data, gsize length)
{
  while (length > 0) {
    gssize n = send (fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0) {
      data += n;
      length -= n;
    } else {
      g_assert_cmpint (errno, ==, EAGAIN);
      pump ();
    }
  }
}

void
backend_say (int fd, const char *text)
{
  backend_send (fd, text, strlen (text));
}

gboolean
backend_read_some (int fd, GString *into, gsize most)
{
  char buffer[65536];
  gssize n = recv (fd, buffer, MIN (sizeof buffer, most), MSG_DONTWAIT);

  if (n > 0)
    g_string_append_len (into, buffer, n);
  return n > 0 || (n < 0 && errno == EAGAIN);
}

static gboolean
backend_must_read (int fd, GString *into, gsize most)
{
  g_assert_true (backend_read_some (fd, into, most));
  return TRUE;
}

/* Takes a head off the socket when it is there whole, and nothing of what follows it. */
static char *
take_head (int fd)
{
  char buffer[65536];
  gssize n = recv (fd, buffer, sizeof buffer - 1, MSG_DONTWAIT | MSG_PEEK);
  char *end;

  g_assert_true (n > 0 || (n < 0 && errno == EAGAIN));
  buffer[MAX (n, 0)] = '\0';
  end = strstr (buffer, "\r\n\r\n");
  if (end == NULL)
    return NULL;
  end[4] = '\0';
  g_assert_cmpint (recv (fd, buffer, end + 4 - buffer, MSG_DONTWAIT), ==, end + 4 - buffer);
  return g_strndup (buffer, end + 4 - buffer);
}

char *
backend_read_head (int fd)
{
  char *head = NULL;

  pump_until ((head = take_head (fd)) != NULL);
  return head;
}

void
backend_read_bytes (int fd, GString *into, gsize total)
{
  pump_until (backend_must_read (fd, into, total - into->len) && into->len == total);
}

int
backend_answer (Fixture *fixture, const char *answer)
{
  int fd = backend_accept (fixture);
  g_autofree char *head = backend_read_head (fd);

  g_assert_true (g_str_has_prefix (head, "GET "));
  backend_say (fd, answer);
  return fd;
}

gboolean
backend_sees_end (int fd)
{
  g_autoptr (GString) rest = g_string_new (NULL);

  return !backend_read_some (fd, rest, 65536);
}

void
expect_end_soon (int fd)
{
  gint64 began = g_get_monotonic_time ();

  pump_until (backend_sees_end (fd));
  g_assert_cmpint (g_get_monotonic_time () - began, <, 100 * 1000);
  close (fd);
}

void
close_with_reset (int fd)
{
  struct linger linger = { .l_onoff = 1 };

  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), ==, 0);
  close (fd);
}

/* --- The owner of an exchange --- */

static void
react (Owner *owner, Edge edge)
{
  if (owner->pause_at == edge)
    mr_http_exchange_set_reading (owner->exchange, FALSE);
  if (owner->cancel_at == edge)
    mr_http_exchange_cancel (g_steal_pointer (&owner->exchange));
}

static void
on_head (MrHttpExchange *exchange, guint status, const MrHeaders *headers, gpointer data)
{
  Owner *owner = data;

  g_assert_true (exchange == owner->exchange);
  g_assert_cmpuint (owner->n_heads++, ==, 0);
  owner->status = status;
  react (owner, AT_HEAD);
}

static void
on_data (MrHttpExchange *exchange, const char *bytes, gsize length, gpointer data)
{
  Owner *owner = data;

  g_assert_true (exchange == owner->exchange);
  g_assert_cmpuint (owner->n_heads, ==, 1);
  g_assert_cmpuint (length, >, 0);
  owner->n_datas++;
  g_string_append_len (owner->body, bytes, length);
  react (owner, AT_DATA);
}

static void
at_end (Owner *owner)
{
  if (owner->free_at_end != NULL)
    g_clear_pointer (owner->free_at_end, mr_http_client_free);
  owner->exchange = NULL;
}

static void
on_done (MrHttpExchange *exchange, gpointer data)
{
  Owner *owner = data;

  g_assert_true (exchange == owner->exchange);
  g_assert_cmpuint (owner->n_heads, ==, 1);
  owner->n_dones++;
  react (owner, AT_DONE);
  at_end (owner);
}

static void
on_failed (MrHttpExchange *exchange, const GError *error, gpointer data)
{
  Owner *owner = data;

  g_assert_true (exchange == owner->exchange);
  owner->n_failures++;
  owner->error = g_error_copy (error);
  react (owner, AT_FAILED);
  at_end (owner);
}

static const MrHttpExchangeEvents owner_events = {
  .head = on_head,
  .data = on_data,
  .done = on_done,
  .failed = on_failed,
};

void
owner_clear (Owner *owner)
{
  g_string_free (owner->body, TRUE);
  g_clear_error (&owner->error);
}

void
start (Owner *owner, MrHttpClient *client, const char *method, const char *path, GBytes *body)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_add (headers, "accept", "*/*");
  owner->body = g_string_new (NULL);
  owner->exchange = mr_http_client_request (client, method, path, headers, body, &owner_events, owner);
  g_assert_nonnull (owner->exchange);
}

void
start_get (Owner *owner, Fixture *fixture)
{
  start (owner, fixture->client, "GET", "/x", NULL);
}

void
expect_done (Owner *owner, guint status, const char *body)
{
  pump_until (owner->exchange == NULL);
  g_assert_no_error (owner->error);
  g_assert_cmpuint (owner->n_dones, ==, 1);
  g_assert_cmpuint (owner->status, ==, status);
  g_assert_cmpstr (owner->body->str, ==, body);
}

void
expect_failed (Owner *owner, MrErrorCode code)
{
  pump_until (owner->exchange == NULL);
  g_assert_cmpuint (owner->n_failures, ==, 1);
  g_assert_cmpuint (owner->n_dones, ==, 0);
  g_assert_error (owner->error, MR_ERROR, (int) code);
}

int
fill_pool (Fixture *fixture)
{
  g_auto (Owner) owner = { 0 };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, LENGTH_ANSWER);
  expect_done (&owner, 200, "ok");
  return fd;
}

/* What GIO opens once and keeps is opened before descriptors are counted. */
static void
warm_up (void)
{
  Fixture fixture = { NULL };

  fixture.reactor = mr_reactor_new (NULL);
  fixture.listener = open_listener (AF_INET, &fixture.port);
  g_autofree char *base = g_strdup_printf ("http://localhost:%u", fixture.port);
  fixture.client = new_client (fixture.reactor, base);
  close (fill_pool (&fixture));
  mr_http_client_free (fixture.client);
  settle ();
  mr_reactor_free (fixture.reactor);
  close (fixture.listener);
}

int
stage_main (int argc, char **argv, void (*add_tests) (void))
{
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_test_init (&argc, &argv, NULL);
  warm_up ();
  add_tests ();
  return g_test_run ();
}
