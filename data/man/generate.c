/* SPDX-License-Identifier: MIT */
/*
 * Makes a manual page at build time: copies the page's prose and puts what the program's table of options says in the
 * place of the lines @OPTIONS@, @COMMANDS@ and @KEYS@, and the version in the place of @VERSION@. Built once for each
 * program, with its table; not installed.
 *
 *   generate PAGE.in > PAGE
 */
#include MR_TABLE_HEADER
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

static void
append_line (GString *page, const MrProgram *program, const char *line)
{
  g_auto (GStrv) parts = g_strsplit (line, "@VERSION@", -1);
  g_autofree char *text = g_strjoinv (MR_VERSION, parts);

  if (g_str_equal (line, "@OPTIONS@"))
    mr_options_append_manual (page, program, NULL);
  else if (g_str_equal (line, "@COMMANDS@"))
    mr_options_append_manual_commands (page, program);
  else if (g_str_equal (line, "@KEYS@"))
    mr_options_append_manual_keys (page, program);
  else
    g_string_append_printf (page, "%s\n", text);
}

int
main (int argc, char **argv)
{
  const MrProgram *program = MR_TABLE;
  g_autoptr (GString) page = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *prose = NULL;
  g_auto (GStrv) lines = NULL;

  if (argc != 2 || !g_file_get_contents (argv[1], &prose, NULL, &error)) {
    (void) fprintf (stderr, "%s\n", error != NULL ? error->message : "usage: generate PAGE.in");
    return EXIT_FAILURE;
  }
  lines = g_strsplit (g_strchomp (prose), "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    append_line (page, program, *line);
  (void) fputs (page->str, stdout);
  return EXIT_SUCCESS;
}
