/* SPDX-License-Identifier: MIT */
/* TLS in a connection. Other people's TLS is met in tests/contract/test-tls.c. */
#include "tls-stage.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG_BYTES (8 << 20)

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrTlsTrust) trust = mr_tls_trust_new (files.ca, MR_TLS_FILE_INSTEAD, NULL, NULL);

  tls_set_up (fixture, files.cert, files.key, trust, "localhost");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  tls_tear_down (fixture);
}

static void
shake_hands (Fixture *fixture)
{
  wait_for (!mr_connection_is_handshaking (fixture->client.connection) &&
            !mr_connection_is_handshaking (fixture->server.connection));
}

static char *
make_big (guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  char *big = g_malloc (BIG_BYTES);

  for (gsize i = 0; i < BIG_BYTES; i += 4) {
    guint32 word = g_rand_int (random);

    memcpy (big + i, &word, 4);
  }
  return big;
}

/* --- bytes --- */

/* Written before there is a handshake, on a wire that carries one byte at a time. */
static void
test_single_bytes (Fixture *fixture, gconstpointer data)
{
  fixture->slice = 1;
  tls_write_text (&fixture->client, "question");
  tls_write_text (&fixture->server, "greeting");
  wait_for (fixture->server.received->len == 8 && fixture->client.received->len == 8);
  g_assert_cmpstr (fixture->server.received->str, ==, "question");
  g_assert_cmpstr (fixture->client.received->str, ==, "greeting");
  g_assert_cmpuint (mr_connection_get_unsent (fixture->client.connection), ==, 0);
  g_assert_false (fixture->client.gone || fixture->server.gone);
}

/* Both directions at once, in pieces that have nothing to do with records. */
static void
test_big (Fixture *fixture, gconstpointer data)
{
  g_autofree char *up = make_big (1);
  g_autofree char *down = make_big (2);

  fixture->slice = 5003;
  mr_connection_write (fixture->client.connection, up, BIG_BYTES);
  for (gsize at = 0; at < BIG_BYTES; at += 1 << 20)
    mr_connection_write (fixture->server.connection, down + at, 1 << 20);
  wait_for (fixture->server.received->len == BIG_BYTES && fixture->client.received->len == BIG_BYTES);
  g_assert_cmpmem (fixture->server.received->str, BIG_BYTES, up, BIG_BYTES);
  g_assert_cmpmem (fixture->client.received->str, BIG_BYTES, down, BIG_BYTES);
}

static void
test_back_pressure (Fixture *fixture, gconstpointer data)
{
  g_autofree char *big = make_big (3);
  gsize unsent;

  shake_hands (fixture);
  fixture->held = TRUE;
  mr_connection_write (fixture->server.connection, big, BIG_BYTES / 2);
  for (guint i = 0; i < 50; i++)
    tls_turn (fixture);
  unsent = mr_connection_get_unsent (fixture->server.connection);
  g_assert_cmpuint (unsent, >, BIG_BYTES / 4);
  /* More is written while a record hangs half-way in the kernel, and moves what waits in memory. */
  mr_connection_write (fixture->server.connection, big + BIG_BYTES / 2, BIG_BYTES / 2);
  for (guint i = 0; i < 50; i++)
    tls_turn (fixture);
  g_assert_cmpuint (mr_connection_get_unsent (fixture->server.connection), ==, unsent + BIG_BYTES / 2);
  g_assert_cmpuint (fixture->server.n_drained, ==, 0);
  fixture->held = FALSE;
  wait_for (fixture->client.received->len == BIG_BYTES);
  g_assert_cmpmem (fixture->client.received->str, BIG_BYTES, big, BIG_BYTES);
  g_assert_cmpuint (fixture->server.n_drained, ==, 1);
  g_assert_cmpuint (mr_connection_get_unsent (fixture->server.connection), ==, 0);
}

/* Bytes that were decrypted and not read have no event behind them. */
static void
test_pending (Fixture *fixture, gconstpointer data)
{
  gsize moved;

  fixture->client.once = 1;
  tls_write_text (&fixture->server, "abcdefgh");
  wait_for (fixture->client.received->len == 3);
  mr_connection_set_reading (fixture->client.connection, FALSE);
  moved = fixture->n_moved;
  for (guint i = 0; i < 20; i++)
    tls_turn (fixture);
  g_assert_cmpuint (fixture->client.received->len, ==, 3);
  mr_connection_set_reading (fixture->client.connection, TRUE);
  wait_for (fixture->client.received->len == 8);
  g_assert_cmpstr (fixture->client.received->str, ==, "abcdefgh");
  g_assert_cmpuint (fixture->n_moved, ==, moved);
}

/* --- the end --- */

static void
test_goodbye (Fixture *fixture, gconstpointer data)
{
  shake_hands (fixture);
  tls_write_text (&fixture->server, "last words");
  mr_connection_finish (fixture->server.connection, MR_USEC_PER_SEC);
  wait_for (fixture->client.gone);
  g_assert_cmpstr (fixture->client.received->str, ==, "last words");
  g_assert_no_error (fixture->client.error);
  mr_connection_close (fixture->client.connection);
  wait_for (mr_reactor_get_lingering (fixture->reactor) == 0);
}

/* Finished before the handshake, and with more than the kernel takes: both come first. */
static void
test_goodbye_waits (Fixture *fixture, gconstpointer data)
{
  g_autofree char *big = make_big (4);

  mr_connection_write (fixture->server.connection, big, BIG_BYTES);
  mr_connection_finish (fixture->server.connection, 10 * MR_USEC_PER_SEC);
  wait_for (fixture->client.gone);
  g_assert_cmpmem (fixture->client.received->str, fixture->client.received->len, big, BIG_BYTES);
  g_assert_no_error (fixture->client.error);
}

static void
test_truncated (Fixture *fixture, gconstpointer data)
{
  shake_hands (fixture);
  tls_write_text (&fixture->server, "first half");
  wait_for (fixture->client.received->len == 10);
  (void) shutdown (fixture->client.wire, SHUT_RDWR);
  wait_for (fixture->client.gone);
  g_assert_error (fixture->client.error, G_TLS_ERROR, G_TLS_ERROR_EOF);
}

/* Unread bytes come before the end, also when the peer ends while nobody reads. */
static void
test_patient (Fixture *fixture, gconstpointer data)
{
  shake_hands (fixture);
  mr_connection_set_patient (fixture->client.connection, TRUE);
  mr_connection_set_reading (fixture->client.connection, FALSE);
  tls_write_text (&fixture->server, "the rest");
  mr_connection_finish (fixture->server.connection, MR_USEC_PER_SEC);
  for (guint i = 0; i < 50; i++)
    tls_turn (fixture);
  g_assert_false (fixture->client.gone);
  mr_connection_set_reading (fixture->client.connection, TRUE);
  wait_for (fixture->client.gone);
  g_assert_cmpstr (fixture->client.received->str, ==, "the rest");
  g_assert_no_error (fixture->client.error);
}

/* A client that goes away while nobody reads from it (contract E1). */
static void
test_gone_unread (Fixture *fixture, gconstpointer data)
{
  shake_hands (fixture);
  mr_connection_set_reading (fixture->server.connection, FALSE);
  mr_connection_close (fixture->client.connection);
  wait_for (fixture->server.gone);
}

static void
test_spoiled (Fixture *fixture, gconstpointer data)
{
  char record[256];
  gssize n;

  shake_hands (fixture);
  fixture->held = TRUE;
  tls_write_text (&fixture->server, "honest");
  do {
    tls_turn (fixture);
    n = recv (fixture->server.wire, record, sizeof record, 0);
  } while (n < 0 && errno == EAGAIN);
  g_assert_cmpint (n, >, 8);
  record[n - 1] ^= 1;
  g_assert_cmpint (send (fixture->client.wire, record, (gsize) n, 0), ==, n);
  wait_for (fixture->client.gone);
  g_assert_nonnull (fixture->client.error);
  g_assert_cmpuint (fixture->client.received->len, ==, 0);
}

/* --- handshakes that fail --- */

static void
test_plain_peer (Fixture *fixture, gconstpointer data)
{
  static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  char answer[64];
  gssize n;

  mr_connection_close (fixture->client.connection);
  g_assert_cmpint (send (fixture->server.wire, request, strlen (request), 0), ==, (gssize) strlen (request));
  wait_for (fixture->server.gone);
  g_assert_error (fixture->server.error, G_TLS_ERROR, G_TLS_ERROR_NOT_TLS);
  mr_connection_close (fixture->server.connection);
  /* An alert and an end, not a reset. */
  while ((n = recv (fixture->server.wire, answer, sizeof answer, 0)) > 0)
    g_assert_cmpint (answer[0], ==, 21);
  g_assert_cmpint (n, ==, 0);
}

static void
test_peer_hangs_up (Fixture *fixture, gconstpointer data)
{
  tls_turn (fixture);
  (void) shutdown (fixture->client.wire, SHUT_RDWR);
  (void) shutdown (fixture->server.wire, SHUT_RDWR);
  wait_for (fixture->client.gone && fixture->server.gone);
  g_assert_error (fixture->client.error, G_TLS_ERROR, G_TLS_ERROR_EOF);
  g_assert_error (fixture->server.error, G_TLS_ERROR, G_TLS_ERROR_EOF);
}

/* A server that goes on while a silent peer does: no timers here, the owner closes. */
static void
test_close_in_handshake (Fixture *fixture, gconstpointer data)
{
  tls_turn (fixture);
  g_assert_true (mr_connection_is_handshaking (fixture->server.connection));
  mr_connection_close (fixture->server.connection);
  g_assert_false (mr_connection_is_handshaking (fixture->server.connection));
  wait_for (fixture->client.gone);
}

/* Nobody waits for a peer that is silent in its handshake, when there is nothing to be said. */
static void
test_finish_in_handshake (Fixture *fixture, gconstpointer data)
{
  tls_turn (fixture);
  mr_connection_finish (fixture->server.connection, 10 * MR_USEC_PER_SEC);
  g_assert_cmpuint (mr_reactor_get_lingering (fixture->reactor), ==, 0);
  wait_for (fixture->client.gone);
  g_assert_error (fixture->client.error, G_TLS_ERROR, G_TLS_ERROR_EOF);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*func) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/tls/single-bytes", test_single_bytes },
    { "/tls/big-both-ways", test_big },
    { "/tls/back-pressure", test_back_pressure },
    { "/tls/pending-without-event", test_pending },
    { "/tls/goodbye", test_goodbye },
    { "/tls/goodbye-comes-last", test_goodbye_waits },
    { "/tls/truncated-is-an-error", test_truncated },
    { "/tls/patient", test_patient },
    { "/tls/gone-while-nobody-reads", test_gone_unread },
    { "/tls/spoiled-record", test_spoiled },
    { "/tls/plain-peer", test_plain_peer },
    { "/tls/peer-hangs-up", test_peer_hangs_up },
    { "/tls/closed-in-handshake", test_close_in_handshake },
    { "/tls/finished-in-handshake", test_finish_in_handshake },
  };
  int status;

  g_test_init (&argc, &argv, NULL);
  tls_files_make ();
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  status = g_test_run ();
  tls_files_remove ();
  return status;
}
