/* SPDX-License-Identifier: MIT */
/*
 * Whether nobody has used the session for some minutes. Asked, the first that is there:
 *
 *   org.gnome.Mutter.IdleMonitor   GNOME on Wayland and X11; tells by itself, nothing is polled
 *   the X server                   XFCE and all others on X11: MIT-SCREEN-SAVER (idle-x11.h)
 *   org.freedesktop.ScreenSaver    Plasma, where it answers
 *
 * The last two are polled: while the session is in use only when it may have become idle, while it is idle every ten
 * seconds. Where nothing answers it is not known; whoever comes later is asked then.
 */
#pragma once

#include <glib.h>

typedef struct _MrIdleWatch MrIdleWatch;

/**
 * mr_idle_watch_new:
 * @minutes: without input before the session is idle
 * @changed: called from the main loop when there is something new
 */
MrIdleWatch *mr_idle_watch_new (guint minutes, void (*changed) (gpointer data), gpointer data);
void mr_idle_watch_free (MrIdleWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrIdleWatch, mr_idle_watch_free)

guint mr_idle_watch_get_minutes (MrIdleWatch *watch);

/** mr_idle_watch_get: @known: (out): %FALSE when nobody tells. Until everybody was asked, the session is in use. */
gboolean mr_idle_watch_get (MrIdleWatch *watch, gboolean *known);
