/* SPDX-License-Identifier: MIT */
/* Timers, watches and flushes of one epoll: transport/reactor.c. */
#include "reactor.h"

#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_TIMERS 2000

typedef struct {
  MrTimer timer;
  gint64 *last;
  guint *fired;
} Probe;

static void
on_probe (MrTimer *timer)
{
  Probe *probe = MR_OWNER_OF (timer, Probe, timer);

  g_assert_cmpint (timer->deadline_us, >=, *probe->last);
  g_assert_cmpint (timer->deadline_us, <=, mr_reactor_now (timer->reactor));
  *probe->last = timer->deadline_us;
  (*probe->fired)++;
}

static void
test_timers_in_order (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autofree Probe *probes = g_new0 (Probe, N_TIMERS);
  gint64 start = g_get_monotonic_time ();
  gint64 last = 0;
  guint fired = 0;
  guint cleared = 0;

  for (guint i = 0; i < N_TIMERS; i++) {
    probes[i].last = &last;
    probes[i].fired = &fired;
    mr_timer_init (&probes[i].timer, reactor, on_probe);
    mr_timer_set (&probes[i].timer, start + g_test_rand_int_range (0, 100000));
  }
  for (guint i = 0; i < N_TIMERS; i++) {
    Probe *probe = &probes[g_test_rand_int_range (0, N_TIMERS)];

    if (g_test_rand_int_range (0, 2) == 0) {
      cleared += probe->timer.position != 0;
      mr_timer_clear (&probe->timer);
    } else if (probe->timer.position != 0) {
      mr_timer_set (&probe->timer, start + g_test_rand_int_range (0, 100000));
    }
  }
  while (fired + cleared < N_TIMERS)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2000000);
}

typedef struct {
  MrTimer again;
  MrTimer other;
  guint n_again;
  gboolean other_fired;
} Pair;

static void
on_again (MrTimer *timer)
{
  Pair *pair = MR_OWNER_OF (timer, Pair, again);

  pair->n_again++;
  mr_timer_set (timer, 0);
}

static void
on_other (MrTimer *timer)
{
  MR_OWNER_OF (timer, Pair, other)->other_fired = TRUE;
}

/* A timer that always sets itself anew must not keep the rest from running. */
static void
test_timer_cannot_hold_the_turn (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  Pair pair = { .n_again = 0 };

  mr_timer_init (&pair.again, reactor, on_again);
  mr_timer_init (&pair.other, reactor, on_other);
  mr_timer_set (&pair.again, 0);
  mr_timer_set (&pair.other, g_get_monotonic_time () + 20000);
  while (!pair.other_fired)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (pair.n_again, >, 1);
}

typedef struct {
  MrWatch watch;
  MrWatch *victim; /* the other one: whoever is called first removes it */
  guint *calls;
} Rival;

static void
on_rival (MrWatch *watch, guint32 events)
{
  Rival *rival = MR_OWNER_OF (watch, Rival, watch);

  (*rival->calls)++;
  mr_watch_remove (rival->victim);
  mr_watch_remove (watch);
}

/* Both are ready in one turn; the first one's callback removes the second. */
static void
test_removed_watch_is_not_called (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  guint calls = 0;
  int fds[] = { eventfd (1, EFD_CLOEXEC), eventfd (1, EFD_CLOEXEC) };
  Rival rivals[2] = { { .calls = &calls }, { .calls = &calls } };

  for (int i = 0; i < 2; i++) {
    rivals[i].victim = &rivals[1 - i].watch;
    mr_watch_add (&rivals[i].watch, reactor, fds[i], EPOLLIN, on_rival);
  }
  g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (calls, ==, 1);
  close (fds[0]);
  close (fds[1]);
}

typedef struct {
  MrFlush flush;
  guint calls;
} Counter;

static void
on_counter (MrFlush *flush)
{
  MR_OWNER_OF (flush, Counter, flush)->calls++;
}

static void
test_flush_once_a_turn (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  Counter counters[3] = { 0 };

  for (int i = 0; i < 3; i++) {
    counters[i].flush.func = on_counter;
    mr_flush_queue (reactor, &counters[i].flush);
    mr_flush_queue (reactor, &counters[i].flush);
  }
  mr_flush_unqueue (reactor, &counters[1].flush);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (counters[0].calls, ==, 1);
  g_assert_cmpuint (counters[1].calls, ==, 0);
  g_assert_cmpuint (counters[2].calls, ==, 1);
}

static gboolean
on_sign (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static gpointer
give_sign (gpointer data)
{
  g_idle_add (on_sign, data);
  return NULL;
}

static void
on_too_late (MrTimer *timer)
{
  g_error ("the main loop was not woken");
}

/* The wait of the reactor is the main context's: another thread ends it, and it does not stay awake. */
static void
test_woken_by_another_thread (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  MrTimer guard;

  mr_timer_init (&guard, reactor, on_too_late);
  mr_timer_set (&guard, g_get_monotonic_time () + 10 * G_USEC_PER_SEC);
  for (int i = 0; i < 100; i++) {
    gboolean seen = FALSE;
    GThread *thread = g_thread_new ("sign", give_sign, &seen);

    while (!seen)
      g_main_context_iteration (NULL, TRUE);
    g_thread_join (thread);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  mr_timer_clear (&guard);
}

typedef struct {
  MrWatch watch;
  guint calls;
} Listener;

static void
on_listener (MrWatch *watch, guint32 events)
{
  eventfd_t value;

  g_assert_cmpint (eventfd_read (watch->fd, &value), ==, 0);
  MR_OWNER_OF (watch, Listener, watch)->calls++;
}

static gboolean
on_other_source (int fd, GIOCondition condition, gpointer data)
{
  eventfd_t value;

  g_assert_cmpint (eventfd_read (fd, &value), ==, 0);
  (*(guint *) data)++;
  return G_SOURCE_CONTINUE;
}

/* A descriptor in the main context beside the reactor's, and none again. */
static void
test_beside_other_sources (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  int fds[] = { eventfd (0, EFD_CLOEXEC), eventfd (0, EFD_CLOEXEC) };
  Listener listener = { .calls = 0 };
  guint others = 0;

  mr_watch_add (&listener.watch, reactor, fds[0], EPOLLIN, on_listener);
  for (guint i = 1; i <= 10; i++) {
    guint source = g_unix_fd_add (fds[1], G_IO_IN, on_other_source, &others);

    g_assert_cmpint (eventfd_write (fds[0], 1), ==, 0);
    g_assert_cmpint (eventfd_write (fds[1], 1), ==, 0);
    while (listener.calls < 2 * i - 1 || others < i)
      g_main_context_iteration (NULL, TRUE);
    g_source_remove (source);
    g_assert_cmpint (eventfd_write (fds[0], 1), ==, 0);
    while (listener.calls < 2 * i)
      g_main_context_iteration (NULL, TRUE);
  }
  mr_watch_remove (&listener.watch);
  close (fds[0]);
  close (fds[1]);
}

static gboolean
on_first (gpointer data)
{
  mr_watch_remove (data);
  return G_SOURCE_REMOVE;
}

/* The wait has seen the event already when another source, whose turn is before the reactor's, removes the watch. */
static void
test_removed_after_the_wait (void)
{
  Listener listener = { .calls = 0 };
  guint first = g_idle_add_full (G_PRIORITY_DEFAULT, on_first, &listener.watch, NULL);
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  int fd = eventfd (1, EFD_CLOEXEC);

  g_assert_cmpuint (first, >, 0);
  mr_watch_add (&listener.watch, reactor, fd, EPOLLIN, on_listener);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (listener.watch.reactor);
  g_assert_cmpuint (listener.calls, ==, 0);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/timers-in-order", test_timers_in_order);
  g_test_add_func ("/reactor/timer-cannot-hold-the-turn", test_timer_cannot_hold_the_turn);
  g_test_add_func ("/reactor/removed-watch-is-not-called", test_removed_watch_is_not_called);
  g_test_add_func ("/reactor/flush-once-a-turn", test_flush_once_a_turn);
  g_test_add_func ("/reactor/woken-by-another-thread", test_woken_by_another_thread);
  g_test_add_func ("/reactor/beside-other-sources", test_beside_other_sources);
  g_test_add_func ("/reactor/removed-after-the-wait", test_removed_after_the_wait);
  return g_test_run ();
}
