/* SPDX-License-Identifier: MIT */
/*
 * Desktop notifications (GNotification) for what the owner should hear of: a relay lost, back, or refusing us. Not
 * more than one of a kind and relay within some minutes, a loss that mends itself within seconds is none, and what no
 * longer holds does not stay on the screen.
 */
#pragma once

#include "sharing.h"

typedef struct _MrNotifier MrNotifier;

/**
 * mr_notifier_new:
 * @application: registered; sends them; its actions "app.open" and "app.preferences" are their buttons
 * @settings: key `notifications` switches them off
 */
MrNotifier *mr_notifier_new (GApplication *application, MrSharing *sharing, GSettings *settings);
void mr_notifier_free (MrNotifier *notifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrNotifier, mr_notifier_free)
