/* SPDX-License-Identifier: MIT */
/*
 * The thread of harness.h.
 */
#include "harness.h"

#include <string.h>
#include <unistd.h>

struct _Harness {
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  MrWorkerConfig *config; /* until the thread takes it */
  MrWorker *worker;       /* only used in the thread */

  GMutex lock; /* of all below */
  GCond changed;
  MrWorkerState state;
  char *status;
  gboolean drained;
  void (*call) (MrWorker *worker);
};

static void
on_notify (MrWorker *worker, GParamSpec *pspec, Harness *harness)
{
  g_mutex_lock (&harness->lock);
  g_free (harness->status);
  g_object_get (worker, "state", &harness->state, "status-text", &harness->status, NULL);
  g_cond_broadcast (&harness->changed);
  g_mutex_unlock (&harness->lock);
}

static void
on_drained (MrWorker *worker, Harness *harness)
{
  g_mutex_lock (&harness->lock);
  harness->drained = TRUE;
  g_cond_broadcast (&harness->changed);
  g_mutex_unlock (&harness->lock);
}

static gpointer
run (gpointer data)
{
  Harness *harness = data;
  MrReactor *reactor;

  g_main_context_push_thread_default (harness->context);
  reactor = mr_reactor_new (harness->context);
  harness->worker = mr_worker_new (reactor, g_steal_pointer (&harness->config));
  g_signal_connect (harness->worker, "notify", G_CALLBACK (on_notify), harness);
  g_signal_connect (harness->worker, "drained", G_CALLBACK (on_drained), harness);
  mr_worker_start (harness->worker);
  g_main_loop_run (harness->loop);

  g_assert_finalize_object (harness->worker);
  while (mr_reactor_get_lingering (reactor) > 0 || g_main_context_pending (harness->context)) {
    g_main_context_iteration (harness->context, TRUE); /* cancelled operations come back */
  }
  mr_reactor_free (reactor);
  g_main_context_pop_thread_default (harness->context);
  return NULL;
}

Harness *
harness_new (guint16 relay_port, guint16 backend_port, const char *option)
{
  g_autofree char *proxy_url = g_strdup_printf ("--proxy-url=http://127.0.0.1:%u", relay_port);
  g_autofree char *backend_url = g_strdup_printf ("--backend-url=http://127.0.0.1:%u", backend_port);
  const char *const argv[] = {
    "modelrelay-worker", "--worker-secret=" HARNESS_SECRET, "--worker-name=w", proxy_url, backend_url, option, NULL
  };
  const char *const environment[] = { NULL };
  Harness *harness = g_new0 (Harness, 1);
  MrOptionsAction action;
  GError *error = NULL;

  harness->config = mr_worker_config_new_from_args (argv, environment, &action, &error);
  g_assert_no_error (error);
  g_mutex_init (&harness->lock);
  g_cond_init (&harness->changed);
  harness->context = g_main_context_new ();
  harness->loop = g_main_loop_new (harness->context, FALSE);
  harness->thread = g_thread_new ("worker", run, harness);
  return harness;
}

Harness *
harness_new_between (MrtRelay *relay, MrtBackend *backend, const char *option)
{
  return harness_new (relay->port, mrt_backend_get_port (backend), option);
}

static gboolean
on_quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

void
harness_free (Harness *harness)
{
  GSource *quit = g_idle_source_new ();

  g_source_set_callback (quit, on_quit, harness->loop, NULL);
  g_source_attach (quit, harness->context);
  g_source_unref (quit);
  g_thread_join (harness->thread);
  g_main_loop_unref (harness->loop);
  g_main_context_unref (harness->context);
  g_mutex_clear (&harness->lock);
  g_cond_clear (&harness->changed);
  g_free (harness->status);
  g_free (harness);
}

/* With the lock held. FALSE when the time is over. */
static gboolean
wait_for_change (Harness *harness, gint64 deadline_us)
{
  return g_cond_wait_until (&harness->changed, &harness->lock, deadline_us);
}

static gboolean
on_call (gpointer data)
{
  Harness *harness = data;

  harness->call (harness->worker);
  g_mutex_lock (&harness->lock);
  harness->call = NULL;
  g_cond_broadcast (&harness->changed);
  g_mutex_unlock (&harness->lock);
  return G_SOURCE_REMOVE;
}

void
harness_call (Harness *harness, void (*call) (MrWorker *worker))
{
  gint64 deadline_us = g_get_monotonic_time () + MRT_WAIT_MS * 1000;
  GSource *source = g_idle_source_new ();

  g_mutex_lock (&harness->lock);
  harness->call = call;
  g_source_set_callback (source, on_call, harness, NULL);
  g_source_attach (source, harness->context);
  g_source_unref (source);
  while (harness->call != NULL) {
    g_assert_true (wait_for_change (harness, deadline_us));
  }
  g_mutex_unlock (&harness->lock);
}

void
harness_wait_state (Harness *harness, MrWorkerState state)
{
  gint64 deadline_us = g_get_monotonic_time () + MRT_WAIT_MS * 1000;

  g_mutex_lock (&harness->lock);
  while (harness->state != state) {
    if (!wait_for_change (harness, deadline_us)) {
      g_error ("the worker is in state %d instead of %d: %s", harness->state, state, harness->status);
    }
  }
  g_mutex_unlock (&harness->lock);
}

void
harness_wait_status (Harness *harness, const char *text)
{
  gint64 deadline_us = g_get_monotonic_time () + MRT_WAIT_MS * 1000;

  g_mutex_lock (&harness->lock);
  while (harness->status == NULL || strstr (harness->status, text) == NULL) {
    if (!wait_for_change (harness, deadline_us)) {
      g_error ("the status is \"%s\" and never has \"%s\"", harness->status, text);
    }
  }
  g_mutex_unlock (&harness->lock);
}

void
harness_wait_drained (Harness *harness)
{
  gint64 deadline_us = g_get_monotonic_time () + MRT_WAIT_MS * 1000;

  g_mutex_lock (&harness->lock);
  while (!harness->drained) {
    g_assert_true (wait_for_change (harness, deadline_us));
  }
  g_mutex_unlock (&harness->lock);
}

guint16
harness_free_port (void)
{
  guint16 port;

  close (mrt_listen (&port));
  return port;
}
