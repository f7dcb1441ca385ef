/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-server: options, log and signals around libmodelrelay-server.
 */
#include "error.h"
#include "log.h"
#include "program.h"
#include "server.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  char **argv;           /* with its secrets, for a reload */
  MrServerConfig config; /* Owned; what it holds changes on a reload */
  GMainLoop *loop;
  MrServer *server;
  guint n_signals;
} Program;

static void
on_drained (gpointer data)
{
  Program *program = data;

  g_main_loop_quit (program->loop);
}

/* The first signal drains, the second ends at once. */
static gboolean
on_signal (gpointer data)
{
  Program *program = data;

  if (++program->n_signals == 1)
    mr_server_drain (program->server, on_drained, program);
  else
    g_main_loop_quit (program->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
read_config (char **argv, MrServerConfig *config, MrOptionsAction *action, GError **error)
{
  return mr_options_parse (mr_server_program (), (const char *const *) argv, (const char *const *) environ, config,
                           action, error) &&
         (!mr_options_action_needs_values (*action) || mr_server_config_check (config, error));
}

/* A bad configuration changes nothing. */
static gboolean
on_reload (gpointer data)
{
  Program *program = data;
  MrServerConfig fresh = { 0 };
  MrOptionsAction action;
  g_autoptr (GError) error = NULL;

  if (read_config (program->argv, &fresh, &action, &error))
    mr_server_reload (program->server, &program->config, &fresh);
  else
    mr_log (MR_LOG_ERROR, "configuration not reloaded", "error", error->message, NULL);
  mr_options_clear (mr_server_program (), &fresh);
  return G_SOURCE_CONTINUE;
}

static int
run (Program *program)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (MrServer) server = mr_server_new (reactor, &program->config);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;

  /* Before anybody is told that it is ready: a signal may follow at once. */
  program->loop = loop;
  program->server = server;
  g_unix_signal_add (SIGTERM, on_signal, program);
  g_unix_signal_add (SIGINT, on_signal, program);
  g_unix_signal_add (SIGHUP, on_reload, program);
  if (!mr_server_start (server, &error)) {
    if (g_error_matches (error, MR_ERROR, MR_ERROR_CONFIG)) {
      (void) fprintf (stderr, "%s: %s\n", mr_server_program ()->name, error->message);
      return 2;
    }
    mr_log (MR_LOG_ERROR, "cannot start", "error", error->message, NULL);
    return EXIT_FAILURE;
  }
  g_main_loop_run (loop);
  return EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  const MrProgram *table = mr_server_program ();
  g_auto (GStrv) whole_argv = g_strdupv (argv);
  Program program = { .argv = whole_argv };
  MrOptionsAction action;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  int status = EXIT_SUCCESS;

  mr_program_init ();
  mr_options_hide_secrets (table, argv);
  if (!read_config (whole_argv, &program.config, &action, &error)) {
    (void) fprintf (stderr, "%s: %s\n", table->name, error->message);
    mr_options_clear (table, &program.config);
    return 2;
  }
  mr_log_set_level ((MrLogLevel) program.config.log_level);
  mr_log_set_format ((MrLogFormat) program.config.log_format);
  if (action == MR_OPTIONS_RUN) {
    status = run (&program);
  } else {
    text = mr_options_text (table, action);
    (void) printf ("%s\n", text);
  }
  mr_options_clear (table, &program.config);
  return status;
}
