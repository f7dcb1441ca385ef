/* SPDX-License-Identifier: MIT */
/*
 * The parts of a manual page that are made from the table of options, in the macros of man(7). The prose around them
 * stands in data/man; no program prints a manual by itself, so that this code is in none of them.
 */
#include "options-private.h"

#include <string.h>

#define LINE_BYTES 80

/* Appends text so that it reads as it is: a dash is a dash, and no line of it is a request. */
static void
append_text (GString *out, const char *text)
{
  if (*text == '.' || *text == '\'')
    g_string_append (out, "\\&");
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '\\')
      g_string_append (out, "\\e");
    else if (*at == '-')
      g_string_append (out, "\\-");
    else
      g_string_append_c (out, *at);
  }
}

static void
append_bold (GString *out, const char *text)
{
  g_string_append (out, "\\fB\\%");
  append_text (out, text);
  g_string_append (out, "\\fR");
}

static void
append_italic (GString *out, const char *text)
{
  g_string_append (out, "\\fI");
  append_text (out, text);
  g_string_append (out, "\\fR");
}

/* Ends the line that began at @start, and breaks it at spaces where it is long: that is the macros' custom. No line may
 * begin as a request does. */
static void
end_line (GString *out, gsize start)
{
  gsize line = start;
  gsize space = 0;

  for (gsize at = start; at < out->len; at++) {
    if (out->str[at] == ' ' && out->str[at + 1] != '.' && out->str[at + 1] != '\'')
      space = at;
    if (at - line < LINE_BYTES || space <= line)
      continue;
    out->str[space] = '\n';
    line = space + 1;
  }
  g_string_append_c (out, '\n');
}

static void
append_sentence (GString *out, const char *text)
{
  gsize start = out->len;

  append_text (out, text);
  if (!g_str_has_suffix (text, ".") && !g_str_has_suffix (text, "]"))
    g_string_append_c (out, '.');
  end_line (out, start);
}

/* Appends a sentence of its own line: "Label: value." */
static void
append_fact (GString *out, const char *label, const char *value)
{
  gsize start = out->len;

  g_string_append_printf (out, "%s: ", label);
  append_bold (out, value);
  g_string_append_c (out, '.');
  end_line (out, start);
}

/* What may stand there; NULL where that goes without saying. */
static char *
describe_range (const MrOption *option)
{
  gboolean ranged = option->min != 0 || option->max != 0 || option->type == MR_OPTION_CHOICE;

  return ranged ? mr_options_describe_allowed (option) : NULL;
}

/* What the row says beside its help: how often, which values, what else sets it. */
static void
append_facts (GString *out, const MrOption *option, gboolean is_key)
{
  g_autofree char *allowed = describe_range (option);

  if (option->type == MR_OPTION_STRV && is_key && !option->whole)
    g_string_append (out, "A list with commas.\n");
  else if (option->type == MR_OPTION_STRV && !is_key)
    g_string_append (out, option->whole ? "May be given several times.\n"
                                        : "May be given several times, or as a list with commas.\n");
  if (allowed != NULL)
    append_fact (out, option->type == MR_OPTION_CHOICE ? "One of" : "Allowed", allowed);
  if (option->default_value != NULL && !option->secret)
    append_fact (out, "Default", option->default_value);
  if (option->environment != NULL)
    append_fact (out, "Environment", option->environment);
}

static void
append_flags (GString *out, const MrOption *table, const char *const *names)
{
  g_autoptr (GPtrArray) flags = mr_options_list_flags (table, names);

  for (guint i = 0; i < flags->len; i++) {
    const MrFlag *flag = g_ptr_array_index (flags, i);
    const char short_form[] = { '-', flag->option->letter, '\0' };
    g_autofree char *long_form = g_strconcat ("--", flag->name, NULL);

    g_string_append (out, ".TP\n");
    if (flag->option->letter != 0) {
      append_bold (out, short_form);
      g_string_append (out, ", ");
    }
    append_bold (out, long_form);
    if (flag->kind == MR_FLAG_SWITCH && flag->argument != NULL) {
      g_string_append (out, "[=");
      append_italic (out, flag->argument);
      g_string_append_c (out, ']');
    } else if (flag->argument != NULL) {
      g_string_append_c (out, ' ');
      append_italic (out, flag->argument);
    }
    g_string_append_c (out, '\n');
    append_sentence (out, flag->help);
    if (g_str_equal (flag->name, flag->option->name))
      append_facts (out, flag->option, FALSE);
  }
}

void
mr_options_append_manual (GString *text, const MrProgram *program, const char *const *names)
{
  append_flags (text, program->options, names != NULL ? names : program->common);
  if (names == NULL)
    append_flags (text, mr_options_builtin (program), NULL);
}

void
mr_options_append_manual_commands (GString *text, const MrProgram *program)
{
  for (const MrOptionCommand *command = program->commands; command->name != NULL; command++) {
    g_string_append (text, ".TP\n");
    append_bold (text, command->name);
    if (command->arguments != NULL) {
      g_string_append_c (text, ' ');
      append_italic (text, command->arguments);
    }
    g_string_append_c (text, '\n');
    append_sentence (text, command->summary);
    if (command->options == NULL)
      continue;
    g_string_append (text, ".RS\n");
    append_flags (text, program->options, command->options);
    g_string_append (text, ".RE\n");
  }
}

static void
append_secret_places (GString *out, const MrOption *option)
{
  g_autofree char *file_key = g_strconcat (option->name, "-file", NULL);
  gsize start = out->len;

  g_string_append (out, "Secret: may instead be the first line of the file that ");
  append_bold (out, file_key);
  g_string_append (out, " names, or of the credential ");
  append_bold (out, option->name);
  g_string_append_c (out, '.');
  end_line (out, start);
}

void
mr_options_append_manual_keys (GString *text, const MrProgram *program)
{
  for (const MrOption *option = program->options; option->name != NULL; option++) {
    g_string_append (text, ".TP\n");
    append_bold (text, option->name);
    g_string_append (text, " = ");
    append_italic (text, option->argument != NULL ? option->argument : "BOOL");
    g_string_append_c (text, '\n');
    append_sentence (text, option->help);
    append_facts (text, option, TRUE);
    if (option->secret)
      append_secret_places (text, option);
  }
}
