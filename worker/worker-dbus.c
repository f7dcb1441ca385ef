/* SPDX-License-Identifier: MIT */
/*
 * org.modelrelay.Worker1: what its properties show and what its methods do. How a bus is joined, callers are checked
 * and changes are paced is bus.h's and bus-object.h's business. See worker-dbus.h.
 */
#include "worker-dbus.h"

#include "dbus-worker1.h"

struct _MrWorkerDBus {
  MrReactor *reactor;
  MrWorker *worker;        /* Owned */
  MrDBusWorker1 *skeleton; /* Owned */
  MrBusObject *object;     /* Owned */
  MrBus *bus;              /* Owned: NULL on a connection of the owner's, and without a bus */
};

/* Options do not allow what is hidden here; this is for the day they do. */
static char *
dup_public_url (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);

  return uri == NULL ? g_strdup ("")
                     : g_uri_to_string_partial (uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
}

static const char *
state_name (MrWorker *worker)
{
  g_autoptr (GEnumClass) states = g_type_class_ref (MR_TYPE_WORKER_STATE);

  return g_enum_get_value (states, (int) mr_worker_get_state (worker))->value_nick;
}

/* --- properties --- */

static GVariant *
list_relays (MrWorker *worker)
{
  GVariantBuilder relays;
  MrWorkerRelay relay;

  g_variant_builder_init (&relays, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; mr_worker_get_relay (worker, i, &relay); i++) {
    g_autofree char *url = dup_public_url (relay.url);

    g_variant_builder_open (&relays, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add (&relays, "{sv}", "url", g_variant_new_string (url));
    g_variant_builder_add (&relays, "{sv}", "state", g_variant_new_string (relay.state));
    g_variant_builder_add (&relays, "{sv}", "status", g_variant_new_string (relay.status));
    g_variant_builder_close (&relays);
  }
  return g_variant_builder_end (&relays);
}

static void
publish (gpointer data)
{
  MrWorkerDBus *dbus = data;
  g_autofree char *status_text = mr_worker_get_status_text (dbus->worker);

  mr_dbus_worker1_set_state (dbus->skeleton, state_name (dbus->worker));
  mr_dbus_worker1_set_status_text (dbus->skeleton, status_text);
  mr_dbus_worker1_set_models (dbus->skeleton, mr_worker_get_models (dbus->worker));
  mr_dbus_worker1_set_load (dbus->skeleton, mr_worker_get_load (dbus->worker));
  mr_dbus_worker1_set_max_concurrent (dbus->skeleton, mr_worker_get_max_concurrent (dbus->worker));
  mr_dbus_worker1_set_relays (dbus->skeleton, list_relays (dbus->worker));
}

static void
on_notify (MrWorker *worker, GParamSpec *pspec, MrWorkerDBus *dbus)
{
  mr_bus_object_changed (dbus->object);
}

/* --- methods --- */

static void
list_models (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrWorkerDBus *dbus = data;

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", mr_worker_get_models (dbus->worker)));
}

static void
get_statistics (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrWorkerDBus *dbus = data;
  GVariantDict statistics;
  MrWorkerRelay relay;
  MrWorkerTotals totals;
  guint n_relays = 0;
  guint n_ready = 0;

  for (; mr_worker_get_relay (dbus->worker, n_relays, &relay); n_relays++) {
    n_ready += g_str_equal (relay.state, "ready");
  }
  mr_worker_get_totals (dbus->worker, &totals);
  g_variant_dict_init (&statistics, NULL);
  g_variant_dict_insert (&statistics, "state", "s", state_name (dbus->worker));
  g_variant_dict_insert (&statistics, "load", "u", mr_worker_get_load (dbus->worker));
  g_variant_dict_insert (&statistics, "max_concurrent", "u", mr_worker_get_max_concurrent (dbus->worker));
  g_variant_dict_insert (&statistics, "models", "u", g_strv_length ((char **) mr_worker_get_models (dbus->worker)));
  g_variant_dict_insert (&statistics, "relays", "u", n_relays);
  g_variant_dict_insert (&statistics, "relays_ready", "u", n_ready);
  g_variant_dict_insert (&statistics, "requests", "t", totals.requests);
  g_variant_dict_insert (&statistics, "failed", "t", totals.failed);
  g_variant_dict_insert (&statistics, "cancelled", "t", totals.cancelled);
  g_variant_dict_insert (&statistics, "events", "t", totals.events);
  g_variant_dict_insert (&statistics, "prompt_tokens", "t", totals.prompt_tokens);
  g_variant_dict_insert (&statistics, "completion_tokens", "t", totals.completion_tokens);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", g_variant_dict_end (&statistics)));
}

static void
on_drain_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrWorker) worker = data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  mr_worker_drain (worker);
}

/* A drain may end the program: the answer goes out before. What is stopped now is not drained when it has been started
 * meanwhile. */
static void
drain (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrWorkerDBus *dbus = data;
  g_autoptr (GDBusConnection) connection = g_object_ref (g_dbus_method_invocation_get_connection (invocation));

  g_dbus_method_invocation_return_value (invocation, NULL);
  if (mr_worker_get_state (dbus->worker) != MR_WORKER_STOPPED)
    g_dbus_connection_flush (connection, NULL, on_drain_answered, g_object_ref (dbus->worker));
}

static void
reconnect (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrWorkerDBus *dbus = data;

  g_dbus_method_invocation_return_value (invocation, NULL);
  mr_worker_reconnect (dbus->worker);
}

static void
refresh_models (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrWorkerDBus *dbus = data;

  g_dbus_method_invocation_return_value (invocation, NULL);
  mr_worker_refresh_models (dbus->worker);
}

static const MrBusMethod methods[] = {
  { "ListModels", FALSE, list_models }, { "GetStatistics", FALSE, get_statistics }, { "Drain", TRUE, drain },
  { "Reconnect", TRUE, reconnect },     { "RefreshModels", TRUE, refresh_models },  { NULL },
};

/* --- life --- */

MrWorkerDBus *
mr_worker_dbus_new (MrReactor *reactor, MrWorker *worker)
{
  MrWorkerDBus *dbus = g_new0 (MrWorkerDBus, 1);
  g_autofree char *backend_url = dup_public_url (mr_worker_get_backend_url (worker));

  dbus->reactor = reactor;
  dbus->worker = g_object_ref (worker);
  dbus->skeleton = mr_dbus_worker1_skeleton_new ();
  mr_dbus_worker1_set_version (dbus->skeleton, MR_VERSION);
  mr_dbus_worker1_set_name (dbus->skeleton, mr_worker_get_name (worker));
  mr_dbus_worker1_set_backend_url (dbus->skeleton, backend_url);
  dbus->object = mr_bus_object_new (reactor, G_DBUS_INTERFACE_SKELETON (dbus->skeleton), MR_WORKER_DBUS_PATH, methods,
                                    publish, dbus);
  g_signal_connect (worker, "notify", G_CALLBACK (on_notify), dbus);
  return dbus;
}

void
mr_worker_dbus_free (MrWorkerDBus *dbus)
{
  if (dbus == NULL) {
    return;
  }
  g_signal_handlers_disconnect_by_data (dbus->worker, dbus);
  mr_bus_free (dbus->bus);
  mr_bus_object_free (dbus->object);
  g_object_unref (dbus->skeleton);
  g_object_unref (dbus->worker);
  g_free (dbus);
}

gboolean
mr_worker_dbus_export (MrWorkerDBus *dbus, GDBusConnection *connection, GError **error)
{
  return mr_bus_object_export (dbus->object, connection, error);
}

void
mr_worker_dbus_join (MrWorkerDBus *dbus, MrBusChoice choice)
{
  g_autofree char *name = mr_bus_dup_name (MR_WORKER_DBUS_PREFIX, mr_worker_get_name (dbus->worker));

  g_return_if_fail (dbus->bus == NULL);
  dbus->bus = mr_bus_new (dbus->reactor, choice, name, dbus->object);
}
