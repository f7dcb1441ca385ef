/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-worker: options, signals, exit status. The work is done by the library.
 */
#include "worker-dbus.h"

#include "log.h"
#include "notify.h"
#include "program.h"

#include <glib-unix.h>
#include <signal.h>

enum { EXIT_DRAINED = 0, EXIT_CUT_SHORT = 1, EXIT_BAD_OPTION = 2 };

typedef struct {
  MrWorker *worker;
  GMainLoop *loop;
  MrNotify *notify;
  gboolean ready;
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
    mr_notify_stopping (daemon->notify, 0);
  }
  return G_SOURCE_CONTINUE;
}

static void
on_drained (MrWorker *worker, gpointer data)
{
  Daemon *daemon = data;
  g_main_loop_quit (daemon->loop);
}

static char *
dup_status (gpointer data)
{
  Daemon *daemon = data;

  return mr_worker_get_status_text (daemon->worker);
}

/* Ready means that the backend was asked, so that the links are on their way: until then they are stopped. */
static void
on_changed (MrWorker *worker, GParamSpec *property, gpointer data)
{
  Daemon *daemon = data;
  MrWorkerRelay relay;

  if (!daemon->ready && mr_worker_get_relay (worker, 0, &relay) && !g_str_equal (relay.state, "stopped")) {
    daemon->ready = TRUE;
    mr_notify_ready (daemon->notify);
  }
  mr_notify_status_changed (daemon->notify);
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

  daemon.notify = mr_notify_new (reactor, dup_status, &daemon);
  g_signal_connect (daemon.worker, "drained", G_CALLBACK (on_drained), &daemon);
  g_signal_connect (daemon.worker, "notify::status-text", G_CALLBACK (on_changed), &daemon);
  mr_worker_start (daemon.worker);
  mr_worker_dbus_join (dbus, bus);
  g_main_loop_run (loop);

  g_source_remove (terminate);
  g_source_remove (interrupt);
  g_source_remove (hangup);
  mr_worker_dbus_free (dbus);
  mr_notify_free (daemon.notify);
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
  if (action != MR_OPTIONS_RUN) {
    g_autofree char *text = mr_options_text (&mr_worker_program, action);

    g_print ("%s\n", text);
    return EXIT_SUCCESS;
  }
  mr_program_init ();
  mr_log_set_level ((MrLogLevel) config->log_level);
  mr_log_set_format ((MrLogFormat) config->log_format);
  return run (g_steal_pointer (&config));
}
