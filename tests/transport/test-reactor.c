/* SPDX-License-Identifier: MIT */
/* Timers, watches and flushes of one epoll: transport/reactor.c. */
#include "reactor.h"

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reactor/timers-in-order", test_timers_in_order);
  g_test_add_func ("/reactor/timer-cannot-hold-the-turn", test_timer_cannot_hold_the_turn);
  g_test_add_func ("/reactor/removed-watch-is-not-called", test_removed_watch_is_not_called);
  g_test_add_func ("/reactor/flush-once-a-turn", test_flush_once_a_turn);
  return g_test_run ();
}
