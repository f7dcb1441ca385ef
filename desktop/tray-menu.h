/* SPDX-License-Identifier: MIT */
/*
 * The tray's menu: what stands in it when. It changes no more than what is new, so that an open menu stays open. Where
 * it is exported and when it is brought up to date is tray.h's.
 */
#pragma once

#include "sharing.h"

typedef struct _MrTrayMenu MrTrayMenu;

MrTrayMenu *mr_tray_menu_new (void);
void mr_tray_menu_free (MrTrayMenu *menu);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTrayMenu, mr_tray_menu_free)

/** mr_tray_menu_get_model: (transfer none) */
GMenuModel *mr_tray_menu_get_model (MrTrayMenu *menu);

/** mr_tray_menu_update: brings it up to date. */
void mr_tray_menu_update (MrTrayMenu *menu, MrSharing *sharing);

/** mr_tray_summary: (transfer full): how it is, in one line, e.g. "Connected to relay.example · 2 models". */
char *mr_tray_summary (MrSharing *sharing);
