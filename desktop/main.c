/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-desktop: what a process needs before anything else. The rest is the application's.
 */
#include "application.h"

#include "program.h"

#include <glib/gi18n-lib.h>
#include <locale.h>

/* The GPU and its memory are the models'. Windows as plain as ours are drawn by the CPU as well, and without a GL
 * driver the app is a third of the size. Before any thread: who sets these variables is obeyed. */
static void
keep_off_the_gpu (void)
{
  g_setenv ("GDK_DEBUG", "gl-disable", FALSE);
  g_setenv ("GSK_RENDERER", "cairo", FALSE);
}

int
main (int argc, char **argv)
{
  g_autoptr (MrApplication) application = NULL;

  keep_off_the_gpu ();
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, MR_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  mr_program_init ();
  g_set_application_name ("ModelRelay");
  application = mr_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
