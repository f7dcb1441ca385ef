/* SPDX-License-Identifier: MIT */
/*
 * A timer for a time of the clock on the wall: it keeps to it through a suspended night and a clock that is set, where
 * GLib's timeouts, which count the time that the machine runs, come too late. Does not wake a sleeping machine.
 */
#pragma once

#include <glib.h>

typedef struct _MrWallTimer MrWallTimer;

/** mr_wall_timer_new: calls @func in the thread's default context at the time, and when the clock was set before it. */
MrWallTimer *mr_wall_timer_new (void (*func) (gpointer data), gpointer data);
void mr_wall_timer_free (MrWallTimer *timer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWallTimer, mr_wall_timer_free)

/** mr_wall_timer_set: @at_unix: seconds; one that is over fires in the next turn; 0 for no time */
void mr_wall_timer_set (MrWallTimer *timer, gint64 at_unix);
