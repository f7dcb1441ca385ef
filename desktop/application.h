/* SPDX-License-Identifier: MIT */
/*
 * The composition root of the desktop app: one instance, command line, actions, windows, and who lives how long.
 *
 *   modelrelay-desktop [--background] [--version] [--quit]
 *
 * Actions (on the session bus as well, by org.gtk.Actions): open, preferences, preferences-page (target s: a page of
 * preferences.h), assistant, about, shortcuts, quit; those of sharing-actions.h; those of tray.h.
 */
#pragma once

#include "autostart.h"
#include "sharing.h"
#include "tray.h"

#include <gtk/gtk.h>

#define MR_APPLICATION_ID "org.modelrelay.Desktop"

#define MR_TYPE_APPLICATION (mr_application_get_type ())
G_DECLARE_FINAL_TYPE (MrApplication, mr_application, MR, APPLICATION, GtkApplication)

MrApplication *mr_application_new (void);

/* (transfer none), from the application's startup on */
MrReactor *mr_application_get_reactor (MrApplication *application);
GSettings *mr_application_get_settings (MrApplication *application);
MrSecrets *mr_application_get_secrets (MrApplication *application);
MrConditions *mr_application_get_conditions (MrApplication *application);
MrSharing *mr_application_get_sharing (MrApplication *application);
MrTray *mr_application_get_tray (MrApplication *application);
