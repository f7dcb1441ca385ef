/* SPDX-License-Identifier: MIT */
/* The domain of modelrelayctl's errors. See ctl-error.h. */
#include "ctl-error.h"

G_DEFINE_QUARK (mr - ctl - error - quark, mr_ctl_error)

gboolean
mr_ctl_fail (GError **error, MrCtlError code, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, MR_CTL_ERROR, (int) code, message);
  return FALSE;
}
