/* SPDX-License-Identifier: MIT */
/*
 * Whether one of some programs runs, found in /proc every five seconds: of our own user by the file that is executed,
 * of everybody by the process's name.
 */
#pragma once

#include <glib.h>

typedef struct _MrProgramWatch MrProgramWatch;

/**
 * mr_program_watch_new:
 * @names: copied: of executables, without directory
 * @changed: called from the main loop when there is something new
 *
 * Looks once before it returns.
 */
MrProgramWatch *mr_program_watch_new (const char *const *names, void (*changed) (gpointer data), gpointer data);
void mr_program_watch_free (MrProgramWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrProgramWatch, mr_program_watch_free)

/** mr_program_watch_get_names: (transfer none) */
const char *const *mr_program_watch_get_names (MrProgramWatch *watch);

/** mr_program_watch_get: (nullable) (transfer none): the first of the names that runs. */
const char *mr_program_watch_get (MrProgramWatch *watch);
