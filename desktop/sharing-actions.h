/* SPDX-License-Identifier: MIT */
/*
 * The orders to MrSharing as actions, enabled when they make sense: connect, disconnect, pause, pause-hour,
 * pause-tomorrow, resume, toggle-pause, hand-back, refresh-models. Window, tray, notifications and other programs (by
 * org.gtk.Actions) use the same ones.
 */
#pragma once

#include "sharing.h"

/** mr_sharing_actions_add: adds them to @map, an object that goes before @sharing does. */
void mr_sharing_actions_add (GActionMap *map, MrSharing *sharing);
