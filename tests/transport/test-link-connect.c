/* SPDX-License-Identifier: MIT */
/*
 * Connecting and upgrading against a relay that this test scripts: right and wrong answers, cut ones, and cancelling at
 * each step.
 */
#include "link-connect.h"

#include "error.h"
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_USEC (60 * G_USEC_PER_SEC)

typedef struct {
  MrReactor *reactor;
  GCancellable *cancellable;
  int listening; /* Owned */
  int peer;      /* Owned: accepted; -1 before */
  GString *head; /* Owned: the request */
  char *base;    /* Owned: http://127.0.0.1:PORT */
  gboolean done;
  MrConnection *connection; /* Owned: the result */
  GError *error;            /* Owned: or why there is none */
} Fixture;

static void
set_up_family (Fixture *fixture, int family)
{
  struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  gpointer address = family == AF_INET ? (gpointer) &ipv4 : (gpointer) &ipv6;
  socklen_t length = family == AF_INET ? sizeof ipv4 : sizeof ipv6;

  fixture->reactor = mr_reactor_new (NULL);
  fixture->cancellable = g_cancellable_new ();
  fixture->peer = -1;
  fixture->head = g_string_new (NULL);
  fixture->listening = socket (family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fixture->listening, address, length), ==, 0);
  g_assert_cmpint (listen (fixture->listening, 8), ==, 0);
  g_assert_cmpint (getsockname (fixture->listening, address, &length), ==, 0);
  fixture->base = family == AF_INET ? g_strdup_printf ("http://127.0.0.1:%d", ntohs (ipv4.sin_port))
                                    : g_strdup_printf ("http://[::1]:%d", ntohs (ipv6.sin6_port));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  set_up_family (fixture, AF_INET);
}

static void
set_up_ipv6 (Fixture *fixture, gconstpointer data)
{
  set_up_family (fixture, AF_INET6);
}

static void
hang_up (Fixture *fixture)
{
  close (fixture->peer);
  fixture->peer = -1;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->connection, mr_connection_unref);
  g_clear_error (&fixture->error);
  if (fixture->peer >= 0) {
    hang_up (fixture);
  }
  close (fixture->listening);
  while (g_main_context_iteration (NULL, FALSE)) { /* what GIO still has to drop */
  }
  mr_reactor_free (fixture->reactor);
  g_object_unref (fixture->cancellable);
  g_string_free (fixture->head, TRUE);
  g_free (fixture->base);
}

static void
step (gint64 deadline)
{
  g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  if (!g_main_context_iteration (NULL, FALSE)) {
    g_usleep (100);
  }
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *fixture = data;

  g_assert_false (fixture->done);
  fixture->done = TRUE;
  fixture->connection = mr_link_connect_finish (result, &fixture->error);
  g_assert_true ((fixture->connection == NULL) == (fixture->error != NULL));
}

static void
start (Fixture *fixture, const char *address, const char *provider, const char *secret)
{
  g_autoptr (GUri) uri = g_uri_parse (address, G_URI_FLAGS_NONE, NULL);

  g_assert_nonnull (uri);
  mr_link_connect_async (fixture->reactor, uri, NULL, provider, secret, fixture->cancellable, on_done, fixture);
  g_assert_false (fixture->done);
}

static void
wait_done (Fixture *fixture)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;

  while (!fixture->done) {
    step (deadline);
  }
}

static void
assert_failed (Fixture *fixture, GQuark domain, int code, const char *part)
{
  wait_done (fixture);
  g_assert_error (fixture->error, domain, code);
  g_assert_nonnull (strstr (fixture->error->message, part));
}

/* Accepts and reads the whole request. */
static void
wait_request (Fixture *fixture)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;
  char bytes[4096];
  gssize n;

  while (fixture->peer < 0) {
    step (deadline);
    fixture->peer = accept4 (fixture->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }
  while (strstr (fixture->head->str, "\r\n\r\n") == NULL) {
    step (deadline);
    n = recv (fixture->peer, bytes, sizeof bytes, 0);
    g_assert_cmpint (n, !=, 0);
    if (n > 0) {
      g_string_append_len (fixture->head, bytes, n);
    }
  }
}

static char *
header (Fixture *fixture, const char *name)
{
  g_autofree char *start = g_strconcat ("\r\n", name, ": ", NULL);
  const char *value = strstr (fixture->head->str, start);

  g_assert_nonnull (value);
  value += strlen (start);
  return g_strndup (value, strcspn (value, "\r"));
}

static void
answer (Fixture *fixture, const char *bytes)
{
  g_assert_cmpint (send (fixture->peer, bytes, strlen (bytes), MSG_NOSIGNAL), ==, strlen (bytes));
}

/* Answers with the right Sec-WebSocket-Accept in the place of %s. */
static void
answer_accepting (Fixture *fixture, const char *format)
{
  g_autofree char *key = header (fixture, "Sec-WebSocket-Key");
  g_autofree char *accept = mr_websocket_accept_key (key);
  g_auto (GStrv) parts = g_strsplit (format, "%s", 2);
  g_autofree char *text = g_strjoinv (accept, parts);

  answer (fixture, text);
}

#define ACCEPTED                                                                                                       \
  "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n"                      \
  "sec-websocket-accept: %s\r\n\r\n"

/* --- success --- */

static void
test_request (Fixture *fixture, gconstpointer data)
{
  g_autofree char *address = g_strconcat (fixture->base, "/some%20where/", NULL);
  g_autofree char *host = NULL;
  g_autofree char *secret = NULL;
  g_autofree char *version = NULL;
  g_autofree char *key = NULL;
  g_autofree guchar *key_bytes = NULL;
  gsize key_length = 0;

  start (fixture, address, "a/b c&d", "s3cret value");
  wait_request (fixture);
  g_assert_true (
      g_str_has_prefix (fixture->head->str, "GET /some%20where/v1/worker/connect?provider=a%2Fb%20c%26d HTTP/1.1\r\n"));
  host = header (fixture, "Host");
  g_assert_cmpstr (host, ==, fixture->base + strlen ("http://"));
  secret = header (fixture, "X-Worker-Secret");
  g_assert_cmpstr (secret, ==, "s3cret value");
  version = header (fixture, "Sec-WebSocket-Version");
  g_assert_cmpstr (version, ==, "13");
  key = header (fixture, "Sec-WebSocket-Key");
  key_bytes = g_base64_decode (key, &key_length);
  g_assert_cmpint (key_length, ==, 16);
  g_assert_nonnull (strstr (fixture->head->str, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
  g_assert_nonnull (strstr (fixture->head->str, "\r\nUser-Agent: modelrelay-worker/"));
  answer_accepting (fixture, ACCEPTED);
  wait_done (fixture);
  g_assert_no_error (fixture->error);
}

static void
on_first_bytes (MrConnection *connection, gpointer data)
{
  GString *text = data;
  char bytes[64];
  gssize n = mr_connection_read (connection, bytes, sizeof bytes);

  if (n > 0) {
    g_string_append_len (text, bytes, n);
  }
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  g_assert_not_reached ();
}

/* What came after the head, and what comes later, is the link's to read. */
static void
test_leftovers (Fixture *fixture, gconstpointer data)
{
  static const MrConnectionEvents events = { .readable = on_first_bytes, .gone = on_gone };
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;
  g_autoptr (GString) text = g_string_new (NULL);

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  g_assert_true (g_str_has_prefix (fixture->head->str, "GET /v1/worker/connect?provider=local HTTP/1.1\r\n"));
  answer_accepting (fixture, ACCEPTED "first");
  wait_done (fixture);
  g_assert_no_error (fixture->error);
  g_assert_cmpstr (mr_connection_get_remote_address (fixture->connection), ==, "127.0.0.1");
  mr_connection_set_events (fixture->connection, &events, text);
  mr_connection_set_reading (fixture->connection, TRUE);
  answer (fixture, " second");
  while (text->len < strlen ("first second")) {
    step (deadline);
  }
  g_assert_cmpstr (text->str, ==, "first second");
}

/* The answer may come in any pieces. */
static void
test_answer_in_pieces (Fixture *fixture, gconstpointer data)
{
  g_autofree char *key = NULL;
  g_autofree char *accept = NULL;
  g_autofree char *text = NULL;

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  key = header (fixture, "Sec-WebSocket-Key");
  accept = mr_websocket_accept_key (key);
  text = g_strdup_printf (ACCEPTED, accept);
  for (const char *at = text; *at != '\0'; at++) {
    g_assert_false (fixture->done);
    g_assert_cmpint (send (fixture->peer, at, 1, MSG_NOSIGNAL), ==, 1);
    for (int i = 0; i < 3; i++) {
      g_main_context_iteration (NULL, FALSE);
    }
  }
  wait_done (fixture);
  g_assert_no_error (fixture->error);
}

static void
test_ipv6 (Fixture *fixture, gconstpointer data)
{
  g_autofree char *host = NULL;

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  host = header (fixture, "Host");
  g_assert_cmpstr (host, ==, fixture->base + strlen ("http://"));
  answer_accepting (fixture, ACCEPTED);
  wait_done (fixture);
  g_assert_no_error (fixture->error);
}

/* --- wrong answers --- */

typedef struct {
  const char *name;
  const char *answer; /* %s for the right Sec-WebSocket-Accept */
  const char *part;   /* of the error's message */
} Wrong;

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const Wrong wrong[] = {
  { "status-403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "status 403" },
  { "status-200", "HTTP/1.1 200 OK\r\n" UPGRADE "Sec-WebSocket-Accept: %s\r\n\r\n", "status 200" },
  { "status-301", "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/\r\n\r\n", "status 301" },
  { "no-upgrade", SWITCHING "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", "not as a WebSocket" },
  { "no-connection", SWITCHING "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", "not as a WebSocket" },
  { "no-accept", SWITCHING UPGRADE "\r\n", "not as a WebSocket" },
  { "wrong-accept", SWITCHING UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    "not as a WebSocket" },
  { "extension", SWITCHING UPGRADE "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "not offered" },
  { "protocol", SWITCHING UPGRADE "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", "not offered" },
  { "not-http", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP" },
};

static void
test_wrong (Fixture *fixture, gconstpointer data)
{
  const Wrong *row = data;

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  answer_accepting (fixture, row->answer);
  assert_failed (fixture, MR_ERROR, MR_ERROR_PROTOCOL, row->part);
}

static void
test_endless_head (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (MR_LIMIT_HEAD_BYTES, 'x');

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  answer (fixture, "HTTP/1.1 101 Switching Protocols\r\nX-Filler: ");
  answer (fixture, filler);
  assert_failed (fixture, MR_ERROR, MR_ERROR_PROTOCOL, "too long a head");
}

static void
test_hang_up (Fixture *fixture, gconstpointer data)
{
  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  answer (fixture, "HTTP/1.1 101 Switching Pro");
  hang_up (fixture);
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "before it answered");
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  close (fixture->listening);
  start (fixture, fixture->base, "local", "s");
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "refused");
  fixture->listening = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void
test_no_answer (Fixture *fixture, gconstpointer data)
{
  gint64 begin = g_get_monotonic_time ();

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer to the upgrade from 127.0.0.1");
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, MR_LIMIT_CONNECT_USEC);
}

/* --- bad arguments --- */

static void
test_bad_arguments (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *address;
    const char *secret;
    const char *part;
  } rows[] = {
    { "https://relay.example/", "s", "certificates" }, { "wss://relay.example/", "s", "certificates" },
    { "ftp://relay.example/", "s", "http://host" },   { "http:///v1", "s", "http://host" },
    { "http://127.0.0.1:1/", "a\r\nb: c", "secret" }, { "http://127.0.0.1:1/", "a\nb", "secret" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    fixture->done = FALSE;
    start (fixture, rows[i].address, "local", rows[i].secret);
    assert_failed (fixture, MR_ERROR, MR_ERROR_CONFIG, rows[i].part);
    g_clear_error (&fixture->error);
  }
}

/* --- cancelling --- */

static void
test_cancelled_before (Fixture *fixture, gconstpointer data)
{
  g_cancellable_cancel (fixture->cancellable);
  start (fixture, fixture->base, "local", "s");
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
}

static void
test_cancelled_while_connecting (Fixture *fixture, gconstpointer data)
{
  start (fixture, fixture->base, "local", "s");
  g_cancellable_cancel (fixture->cancellable);
  g_assert_false (fixture->done);
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
}

static void
test_cancelled_while_waiting (Fixture *fixture, gconstpointer data)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;
  char byte;

  start (fixture, fixture->base, "local", "s");
  wait_request (fixture);
  g_cancellable_cancel (fixture->cancellable);
  g_assert_false (fixture->done);
  assert_failed (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  while (recv (fixture->peer, &byte, 1, 0) != 0) { /* and the socket is closed */
    step (deadline);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/transport/link-connect/request", Fixture, NULL, set_up, test_request, tear_down);
  g_test_add ("/transport/link-connect/leftovers", Fixture, NULL, set_up, test_leftovers, tear_down);
  g_test_add ("/transport/link-connect/answer-in-pieces", Fixture, NULL, set_up, test_answer_in_pieces, tear_down);
  g_test_add ("/transport/link-connect/ipv6", Fixture, NULL, set_up_ipv6, test_ipv6, tear_down);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *path = g_strconcat ("/transport/link-connect/wrong/", wrong[i].name, NULL);

    g_test_add (path, Fixture, &wrong[i], set_up, test_wrong, tear_down);
  }
  g_test_add ("/transport/link-connect/endless-head", Fixture, NULL, set_up, test_endless_head, tear_down);
  g_test_add ("/transport/link-connect/hang-up", Fixture, NULL, set_up, test_hang_up, tear_down);
  g_test_add ("/transport/link-connect/refused", Fixture, NULL, set_up, test_refused, tear_down);
  g_test_add ("/transport/link-connect/no-answer", Fixture, NULL, set_up, test_no_answer, tear_down);
  g_test_add ("/transport/link-connect/bad-arguments", Fixture, NULL, set_up, test_bad_arguments, tear_down);
  g_test_add ("/transport/link-connect/cancelled-before", Fixture, NULL, set_up, test_cancelled_before, tear_down);
  g_test_add ("/transport/link-connect/cancelled-while-connecting", Fixture, NULL, set_up,
              test_cancelled_while_connecting, tear_down);
  g_test_add ("/transport/link-connect/cancelled-while-waiting", Fixture, NULL, set_up, test_cancelled_while_waiting,
              tear_down);
  return g_test_run ();
}
