/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-server: options, log and signals around libmodelrelay-server.
 */
#include "log.h"
#include "server.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
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

static int
run (const MrServerConfig *config)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (MrServer) server = mr_server_new (reactor, config);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Program program = { .loop = loop, .server = server };

  if (!mr_server_start (server, &error)) {
    mr_log (MR_LOG_ERROR, "cannot start", "error", error->message, NULL);
    return EXIT_FAILURE;
  }
  g_unix_signal_add (SIGTERM, on_signal, &program);
  g_unix_signal_add (SIGINT, on_signal, &program);
  g_main_loop_run (loop);
  return EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  const MrProgram *table = mr_server_program ();
  MrServerConfig config = { 0 };
  MrOptionsAction action;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  int status = EXIT_SUCCESS;

  (void) signal (SIGPIPE, SIG_IGN);
  if (!mr_options_parse (table, (const char *const *) argv, (const char *const *) environ, &config, &action, &error) ||
      ((action == MR_OPTIONS_RUN || action == MR_OPTIONS_CHECK_CONFIG) && !mr_server_config_check (&config, &error))) {
    (void) fprintf (stderr, "%s: %s\n", table->name, error->message);
    mr_options_clear (table, &config);
    return 2;
  }
  mr_options_hide_secrets (table, argv);
  mr_log_set_level ((MrLogLevel) config.log_level);
  if (action == MR_OPTIONS_RUN) {
    status = run (&config);
  } else if (action == MR_OPTIONS_CHECK_CONFIG) {
    (void) printf ("The configuration is valid.\n");
  } else {
    text = action == MR_OPTIONS_HELP ? mr_options_help (table) : mr_options_version (table);
    (void) printf ("%s\n", g_strchomp (text));
  }
  mr_options_clear (table, &config);
  return status;
}
