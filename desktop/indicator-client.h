/* SPDX-License-Identifier: MIT */
/*
 * The helper process that shows the tray icon (GTK 3 and libayatana-appindicator cannot live in a GTK 4 process):
 * starts it, starts it again with a back-off when it dies, and knows whether a tray shows the icon.
 *
 * The helper is told the bus name on its command line, finds menu and actions there, writes a line "visible" or
 * "hidden" to its standard output whenever that changes, and ends when its standard input does.
 */
#pragma once

#include <gio/gio.h>

/** MrIndicatorClient: property `visible`: a tray shows the icon now. */
#define MR_TYPE_INDICATOR_CLIENT (mr_indicator_client_get_type ())
G_DECLARE_FINAL_TYPE (MrIndicatorClient, mr_indicator_client, MR, INDICATOR_CLIENT, GObject)

/**
 * mr_indicator_client_new:
 * @path: of the helper
 * @bus_name: unique or well-known name of the app on the session bus
 */
MrIndicatorClient *mr_indicator_client_new (const char *path, const char *bus_name);

gboolean mr_indicator_client_get_visible (MrIndicatorClient *client);

/** mr_indicator_client_is_settled: %TRUE once it is known whether there is a tray, or that the helper cannot run. */
gboolean mr_indicator_client_is_settled (MrIndicatorClient *client);

/** mr_indicator_client_dup_problem: (transfer full) (nullable): translated: why no icon is seen, in one line. */
char *mr_indicator_client_dup_problem (MrIndicatorClient *client);
