/* SPDX-License-Identifier: MIT */
/*
 * The terminal as a screen: the alternate screen, no echo, no cursor; and back again, however the program ends. One per
 * process.
 */
#pragma once

#include <glib.h>

/** mr_terminal_enter: %FALSE when standard input or output is no terminal. */
gboolean mr_terminal_enter (void);

/** mr_terminal_leave: as it was before. Harmless when it was left. */
void mr_terminal_leave (void);

/** mr_terminal_suspend: leaves, stops the process as Ctrl-Z does, and enters when it goes on. */
void mr_terminal_suspend (void);

/** mr_terminal_get_size: columns and lines now; 80 by 24 when nobody knows. */
void mr_terminal_get_size (guint *columns, guint *lines);

/** mr_terminal_draw: replaces what is shown by @text, line by line, without flicker; what goes beyond @lines is not
 * shown. */
void mr_terminal_draw (const char *text, guint lines);
