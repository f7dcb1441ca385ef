/* SPDX-License-Identifier: MIT */
/*
 * A worker shown on a connection of its owner's, as a desktop app does it. The daemon on a bus is tested with the real
 * program (contract M1).
 */
#include "worker-dbus.h"

#define WAIT_MS 10000

/* Nobody listens on port 1: neither relay nor backend. */
static const char *const options[] = { "modelrelay-worker",  "--worker-secret=s", "--worker-name=w",    "--proxy-url",
                                       "http://127.0.0.1:1", "--backend-url",     "http://127.0.0.1:1", NULL };

typedef struct {
  GTestDBus *bus;
  GDBusConnection *owner;
  GDBusConnection *client;
  MrReactor *reactor;
  MrWorker *worker;
  MrWorkerDBus *dbus;
  char *state; /* Owned: the State that PropertiesChanged told last */
  guint subscription;
} Fixture;

static GDBusConnection *
connect_to (GTestDBus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);

  g_assert_no_error (error);
  return connection;
}

static void
on_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
            const char *signal, GVariant *parameters, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
  char *state;

  if (g_variant_lookup (changed, "State", "s", &state)) {
    g_free (fixture->state);
    fixture->state = state;
  }
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const char *const environment[] = { NULL };
  g_autoptr (GError) error = NULL;
  MrOptionsAction action;
  MrWorkerConfig *config = mr_worker_config_new_from_args (options, environment, &action, &error);

  g_assert_no_error (error);
  fixture->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->bus);
  fixture->owner = connect_to (fixture->bus);
  fixture->client = connect_to (fixture->bus);
  fixture->reactor = mr_reactor_new (NULL);
  fixture->worker = mr_worker_new (fixture->reactor, config);
  fixture->dbus = mr_worker_dbus_new (fixture->reactor, fixture->worker);
  g_assert_true (mr_worker_dbus_export (fixture->dbus, fixture->owner, &error));
  fixture->subscription = g_dbus_connection_signal_subscribe (fixture->client, NULL, "org.freedesktop.DBus.Properties",
                                                              "PropertiesChanged", MR_WORKER_DBUS_PATH, NULL,
                                                              G_DBUS_SIGNAL_FLAGS_NONE, on_changed, fixture, NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_dbus_connection_signal_unsubscribe (fixture->client, fixture->subscription);
  g_free (fixture->state);
  mr_worker_dbus_free (fixture->dbus);
  g_assert_finalize_object (fixture->worker);
  while (g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
  mr_reactor_free (fixture->reactor);
  g_object_unref (fixture->client);
  g_object_unref (fixture->owner);
  g_test_dbus_down (fixture->bus);
  g_object_unref (fixture->bus);
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

/* (transfer full) (nullable): the answer to a call, while the main loop turns */
static GVariant *
call (Fixture *fixture, const char *interface, const char *method, GVariant *parameters, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call (fixture->client, g_dbus_connection_get_unique_name (fixture->owner), MR_WORKER_DBUS_PATH,
                          interface, method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE, WAIT_MS, NULL, on_reply,
                          &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_dbus_connection_call_finish (fixture->client, result, error);
}

static void
command (Fixture *fixture, const char *method)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (fixture, "org.modelrelay.Worker1", method, NULL, &error);

  g_assert_no_error (error);
}

static void
check_state (Fixture *fixture, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (fixture, "org.freedesktop.DBus.Properties", "GetAll",
                                     g_variant_new ("(s)", "org.modelrelay.Worker1"), &error);
  g_autoptr (GVariant) all = NULL;
  const char *text;

  g_assert_no_error (error);
  all = g_variant_get_child_value (reply, 0);
  g_assert_true (g_variant_lookup (all, "State", "&s", &text));
  g_assert_cmpstr (text, ==, expected);
  g_assert_true (g_variant_lookup (all, "BackendUrl", "&s", &text));
  g_assert_cmpstr (text, ==, "http://127.0.0.1:1");
  g_assert_true (g_variant_lookup (all, "Name", "&s", &text));
  g_assert_cmpstr (text, ==, "w");
}

static void
check_totals (Fixture *fixture)
{
  const char *const totals[] = { "requests", "failed", "cancelled", "events", "prompt_tokens", "completion_tokens" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (fixture, "org.modelrelay.Worker1", "GetStatistics", NULL, &error);
  g_autoptr (GVariant) statistics = NULL;

  g_assert_no_error (error);
  statistics = g_variant_get_child_value (reply, 0);
  for (guint i = 0; i < G_N_ELEMENTS (totals); i++) {
    guint64 value;

    g_assert_true (g_variant_lookup (statistics, totals[i], "t", &value));
    g_assert_cmpuint (value, ==, 0);
  }
}

static void
wait_told_state (Fixture *fixture, const char *expected)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_MS * G_TIME_SPAN_MILLISECOND;

  while (g_strcmp0 (fixture->state, expected) != 0) {
    if (g_get_monotonic_time () >= deadline)
      g_error ("expected the state %s, was told %s; it is %d", expected, fixture->state,
               (int) mr_worker_get_state (fixture->worker));
    g_main_context_iteration (NULL, FALSE);
  }
}

static void
test_life (Fixture *fixture, gconstpointer data)
{
  check_state (fixture, "stopped");
  check_totals (fixture);
  command (fixture, "Reconnect"); /* harmless while stopped, as the others */
  command (fixture, "RefreshModels");
  command (fixture, "Drain");
  check_state (fixture, "stopped");
  mr_worker_start (fixture->worker);
  wait_told_state (fixture, "error");
  check_state (fixture, "error");
  command (fixture, "Reconnect");
  wait_told_state (fixture, "error");
  command (fixture, "Drain");
  wait_told_state (fixture, "stopped");
}

static void
test_one_at_a_path (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrWorkerDBus) second = mr_worker_dbus_new (fixture->reactor, fixture->worker);
  g_autoptr (GError) error = NULL;

  g_assert_false (mr_worker_dbus_export (second, fixture->owner, &error));
  g_assert_nonnull (error);
  check_state (fixture, "stopped");
}

static void
test_gone (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  check_state (fixture, "stopped");
  g_clear_pointer (&fixture->dbus, mr_worker_dbus_free);
  reply = call (fixture, "org.modelrelay.Worker1", "ListModels", NULL, &error);
  g_assert_null (reply);
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/worker-dbus/life", Fixture, NULL, set_up, test_life, tear_down);
  g_test_add ("/worker-dbus/one-at-a-path", Fixture, NULL, set_up, test_one_at_a_path, tear_down);
  g_test_add ("/worker-dbus/gone", Fixture, NULL, set_up, test_gone, tear_down);
  return g_test_run ();
}
