/* SPDX-License-Identifier: MIT */
/*
 * What a program prints instead of running; the text of --help, made from the table of options. Nothing is parsed here.
 *
 *   -f, --flag ARGUMENT What it is for, wrapped to the right of the flags
 *                       [default: ...] [env: VARIABLE]
 */
#include "options-private.h"

#include <string.h>

#define WIDTH 80
#define HELP_COLUMN 30

/* Stands for a space at which a line is not broken. */
#define HARD_SPACE '\t'

static void
pad_to (GString *text, gsize line_start, gsize column)
{
  while (text->len - line_start < column)
    g_string_append_c (text, ' ');
}

/* Appends @words, separated by single spaces and wrapped; the first line goes on where the present one stands. */
static void
append_wrapped (GString *text, gsize line_start, gsize column, const char *words)
{
  g_auto (GStrv) list = g_strsplit (words, " ", -1);

  pad_to (text, line_start, column);
  for (gsize i = 0; list[i] != NULL; i++) {
    gboolean first = text->len == line_start + column;

    if (!first && text->len - line_start + 1 + strlen (list[i]) > WIDTH) {
      g_string_append_c (text, '\n');
      line_start = text->len;
      pad_to (text, line_start, column);
    } else if (!first) {
      g_string_append_c (text, ' ');
    }
    g_string_append (text, g_strdelimit (list[i], (char[]){ HARD_SPACE, '\0' }, ' '));
  }
  g_string_append_c (text, '\n');
}

static void
append_row (GString *text, const MrFlag *flag, gboolean letters, const char *help)
{
  gsize line_start = text->len;

  if (flag->option->letter != 0)
    g_string_append_printf (text, "  -%c, ", flag->option->letter);
  else
    g_string_append (text, letters ? "      " : "  ");
  g_string_append_printf (text, "--%s%s%s", flag->name, flag->argument != NULL ? " " : "",
                          flag->argument != NULL ? flag->argument : "");
  if (text->len - line_start + 2 > HELP_COLUMN) {
    g_string_append_c (text, '\n');
    line_start = text->len;
  }
  append_wrapped (text, line_start, HELP_COLUMN, help);
}

/* Appends " [label: value]", which is not broken over lines. */
static void
append_note (GString *text, const char *label, const char *value)
{
  gsize start = text->len + 1;

  g_string_append_printf (text, " [%s: %s]", label, value);
  g_strdelimit (text->str + start, " ", HARD_SPACE);
}

static char *
describe (const MrFlag *flag)
{
  const MrOption *option = flag->option;
  GString *text = g_string_new (flag->help);

  /* What is more to say of a secret stands at its own flag. */
  if (!g_str_equal (flag->name, option->name))
    return g_string_free (text, FALSE);
  if (option->type == MR_OPTION_STRV)
    g_string_append (text, " (repeatable)");
  if (option->type == MR_OPTION_CHOICE) {
    g_autofree char *choices = mr_options_describe_allowed (option);

    append_note (text, "one of", choices);
  }
  if (option->default_value != NULL && !option->secret)
    append_note (text, "default", option->default_value);
  if (option->environment != NULL)
    append_note (text, "env", option->environment);
  return g_string_free (text, FALSE);
}

static gboolean
has_letters (const MrOption *table)
{
  for (const MrOption *option = table; option->name != NULL; option++)
    if (option->letter != 0)
      return TRUE;
  return FALSE;
}

static void
append_table (GString *text, const MrOption *table, const char *const *names)
{
  g_autoptr (GPtrArray) flags = mr_options_list_flags (table, names);
  gboolean letters = has_letters (table);

  for (guint i = 0; i < flags->len; i++) {
    const MrFlag *flag = g_ptr_array_index (flags, i);
    g_autofree char *help = describe (flag);

    append_row (text, flag, letters, help);
  }
}

void
mr_options_append_help (GString *text, const MrProgram *program, const char *const *names)
{
  append_table (text, program->options, names != NULL ? names : program->common);
  if (names != NULL)
    return;
  g_string_append_c (text, '\n');
  append_table (text, mr_options_builtin (program), NULL);
}

static char *
make_help (const MrProgram *program)
{
  GString *text = g_string_new (NULL);
  g_autofree char *config = NULL;
  g_autofree char *precedence = NULL;

  g_string_append_printf (text, "Usage: %s [OPTION]...\n\n", program->name);
  append_wrapped (text, text->len, 0, program->summary);
  g_string_append (text, "\nOptions:\n");
  mr_options_append_help (text, program, NULL);
  g_string_append_c (text, '\n');
  if (program->config_group != NULL)
    config = g_strdup_printf ("that before the key of the same name in group [%s] of the config file, ",
                              program->config_group);
  precedence = g_strdup_printf ("A flag goes before its environment variable, %sthat before the default.",
                                config != NULL ? config : "");
  append_wrapped (text, text->len, 0, precedence);
  return g_strchomp (g_string_free (text, FALSE));
}

char *
mr_options_text (const MrProgram *program, MrOptionsAction action)
{
  switch (action) {
  case MR_OPTIONS_HELP:
    return make_help (program);
  case MR_OPTIONS_VERSION:
    return g_strdup_printf ("%s %s", program->name, MR_VERSION);
  case MR_OPTIONS_COMPLETE_BASH:
  case MR_OPTIONS_COMPLETE_ZSH:
  case MR_OPTIONS_COMPLETE_FISH:
    return mr_options_completions (program, action);
  case MR_OPTIONS_CHECK_CONFIG:
  case MR_OPTIONS_RUN:
  default:
    return g_strdup ("The configuration is valid.");
  }
}
