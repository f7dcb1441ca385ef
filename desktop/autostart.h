/* SPDX-License-Identifier: MIT */
/*
 * Starting with the session: natively an entry of the XDG autostart directory, inside Flatpak the Background portal.
 * https://specifications.freedesktop.org/autostart-spec/
 */
#pragma once

#include <gio/gio.h>

/** mr_autostart_is_portal: %TRUE inside a Flatpak. */
gboolean mr_autostart_is_portal (void);

/** mr_autostart_is_enabled: natively whether the entry is there and not switched off; the portal cannot be asked, so
 * @wanted comes back. */
gboolean mr_autostart_is_enabled (gboolean wanted);

/** mr_autostart_set_async: the portal may ask the owner. */
void mr_autostart_set_async (gboolean enabled, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);

/** mr_autostart_set_finish: %FALSE with a translated sentence; %G_IO_ERROR_PERMISSION_DENIED when the owner or the
 * system said no. */
gboolean mr_autostart_set_finish (GAsyncResult *result, GError **error);
