/* SPDX-License-Identifier: MIT */
/*
 * Contract M1 of the relay: org.modelrelay.Server1 of the real program on a bus of the test's own. The worker's side is
 * in test-dbus-worker.c.
 */
#include "bus-stage.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define N_REQUESTS 200
#define NOBODY "65534"

static void
serve_one (StageRelay *relay, MrtWebsocket *worker)
{
  g_autoptr (MrtStream) stream = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;

  stage_serve (worker, "x");
  response = mrt_client_receive (stream);
  stage_check_ok (response, "x");
}

static void
check_property (Bus *bus, const char *property, const char *text)
{
  g_autoptr (GVariant) value = bus_get (bus, BUS_SERVER, property);
  g_autofree char *printed = g_variant_print (value, FALSE);

  g_assert_cmpstr (printed, ==, text);
}

/* --- properties and their changes --- */

static void
test_properties (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  gint64 since = g_get_real_time () / G_USEC_PER_SEC;
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autofree char *addresses = g_strdup_printf ("['127.0.0.1:%u']", relay->port);
  g_autoptr (GVariant) started_at = NULL;
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtStream) running = NULL;
  g_autofree char *id = NULL;

  bus_wait_name (bus, BUS_SERVER);
  check_property (bus, "Version", "'" MR_VERSION "'");
  check_property (bus, "Addresses", addresses);
  check_property (bus, "Status", "'ok'");
  check_property (bus, "Models", "[]");
  started_at = bus_get (bus, BUS_SERVER, "StartedAt");
  g_assert_cmpint ((gint64) g_variant_get_uint64 (started_at), >=, since);
  g_assert_cmpint ((gint64) g_variant_get_uint64 (started_at), <=, since + 10);

  worker = stage_join (relay, "w", "[\"n\",\"m\"]", 3);
  bus_wait_property (bus, BUS_SERVER, "Workers", "1");
  check_property (bus, "Models", "['m', 'n']");
  check_property (bus, "FreeSlots", "3");
  check_property (bus, "TotalSlots", "3");
  running = stage_post (relay, STAGE_BODY);
  id = mrt_worker_take (worker);
  bus_wait_property (bus, BUS_SERVER, "RunningRequests", "1");
  check_property (bus, "FreeSlots", "2");
  check_property (bus, "RequestsTotal", "1");
  check_property (bus, "QueueDepth", "0");
  mrt_worker_complete (worker, id, 200, NULL, "x");
  bus_wait_property (bus, BUS_SERVER, "RunningRequests", "0");
  check_property (bus, "FreeSlots", "3");
}

static void
test_status_draining (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);

  bus_wait_name (bus, BUS_SERVER);
  mrt_process_signal (relay->process, SIGTERM);
  bus_wait_property (bus, BUS_SERVER, "Status", "'draining'");
  mrt_worker_complete (worker, id, 200, NULL, "x");
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

typedef struct {
  guint n;
  guint64 requests_total; /* as told last */
  char *all;              /* everything that was told */
} Changes;

static void
on_changes (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
            const char *signal, GVariant *parameters, gpointer data)
{
  Changes *changes = data;
  g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
  g_autofree char *printed = g_variant_print (parameters, FALSE);
  g_autofree char *before = g_steal_pointer (&changes->all);

  changes->n++;
  g_variant_lookup (changed, "RequestsTotal", "t", &changes->requests_total);
  changes->all = g_strconcat (before != NULL ? before : "", printed, NULL);
}

static void
check_changes (Bus *bus, StageRelay *relay, MrtWebsocket *worker, Changes *changes)
{
  gint64 since = mrt_now_ms ();
  gint64 deadline = since + MRT_WAIT_MS;
  guint64 allowed;

  for (guint i = 0; i < N_REQUESTS; i++) {
    serve_one (relay, worker);
    g_usleep (5000); /* spread over more than a second */
  }
  while (changes->requests_total < N_REQUESTS) {
    g_assert_cmpint (mrt_now_ms (), <, deadline);
    g_main_context_iteration (NULL, FALSE);
  }
  allowed = (guint64) (mrt_now_ms () - since) / 250 + 1;
  g_assert_cmpuint (changes->n, <=, allowed);
  g_assert_cmpuint (changes->n, >=, 3);
  g_assert_cmpuint (changes->requests_total, ==, N_REQUESTS);
  g_assert_null (strstr (changes->all, STAGE_SECRET));
}

static void
test_changes (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);
  Changes changes = { 0 };
  guint subscription;

  bus_wait_name (bus, BUS_SERVER);
  bus_wait_property (bus, BUS_SERVER, "Workers", "1");
  subscription = g_dbus_connection_signal_subscribe (bus->client, BUS_SERVER, "org.freedesktop.DBus.Properties",
                                                     "PropertiesChanged", BUS_SERVER_PATH, NULL,
                                                     G_DBUS_SIGNAL_FLAGS_NONE, on_changes, &changes, NULL);
  check_changes (bus, relay, worker, &changes);
  g_dbus_connection_signal_unsubscribe (bus->client, subscription);
  g_free (changes.all);
}

/* --- methods --- */

/* (transfer full): a member of the first dictionary of a list */
static char *
first_string (GVariant *reply, const char *member)
{
  g_autoptr (GVariant) list = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) first = NULL;
  char *value = NULL;

  g_assert_cmpstr (g_variant_get_type_string (list), ==, "aa{sv}");
  g_assert_cmpuint (g_variant_n_children (list), >, 0);
  first = g_variant_get_child_value (list, 0);
  g_assert_true (g_variant_lookup (first, member, "s", &value));
  return value;
}

static void
check_fails (Bus *bus, const char *method, GVariant *parameters, const char *error)
{
  g_autofree char *name = bus_call_fails (bus, BUS_SERVER, method, parameters);

  g_assert_cmpstr (name, ==, error);
}

static void
test_workers_and_requests (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *job = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) cancel = NULL;
  g_autoptr (GVariant) workers = NULL;
  g_autoptr (GVariant) models = NULL;
  g_autoptr (GVariant) requests = NULL;
  g_autoptr (GVariant) statistics = NULL;
  g_autoptr (GVariant) done = NULL;
  g_autofree char *worker_name = NULL;
  g_autofree char *request = NULL;

  bus_wait_name (bus, BUS_SERVER);
  workers = bus_call (bus, BUS_SERVER, "ListWorkers", NULL);
  worker_name = first_string (workers, "worker_name");
  g_assert_cmpstr (worker_name, ==, "w");
  models = bus_call (bus, BUS_SERVER, "ListModels", NULL);
  g_assert_cmpstr (g_variant_get_type_string (models), ==, "(aa{sv})");
  statistics = bus_call (bus, BUS_SERVER, "GetStatistics", NULL);
  g_assert_cmpstr (g_variant_get_type_string (statistics), ==, "(a{sv})");
  requests = bus_call (bus, BUS_SERVER, "ListRequests", NULL);
  request = first_string (requests, "id");

  check_fails (bus, "CancelRequest", g_variant_new ("(s)", "none"), "org.modelrelay.Error.NotFound");
  done = bus_call (bus, BUS_SERVER, "CancelRequest", g_variant_new ("(s)", request));
  cancel = mrt_websocket_expect (worker, "cancel");
  response = mrt_client_receive (running);
  g_assert_cmpuint (response->status, >=, 400);
}

static void
test_worker_commands (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) refresh = NULL;
  g_autoptr (JsonObject) refresh_all = NULL;
  g_autoptr (GVariant) workers = NULL;
  g_autofree char *id = NULL;

  bus_wait_name (bus, BUS_SERVER);
  workers = bus_call (bus, BUS_SERVER, "ListWorkers", NULL);
  id = first_string (workers, "worker_id");
  check_fails (bus, "RefreshModels", g_variant_new ("(s)", "none"), "org.modelrelay.Error.NotFound");
  g_variant_unref (bus_call (bus, BUS_SERVER, "RefreshModels", g_variant_new ("(s)", id)));
  refresh = mrt_websocket_expect (worker, "models_refresh");
  g_variant_unref (bus_call (bus, BUS_SERVER, "RefreshModels", g_variant_new ("(s)", "")));
  refresh_all = mrt_websocket_expect (worker, "models_refresh");
  check_fails (bus, "DrainWorker", g_variant_new ("(s)", "none"), "org.modelrelay.Error.NotFound");
  g_variant_unref (bus_call (bus, BUS_SERVER, "DrainWorker", g_variant_new ("(s)", id)));
  mrt_websocket_expect_close (worker, 1000, NULL);
  bus_wait_property (bus, BUS_SERVER, "Workers", "0");
}

static GVariant *
key_spec (const char *name)
{
  GVariantDict spec;

  g_variant_dict_init (&spec, NULL);
  g_variant_dict_insert (&spec, "name", "s", name);
  return g_variant_new ("(@a{sv})", g_variant_dict_end (&spec));
}

static void
test_keys (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (GVariant) created = NULL;
  g_autoptr (GVariant) key = NULL;
  g_autoptr (GVariant) keys = NULL;
  g_autoptr (GVariant) usage = NULL;
  g_autofree char *printed = NULL;
  g_autofree char *id = NULL;
  const char *secret;
  gboolean revoked = TRUE;

  bus_wait_name (bus, BUS_SERVER);
  check_fails (bus, "CreateKey", key_spec (""), "org.modelrelay.Error.InvalidRequest");
  created = bus_call (bus, BUS_SERVER, "CreateKey", key_spec ("laptop"));
  g_variant_get (created, "(@a{sv}&s)", &key, &secret);
  g_assert_true (g_str_has_prefix (secret, "mr-"));
  g_assert_cmpuint (strlen (secret), ==, 46);
  g_assert_true (g_variant_lookup (key, "revoked", "b", &revoked));
  g_assert_false (revoked);

  keys = bus_call (bus, BUS_SERVER, "ListKeys", NULL);
  id = first_string (keys, "id");
  printed = g_variant_print (keys, FALSE);
  g_assert_nonnull (strstr (printed, "laptop"));
  g_assert_null (strstr (printed, secret));
  check_fails (bus, "RevokeKey", g_variant_new ("(s)", "none"), "org.modelrelay.Error.NotFound");
  g_variant_unref (bus_call (bus, BUS_SERVER, "RevokeKey", g_variant_new ("(s)", id)));

  usage = bus_call (bus, BUS_SERVER, "GetUsage", g_variant_new ("(ss)", "", ""));
  g_assert_cmpstr (g_variant_get_type_string (usage), ==, "(aa{sv})");
  check_fails (bus, "GetUsage", g_variant_new ("(ss)", "yesterday", ""), "org.modelrelay.Error.InvalidRequest");
}

/* --- who may --- */

static char *
call_as_nobody (Bus *bus, int *status, const char *method, const char *first, const char *second)
{
  g_autofree char *full = g_strconcat (BUS_SERVER ".", method, NULL);

  return bus_run (bus, status, "setpriv", "--reuid=" NOBODY, "--clear-groups", "gdbus", "call", "--address",
                  bus->address, "--dest", BUS_SERVER, "--object-path", BUS_SERVER_PATH, "--method", full, first, second,
                  NULL);
}

static void
test_denied (void)
{
  static const char *const privileged[][3] = {
    { "ListRequests" },     { "CancelRequest", "x" },
    { "DrainWorker", "x" }, { "RefreshModels", "" },
    { "ListKeys" },         { "CreateKey", "{'name': <'x'>}" },
    { "RevokeKey", "x" },   { "GetUsage", "2026-01-01", "2026-01-01" },
  };
  static const char *const open[] = { "ListWorkers", "ListModels", "GetStatistics" };
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (GVariant) keys = NULL;
  g_autofree char *printed = NULL;
  int status;

  bus_wait_name (bus, BUS_SERVER);
  for (guint i = 0; i < G_N_ELEMENTS (open); i++) {
    g_autofree char *output = call_as_nobody (bus, &status, open[i], NULL, NULL);

    g_assert_cmpint (status, ==, 0);
  }
  for (guint i = 0; i < G_N_ELEMENTS (privileged); i++) {
    g_autofree char *output = call_as_nobody (bus, &status, privileged[i][0], privileged[i][1], privileged[i][2]);

    g_assert_cmpint (status, !=, 0);
    if (strstr (output, "org.freedesktop.DBus.Error.AccessDenied") == NULL)
      g_error ("%s: %s", privileged[i][0], output);
  }
  keys = bus_call (bus, BUS_SERVER, "ListKeys", NULL);
  printed = g_variant_print (keys, FALSE);
  g_assert_cmpstr (printed, ==, "([],)");
}

/* --- buses come and go --- */

static void
test_bus_restart (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  gint64 since;

  bus_wait_name (bus, BUS_SERVER);
  bus_stop (bus);
  mrt_process_wait_log_count (relay->process, "dbus disconnected", 1);
  serve_one (relay, worker);
  bus_start (bus);
  since = mrt_now_ms ();
  serve_one (relay, worker);
  bus_wait_name (bus, BUS_SERVER);
  g_assert_cmpint (mrt_now_ms () - since, <, 5000);
  mrt_process_wait_log_count (relay->process, "dbus connected", 2);
  check_property (bus, "RequestsTotal", "2");
  serve_one (relay, worker);
  bus_wait_property (bus, BUS_SERVER, "RequestsTotal", "3");
}

static void
test_name_taken (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) first = bus_relay (bus, NULL);
  g_autoptr (StageRelay) second = NULL;
  g_autofree char *owner = NULL;
  g_autofree char *line = NULL;

  bus_wait_name (bus, BUS_SERVER);
  owner = bus_owner (bus, BUS_SERVER);
  second = bus_relay (bus, NULL);
  line = mrt_process_wait_log (second->process, "dbus name lost");
  g_assert_nonnull (strstr (line, " warn "));
  stage_wait_health (second, "queue_depth", 0, MRT_WAIT_MS);
  g_clear_pointer (&first, stage_relay_free);
  mrt_process_wait_log_count (second->process, "dbus connected", 1);
  bus_wait_name (bus, BUS_SERVER);
}

static void
check_works_alone (const char *choice, const char *address)
{
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, address, NULL };
  const char *argv[] = {
    stage_server_path (), "--listen", "127.0.0.1:0", "--dbus", choice, "--log-level", "debug", NULL
  };
  g_autoptr (StageRelay) relay = g_new0 (StageRelay, 1);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autofree char *line = NULL;
  g_autofree char *log = NULL;

  relay->process = mrt_process_start (argv, env);
  line = mrt_process_wait_log (relay->process, "listening address=127.0.0.1:");
  relay->port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  serve_one (relay, worker);
  mrt_process_wait_log_count (relay->process, "debug no dbus", 1);
  log = mrt_process_get_log (relay->process);
  g_assert_null (strstr (log, " warn "));
  g_assert_null (strstr (log, " error "));
}

static void
test_no_bus (void)
{
  check_works_alone ("auto", NULL);
  check_works_alone ("session", NULL);
  check_works_alone ("session", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus");
  check_works_alone ("session", "DBUS_SESSION_BUS_ADDRESS=autolaunch:");
  check_works_alone ("system", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus");
}

/* --- idle --- */

/* Of all threads, GDBus's own too. */
static guint64
count_switches (StageRelay *relay)
{
  g_autofree char *status = mrt_process_read_proc (relay->process, "status");
  guint64 pid = g_ascii_strtoull (strstr (status, "\nPid:") + strlen ("\nPid:"), NULL, 10);
  g_autofree char *tasks = g_strdup_printf ("/proc/%" G_GUINT64_FORMAT "/task", pid);
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  guint64 n = 0;
  const char *task;

  g_assert_nonnull (dir);
  while ((task = g_dir_read_name (dir)) != NULL) {
    g_autofree char *name = g_strdup_printf ("task/%s/status", task);
    g_autofree char *text = mrt_process_read_proc (relay->process, name);

    n += g_ascii_strtoull (strstr (text, "\nvoluntary_ctxt_switches:") + strlen ("\nvoluntary_ctxt_switches:"), NULL,
                           10);
  }
  return n;
}

static void
test_idle (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  guint64 before;

  bus_wait_name (bus, BUS_SERVER);
  check_property (bus, "Status", "'ok'");
  before = count_switches (relay);
  g_usleep (3 * G_USEC_PER_SEC);
  g_assert_cmpuint (count_switches (relay) - before, <=, 3);
}

static void
test_introspect (void)
{
  g_autoptr (Bus) bus = bus_new (BUS_OPEN);
  g_autoptr (StageRelay) relay = bus_relay (bus, NULL);
  g_autofree char *output = NULL;
  int status;

  bus_wait_name (bus, BUS_SERVER);
  output = bus_run (bus, &status, "gdbus", "introspect", "--address", bus->address, "--dest", BUS_SERVER,
                    "--object-path", BUS_SERVER_PATH, NULL);
  g_assert_cmpint (status, ==, 0);
  g_assert_nonnull (strstr (output, "Requests that wait for a worker."));
  g_assert_nonnull (strstr (output, "Makes an API key."));
  g_assert_nonnull (strstr (output, "readonly as Models"));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/M1/server/properties", test_properties);
  g_test_add_func ("/contract/M1/server/status-draining", test_status_draining);
  g_test_add_func ("/contract/M1/server/changes", test_changes);
  g_test_add_func ("/contract/M1/server/workers-and-requests", test_workers_and_requests);
  g_test_add_func ("/contract/M1/server/worker-commands", test_worker_commands);
  g_test_add_func ("/contract/M1/server/keys", test_keys);
  if (geteuid () == 0) /* nobody else can become another user */
    g_test_add_func ("/contract/M1/server/denied", test_denied);
  g_test_add_func ("/contract/M1/server/bus-restart", test_bus_restart);
  g_test_add_func ("/contract/M1/server/name-taken", test_name_taken);
  g_test_add_func ("/contract/M1/server/no-bus", test_no_bus);
  g_test_add_func ("/contract/M1/server/idle", test_idle);
  g_test_add_func ("/contract/M1/server/introspect", test_introspect);
  return g_test_run ();
}
