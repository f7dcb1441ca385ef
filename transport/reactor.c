/* SPDX-License-Identifier: MIT */
/*
 * One epoll descriptor inside one GSource; timers in a binary heap; flushes in a list. See reactor.h.
 * What the descriptors are is not known here.
 */
#include "reactor.h"

#include <errno.h>
#include <unistd.h>

#define EVENTS_PER_TURN 512

typedef struct {
  GSource source;
  MrReactor *reactor;
} ReactorSource;

struct _MrReactor {
  ReactorSource *source;
  int epoll_fd;
  gpointer fd_tag;
  int wakeup_fd; /* Borrowed: the main context's own, in the epoll set without a watch; -1 until it is known */
  gint64 now_us; /* valid inside a turn */
  gboolean in_turn;
  gboolean in_timers;
  GPtrArray *heap; /* of borrowed MrTimer, the earliest first; timer->position is index + 1 */
  MrFlush *flush_first;
  MrFlush *flush_last;
  GQueue lingering; /* of MrLinger, linked through MrLinger.link */
  guint n_unsent;
  int n_events; /* of the last wait; events[next_event..] are still to be dispatched */
  int next_event;
  struct epoll_event events[EVENTS_PER_TURN];
};

/* --- timers: a binary heap --- */

static MrTimer *
heap_at (MrReactor *reactor, guint position)
{
  return g_ptr_array_index (reactor->heap, position - 1);
}

static void
heap_put (MrReactor *reactor, guint position, MrTimer *timer)
{
  g_ptr_array_index (reactor->heap, position - 1) = timer;
  timer->position = position;
}

static void
heap_settle (MrReactor *reactor, MrTimer *timer)
{
  guint position = timer->position;

  while (position > 1 && heap_at (reactor, position / 2)->deadline_us > timer->deadline_us) {
    heap_put (reactor, position, heap_at (reactor, position / 2));
    position /= 2;
  }
  for (guint child = position * 2; child <= reactor->heap->len; child = position * 2) {
    if (child < reactor->heap->len && heap_at (reactor, child + 1)->deadline_us < heap_at (reactor, child)->deadline_us)
      child++;
    if (heap_at (reactor, child)->deadline_us >= timer->deadline_us)
      break;
    heap_put (reactor, position, heap_at (reactor, child));
    position = child;
  }
  heap_put (reactor, position, timer);
}

void
mr_timer_init (MrTimer *timer, MrReactor *reactor, MrTimerFunc func)
{
  *timer = (MrTimer){ .reactor = reactor, .func = func };
}

void
mr_timer_set (MrTimer *timer, gint64 deadline_us)
{
  MrReactor *reactor = timer->reactor;

  /* A timer that is set while timers run waits for the next turn, or it could keep this one busy for ever. */
  if (reactor->in_timers)
    deadline_us = MAX (deadline_us, reactor->now_us + 1);
  timer->deadline_us = deadline_us;
  if (timer->position == 0) {
    g_ptr_array_add (reactor->heap, timer);
    timer->position = reactor->heap->len;
  }
  heap_settle (reactor, timer);
}

void
mr_timer_clear (MrTimer *timer)
{
  guint position = timer->position;
  MrTimer *last;

  if (position == 0)
    return;
  timer->position = 0;
  last = g_ptr_array_steal_index (timer->reactor->heap, timer->reactor->heap->len - 1);
  if (last != timer) {
    last->position = position;
    heap_settle (timer->reactor, last);
  }
}

static void
run_timers (MrReactor *reactor)
{
  reactor->in_timers = TRUE;
  while (reactor->heap->len > 0 && heap_at (reactor, 1)->deadline_us <= reactor->now_us) {
    MrTimer *timer = heap_at (reactor, 1);

    mr_timer_clear (timer);
    timer->func (timer);
  }
  reactor->in_timers = FALSE;
}

/* --- flushes --- */

void
mr_flush_queue (MrReactor *reactor, MrFlush *flush)
{
  if (flush->queued)
    return;
  flush->queued = TRUE;
  flush->next = NULL;
  flush->previous = reactor->flush_last;
  if (reactor->flush_last != NULL)
    reactor->flush_last->next = flush;
  else
    reactor->flush_first = flush;
  reactor->flush_last = flush;
}

void
mr_flush_unqueue (MrReactor *reactor, MrFlush *flush)
{
  if (!flush->queued)
    return;
  flush->queued = FALSE;
  if (flush->previous != NULL)
    flush->previous->next = flush->next;
  else
    reactor->flush_first = flush->next;
  if (flush->next != NULL)
    flush->next->previous = flush->previous;
  else
    reactor->flush_last = flush->previous;
}

static void
run_flushes (MrReactor *reactor)
{
  while (reactor->flush_first != NULL) {
    MrFlush *flush = reactor->flush_first;

    mr_flush_unqueue (reactor, flush);
    flush->func (flush);
  }
}

/* --- watches --- */

static void
watch_control (MrWatch *watch, int operation)
{
  struct epoll_event event = { .events = watch->events, .data.ptr = watch };

  if (epoll_ctl (watch->reactor->epoll_fd, operation, watch->fd, &event) != 0)
    g_error ("epoll_ctl on descriptor %d: %s", watch->fd, g_strerror (errno));
}

void
mr_watch_add (MrWatch *watch, MrReactor *reactor, int fd, guint32 events, MrWatchFunc func)
{
  *watch = (MrWatch){ .reactor = reactor, .func = func, .fd = fd, .events = events };
  watch_control (watch, EPOLL_CTL_ADD);
}

void
mr_watch_modify (MrWatch *watch, guint32 events)
{
  if (watch->events == events)
    return;
  watch->events = events;
  watch_control (watch, EPOLL_CTL_MOD);
}

void
mr_watch_remove (MrWatch *watch)
{
  MrReactor *reactor = watch->reactor;

  if (reactor == NULL)
    return;
  watch_control (watch, EPOLL_CTL_DEL);
  for (int i = reactor->next_event; i < reactor->n_events; i++)
    if (reactor->events[i].data.ptr == watch)
      reactor->events[i].data.ptr = NULL;
  watch->reactor = NULL;
}

static int
wait_for_events (MrReactor *reactor, int timeout_ms)
{
  int n = epoll_wait (reactor->epoll_fd, reactor->events, EVENTS_PER_TURN, timeout_ms);

  reactor->n_events = MAX (n, 0);
  reactor->next_event = 0;
  return n;
}

static void
run_watches (MrReactor *reactor)
{
  if (reactor->n_events == 0)
    (void) wait_for_events (reactor, 0);
  while (reactor->next_event < reactor->n_events) {
    struct epoll_event *event = &reactor->events[reactor->next_event++];
    MrWatch *watch = event->data.ptr;

    if (watch != NULL)
      watch->func (watch, event->events);
  }
  reactor->n_events = reactor->next_event = 0;
}

/* --- the wait --- */

/* GLib gives its poll function no data: the reactor that this thread prepared last. */
static _Thread_local MrReactor *prepared;

static gboolean
is_in_epoll (MrReactor *reactor, int fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

  if (reactor->wakeup_fd < 0 && epoll_ctl (reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
    reactor->wakeup_fd = fd;
  return reactor->wakeup_fd == fd;
}

/* The context's poll function. Polling the epoll descriptor and then asking it would be two waits for each turn: where
 * only the context's own wake-up descriptor is polled beside it, that one joins the epoll set, and the answer of the
 * one wait is kept for the dispatch. All else is left to poll. */
static int
poll_context (GPollFD *fds, guint n_fds, int timeout_ms)
{
  MrReactor *reactor = prepared;
  gboolean woken = FALSE;
  guint own;
  int n;

  if (reactor == NULL || reactor->in_turn)
    return g_poll (fds, n_fds, timeout_ms);
  reactor->n_events = 0; /* what was not dispatched the kernel says again */
  if (n_fds != 2)
    return g_poll (fds, n_fds, timeout_ms);
  own = fds[0].fd == reactor->epoll_fd ? 0 : 1;
  if (fds[own].fd != reactor->epoll_fd || !is_in_epoll (reactor, fds[1 - own].fd))
    return g_poll (fds, n_fds, timeout_ms);
  n = wait_for_events (reactor, timeout_ms);
  for (int i = 0; i < n; i++)
    woken = woken || reactor->events[i].data.ptr == NULL;
  fds[own].revents = n > (int) woken ? G_IO_IN : 0;
  fds[1 - own].revents = woken ? G_IO_IN : 0;
  return n;
}

/* --- the GSource --- */

static gboolean
source_prepare (GSource *source, int *timeout_ms)
{
  MrReactor *reactor = ((ReactorSource *) source)->reactor;
  gint64 wait_us;

  prepared = reactor;
  *timeout_ms = -1;
  if (reactor->flush_first != NULL)
    return TRUE;
  if (reactor->heap->len == 0)
    return FALSE;
  wait_us = heap_at (reactor, 1)->deadline_us - g_source_get_time (source);
  *timeout_ms = (int) CLAMP ((wait_us + 999) / 1000, 0, G_MAXINT);
  return wait_us <= 0;
}

static gboolean
source_check (GSource *source)
{
  MrReactor *reactor = ((ReactorSource *) source)->reactor;

  return g_source_query_unix_fd (source, reactor->fd_tag) != 0 || reactor->flush_first != NULL ||
         (reactor->heap->len > 0 && heap_at (reactor, 1)->deadline_us <= g_source_get_time (source));
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  MrReactor *reactor = ((ReactorSource *) source)->reactor;

  if (reactor->in_turn)
    return G_SOURCE_CONTINUE;
  reactor->now_us = g_get_monotonic_time ();
  reactor->in_turn = TRUE;
  if (g_source_query_unix_fd (source, reactor->fd_tag) != 0)
    run_watches (reactor);
  run_timers (reactor);
  run_flushes (reactor);
  reactor->in_turn = FALSE;
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
};

MrReactor *
mr_reactor_new (GMainContext *context)
{
  MrReactor *reactor = g_new0 (MrReactor, 1);

  reactor->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (reactor->epoll_fd < 0)
    g_error ("epoll_create1: %s", g_strerror (errno));
  reactor->wakeup_fd = -1;
  reactor->heap = g_ptr_array_new ();
  reactor->source = (ReactorSource *) g_source_new (&source_funcs, sizeof (ReactorSource));
  reactor->source->reactor = reactor;
  reactor->fd_tag = g_source_add_unix_fd (&reactor->source->source, reactor->epoll_fd, G_IO_IN);
  g_source_set_static_name (&reactor->source->source, "mr-reactor");
  /* Else GLib blocks and unblocks the source around each dispatch, which costs a poll and two wake-ups of its own. A
   * main loop inside a callback of ours finds the turn taken. */
  g_source_set_can_recurse (&reactor->source->source, TRUE);
  g_source_attach (&reactor->source->source, context);
  g_main_context_set_poll_func (context, poll_context);
  return reactor;
}

void
mr_reactor_free (MrReactor *reactor)
{
  if (reactor == NULL)
    return;
  if (prepared == reactor)
    prepared = NULL;
  while (reactor->lingering.head != NULL) {
    MrLinger *linger = reactor->lingering.head->data;

    linger->drop (linger);
  }
  g_source_destroy (&reactor->source->source);
  g_source_unref (&reactor->source->source);
  while (reactor->flush_first != NULL)
    mr_flush_unqueue (reactor, reactor->flush_first);
  for (guint i = 0; i < reactor->heap->len; i++)
    heap_at (reactor, i + 1)->position = 0;
  g_ptr_array_unref (reactor->heap);
  close (reactor->epoll_fd);
  g_free (reactor);
}

gint64
mr_reactor_now (MrReactor *reactor)
{
  return reactor->in_turn ? reactor->now_us : g_get_monotonic_time ();
}

/* --- what lingers --- */

void
mr_linger_add (MrReactor *reactor, MrLinger *linger, MrLingerFunc drop)
{
  linger->link.data = linger;
  linger->drop = drop;
  linger->unsent = TRUE;
  g_queue_push_tail_link (&reactor->lingering, &linger->link);
  reactor->n_unsent++;
}

void
mr_linger_sent (MrReactor *reactor, MrLinger *linger)
{
  if (linger->unsent)
    reactor->n_unsent--;
  linger->unsent = FALSE;
}

void
mr_linger_remove (MrReactor *reactor, MrLinger *linger)
{
  mr_linger_sent (reactor, linger);
  g_queue_unlink (&reactor->lingering, &linger->link);
}

guint
mr_reactor_get_lingering (MrReactor *reactor)
{
  return reactor->n_unsent;
}
