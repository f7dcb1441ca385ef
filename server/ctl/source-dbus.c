/* SPDX-License-Identifier: MIT */
/*
 * D-Bus as a source: org.modelrelay.Server1 on the session or the system bus, and the workers' own names beside it. A
 * table says which method a question is.
 */
#include "source.h"

#include "ctl-error.h"

#include <stdlib.h>
#include <string.h>

#define NAME "org.modelrelay.Server1"
#define PATH "/org/modelrelay/Server1"
#define WORKER_PREFIX "org.modelrelay.Worker1"
#define WORKER_PATH "/org/modelrelay/Worker1"
/* The desktop app: one worker under the app's own name. */
#define DESKTOP_NAME "org.modelrelay.Desktop"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define DRIVER "org.freedesktop.DBus"
#define TIMEOUT_MS 10000

typedef struct {
  MrSource source;
  GDBusConnection *bus; /* Owned */
} DBusSource;

/* One question on its way: its task's data. */
typedef struct {
  MrSource *source; /* Borrowed: outlives its questions */
  MrQuestionKind kind;
} Call;

static const char *const methods[MR_N_QUESTIONS] = {
  [MR_ASK_STATISTICS] = "GetStatistics",
  [MR_ASK_WORKERS] = "ListWorkers",
  [MR_ASK_MODELS] = "ListModels",
  [MR_ASK_REQUESTS] = "ListRequests",
  [MR_ASK_KEYS] = "ListKeys",
  [MR_ASK_USAGE] = "GetUsage",
  [MR_DO_CREATE_KEY] = "CreateKey",
  [MR_DO_REVOKE_KEY] = "RevokeKey",
  [MR_DO_DRAIN_WORKER] = "DrainWorker",
  [MR_DO_REFRESH_WORKER] = "RefreshModels",
  [MR_DO_CANCEL_REQUEST] = "CancelRequest",
};

/* --- What went wrong --- */

static MrCtlError
code_of (const char *remote_name)
{
  static const struct {
    const char *name;
    MrCtlError code;
  } known[] = {
    { "org.freedesktop.DBus.Error.AccessDenied", MR_CTL_NOT_ALLOWED },
    { "org.freedesktop.DBus.Error.AuthFailed", MR_CTL_NOT_ALLOWED },
    { "org.freedesktop.DBus.Error.ServiceUnknown", MR_CTL_UNREACHABLE },
    { "org.freedesktop.DBus.Error.NameHasNoOwner", MR_CTL_UNREACHABLE },
    { "org.freedesktop.DBus.Error.NoReply", MR_CTL_UNREACHABLE },
    { "org.freedesktop.DBus.Error.Disconnected", MR_CTL_UNREACHABLE },
    { "org.modelrelay.Error.NotFound", MR_CTL_NOT_FOUND },
  };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_strcmp0 (known[i].name, remote_name) == 0)
      return known[i].code;
  return MR_CTL_FAILED;
}

static GError *
translate (MrSource *source, const GError *failure)
{
  g_autofree char *name = g_dbus_error_get_remote_error (failure);
  g_autoptr (GError) plain = g_error_copy (failure);
  MrCtlError code = name != NULL ? code_of (name) : MR_CTL_UNREACHABLE;
  GError *error = NULL;

  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_error_copy (failure);
  g_dbus_error_strip_remote_error (plain);
  if (code == MR_CTL_NOT_ALLOWED)
    mr_ctl_fail (&error, code,
                 "the relay on the %s does not let this user do that; use root or the relay's own user, or "
                 "--url with the admin token",
                 source->place);
  else if (code == MR_CTL_UNREACHABLE)
    mr_ctl_fail (&error, code, "the relay on the %s does not answer (%s); check that modelrelay-server is running",
                 source->place, plain->message);
  else
    mr_ctl_fail (&error, code, "the relay on the %s said: %s", source->place, plain->message);
  return error;
}

/* --- Questions --- */

/* @value is (a{sv}, s) for a new key: the admin API has the secret among the other members. */
static JsonNode *
read_new_key (GVariant *value)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (value, 0);
  g_autoptr (GVariant) secret = g_variant_get_child_value (value, 1);
  JsonNode *node = json_gvariant_serialize (key);

  json_object_set_string_member (json_node_get_object (node), "secret", g_variant_get_string (secret, NULL));
  return node;
}

static JsonNode *
read_answer (MrQuestionKind kind, GVariant *value)
{
  g_autoptr (GVariant) only = NULL;

  if (g_variant_n_children (value) == 0)
    return json_node_new (JSON_NODE_NULL);
  if (kind == MR_DO_CREATE_KEY)
    return read_new_key (value);
  only = g_variant_get_child_value (value, 0);
  return json_gvariant_serialize (only);
}

static void
on_answer (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) failure = NULL;
  g_autoptr (GVariant) value = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &failure);

  if (value == NULL)
    g_task_return_error (task, translate (call->source, failure));
  else
    g_task_return_pointer (task, read_answer (call->kind, value), (GDestroyNotify) json_node_unref);
}

static void
send_call (DBusSource *source, GTask *task, const char *method, GVariant *arguments, const char *type)
{
  g_dbus_connection_call (source->bus, NAME, PATH, NAME, method, arguments, G_VARIANT_TYPE (type),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, g_task_get_cancellable (task), on_answer, task);
}

/* --- Status: the properties, under the names of /health where it has them --- */

static const struct {
  const char *property;
  const char *member;
} status_names[] = {
  { "Status", "status" },          { "Version", "version" },        { "Workers", "workers_connected" },
  { "QueueDepth", "queue_depth" }, { "StartedAt", "started_at" },   { "Addresses", "addresses" },
  { "FreeSlots", "free_slots" },   { "TotalSlots", "total_slots" }, { "RunningRequests", "running_requests" },
};

static JsonNode *
read_properties (GVariant *value)
{
  g_autoptr (GVariant) properties = g_variant_get_child_value (value, 0);
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  gint64 started;

  for (guint i = 0; i < G_N_ELEMENTS (status_names); i++) {
    g_autoptr (GVariant) property = g_variant_lookup_value (properties, status_names[i].property, NULL);

    if (property != NULL)
      json_object_set_member (object, status_names[i].member, json_gvariant_serialize (property));
  }
  started = json_object_get_int_member_with_default (object, "started_at", 0);
  if (started > 0)
    json_object_set_int_member (object, "uptime_secs", g_get_real_time () / G_USEC_PER_SEC - started);
  json_node_take_object (node, object);
  return node;
}

static void
on_properties (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) failure = NULL;
  g_autoptr (GVariant) value = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &failure);

  if (value == NULL)
    g_task_return_error (task, translate (((Call *) g_task_get_task_data (task))->source, failure));
  else
    g_task_return_pointer (task, read_properties (value), (GDestroyNotify) json_node_unref);
}

/* --- The workers' own names --- */

/* One after the other: there are as many as this machine has workers. */
static void
add_local_worker (DBusSource *source, const char *name, JsonArray *workers)
{
  g_autoptr (GVariant) value = g_dbus_connection_call_sync (
      source->bus, name, WORKER_PATH, PROPERTIES, "GetAll", g_variant_new ("(s)", WORKER_PREFIX),
      G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, NULL, NULL);
  g_autoptr (GVariant) properties = value != NULL ? g_variant_get_child_value (value, 0) : NULL;
  JsonNode *node = properties != NULL ? json_gvariant_serialize (properties) : NULL;

  /* One that has just gone, or is not ours to see. */
  if (node == NULL)
    return;
  json_object_set_string_member (json_node_get_object (node), "BusName", name);
  json_array_add_element (workers, node);
}

static gboolean
is_worker_name (const char *name)
{
  return g_str_equal (name, DESKTOP_NAME) ||
         (g_str_has_prefix (name, WORKER_PREFIX) &&
          (name[strlen (WORKER_PREFIX)] == '.' || name[strlen (WORKER_PREFIX)] == '\0'));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static JsonNode *
list_local_workers (DBusSource *source)
{
  g_autoptr (GVariant) value =
      g_dbus_connection_call_sync (source->bus, DRIVER, "/org/freedesktop/DBus", DRIVER, "ListNames", NULL,
                                   G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS, NULL, NULL);
  g_autoptr (GVariant) names = value != NULL ? g_variant_get_child_value (value, 0) : NULL;
  g_autofree const char **list = names != NULL ? g_variant_get_strv (names, NULL) : NULL;
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *workers = json_array_new ();

  if (list != NULL)
    qsort (list, g_strv_length ((char **) list), sizeof *list, compare_names);
  for (guint i = 0; list != NULL && list[i] != NULL; i++)
    if (is_worker_name (list[i]))
      add_local_worker (source, list[i], workers);
  json_node_take_array (node, workers);
  return node;
}

static void
ask (MrSource *source, const MrQuestion *question, GTask *task)
{
  DBusSource *dbus = (DBusSource *) source;
  const char *method = methods[question->kind];
  Call *call = g_new0 (Call, 1);

  call->source = source;
  call->kind = question->kind;
  g_task_set_task_data (task, call, g_free);
  if (question->kind == MR_ASK_LOCAL_WORKERS) {
    g_task_return_pointer (task, list_local_workers (dbus), (GDestroyNotify) json_node_unref);
    g_object_unref (task);
  } else if (question->kind == MR_ASK_STATUS) {
    g_dbus_connection_call (dbus->bus, NAME, PATH, PROPERTIES, "GetAll", g_variant_new ("(s)", NAME),
                            G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS,
                            g_task_get_cancellable (task), on_properties, task);
  } else if (question->kind == MR_ASK_USAGE) {
    send_call (
        dbus, task, method,
        g_variant_new ("(ss)", question->from != NULL ? question->from : "", question->to != NULL ? question->to : ""),
        "(aa{sv})");
  } else if (question->kind == MR_DO_CREATE_KEY) {
    send_call (dbus, task, method,
               g_variant_new ("(@a{sv})", json_gvariant_deserialize (question->spec, "a{sv}", NULL)), "(a{sv}s)");
  } else if (question->id != NULL) {
    send_call (dbus, task, method, g_variant_new ("(s)", question->id), "()");
  } else {
    send_call (dbus, task, method, NULL, question->kind == MR_ASK_STATISTICS ? "(a{sv})" : "(aa{sv})");
  }
}

static void
source_free (MrSource *source)
{
  DBusSource *dbus = (DBusSource *) source;

  g_clear_object (&dbus->bus);
  g_free (dbus);
}

/* (nullable): the bus, when it is there and a relay is on it. */
static GDBusConnection *
find_relay (GBusType type)
{
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GVariant) value = NULL;
  gboolean owned = FALSE;

  /* Without a session there is no session bus; GLib would start one. */
  if (type == G_BUS_TYPE_SESSION && g_getenv ("DBUS_SESSION_BUS_ADDRESS") == NULL &&
      g_getenv ("XDG_RUNTIME_DIR") == NULL)
    return NULL;
  bus = g_bus_get_sync (type, NULL, NULL);
  if (bus != NULL)
    value = g_dbus_connection_call_sync (bus, DRIVER, "/org/freedesktop/DBus", DRIVER, "NameHasOwner",
                                         g_variant_new ("(s)", NAME), G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE,
                                         TIMEOUT_MS, NULL, NULL);
  if (value != NULL)
    g_variant_get (value, "(b)", &owned);
  return owned ? g_steal_pointer (&bus) : NULL;
}

MrSource *
mr_source_dbus_new (MrCtlBus bus, GError **error)
{
  static const MrSourceClass class = { ask, source_free };
  static const char *const tried[] = { "session and the system bus", "system bus", "session bus" };
  GDBusConnection *found = bus != MR_CTL_BUS_SYSTEM ? find_relay (G_BUS_TYPE_SESSION) : NULL;
  const char *place = "session bus";
  DBusSource *dbus;

  if (found == NULL && bus != MR_CTL_BUS_SESSION) {
    found = find_relay (G_BUS_TYPE_SYSTEM);
    place = "system bus";
  }
  if (found == NULL) {
    mr_ctl_fail (error, MR_CTL_UNREACHABLE,
                 "no relay is on the %s of this machine; start modelrelay-server, or name one with --url and "
                 "--token-file",
                 tried[bus]);
    return NULL;
  }
  /* Who loses the bus gets an error for each question, and says so. */
  g_dbus_connection_set_exit_on_close (found, FALSE);
  dbus = g_new0 (DBusSource, 1);
  dbus->source.class = &class;
  dbus->source.place = g_strdup (place);
  dbus->bus = found;
  return &dbus->source;
}
