/* SPDX-License-Identifier: MIT */
/*
 * How long an X server has had no input: one question over its socket, without the X libraries, which the core has no
 * other use for. Only servers of this machine.
 * X Window System Protocol; The MIT Screen Saver Extension Protocol, version 1.1
 */
#pragma once

#include <gio/gio.h>

/** mr_idle_x11_is_session: by @envp: %TRUE in a session of an X server. (An X server inside a Wayland session does not
 * see all input.) */
gboolean mr_idle_x11_is_session (const char *const *envp);

/** mr_idle_x11_query_async: asks the server of $DISPLAY, in a thread. */
void mr_idle_x11_query_async (GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/** mr_idle_x11_query_finish: milliseconds since the last input; -1 with an error */
gint64 mr_idle_x11_query_finish (GAsyncResult *result, GError **error);
