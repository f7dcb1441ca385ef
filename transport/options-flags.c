/* SPDX-License-Identifier: MIT */
/*
 * Every flag that may be typed, from a table of options: what help, completions and manual walk over. How they show it
 * is theirs.
 */
#include "options-private.h"

static MrFlagKind
kind_of (const MrOption *option)
{
  switch (option->type) {
  case MR_OPTION_BOOL:
    return MR_FLAG_SWITCH;
  case MR_OPTION_CHOICE:
    return MR_FLAG_CHOICE;
  case MR_OPTION_STRING:
  case MR_OPTION_STRV:
  case MR_OPTION_UINT:
  case MR_OPTION_SECONDS:
  case MR_OPTION_NUMBER:
  case MR_OPTION_BYTES:
  default:
    return option->is_file ? MR_FLAG_FILE : MR_FLAG_TEXT;
  }
}

static void
flag_free (MrFlag *flag)
{
  g_free (flag->name);
  g_free (flag);
}

static void
add_flag (GPtrArray *flags, MrFlag flag)
{
  g_ptr_array_add (flags, g_memdup2 (&flag, sizeof flag));
}

GPtrArray *
mr_options_list_flags (const MrOption *table, const char *const *names)
{
  GPtrArray *flags = g_ptr_array_new_with_free_func ((GDestroyNotify) flag_free);

  for (const MrOption *option = table; option->name != NULL; option++) {
    if (names != NULL && !g_strv_contains (names, option->name))
      continue;
    add_flag (flags, (MrFlag){ option, g_strdup (option->name), kind_of (option), option->argument, option->help });
    if (option->secret)
      add_flag (flags, (MrFlag){ option, g_strconcat (option->name, "-file", NULL), MR_FLAG_FILE, "FILE",
                                 "The same, from the first line of a file" });
  }
  return flags;
}
