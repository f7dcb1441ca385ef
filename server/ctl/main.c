/* SPDX-License-Identifier: MIT */
/*
 * modelrelayctl: reads the command line, runs the command, says what went wrong. Its error codes are its exit codes.
 */
#include "command.h"
#include "ctl-error.h"

#include <locale.h>
#include <stdio.h>

static int
print_help (const MrCtlOptions *options)
{
  guint n_words;
  g_autofree char *help = mr_command_help (mr_command_find (options->words, &n_words));

  fputs (help, stdout);
  return 0;
}

static int
run (char **argv, GError **error)
{
  g_auto (MrCtlOptions) options = { 0 };
  g_auto (GStrv) environment = g_get_environ ();

  if (!mr_ctl_options_parse (argv, (const char *const *) environment, mr_command_options, &options, error))
    return (*error)->code;
  if (options.action == MR_OPTIONS_HELP)
    return print_help (&options);
  if (options.action != MR_OPTIONS_RUN) {
    g_autofree char *text = mr_options_text (mr_command_program (), options.action);

    puts (text);
    return 0;
  }
  if (options.words[0] == NULL) {
    mr_ctl_fail (error, MR_CTL_USAGE, "what is to be done? Try \"modelrelayctl status\", or --help for all commands");
    return MR_CTL_USAGE;
  }
  return mr_command_run (&options, error) ? 0 : (*error)->code;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int code;

  setlocale (LC_ALL, "");
  code = run (argv, &error);
  if (error != NULL) {
    g_autofree char *message = mr_style_clean (error->message);

    fprintf (stderr, "modelrelayctl: %s\n", message);
  }
  return code;
}
