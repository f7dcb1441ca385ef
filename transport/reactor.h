/* SPDX-License-Identifier: MIT */
/*
 * One epoll descriptor inside one GSource: every socket of the program, every timer on a socket or a
 * request, and one flush at the end of each turn. A GMainLoop source per socket would cost time in proportion to the
 * number of open sockets on every turn; this does not.
 *
 *   main loop turn:  epoll_wait -> watch callbacks -> due timers -> flush callbacks (one send per socket)
 *
 * Everything here belongs to the thread that runs the reactor's GMainContext.
 */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

typedef struct _MrReactor MrReactor;
typedef struct _MrWatch MrWatch;
typedef struct _MrTimer MrTimer;
typedef struct _MrFlush MrFlush;

typedef void (*MrWatchFunc) (MrWatch *watch, guint32 events);
typedef void (*MrTimerFunc) (MrTimer *timer);
typedef void (*MrFlushFunc) (MrFlush *flush);

/**
 * MrWatch: a descriptor in the epoll set; embedded in its owner, who must stay until mr_watch_remove().
 * Find the owner back with MR_OWNER_OF().
 */
struct _MrWatch {
  MrReactor *reactor; /* Borrowed: outlives every watch; NULL while not added */
  MrWatchFunc func;
  int fd; /* Borrowed */
  guint32 events;
};

/** MrTimer: a one-shot deadline; embedded in its owner. Zeroed memory is a valid unset timer. */
struct _MrTimer {
  MrReactor *reactor;
  MrTimerFunc func;
  gint64 deadline_us;
  guint position; /* in the heap, from 1; 0 while unset */
};

/** MrFlush: a call at the end of the turn; embedded in its owner. Zeroed memory is a valid idle one. */
struct _MrFlush {
  MrFlushFunc func;
  MrFlush *next;
  MrFlush *previous;
  gboolean queued;
};

#define MR_OWNER_OF(member_pointer, Type, member)                                                                      \
  ((Type *) (void *) ((char *) (member_pointer) -G_STRUCT_OFFSET (Type, member)))

/**
 * mr_reactor_new:
 * @context: (nullable): the main context to live in; %NULL for the thread's default
 *
 * Becomes the poll function of @context; what else is in it is waited for as ever.
 *
 * Returns: (transfer full): a reactor attached to @context; aborts when the kernel has no descriptor for it
 */
MrReactor *mr_reactor_new (GMainContext *context);

/** mr_reactor_free: what lingers is dropped; all other watches must have been removed; timers and flushes are dropped.
 */
void mr_reactor_free (MrReactor *reactor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrReactor, mr_reactor_free)

/** mr_reactor_now: monotonic time in microseconds, read once a turn. */
gint64 mr_reactor_now (MrReactor *reactor);

/**
 * mr_watch_add:
 * @fd: a pollable descriptor
 * @events: EPOLLIN, EPOLLOUT, EPOLLRDHUP (level-triggered; EPOLLERR and EPOLLHUP always come)
 */
void mr_watch_add (MrWatch *watch, MrReactor *reactor, int fd, guint32 events, MrWatchFunc func);
void mr_watch_modify (MrWatch *watch, guint32 events);

/** mr_watch_remove: also drops an event that this turn still holds for it. Harmless when not added. */
void mr_watch_remove (MrWatch *watch);

/** mr_timer_init: says whose and what; does not set it. */
void mr_timer_init (MrTimer *timer, MrReactor *reactor, MrTimerFunc func);

/** mr_timer_set: @deadline_us on the monotonic clock; moves a timer that is set already. */
void mr_timer_set (MrTimer *timer, gint64 deadline_us);
void mr_timer_clear (MrTimer *timer);

/** mr_flush_queue: calls @flush once at the end of this turn (of the next one, outside of a turn). */
void mr_flush_queue (MrReactor *reactor, MrFlush *flush);
void mr_flush_unqueue (MrReactor *reactor, MrFlush *flush);

/**
 * MrLinger: something that nobody owns any more but that still has last bytes to send; embedded. Zeroed memory is
 * valid.
 */
typedef struct _MrLinger MrLinger;
typedef void (*MrLingerFunc) (MrLinger *linger);
struct _MrLinger {
  GList link;
  MrLingerFunc drop; /* called when the reactor goes before it */
  gboolean unsent;
};

/** mr_linger_add: @linger has something to send; the reactor ends it if need be. */
void mr_linger_add (MrReactor *reactor, MrLinger *linger, MrLingerFunc drop);

/** mr_linger_sent: its last byte is out; what it still waits for may be cut short. */
void mr_linger_sent (MrReactor *reactor, MrLinger *linger);
void mr_linger_remove (MrReactor *reactor, MrLinger *linger);

/** mr_reactor_get_lingering: how many still have bytes to send: a program ends when there are none. */
guint mr_reactor_get_lingering (MrReactor *reactor);
