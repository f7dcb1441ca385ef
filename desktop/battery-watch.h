/* SPDX-License-Identifier: MIT */
/*
 * Whether the machine runs on its battery, as UPower on the system bus tells. Without either it does not.
 * https://upower.freedesktop.org/docs/UPower.html
 */
#pragma once

#include <glib.h>

typedef struct _MrBatteryWatch MrBatteryWatch;

/** mr_battery_watch_new: @changed: called from the main loop when there is something new */
MrBatteryWatch *mr_battery_watch_new (void (*changed) (gpointer data), gpointer data);
void mr_battery_watch_free (MrBatteryWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrBatteryWatch, mr_battery_watch_free)

gboolean mr_battery_watch_get (MrBatteryWatch *watch);
