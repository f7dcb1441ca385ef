/* SPDX-License-Identifier: MIT */
/*
 * The text of --help and --version, made from the table of options. Nothing is parsed here.
 *
 *   --flag ARGUMENT     What it is for, wrapped to the right of the flags
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
append_row (GString *text, const char *flag, const char *argument, const char *help)
{
  gsize line_start = text->len;

  g_string_append_printf (text, "  --%s%s%s", flag, argument != NULL ? " " : "", argument != NULL ? argument : "");
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
describe (const MrOption *option)
{
  GString *text = g_string_new (option->help);

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

static void
append_table (GString *text, const MrOption *table)
{
  for (const MrOption *option = table; option->name != NULL; option++) {
    g_autofree char *help = describe (option);

    append_row (text, option->name, option->argument, help);
    if (option->secret) {
      g_autofree char *flag = g_strconcat (option->name, "-file", NULL);

      append_row (text, flag, "FILE", "The same, from the first line of a file");
    }
  }
}

char *
mr_options_help (const MrProgram *program)
{
  GString *text = g_string_new (NULL);
  g_autofree char *precedence = NULL;

  g_string_append_printf (text, "Usage: %s [OPTION]...\n\n", program->name);
  append_wrapped (text, text->len, 0, program->summary);
  g_string_append (text, "\nOptions:\n");
  append_table (text, program->options);
  g_string_append_c (text, '\n');
  append_table (text, mr_options_builtin);
  g_string_append_c (text, '\n');
  precedence =
      g_strdup_printf ("A flag goes before its environment variable, that before the key of the same name in group "
                       "[%s] of the config file, that before the default.",
                       program->config_group);
  append_wrapped (text, text->len, 0, precedence);
  return g_string_free (text, FALSE);
}

char *
mr_options_version (const MrProgram *program)
{
  return g_strdup_printf ("%s %s", program->name, MR_VERSION);
}
