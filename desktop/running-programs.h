/* SPDX-License-Identifier: MIT */
/*
 * Which programs of the owner's run now, to choose one from. Watching for one is conditions.h's.
 */
#pragma once

#include <glib.h>

/** mr_running_programs_list: (transfer full): names of the user's executables without directory, each once, sorted;
 * this program is not among them. Reads /proc only. */
char **mr_running_programs_list (void);
