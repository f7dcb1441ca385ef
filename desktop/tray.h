/* SPDX-License-Identifier: MIT */
/*
 * What the tray shows: the menu, exported on the session bus for the helper of indicator-client.h, and the icon and
 * its text as the states of the application's actions `indicator-icon` and `indicator-text`. What the menu's items do
 * is the application's.
 */
#pragma once

#include "indicator-client.h"
#include "sharing.h"

#define MR_TRAY_MENU_PATH "/org/modelrelay/Desktop/tray"

typedef struct _MrTray MrTray;

/**
 * mr_tray_new:
 * @application: registered, with its actions
 */
MrTray *mr_tray_new (GApplication *application, MrSharing *sharing);
void mr_tray_free (MrTray *tray);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTray, mr_tray_free)

/** mr_tray_get_client: (transfer none): tells whether the icon is seen. */
MrIndicatorClient *mr_tray_get_client (MrTray *tray);

/** mr_tray_icon_name: of the symbolic icon for a state, as installed in the icon theme. */
const char *mr_tray_icon_name (MrSharingState state);
