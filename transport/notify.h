/* SPDX-License-Identifier: MIT */
/*
 * What a service manager is told (sd_notify(3)): ready, reloading, stopping, a line of status, and that the main loop
 * still turns. One datagram each to $NOTIFY_SOCKET; without one nothing is sent and nothing costs anything. Not
 * libsystemd, which would load four compression and cryptography libraries into each program for this.
 *
 *   start -> READY=1 -> (RELOADING=1 -> READY=1)* -> STOPPING=1 -> exit
 *            STATUS=...  when it has changed, at most every 2 s
 *            WATCHDOG=1  at half of $WATCHDOG_USEC
 */
#pragma once

#include "reactor.h"

typedef struct _MrNotify MrNotify;

/** MrNotifyStatus: (transfer full): one line for a person. */
typedef char *(*MrNotifyStatus) (gpointer data);

/**
 * mr_notify_new:
 * @status: asked when mr_notify_status_changed() is due, and with each change of state; never from within that call
 *
 * Returns: (transfer full): tells $NOTIFY_SOCKET, and feeds the watchdog from the reactor's loop if this process has
 * one ($WATCHDOG_USEC, $WATCHDOG_PID)
 */
MrNotify *mr_notify_new (MrReactor *reactor, MrNotifyStatus status, gpointer data);
void mr_notify_free (MrNotify *notify);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrNotify, mr_notify_free)

/** mr_notify_ready: started, or reloaded. */
void mr_notify_ready (MrNotify *notify);

/** mr_notify_reloading: to be followed by mr_notify_ready(). */
void mr_notify_reloading (MrNotify *notify);

/** mr_notify_stopping: the drain begins; the manager gives it at least @time_us (0: what it would give anyhow). */
void mr_notify_stopping (MrNotify *notify, gint64 time_us);

/** mr_notify_status_changed: cheap; the status is sent in a later turn, if it is another one then. */
void mr_notify_status_changed (MrNotify *notify);
