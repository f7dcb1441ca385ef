/* SPDX-License-Identifier: MIT */
/*
 * Light or dark as the desktop says: plain GTK 4.8 does not ask the settings portal, so this does and tells
 * GtkSettings. Without a portal GTK's own settings hold.
 * https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.Settings.html
 */
#pragma once

#include <gio/gio.h>

typedef struct _MrColorScheme MrColorScheme;

/** mr_color_scheme_new: @connection: the session bus. After GTK was initialised. */
MrColorScheme *mr_color_scheme_new (GDBusConnection *connection);
void mr_color_scheme_free (MrColorScheme *scheme);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrColorScheme, mr_color_scheme_free)
