/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-worker: options, signals, exit status. The work is done by the library.
 */
#include "worker-dbus.h"

#include "log.h"
#include "program.h"

#include <glib-unix.h>
#include <signal.h>

enum { EXIT_DRAINED = 0, EXIT_CUT_SHORT = 1, EXIT_BAD_OPTION = 2 };

typedef struct {
  MrWorker *worker;
  GMainLoop *loop;
  gboolean draining;
  int status;
} Daemon;

/* The first signal drains, the second one ends at once. */
static gboolean
on_terminate (gpointer data)
{
  Daemon *daemon = data;

  if (daemon->draining) {
    daemon->status = EXIT_CUT_SHORT;
    g_main_loop_quit (daemon->loop);
  } else {
    daemon->draining = TRUE;
    mr_worker_drain (daemon->worker);
  }
  return G_SOURCE_CONTINUE;
}

static void
on_drained (MrWorker *worker, gpointer data)
{
  Daemon *daemon = data;
  g_main_loop_quit (daemon->loop);
}

static int
run (MrWorkerConfig *config)
{
  MrBusChoice bus = (MrBusChoice) config->dbus;
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Daemon daemon = { .worker = mr_worker_new (reactor, config), .loop = loop, .status = EXIT_DRAINED };
  MrWorkerDBus *dbus = mr_worker_dbus_new (reactor, daemon.worker);
  guint terminate = g_unix_signal_add (SIGTERM, on_terminate, &daemon);
  guint interrupt = g_unix_signal_add (SIGINT, on_terminate, &daemon);
  guint hangup = g_unix_signal_add (SIGHUP, on_terminate, &daemon);

  g_signal_connect (daemon.worker, "drained", G_CALLBACK (on_drained), &daemon);
  mr_worker_start (daemon.worker);
  mr_worker_dbus_join (dbus, bus);
  g_main_loop_run (loop);

  g_source_remove (terminate);
  g_source_remove (interrupt);
  g_source_remove (hangup);
  mr_worker_dbus_free (dbus);
  g_object_unref (daemon.worker);
  /* Our last words go out, and cancelled operations come back. */
  while (mr_reactor_get_lingering (reactor) > 0 || g_main_context_pending (NULL)) {
    g_main_context_iteration (NULL, TRUE);
  }
  return daemon.status;
}

int
main (int argc, char **argv)
{
  MrOptionsAction action = MR_OPTIONS_RUN;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (MrWorkerConfig) config =
      mr_worker_config_new_from_args ((const char *const *) argv, (const char *const *) environment, &action, &error);

  mr_options_hide_secrets (&mr_worker_program, argv);
  if (config == NULL) {
    g_printerr ("modelrelay-worker: %s\n", error->message);
    return EXIT_BAD_OPTION;
  }
  if (action == MR_OPTIONS_HELP || action == MR_OPTIONS_VERSION) {
    g_autofree char *text =
        action == MR_OPTIONS_HELP ? mr_options_help (&mr_worker_program) : mr_options_version (&mr_worker_program);
    g_print ("%s\n", g_strchomp (text));
    return EXIT_SUCCESS;
  }
  if (action == MR_OPTIONS_CHECK_CONFIG) {
    g_print ("The configuration is valid.\n");
    return EXIT_SUCCESS;
  }
  mr_program_init ();
  mr_log_set_level ((MrLogLevel) config->log_level);
  mr_log_set_format ((MrLogFormat) config->log_format);
  return run (g_steal_pointer (&config));
}
