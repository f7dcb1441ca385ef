/* SPDX-License-Identifier: MIT */
/*
 * How modelrelayctl fails: one domain, whose codes are the program's exit codes. Scripts rely on the numbers.
 */
#pragma once

#include <glib.h>

#define MR_CTL_ERROR (mr_ctl_error_quark ())
GQuark mr_ctl_error_quark (void);

typedef enum {
  MR_CTL_FAILED = 1,      /* the relay was asked and said no, or what it said makes no sense */
  MR_CTL_USAGE = 2,       /* the command line is wrong; nothing was asked */
  MR_CTL_UNREACHABLE = 3, /* no relay answers there */
  MR_CTL_NOT_ALLOWED = 4, /* no token, a wrong one, or not this user */
  MR_CTL_NOT_FOUND = 5,   /* no such worker, key, request or model */
} MrCtlError;

/** mr_ctl_fail: sets @error to a sentence. Returns: %FALSE */
gboolean mr_ctl_fail (GError **error, MrCtlError code, const char *format, ...) G_GNUC_PRINTF (3, 4);
