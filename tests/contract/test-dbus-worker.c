/* SPDX-License-Identifier: MIT */
/*
 * Contract M1 of the worker: org.modelrelay.Worker1 of the real daemon on a bus of the test's own; and the policy for
 * the system bus.
 */
#include "bus-stage.h"

#include <string.h>
#include <unistd.h>

#define NOBODY "65534"

/* What the system bus allows by itself: no names, no calls to anybody but the bus. */
#define SYSTEM_LIKE                                                                                                    \
  "<policy context='default'><allow user='*'/><deny own='*'/><deny send_type='method_call'/>"                          \
  "<allow send_type='signal'/><allow send_requested_reply='true' send_type='method_return'/>"                          \
  "<allow send_requested_reply='true' send_type='error'/><allow receive_type='method_call'/>"                          \
  "<allow receive_type='method_return'/><allow receive_type='error'/><allow receive_type='signal'/>"                   \
  "<allow send_destination='org.freedesktop.DBus'/></policy><include>" MR_BUS_POLICY "</include>"

static void
check_property (Bus *bus, const char *name, const char *property, const char *text)
{
  g_autoptr (GVariant) value = bus_get (bus, name, property);
  g_autofree char *printed = g_variant_print (value, FALSE);

  g_assert_cmpstr (printed, ==, text);
}

static void
test_properties (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "gpu-1", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autofree char *backend_url = g_strdup_printf ("'http://127.0.0.1:%u'", mrt_backend_get_port (backend));
  g_autofree char *relays =
      g_strdup_printf ("[{'url': <'http://127.0.0.1:%u'>, 'state': <'ready'>, 'status': <'connected to "
                       "http://127.0.0.1:%u'>}]",
                       relay->port, relay->port);
  static const char name[] = BUS_WORKER ".gpu-1";
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (GVariant) statistics = NULL;
  g_autoptr (GVariant) models = NULL;
  g_autofree char *printed = NULL;

  bus_wait_name (bus, name);
  bus_wait_property (bus, name, "State", "'connected'");
  check_property (bus, name, "Version", "'" MR_VERSION "'");
  check_property (bus, name, "Name", "'gpu-1'");
  check_property (bus, name, "Models", "['m']");
  check_property (bus, name, "MaxConcurrent", "1");
  check_property (bus, name, "Load", "0");
  check_property (bus, name, "BackendUrl", backend_url);
  check_property (bus, name, "Relays", relays);
  mrt_relay_request (link, "r-1", STAGE_CHAT, FALSE, NULL, "{}");
  request = mrt_backend_accept (backend);
  bus_wait_property (bus, name, "State", "'relaying'");
  check_property (bus, name, "Load", "1");
  statistics = bus_call (bus, name, "GetStatistics", NULL);
  printed = g_variant_print (statistics, FALSE);
  g_assert_nonnull (strstr (printed, "'load': <uint32 1>"));
  g_assert_nonnull (strstr (printed, "'relays_ready': <uint32 1>"));
  models = bus_call (bus, name, "ListModels", NULL);
  g_assert_cmpstr (g_variant_get_type_string (models), ==, "(as)");
  mrt_backend_answer (request, 200, NULL, "{}");
  bus_wait_property (bus, name, "State", "'connected'");
}

static void
test_commands (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autoptr (MrtWebsocket) second = NULL;
  static const char name[] = BUS_WORKER ".w";

  bus_wait_name (bus, name);
  bus_wait_property (bus, name, "State", "'connected'");
  mrt_backend_set_models (backend, "m,n");
  g_variant_unref (bus_call (bus, name, "RefreshModels", NULL));
  bus_wait_property (bus, name, "Models", "['m', 'n']");

  g_variant_unref (bus_call (bus, name, "Reconnect", NULL));
  second = mrt_relay_welcome (relay, NULL);
  bus_wait_property (bus, name, "State", "'connected'");

  g_variant_unref (bus_call (bus, name, "Drain", NULL));
  mrt_websocket_expect_close (second, 1000, "worker drained");
  g_assert_cmpint (mrt_process_wait_exit (worker, MRT_WAIT_MS), ==, 0);
}

/* A running request is not given up for it. */
static void
test_reconnect_busy (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) complete = NULL;
  static const char name[] = BUS_WORKER ".w";

  bus_wait_name (bus, name);
  mrt_relay_request (link, "r-1", STAGE_CHAT, FALSE, NULL, "{}");
  request = mrt_backend_accept (backend);
  bus_wait_property (bus, name, "Load", "1");
  g_variant_unref (bus_call (bus, name, "Reconnect", NULL));
  mrt_backend_answer (request, 200, NULL, "{}");
  complete = mrt_websocket_expect (link, "response_complete");
  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, "r-1");
}

static void
test_names (void)
{
  static const struct {
    const char *worker;
    const char *name;
  } rows[] = {
    { "gpu-box-1", BUS_WORKER ".gpu-box-1" },
    { "1 b\303\266x.2", BUS_WORKER "._31_20b_c3_b6x_2e2" },
    { "a_b", BUS_WORKER ".a_5fb" },
  };
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  guint16 port;
  int nobody_listens = mrt_listen (&port);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (MrtProcess) worker = bus_worker (bus, rows[i].worker, port, port);

    bus_wait_name (bus, rows[i].name);
  }
  close (nobody_listens);
}

/* The second one works like the first. */
static void
test_same_name (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) first = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) first_link = mrt_relay_welcome (relay, NULL);
  g_autoptr (MrtProcess) second = NULL;
  g_autoptr (MrtWebsocket) second_link = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) complete = NULL;
  g_autofree char *line = NULL;

  bus_wait_name (bus, BUS_WORKER ".w");
  second = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  second_link = mrt_relay_welcome (relay, NULL);
  line = mrt_process_wait_log (second, "dbus name lost name=org.modelrelay.Worker1.w");
  g_assert_nonnull (strstr (line, " warn "));
  mrt_relay_request (second_link, "r-1", STAGE_CHAT, FALSE, NULL, "{}");
  request = mrt_backend_accept (backend);
  mrt_backend_answer (request, 200, NULL, "{}");
  complete = mrt_websocket_expect (second_link, "response_complete");
  g_clear_pointer (&first, mrt_process_free);
  mrt_process_wait_log_count (second, "dbus connected", 1);
}

static void
test_bus_restart (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) complete = NULL;

  bus_wait_name (bus, BUS_WORKER ".w");
  bus_stop (bus);
  mrt_process_wait_log_count (worker, "dbus disconnected", 1);
  mrt_relay_request (link, "r-1", STAGE_CHAT, FALSE, NULL, "{}");
  request = mrt_backend_accept (backend);
  mrt_backend_answer (request, 200, NULL, "{}");
  complete = mrt_websocket_expect (link, "response_complete");
  bus_start (bus);
  bus_wait_name (bus, BUS_WORKER ".w");
  bus_wait_property (bus, BUS_WORKER ".w", "State", "'connected'");
}

static void
test_no_bus (void)
{
  static const char *const addresses[] = { NULL, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus" };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++) {
    g_autoptr (MrtRelay) relay = mrt_relay_new ();
    g_autoptr (MrtBackend) backend = mrt_backend_new ();
    g_autofree char *proxy_url = g_strdup_printf ("http://127.0.0.1:%u", relay->port);
    g_autofree char *backend_url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (backend));
    const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, addresses[i], NULL };
    const char *argv[] = {
      stage_worker_path (), "--proxy-url", proxy_url, "--backend-url", backend_url, "--dbus", "session",
      "--log-level",        "debug",       NULL
    };
    g_autoptr (MrtProcess) worker = mrt_process_start (argv, env);
    g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
    g_autofree char *log = NULL;

    mrt_process_wait_log_count (worker, "debug no dbus", 1);
    log = mrt_process_get_log (worker);
    g_assert_null (strstr (log, " warn "));
  }
}

/* --- who may --- */

static char *
gdbus_as (Bus *bus, const char *user, const char *name, const char *path, const char *method, const char *argument)
{
  g_autofree char *reuid = g_strconcat ("--reuid=", user, NULL);

  return bus_run (bus, NULL, "setpriv", reuid, "--clear-groups", "gdbus", "call", "--address", bus->address, "--dest",
                  name, "--object-path", path, "--method", method, argument, NULL);
}

static void
check_output (char *output, const char *text)
{
  if (strstr (output, text) == NULL)
    g_error ("\"%s\" is not in: %s", text, output);
  g_free (output);
}

static void
test_denied (void)
{
  static const char *const methods[] = { "Drain", "Reconnect", "RefreshModels" };
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  static const char name[] = BUS_WORKER ".w";

  bus_wait_name (bus, name);
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    g_autofree char *method = g_strconcat (BUS_WORKER ".", methods[i], NULL);

    check_output (gdbus_as (bus, NOBODY, name, BUS_WORKER_PATH, method, NULL), "DBus.Error.AccessDenied");
  }
  check_output (gdbus_as (bus, NOBODY, name, BUS_WORKER_PATH, BUS_WORKER ".ListModels", NULL), "(['m'],)");
  mrt_process_wait_log_count (worker, "dbus call denied method=Drain", 1);
  bus_wait_property (bus, name, "State", "'connected'");
  g_assert_true (mrt_websocket_is_quiet (link, MRT_QUIET_MS));
}

/* Both programs run as root here. What the bus itself refuses never comes to them. */
static void
test_policy (void)
{
  g_autoptr (Bus) bus = bus_new (SYSTEM_LIKE);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = bus_worker (bus, "w", relay->port, mrt_backend_get_port (backend));
  static const char name[] = BUS_WORKER ".w";
  static const char get_all[] = "org.freedesktop.DBus.Properties.GetAll";
  g_autofree char *log = NULL;

  bus_wait_name (bus, BUS_SERVER);
  bus_wait_name (bus, name);
  bus_wait_property (bus, name, "State", "'connected'");
  bus_wait_property (bus, BUS_SERVER, "Workers", "1");
  g_variant_unref (bus_call (bus, BUS_SERVER, "ListKeys", NULL));
  g_variant_unref (bus_call (bus, name, "RefreshModels", NULL));

  check_output (gdbus_as (bus, NOBODY, BUS_SERVER, BUS_SERVER_PATH, BUS_SERVER ".ListWorkers", NULL), "worker_name");
  check_output (gdbus_as (bus, NOBODY, BUS_SERVER, BUS_SERVER_PATH, get_all, BUS_SERVER), "'Status': <'ok'>");
  check_output (gdbus_as (bus, NOBODY, BUS_SERVER, BUS_SERVER_PATH, BUS_SERVER ".ListKeys", NULL), "AccessDenied");
  check_output (gdbus_as (bus, NOBODY, name, BUS_WORKER_PATH, BUS_WORKER ".ListModels", NULL), "(['m'],)");
  check_output (gdbus_as (bus, NOBODY, name, BUS_WORKER_PATH, BUS_WORKER ".Drain", NULL), "AccessDenied");
  check_output (gdbus_as (bus, NOBODY, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus.ReleaseName", BUS_SERVER),
                "(uint32 3,)");
  log = mrt_process_get_log (relay->process);
  g_assert_null (strstr (log, "dbus call denied"));
}

/* Whoever may not own the name goes on without it. */
static void
test_refused_name (void)
{
  g_autoptr (Bus) bus = bus_new ("<policy context='default'><allow user='*'/><allow eavesdrop='true'/>"
                                 "<allow send_destination='*' eavesdrop='true'/><deny own='*'/></policy>");
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autofree char *line = mrt_process_wait_log (relay->process, "dbus name lost");

  g_assert_nonnull (strstr (line, "not allowed to own"));
  stage_wait_health (relay, "queue_depth", 0, MRT_WAIT_MS);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/M1/worker/properties", test_properties);
  g_test_add_func ("/contract/M1/worker/commands", test_commands);
  g_test_add_func ("/contract/M1/worker/reconnect-busy", test_reconnect_busy);
  g_test_add_func ("/contract/M1/worker/names", test_names);
  g_test_add_func ("/contract/M1/worker/same-name", test_same_name);
  g_test_add_func ("/contract/M1/worker/bus-restart", test_bus_restart);
  g_test_add_func ("/contract/M1/worker/no-bus", test_no_bus);
  g_test_add_func ("/contract/M1/refused-name", test_refused_name);
  if (geteuid () == 0) { /* nobody else can become another user */
    g_test_add_func ("/contract/M1/worker/denied", test_denied);
    g_test_add_func ("/contract/M1/policy", test_policy);
  }
  return g_test_run ();
}
