/* SPDX-License-Identifier: MIT */
/* A socket in the reactor: transport/connection.c, over socket pairs whose other end the test holds. */
#include "connection.h"

#include "limits.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_USEC (10 * MR_USEC_PER_SEC)

typedef struct {
  MrReactor *reactor;
  MrConnection *connection;
  int peer; /* non-blocking */
  GString *received;
  guint n_readable;
  guint n_drained;
  guint n_gone;
  gboolean gone_with_error;
  gboolean close_when_readable;
} Fixture;

static void
on_readable (MrConnection *connection, gpointer data)
{
  Fixture *fixture = data;
  char buffer[4096];
  gssize n;

  fixture->n_readable++;
  if (fixture->close_when_readable) {
    mr_connection_close (connection);
    mr_connection_unref (g_steal_pointer (&fixture->connection));
    return;
  }
  while ((n = mr_connection_read (connection, buffer, sizeof buffer)) > 0)
    g_string_append_len (fixture->received, buffer, n);
}

static void
on_drained (MrConnection *connection, gpointer data)
{
  ((Fixture *) data)->n_drained++;
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  ((Fixture *) data)->n_gone++;
  ((Fixture *) data)->gone_with_error = error != NULL;
}

static const MrConnectionEvents events = { .readable = on_readable, .drained = on_drained, .gone = on_gone };

static void
set_up (Fixture *fixture, int type)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  *fixture = (Fixture){ .reactor = mr_reactor_new (NULL), .peer = fds[1], .received = g_string_new (NULL) };
  fixture->connection = mr_connection_new (fixture->reactor, fds[0]);
  mr_connection_set_events (fixture->connection, &events, fixture);
}

static void
tear_down (Fixture *fixture)
{
  mr_connection_unref (fixture->connection);
  if (fixture->peer >= 0)
    close (fixture->peer);
  g_string_free (fixture->received, TRUE);
  mr_reactor_free (fixture->reactor);
}

static void
turn (void)
{
  g_main_context_iteration (NULL, FALSE);
}

#define wait_for(condition)                                                                                            \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 deadline_ = g_get_monotonic_time () + WAIT_USEC;                                                            \
    while (!(condition)) {                                                                                             \
      g_assert_cmpint (g_get_monotonic_time (), <, deadline_);                                                         \
      g_main_context_iteration (NULL, FALSE);                                                                          \
    }                                                                                                                  \
  }                                                                                                                    \
  G_STMT_END

/* A SEQPACKET socket keeps the borders of each send. */
static void
test_writes_of_a_turn_leave_joined (void)
{
  Fixture fixture;
  char buffer[64];

  set_up (&fixture, SOCK_SEQPACKET);
  mr_connection_write (fixture.connection, "one,", 4);
  mr_connection_write (fixture.connection, "two,", 4);
  mr_connection_write (fixture.connection, "three", 5);
  g_assert_cmpint (recv (fixture.peer, buffer, sizeof buffer, 0), ==, -1);
  g_assert_cmpuint (mr_connection_get_unsent (fixture.connection), ==, 13);
  turn ();
  g_assert_cmpint (recv (fixture.peer, buffer, sizeof buffer, 0), ==, 13);
  g_assert_cmpint (memcmp (buffer, "one,two,three", 13), ==, 0);
  g_assert_cmpuint (mr_connection_get_unsent (fixture.connection), ==, 0);
  tear_down (&fixture);
}

static void
test_backpressure (void)
{
  Fixture fixture;
  g_autofree char *block = g_strnfill (1 << 20, 'x');
  static char sink[65536];
  gsize total = 0;
  gssize n;

  set_up (&fixture, SOCK_STREAM);
  for (int i = 0; i < 4; i++)
    mr_connection_write (fixture.connection, block, 1 << 20);
  for (int i = 0; i < 10; i++)
    turn ();
  g_assert_cmpuint (mr_connection_get_unsent (fixture.connection), >, 1 << 20);
  g_assert_cmpuint (fixture.n_drained, ==, 0);
  while (total < 4 << 20) {
    while ((n = recv (fixture.peer, sink, sizeof sink, 0)) > 0)
      total += (gsize) n;
    turn ();
  }
  g_assert_cmpuint (fixture.n_drained, ==, 1);
  g_assert_cmpuint (fixture.n_gone, ==, 0);
  tear_down (&fixture);
}

static void
test_reads_are_bounded (void)
{
  Fixture fixture;
  g_autofree char *block = g_strnfill (3 * MR_LIMIT_TURN_BYTES, 'x');
  gssize sent = 0;
  int size = 4 * MR_LIMIT_TURN_BYTES;

  set_up (&fixture, SOCK_STREAM);
  (void) setsockopt (fixture.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  sent = send (fixture.peer, block, 3 * MR_LIMIT_TURN_BYTES, 0);
  g_assert_cmpint (sent, >, MR_LIMIT_TURN_BYTES);
  turn ();
  g_assert_cmpuint (fixture.received->len, ==, 0); /* reading is off */
  mr_connection_set_reading (fixture.connection, TRUE);
  turn ();
  g_assert_cmpuint (fixture.received->len, ==, MR_LIMIT_TURN_BYTES);
  wait_for (fixture.received->len == (gsize) sent);
  tear_down (&fixture);
}

static void
test_unread_comes_first (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  g_assert_cmpint (send (fixture.peer, "C", 1, 0), ==, 1);
  mr_connection_unread (fixture.connection, "B", 1);
  mr_connection_unread (fixture.connection, "A", 1);
  mr_connection_set_reading (fixture.connection, TRUE);
  g_assert_cmpuint (fixture.n_readable, ==, 0); /* never from within the owner's call */
  wait_for (fixture.received->len == 3);
  g_assert_cmpstr (fixture.received->str, ==, "ABC");
  tear_down (&fixture);
}

/* The end comes after everything that was sent before it. */
static void
test_end_after_data (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  g_assert_cmpint (send (fixture.peer, "last words", 10, 0), ==, 10);
  close (fixture.peer);
  fixture.peer = -1;
  mr_connection_set_reading (fixture.connection, TRUE);
  wait_for (fixture.n_gone == 1);
  g_assert_cmpstr (fixture.received->str, ==, "last words");
  g_assert_false (fixture.gone_with_error);
  g_assert_false (mr_connection_is_open (fixture.connection));
  for (int i = 0; i < 5; i++)
    turn ();
  g_assert_cmpuint (fixture.n_gone, ==, 1);
  tear_down (&fixture);
}

/* Also with reading off a peer that went is noticed, a half-closing one too (contract E1). */
static void
test_gone_without_reading (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  g_assert_cmpint (shutdown (fixture.peer, SHUT_WR), ==, 0);
  wait_for (fixture.n_gone == 1);
  tear_down (&fixture);
}

static void
test_gone_is_told_to_a_new_owner (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  mr_connection_set_events (fixture.connection, NULL, NULL);
  close (fixture.peer);
  fixture.peer = -1;
  for (int i = 0; i < 5; i++)
    turn ();
  mr_connection_set_events (fixture.connection, &events, &fixture);
  g_assert_cmpuint (fixture.n_gone, ==, 0);
  wait_for (fixture.n_gone == 1);
  tear_down (&fixture);
}

static void
test_owner_may_free_in_callback (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  fixture.close_when_readable = TRUE;
  g_assert_cmpint (send (fixture.peer, "x", 1, 0), ==, 1);
  mr_connection_set_reading (fixture.connection, TRUE);
  wait_for (fixture.n_readable == 1);
  g_assert_null (fixture.connection);
  tear_down (&fixture);
}

/* Last words reach a peer that is still sending: no reset eats them. */
static void
test_finish_delivers (void)
{
  Fixture fixture;
  char buffer[64];
  gssize n = -1;

  set_up (&fixture, SOCK_STREAM);
  g_assert_cmpint (send (fixture.peer, "still talking", 13, 0), ==, 13);
  mr_connection_write (fixture.connection, "goodbye", 7);
  mr_connection_finish (fixture.connection, MR_USEC_PER_SEC);
  mr_connection_unref (g_steal_pointer (&fixture.connection));
  g_assert_cmpuint (mr_reactor_get_lingering (fixture.reactor), ==, 1);
  wait_for ((n = recv (fixture.peer, buffer, sizeof buffer, 0)) >= 0);
  g_assert_cmpint (n, ==, 7);
  g_assert_cmpint (recv (fixture.peer, buffer, sizeof buffer, 0), ==, 0);
  g_assert_cmpuint (mr_reactor_get_lingering (fixture.reactor), ==, 0);
  tear_down (&fixture); /* the reactor ends what still waits for the peer's end */
}

static void
test_finish_gives_up (void)
{
  Fixture fixture;
  g_autofree char *block = g_strnfill (8 << 20, 'x');

  set_up (&fixture, SOCK_STREAM);
  mr_connection_write (fixture.connection, block, 8 << 20);
  mr_connection_finish (fixture.connection, 50 * MR_USEC_PER_MSEC);
  mr_connection_unref (g_steal_pointer (&fixture.connection));
  wait_for (mr_reactor_get_lingering (fixture.reactor) == 0);
  tear_down (&fixture);
}

typedef struct {
  MrTimer timer;
  gint64 last_us;
  gint64 worst_us;
  guint n;
} Metronome;

static void
on_tick (MrTimer *timer)
{
  Metronome *metronome = MR_OWNER_OF (timer, Metronome, timer);
  gint64 now = g_get_monotonic_time ();

  metronome->worst_us = MAX (metronome->worst_us, now - metronome->last_us);
  metronome->last_us = now;
  metronome->n++;
  mr_timer_set (timer, now + 5 * MR_USEC_PER_MSEC);
}

static gpointer
flood (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  static char block[65536];
  int flags = MSG_NOSIGNAL;

  while (send (fd, block, sizeof block, flags) > 0 || errno == EAGAIN)
    ;
  return NULL;
}

/* A peer that never stops sending does not keep a timer from its time. */
static void
test_flood_starves_no_timer (void)
{
  Fixture fixture;
  Metronome metronome = { 0 };
  GThread *thread;

  set_up (&fixture, SOCK_STREAM);
  mr_timer_init (&metronome.timer, fixture.reactor, on_tick);
  metronome.last_us = g_get_monotonic_time ();
  mr_timer_set (&metronome.timer, 0);
  mr_connection_set_reading (fixture.connection, TRUE);
  thread = g_thread_new ("flood", flood, GINT_TO_POINTER (fixture.peer));
  while (metronome.n < 100) {
    g_main_context_iteration (NULL, TRUE);
    g_string_truncate (fixture.received, 0);
  }
  g_assert_cmpuint (fixture.n_readable, >, 100);
  g_assert_cmpint (metronome.worst_us, <, 100 * MR_USEC_PER_MSEC);
  mr_connection_close (fixture.connection);
  g_thread_join (thread);
  tear_down (&fixture);
}

/* What comes while nobody reads waits in the kernel and does not keep the loop awake. */
static void
test_reading_off_and_on (void)
{
  Fixture fixture;

  set_up (&fixture, SOCK_STREAM);
  mr_connection_set_reading (fixture.connection, TRUE);
  for (guint i = 1; i <= 3; i++) {
    mr_connection_set_reading (fixture.connection, FALSE);
    g_assert_cmpint (send (fixture.peer, "more", 4, 0), ==, 4);
    for (guint n = 0; g_main_context_iteration (NULL, FALSE); n++)
      g_assert_cmpuint (n, <, 3);
    g_assert_cmpuint (fixture.n_readable, ==, i - 1);
    mr_connection_set_reading (fixture.connection, TRUE);
    wait_for (fixture.n_readable == i);
    g_assert_cmpuint (fixture.received->len, ==, 4 * i);
  }
  g_assert_cmpuint (fixture.n_gone, ==, 0);
  tear_down (&fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/connection/writes-of-a-turn-leave-joined", test_writes_of_a_turn_leave_joined);
  g_test_add_func ("/connection/backpressure", test_backpressure);
  g_test_add_func ("/connection/reads-are-bounded", test_reads_are_bounded);
  g_test_add_func ("/connection/reading-off-and-on", test_reading_off_and_on);
  g_test_add_func ("/connection/unread-comes-first", test_unread_comes_first);
  g_test_add_func ("/connection/end-after-data", test_end_after_data);
  g_test_add_func ("/contract/E1/gone-without-reading", test_gone_without_reading);
  g_test_add_func ("/connection/gone-is-told-to-a-new-owner", test_gone_is_told_to_a_new_owner);
  g_test_add_func ("/connection/owner-may-free-in-callback", test_owner_may_free_in_callback);
  g_test_add_func ("/connection/finish-delivers", test_finish_delivers);
  g_test_add_func ("/connection/finish-gives-up", test_finish_gives_up);
  g_test_add_func ("/connection/flood-starves-no-timer", test_flood_starves_no_timer);
  return g_test_run ();
}
