/* SPDX-License-Identifier: MIT */
/*
 * What the machine and its owner are doing, as far as a rule wants to know it: battery (UPower), input (Mutter's idle
 * monitor, else the X server, else org.freedesktop.ScreenSaver), running programs (/proc). What follows from it is
 * pause-rules.h's. Asks for nothing that no rule wants, and does not wake the machine while nothing is watched.
 */
#pragma once

#include <glib-object.h>

/** MrConditions: signal `changed`: a getter has something new; not from within a call of the owner's. */
#define MR_TYPE_CONDITIONS (mr_conditions_get_type ())
G_DECLARE_FINAL_TYPE (MrConditions, mr_conditions, MR, CONDITIONS, GObject)

MrConditions *mr_conditions_new (void);

void mr_conditions_watch_battery (MrConditions *conditions, gboolean watch);

/** mr_conditions_watch_idle: @minutes: without input before the session is idle; 0 to stop watching */
void mr_conditions_watch_idle (MrConditions *conditions, guint minutes);

/** mr_conditions_watch_programs: @names: (nullable): copied: names of executables, without directory */
void mr_conditions_watch_programs (MrConditions *conditions, const char *const *names);

gboolean mr_conditions_get_on_battery (MrConditions *conditions);

/** mr_conditions_get_idle: @known: (out): %FALSE where the desktop does not tell */
gboolean mr_conditions_get_idle (MrConditions *conditions, gboolean *known);

/** mr_conditions_get_running_program: (nullable) (transfer none): the first of the watched ones that runs. */
const char *mr_conditions_get_running_program (MrConditions *conditions);
