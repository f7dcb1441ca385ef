/* SPDX-License-Identifier: MIT */
/*
 * One question to the settings portal, then its signal. See color-scheme.h.
 */
#include "color-scheme.h"

#include <gtk/gtk.h>

#define PORTAL_NAME "org.freedesktop.portal.Desktop"
#define PORTAL_PATH "/org/freedesktop/portal/desktop"
#define PORTAL_SETTINGS "org.freedesktop.portal.Settings"
#define NAMESPACE "org.freedesktop.appearance"
#define KEY "color-scheme"

enum { PREFER_DARK = 1, PREFER_LIGHT = 2 };

struct _MrColorScheme {
  GDBusConnection *connection; /* Owned */
  GCancellable *cancellable;   /* Owned */
  guint changed_id;
};

static void
apply (GVariant *value)
{
  GtkSettings *settings = gtk_settings_get_default ();
  guint32 scheme = g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32 (value) : 0;

  if (scheme == PREFER_DARK || scheme == PREFER_LIGHT)
    g_object_set (settings, "gtk-application-prefer-dark-theme", scheme == PREFER_DARK, NULL);
  else
    gtk_settings_reset_property (settings, "gtk-application-prefer-dark-theme");
}

static void
on_read (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, NULL);
  g_autoptr (GVariant) outer = NULL;
  g_autoptr (GVariant) value = NULL;

  if (answer == NULL)
    return;
  /* Read() wraps the value once more than the signal does. */
  g_variant_get (answer, "(v)", &outer);
  value = g_variant_is_of_type (outer, G_VARIANT_TYPE_VARIANT) ? g_variant_get_variant (outer) : g_variant_ref (outer);
  apply (value);
}

static void
on_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
            const char *signal, GVariant *parameters, gpointer data)
{
  const char *key;
  g_autoptr (GVariant) value = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ssv)")))
    return;
  g_variant_get (parameters, "(&s&sv)", NULL, &key, &value);
  if (g_str_equal (key, KEY))
    apply (value);
}

MrColorScheme *
mr_color_scheme_new (GDBusConnection *connection)
{
  MrColorScheme *scheme = g_new0 (MrColorScheme, 1);

  scheme->connection = g_object_ref (connection);
  scheme->cancellable = g_cancellable_new ();
  scheme->changed_id =
      g_dbus_connection_signal_subscribe (connection, PORTAL_NAME, PORTAL_SETTINGS, "SettingChanged", PORTAL_PATH,
                                          NAMESPACE, G_DBUS_SIGNAL_FLAGS_NONE, on_changed, NULL, NULL);
  g_dbus_connection_call (connection, PORTAL_NAME, PORTAL_PATH, PORTAL_SETTINGS, "Read",
                          g_variant_new ("(ss)", NAMESPACE, KEY), G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NONE, -1,
                          scheme->cancellable, on_read, NULL);
  return scheme;
}

void
mr_color_scheme_free (MrColorScheme *scheme)
{
  if (scheme == NULL)
    return;
  g_dbus_connection_signal_unsubscribe (scheme->connection, scheme->changed_id);
  g_cancellable_cancel (scheme->cancellable);
  g_object_unref (scheme->cancellable);
  g_object_unref (scheme->connection);
  g_free (scheme);
}
