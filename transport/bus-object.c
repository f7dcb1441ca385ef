/* SPDX-License-Identifier: MIT */
/*
 * Methods by table, the check of a caller, and the pace of property changes. See bus-object.h.
 */
#include "bus-object.h"

#include "log.h"

#include <unistd.h>

struct _MrBusObject {
  GDBusInterfaceSkeleton *skeleton; /* Borrowed */
  char *path;
  const MrBusMethod *methods;
  MrBusObjectPublish publish;
  gpointer data;
  GCancellable *cancellable; /* Owned: of the checks that are under way */
  gboolean exported;
  MrTimer pace; /* set after a change was noted, until it is published */
  gint64 published_us;
};

/* --- methods --- */

typedef struct {
  MrBusObject *object; /* Borrowed: gone when the check was cancelled */
  const MrBusMethod *method;
  GDBusMethodInvocation *invocation; /* Owned */
} Check;

static void
perform (MrBusObject *object, const MrBusMethod *method, GDBusMethodInvocation *invocation)
{
  method->func (invocation, g_dbus_method_invocation_get_parameters (invocation), object->data);
}

static void
deny (const MrBusMethod *method, GDBusMethodInvocation *invocation)
{
  mr_log (MR_LOG_INFO, "dbus call denied", "method", method->name, "sender",
          g_dbus_method_invocation_get_sender (invocation), NULL);
  g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                         "%s is for root and for the user that this program runs as", method->name);
}

static void
on_user_known (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Check *check = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 user = 0;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_dbus_method_invocation_return_error_literal (check->invocation, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY,
                                                   "The program is leaving the bus");
    return;
  }
  if (reply != NULL)
    g_variant_get (reply, "(u)", &user);
  if (reply != NULL && (user == 0 || user == geteuid ()))
    perform (check->object, check->method, check->invocation);
  else
    deny (check->method, check->invocation);
}

/* Only the bus knows who is behind a name. */
static void
check_caller (MrBusObject *object, const MrBusMethod *method, GDBusMethodInvocation *invocation)
{
  const char *sender = g_dbus_method_invocation_get_sender (invocation);
  Check *check;

  if (sender == NULL) {
    deny (method, invocation);
    return;
  }
  check = g_new (Check, 1);
  *check = (Check){ object, method, invocation };
  g_dbus_connection_call (g_dbus_method_invocation_get_connection (invocation), "org.freedesktop.DBus",
                          "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                          g_variant_new ("(s)", sender), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
                          object->cancellable, on_user_known, check);
}

/* Connected swapped: the method's arguments, which follow, are read from the invocation. */
static gboolean
on_call (MrBusObject *object, GDBusMethodInvocation *invocation)
{
  const char *name = g_dbus_method_invocation_get_method_name (invocation);
  const MrBusMethod *method = object->methods;

  while (method->name != NULL && !g_str_equal (method->name, name))
    method++;
  if (method->name == NULL)
    return FALSE;
  if (method->privileged)
    check_caller (object, method, invocation);
  else
    perform (object, method, invocation);
  return TRUE;
}

/* `ListWorkers` is announced by the signal `handle-list-workers`. */
static char *
signal_for_method (const char *name)
{
  GString *signal = g_string_new ("handle");

  for (const char *at = name; *at != '\0'; at++) {
    if (g_ascii_isupper (*at))
      g_string_append_c (signal, '-');
    g_string_append_c (signal, g_ascii_tolower (*at));
  }
  return g_string_free (signal, FALSE);
}

/* --- changes --- */

static void
publish (MrBusObject *object)
{
  object->published_us = g_get_monotonic_time ();
  object->publish (object->data);
  g_dbus_interface_skeleton_flush (object->skeleton);
}

static void
on_pace (MrTimer *timer)
{
  publish (MR_OWNER_OF (timer, MrBusObject, pace));
}

void
mr_bus_object_changed (MrBusObject *object)
{
  if (object->exported && object->pace.position == 0)
    mr_timer_set (&object->pace, MAX (g_get_monotonic_time (), object->published_us + MR_BUS_PACE_USEC));
}

/* --- life --- */

gboolean
mr_bus_object_export (MrBusObject *object, GDBusConnection *connection, GError **error)
{
  g_return_val_if_fail (!object->exported, FALSE);
  publish (object);
  object->exported = g_dbus_interface_skeleton_export (object->skeleton, connection, object->path, error);
  return object->exported;
}

void
mr_bus_object_unexport (MrBusObject *object)
{
  if (object->exported)
    g_dbus_interface_skeleton_unexport (object->skeleton);
  object->exported = FALSE;
  mr_timer_clear (&object->pace);
}

MrBusObject *
mr_bus_object_new (MrReactor *reactor, GDBusInterfaceSkeleton *skeleton, const char *path, const MrBusMethod *methods,
                   MrBusObjectPublish publish_func, gpointer data)
{
  MrBusObject *object = g_new0 (MrBusObject, 1);

  object->skeleton = skeleton;
  object->path = g_strdup (path);
  object->methods = methods;
  object->publish = publish_func;
  object->data = data;
  object->cancellable = g_cancellable_new ();
  mr_timer_init (&object->pace, reactor, on_pace);
  for (const MrBusMethod *method = methods; method->name != NULL; method++) {
    g_autofree char *signal = signal_for_method (method->name);

    g_signal_connect_swapped (skeleton, signal, G_CALLBACK (on_call), object);
  }
  return object;
}

void
mr_bus_object_free (MrBusObject *object)
{
  if (object == NULL)
    return;
  mr_bus_object_unexport (object);
  g_signal_handlers_disconnect_by_data (object->skeleton, object);
  g_cancellable_cancel (object->cancellable);
  g_object_unref (object->cancellable);
  g_free (object->path);
  g_free (object);
}
