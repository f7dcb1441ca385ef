/* SPDX-License-Identifier: MIT */
/*
 * Finding a bus, joining it and coming back to it. See bus.h. Speaks to the bus itself instead of g_bus_own_name(),
 * which may launch a bus, blocks when a name is given back, and keeps to itself why a name was refused.
 */
#include "bus.h"

#include "log.h"

#include <string.h>
#include <unistd.h>

#define FIRST_WAIT_USEC G_USEC_PER_SEC
#define LONGEST_WAIT_USEC (30 * G_USEC_PER_SEC)
#define MAX_NAME_BYTES 255

/* Replies of RequestName (D-Bus specification, "Message Bus Messages"). */
enum { NAME_PRIMARY_OWNER = 1, NAME_ALREADY_OWNER = 4 };

const char *const mr_bus_choices[] = { "auto", "system", "session", "none", NULL };

struct _MrBus {
  MrBusObject *object; /* Borrowed */
  char *address;
  char *name;
  GCancellable *cancellable;   /* Owned: of the MrBus's life */
  GDBusConnection *connection; /* Owned: NULL while WAITING */
  guint name_signals;          /* subscription of the connection */
  gulong closed_handler;
  gboolean owns_name;
  gboolean complained; /* that there is no bus: once until it is there again */
  MrTimer retry;
  gint64 wait_us; /* before the next attempt */
};

static void connect_to_bus (MrBus *bus);

/* --- which bus --- */

static gboolean
is_system_unit (const char *const *envp, gint64 pid, gint64 parent)
{
  const char *exec_pid = g_environ_getenv ((char **) envp, "SYSTEMD_EXEC_PID");

  return g_environ_getenv ((char **) envp, "INVOCATION_ID") != NULL && parent == 1 &&
         (exec_pid == NULL || g_ascii_strtoll (exec_pid, NULL, 10) == pid) &&
         g_environ_getenv ((char **) envp, "DBUS_SESSION_BUS_ADDRESS") == NULL;
}

static char *
find_system_address (const char *const *envp)
{
  const char *address = g_environ_getenv ((char **) envp, "DBUS_SYSTEM_BUS_ADDRESS");

  return g_strdup (address != NULL ? address : "unix:path=/var/run/dbus/system_bus_socket");
}

static char *
find_session_address (const char *const *envp, gboolean must_exist)
{
  const char *address = g_environ_getenv ((char **) envp, "DBUS_SESSION_BUS_ADDRESS");
  const char *runtime_dir = g_environ_getenv ((char **) envp, "XDG_RUNTIME_DIR");
  g_autofree char *path = NULL;
  g_autofree char *escaped = NULL;

  if (address != NULL && *address != '\0')
    return strstr (address, "autolaunch:") == NULL ? g_strdup (address) : NULL;
  if (runtime_dir == NULL || *runtime_dir == '\0')
    return NULL;
  path = g_build_filename (runtime_dir, "bus", NULL);
  if (must_exist && !g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  escaped = g_dbus_address_escape_value (path);
  return g_strconcat ("unix:path=", escaped, NULL);
}

char *
mr_bus_find_address (MrBusChoice choice, const char *const *envp, gint64 pid, gint64 parent)
{
  switch (choice) {
  case MR_BUS_SYSTEM:
    return find_system_address (envp);
  case MR_BUS_SESSION:
    return find_session_address (envp, FALSE);
  case MR_BUS_AUTO:
    return is_system_unit (envp, pid, parent) ? find_system_address (envp) : find_session_address (envp, TRUE);
  default:
    return NULL;
  }
}

/* --- the name --- */

char *
mr_bus_dup_name (const char *prefix, const char *text)
{
  GString *name = g_string_new (prefix);

  for (const char *at = text; *at != '\0'; at++) {
    gboolean plain = g_ascii_isalpha (*at) || *at == '-' || (g_ascii_isdigit (*at) && at != text);

    if (name->len + (plain ? 1 : 3) > MAX_NAME_BYTES)
      break;
    if (plain)
      g_string_append_c (name, *at);
    else
      g_string_append_printf (name, "_%02x", (guint8) *at);
  }
  if (*text == '\0')
    g_string_append_c (name, '_');
  return g_string_free (name, FALSE);
}

static void
name_is_ours (MrBus *bus)
{
  if (!bus->owns_name)
    mr_log (MR_LOG_INFO, "dbus connected", "name", bus->name, NULL);
  bus->owns_name = TRUE;
}

/* The objects stay where they are: whoever knows our unique name still finds them. */
static void
name_is_not_ours (MrBus *bus, const char *reason)
{
  mr_log (MR_LOG_WARN, "dbus name lost", "name", bus->name, "reason", reason, NULL);
  bus->owns_name = FALSE;
}

static void
on_name_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  MrBus *bus = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 code = 0;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || source != (GObject *) bus->connection)
    return; /* the bus may be gone */
  if (reply == NULL) {
    g_dbus_error_strip_remote_error (error);
    name_is_not_ours (bus, error->message);
    return;
  }
  g_variant_get (reply, "(u)", &code);
  if (code == NAME_PRIMARY_OWNER || code == NAME_ALREADY_OWNER)
    name_is_ours (bus);
  else
    name_is_not_ours (bus, "somebody else has it; it is ours when that one goes");
}

static void
on_name_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *signal, GVariant *parameters, gpointer data)
{
  MrBus *bus = data;

  if (g_str_equal (signal, "NameAcquired"))
    name_is_ours (bus);
  else if (g_str_equal (signal, "NameLost"))
    name_is_not_ours (bus, "the bus gave it to somebody else");
}

/* --- joining and leaving --- */

static void
wait_for_bus (MrBus *bus)
{
  mr_timer_set (&bus->retry, g_get_monotonic_time () + bus->wait_us);
  bus->wait_us = MIN (bus->wait_us * 2, LONGEST_WAIT_USEC);
}

static void
leave (MrBus *bus)
{
  if (bus->connection == NULL)
    return;
  mr_bus_object_unexport (bus->object);
  g_dbus_connection_signal_unsubscribe (bus->connection, bus->name_signals);
  g_signal_handler_disconnect (bus->connection, bus->closed_handler);
  g_clear_object (&bus->connection);
  bus->owns_name = FALSE;
}

static void
on_closed (GDBusConnection *connection, gboolean remote_peer_vanished, GError *error, gpointer data)
{
  MrBus *bus = data;

  mr_log (MR_LOG_INFO, "dbus disconnected", "name", bus->name, NULL);
  leave (bus);
  wait_for_bus (bus);
}

static void
join (MrBus *bus, GDBusConnection *connection)
{
  g_autoptr (GError) error = NULL;

  bus->connection = g_object_ref (connection);
  bus->wait_us = FIRST_WAIT_USEC;
  bus->complained = FALSE;
  bus->closed_handler = g_signal_connect (connection, "closed", G_CALLBACK (on_closed), bus);
  bus->name_signals = g_dbus_connection_signal_subscribe (connection, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                          NULL, "/org/freedesktop/DBus", bus->name,
                                                          G_DBUS_SIGNAL_FLAGS_NONE, on_name_signal, bus, NULL);
  if (!mr_bus_object_export (bus->object, connection, &error))
    mr_log (MR_LOG_WARN, "dbus object not exported", "error", error->message, NULL);
  g_dbus_connection_call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "RequestName", g_variant_new ("(su)", bus->name, 0), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, bus->cancellable, on_name_reply, bus);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  MrBus *bus = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the bus may be gone */
  if (connection != NULL && !g_dbus_connection_is_closed (connection)) {
    join (bus, connection);
    return;
  }
  if (!bus->complained)
    mr_log (MR_LOG_DEBUG, "no dbus", "address", bus->address, "error", error != NULL ? error->message : NULL, NULL);
  bus->complained = TRUE;
  wait_for_bus (bus);
}

/* A connection of our own: the shared one of g_bus_get() cannot be made anew when it is closed. It is not one that ends
 * the process when the bus goes. */
static void
connect_to_bus (MrBus *bus)
{
  g_dbus_connection_new_for_address (
      bus->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, bus->cancellable, on_connected, bus);
}

static void
on_retry (MrTimer *timer)
{
  connect_to_bus (MR_OWNER_OF (timer, MrBus, retry));
}

MrBus *
mr_bus_new (MrReactor *reactor, MrBusChoice choice, const char *name, MrBusObject *object)
{
  g_auto (GStrv) envp = g_get_environ ();
  g_autofree char *address = mr_bus_find_address (choice, (const char *const *) envp, getpid (), getppid ());
  MrBus *bus;

  if (address == NULL) {
    mr_log (MR_LOG_DEBUG, "no dbus", "choice", mr_bus_choices[choice], NULL);
    return NULL;
  }
  bus = g_new0 (MrBus, 1);
  bus->object = object;
  bus->address = g_steal_pointer (&address);
  bus->name = g_strdup (name);
  bus->cancellable = g_cancellable_new ();
  bus->wait_us = FIRST_WAIT_USEC;
  mr_timer_init (&bus->retry, reactor, on_retry);
  connect_to_bus (bus);
  return bus;
}

void
mr_bus_free (MrBus *bus)
{
  if (bus == NULL)
    return;
  g_cancellable_cancel (bus->cancellable);
  g_object_unref (bus->cancellable);
  mr_timer_clear (&bus->retry);
  leave (bus);
  g_free (bus->name);
  g_free (bus->address);
  g_free (bus);
}
