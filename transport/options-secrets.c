/* SPDX-License-Identifier: MIT */
/*
 * Keeps secrets that came by flag out of the process title (contract B7). See options.h.
 */
#include "options.h"

#include <string.h>

static gboolean
is_secret (const MrProgram *program, const char *flag, gsize length)
{
  for (const MrOption *option = program->options; option->name != NULL; option++)
    if (option->secret && strlen (option->name) == length && memcmp (option->name, flag, length) == 0)
      return TRUE;
  return FALSE;
}

void
mr_options_hide_secrets (const MrProgram *program, char **argv)
{
  for (char **arg = argv; *arg != NULL; arg++) {
    char *flag = *arg + 2;
    char *value;

    if (!g_str_has_prefix (*arg, "--"))
      continue;
    value = strchr (flag, '=');
    if (value != NULL && is_secret (program, flag, (gsize) (value - flag))) {
      memset (value + 1, 0, strlen (value + 1));
    } else if (value == NULL && arg[1] != NULL && is_secret (program, flag, strlen (flag))) {
      arg++;
      memset (*arg, 0, strlen (*arg));
    }
  }
}
