/* SPDX-License-Identifier: MIT */
/*
 * The rule "only at certain times" in the settings: days, begin and end. Writes the settings; whether the rule holds is
 * pause-rules.h's.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_SCHEDULE_EDITOR (mr_schedule_editor_get_type ())
G_DECLARE_FINAL_TYPE (MrScheduleEditor, mr_schedule_editor, MR, SCHEDULE_EDITOR, GtkBox)

/** mr_schedule_editor_set_up: once. A reference to @settings is taken */
void mr_schedule_editor_set_up (MrScheduleEditor *editor, GSettings *settings);

/** mr_schedule_editor_set_effect: translated: what the rule does now */
void mr_schedule_editor_set_effect (MrScheduleEditor *editor, const char *effect);
