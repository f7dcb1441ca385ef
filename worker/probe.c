/* SPDX-License-Identifier: MIT */
/*
 * One attempt each, and out. See probe.h.
 *
 *   relay:   connect, upgrade -> register -> register_ack -> close 1000 -> the relay's close: it has forgotten us
 *   backend: one round of questions (backend.h)
 */
#include "probe.h"

#include "backend.h"
#include "error.h"
#include "limits.h"
#include "link-connect.h"

/* One probe of a relay; the GTask's data. */
typedef struct {
  GTask *task;                  /* Owned while under way; NULL once it has returned */
  const MrWorkerConfig *config; /* Borrowed until the end */
  const char *url;              /* Borrowed from the config */
  GCancellable *connecting;     /* Owned */
  GSource *cancelled;           /* Owned; NULL without a caller's cancellable */
  MrTimer deadline;
  MrLink *link; /* Owned; NULL until connected */
  gboolean taken;
  MrRelayFailure failure;
} RelayProbe;

static void
relay_probe_free (gpointer data)
{
  RelayProbe *probe = data;

  g_object_unref (probe->connecting);
  g_free (probe);
}

/* --- a relay: the end --- */

/* Nothing of the probe calls back from now on, except the connection attempt with a result that nobody wants. */
static GTask *
stop (RelayProbe *probe)
{
  mr_timer_clear (&probe->deadline);
  if (probe->cancelled != NULL) {
    g_source_destroy (probe->cancelled);
    g_clear_pointer (&probe->cancelled, g_source_unref);
  }
  g_cancellable_cancel (probe->connecting);
  g_clear_pointer (&probe->link, mr_link_free);
  return g_steal_pointer (&probe->task);
}

/* (transfer full error) */
static void
fail (RelayProbe *probe, MrRelayFailure failure, GError *error)
{
  g_autoptr (GTask) task = stop (probe);

  probe->failure = failure;
  g_task_return_error (task, error);
}

static void
on_deadline (MrTimer *timer)
{
  RelayProbe *probe = MR_OWNER_OF (timer, RelayProbe, deadline);
  MrRelayFailure failure = probe->link == NULL ? MR_RELAY_FAILURE_CONNECT : MR_RELAY_FAILURE_NOT_A_RELAY;

  fail (probe, failure,
        g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s does not answer within %d seconds", probe->url,
                     (int) (MR_LIMIT_PROBE_USEC / MR_USEC_PER_SEC)));
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  fail (g_task_get_task_data (data), MR_RELAY_FAILURE_NONE,
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the test was cancelled"));
  return G_SOURCE_REMOVE;
}

/* --- a relay: the session --- */

static void
on_message (MrLink *link, const MrMessage *message, gpointer data)
{
  RelayProbe *probe = data;

  probe->taken = message->type == MR_MESSAGE_REGISTER_ACK;
  if (probe->taken) {
    mr_link_close (link, MR_CLOSE_NORMAL, "test");
  } else {
    mr_link_close (link, MR_CLOSE_PROTOCOL_ERROR, "message before register_ack");
  }
}

static void
on_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  RelayProbe *probe = data;

  if (probe->taken) {
    g_autoptr (GTask) task = stop (probe);
    g_task_return_boolean (task, TRUE);
    return;
  }
  g_autofree char *why = mr_relay_failure_describe_close (probe->url, code, reason);
  fail (probe, mr_relay_failure_from_close (code, FALSE), g_error_new_literal (MR_ERROR, MR_ERROR_PROTOCOL, why));
}

static const MrLinkEvents link_events = { .message = on_message, .closed = on_closed };

static void
send_register (RelayProbe *probe)
{
  const char *own_name = probe->config->worker_name != NULL ? probe->config->worker_name : g_get_host_name ();
  g_autofree char *name = g_strconcat (own_name, " (test)", NULL);
  char *none[] = { NULL };

  mr_link_send (probe->link,
                &(MrMessage){ MR_MESSAGE_INIT (REGISTER), .worker_name = name, .models = none, .max_concurrent = 1,
                              .protocol_version = (char *) MR_PROTOCOL_VERSION, .version = (char *) MR_VERSION });
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  RelayProbe *probe = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (MrConnection) connection = mr_link_connect_finish (result, &error);

  if (probe->task == NULL) {
    return;
  }
  if (connection == NULL) {
    MrRelayFailure failure = mr_relay_failure_from_error (error);
    fail (probe, failure, g_steal_pointer (&error));
    return;
  }
  probe->link = mr_link_new (g_steal_pointer (&connection), MR_WEBSOCKET_CLIENT, &link_events, probe);
  send_register (probe);
}

void
mr_probe_relay_async (MrReactor *reactor, const MrWorkerConfig *config, guint relay, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GUri) uri = g_uri_parse (config->proxy_urls[relay], G_URI_FLAGS_ENCODED, NULL);
  RelayProbe *probe = g_new0 (RelayProbe, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (MrTlsTrust) trust = mr_worker_config_new_relay_trust (config, &error);

  g_task_set_source_tag (task, mr_probe_relay_async);
  g_task_set_task_data (task, probe, relay_probe_free);
  probe->task = g_object_ref (task);
  probe->config = config;
  probe->url = config->proxy_urls[relay];
  probe->connecting = g_cancellable_new ();
  mr_timer_init (&probe->deadline, reactor, on_deadline);
  if (trust == NULL) {
    fail (probe, MR_RELAY_FAILURE_TLS, g_steal_pointer (&error));
    return;
  }
  mr_timer_set (&probe->deadline, g_get_monotonic_time () + MR_LIMIT_PROBE_USEC);
  if (cancellable != NULL) {
    probe->cancelled = g_cancellable_source_new (cancellable);
    g_task_attach_source (task, probe->cancelled, G_SOURCE_FUNC (on_cancelled));
  }
  mr_link_connect_async (reactor, uri, trust, config->provider, mr_worker_config_get_secret (config, relay),
                         probe->connecting, on_connected, g_object_ref (task));
}

gboolean
mr_probe_relay_finish (GAsyncResult *result, MrRelayFailure *failure, GError **error)
{
  RelayProbe *probe = g_task_get_task_data (G_TASK (result));

  *failure = probe->failure;
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- a backend --- */

/* One probe of a backend; the GTask's data. */
typedef struct {
  GTask *task;        /* Owned while under way */
  MrBackend *backend; /* Owned while under way */
  GSource *cancelled; /* Owned while under way; NULL without a caller's cancellable */
} BackendProbe;

static GTask *
stop_backend (BackendProbe *probe)
{
  g_clear_pointer (&probe->backend, mr_backend_free);
  if (probe->cancelled != NULL) {
    g_source_destroy (probe->cancelled);
    g_clear_pointer (&probe->cancelled, g_source_unref);
  }
  return g_steal_pointer (&probe->task);
}

static gboolean
on_backend_cancelled (GCancellable *cancellable, gpointer data)
{
  g_autoptr (GTask) task = stop_backend (g_task_get_task_data (data));

  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the test was cancelled");
  return G_SOURCE_REMOVE;
}

static void
on_backend_changed (MrBackend *backend, gpointer data)
{
  BackendProbe *probe = data;
  gboolean up = mr_backend_get_state (backend) == MR_BACKEND_UP;
  g_auto (GStrv) models = g_strdupv ((char **) mr_backend_get_listed (backend));
  g_autofree char *status = g_strdup (mr_backend_get_status (backend));
  g_autoptr (GTask) task = stop_backend (probe);

  if (up) {
    g_task_return_pointer (task, g_steal_pointer (&models), (GDestroyNotify) g_strfreev);
  } else {
    g_task_return_new_error (task, MR_ERROR, MR_ERROR_BACKEND_UNREACHABLE, "%s", status);
  }
}

void
mr_probe_backend_async (MrReactor *reactor, const MrWorkerConfig *config, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  BackendProbe *probe = g_new0 (BackendProbe, 1);

  g_task_set_source_tag (task, mr_probe_backend_async);
  g_task_set_task_data (task, probe, g_free);
  probe->task = task;
  probe->backend = mr_backend_new (reactor, config, on_backend_changed, probe);
  if (cancellable != NULL) {
    probe->cancelled = g_cancellable_source_new (cancellable);
    g_task_attach_source (task, probe->cancelled, G_SOURCE_FUNC (on_backend_cancelled));
  }
  mr_backend_poll (probe->backend);
}

char **
mr_probe_backend_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
