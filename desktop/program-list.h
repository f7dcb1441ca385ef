/* SPDX-License-Identifier: MIT */
/*
 * The rule "not while one of these programs runs" in the settings: the list, a field to add to it, and the running
 * programs to choose from. Writes the settings; whether the rule holds is pause-rules.h's.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_PROGRAM_LIST (mr_program_list_get_type ())
G_DECLARE_FINAL_TYPE (MrProgramList, mr_program_list, MR, PROGRAM_LIST, GtkBox)

/** mr_program_list_set_up: once. A reference to @settings is taken */
void mr_program_list_set_up (MrProgramList *list, GSettings *settings);

/** mr_program_list_set_effect: translated: what the rule does now */
void mr_program_list_set_effect (MrProgramList *list, const char *effect);
