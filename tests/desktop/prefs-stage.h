/* SPDX-License-Identifier: MIT */
/*
 * An application without windows, tray and actions: only what settings and assistant ask of it, for real. Needs a
 * session of its own (with-session --display). And helpers to find and use widgets as a person would.
 */
#pragma once

#include "application.h"

/** prefs_stage_new: (transfer none): with settings as at the first start; one at a time */
MrApplication *prefs_stage_new (void);

/** prefs_stage_free: what is under way ends before. */
void prefs_stage_free (MrApplication *application);

/** prefs_stage_settle_secrets: what was to be kept is in the keyring, and what was to be forgotten is not. */
void prefs_stage_settle_secrets (MrApplication *application);

/** prefs_stage_wait: runs the main loop until @condition holds; the test fails after ten seconds. */
void prefs_stage_wait (gboolean (*condition) (gpointer data), gpointer data);

/** prefs_stage_turn: runs the main loop until there is nothing more to do at once. */
void prefs_stage_turn (void);

/** prefs_stage_find: (transfer none): the widget below @root that has this id in its .ui file; the test fails when
 * there is none. */
GtkWidget *prefs_stage_find (GtkWidget *root, const char *id);

/** prefs_stage_type: puts @text into a field as if it had been typed. */
void prefs_stage_type (GtkWidget *root, const char *id, const char *text);

/** prefs_stage_click: of a button that can be clicked now. */
void prefs_stage_click (GtkWidget *root, const char *id);

/** prefs_stage_check_names: every control below @root can be reached by the keyboard and has a name. */
void prefs_stage_check_names (GtkWidget *root);
