/* SPDX-License-Identifier: MIT */
/*
 * One property of UPower. See battery-watch.h.
 */
#include "battery-watch.h"

#include <gio/gio.h>

struct _MrBatteryWatch {
  void (*changed) (gpointer data);
  gpointer data;
  GCancellable *cancellable; /* Owned */
  GDBusProxy *proxy;         /* Owned: NULL until the bus has answered */
  gboolean on_battery;
};

static void
update (MrBatteryWatch *self)
{
  g_autoptr (GVariant) value = g_dbus_proxy_get_cached_property (self->proxy, "OnBattery");
  gboolean on_battery =
      value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value);

  if (on_battery != self->on_battery) {
    self->on_battery = on_battery;
    self->changed (self->data);
  }
}

static void
on_properties_changed (GDBusProxy *proxy, GVariant *changed, const char *const *invalidated, gpointer data)
{
  update (data);
}

/* A service that ends takes its properties along. */
static void
on_owner_changed (GDBusProxy *proxy, GParamSpec *pspec, gpointer data)
{
  update (data);
}

static void
on_proxy (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusProxy) proxy = g_dbus_proxy_new_for_bus_finish (result, &error);
  MrBatteryWatch *self = data;

  if (proxy == NULL) {
    return; /* no bus, no battery; or cancelled, and we are gone */
  }
  self->proxy = g_steal_pointer (&proxy);
  g_signal_connect (self->proxy, "g-properties-changed", G_CALLBACK (on_properties_changed), self);
  g_signal_connect (self->proxy, "notify::g-name-owner", G_CALLBACK (on_owner_changed), self);
  update (self);
}

MrBatteryWatch *
mr_battery_watch_new (void (*changed) (gpointer data), gpointer data)
{
  MrBatteryWatch *self = g_new0 (MrBatteryWatch, 1);

  self->changed = changed;
  self->data = data;
  self->cancellable = g_cancellable_new ();
  g_dbus_proxy_new_for_bus (G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_NONE, NULL, "org.freedesktop.UPower",
                            "/org/freedesktop/UPower", "org.freedesktop.UPower", self->cancellable, on_proxy, self);
  return self;
}

void
mr_battery_watch_free (MrBatteryWatch *self)
{
  if (self == NULL) {
    return;
  }
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  if (self->proxy != NULL) {
    g_signal_handlers_disconnect_by_data (self->proxy, self);
    g_object_unref (self->proxy);
  }
  g_free (self);
}

gboolean
mr_battery_watch_get (MrBatteryWatch *self)
{
  return self->on_battery;
}
