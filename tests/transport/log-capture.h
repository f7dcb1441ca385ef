/* SPDX-License-Identifier: MIT */
/* What a test writes to standard error, read back through a file. */
#pragma once

#include <glib.h>

void log_capture_begin (void);

/** log_capture_end: (transfer full): everything since log_capture_begin(). */
char *log_capture_end (void);
