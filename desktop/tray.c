/* SPDX-License-Identifier: MIT */
/*
 * Brings menu, icon and text up to date as sharing changes, and keeps the helper. See tray.h.
 */
#include "tray.h"

#include "tray-menu.h"

/* What runs changes at every token; nobody reads faster. A new state is shown at once. */
#define UPDATE_EVERY_US G_USEC_PER_SEC

struct _MrTray {
  GApplication *application; /* Borrowed */
  MrSharing *sharing;        /* Owned */
  MrTrayMenu *menu;
  MrIndicatorClient *client;
  GSimpleAction *icon; /* Owned, like the two below; the application's actions */
  GSimpleAction *text;
  GSimpleAction *share_model; /* its state: names of the models that are shared */
  MrSharingState shown;
  gint64 updated_us; /* monotonic */
  guint update_id;
  guint export_id;
};

const char *
mr_tray_icon_name (MrSharingState state)
{
  static const char *const names[] = {
    [MR_SHARING_DISCONNECTED] = "org.modelrelay.Desktop-disconnected-symbolic",
    [MR_SHARING_CONNECTING] = "org.modelrelay.Desktop-connecting-symbolic",
    [MR_SHARING_CONNECTED] = "org.modelrelay.Desktop-connected-symbolic",
    [MR_SHARING_RELAYING] = "org.modelrelay.Desktop-relaying-symbolic",
    [MR_SHARING_PAUSED] = "org.modelrelay.Desktop-paused-symbolic",
    [MR_SHARING_ERROR] = "org.modelrelay.Desktop-error-symbolic",
  };

  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (names), names[MR_SHARING_ERROR]);
  return names[state];
}

/* A state that is set is sent, new or not. */
static void
set_state (GSimpleAction *action, GVariant *state)
{
  g_autoptr (GVariant) now = g_variant_ref_sink (state);
  g_autoptr (GVariant) before = g_action_get_state (G_ACTION (action));

  if (!g_variant_equal (before, now))
    g_simple_action_set_state (action, now);
}

static GVariant *
new_shared_models (MrSharing *sharing)
{
  MrWorker *worker = mr_sharing_get_worker (sharing);
  const char *const *models = worker != NULL ? mr_worker_get_backend_models (worker) : NULL;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; models != NULL && models[i] != NULL; i++) {
    if (mr_sharing_is_model_shared (sharing, models[i]))
      g_variant_builder_add (&builder, "s", models[i]);
  }
  return g_variant_builder_end (&builder);
}

static void
update (MrTray *self)
{
  g_autofree char *summary = mr_tray_summary (self->sharing);

  self->shown = mr_sharing_get_state (self->sharing);
  self->updated_us = g_get_monotonic_time ();
  /* The words first: who hears of a new icon asks for its text. */
  set_state (self->text, g_variant_new_printf ("ModelRelay: %s", summary));
  set_state (self->icon, g_variant_new_string (mr_tray_icon_name (self->shown)));
  set_state (self->share_model, new_shared_models (self->sharing));
  mr_tray_menu_update (self->menu, self->sharing);
}

static gboolean
on_update_due (gpointer data)
{
  MrTray *self = data;

  self->update_id = 0;
  update (self);
  return G_SOURCE_REMOVE;
}

static void
on_changed (MrSharing *sharing, MrTray *self)
{
  gint64 wait_us = self->updated_us + UPDATE_EVERY_US - g_get_monotonic_time ();

  if (mr_sharing_get_state (sharing) != self->shown || wait_us <= 0) {
    g_clear_handle_id (&self->update_id, g_source_remove);
    update (self);
  } else if (self->update_id == 0) {
    self->update_id = g_timeout_add (wait_us / 1000 + 1, on_update_due, self);
  }
}

static void
on_share_model (GSimpleAction *action, GVariant *parameter, MrTray *self)
{
  const char *model = g_variant_get_string (parameter, NULL);

  mr_sharing_set_model_shared (self->sharing, model, !mr_sharing_is_model_shared (self->sharing, model));
  update (self);
}

static GSimpleAction *
add_action (MrTray *self, GSimpleAction *action)
{
  g_action_map_add_action (G_ACTION_MAP (self->application), G_ACTION (action));
  return action;
}

MrTray *
mr_tray_new (GApplication *application, MrSharing *sharing)
{
  MrTray *self = g_new0 (MrTray, 1);
  GDBusConnection *bus = g_application_get_dbus_connection (application);
  const char *path = g_getenv ("MODELRELAY_INDICATOR");

  self->application = application;
  self->sharing = g_object_ref (sharing);
  self->menu = mr_tray_menu_new ();
  self->icon = add_action (self, g_simple_action_new_stateful ("indicator-icon", NULL, g_variant_new_string ("")));
  self->text = add_action (self, g_simple_action_new_stateful ("indicator-text", NULL, g_variant_new_string ("")));
  self->share_model = add_action (
      self, g_simple_action_new_stateful ("share-model", G_VARIANT_TYPE_STRING, new_shared_models (sharing)));
  g_signal_connect (self->share_model, "activate", G_CALLBACK (on_share_model), self);
  g_signal_connect (sharing, "changed", G_CALLBACK (on_changed), self);
  update (self);
  if (bus != NULL)
    self->export_id =
        g_dbus_connection_export_menu_model (bus, MR_TRAY_MENU_PATH, mr_tray_menu_get_model (self->menu), NULL);
  self->client = mr_indicator_client_new (path != NULL ? path : MR_INDICATOR_PATH,
                                          bus != NULL ? g_dbus_connection_get_unique_name (bus) : NULL);
  return self;
}

void
mr_tray_free (MrTray *tray)
{
  GSimpleAction *actions[3];

  if (tray == NULL)
    return;
  actions[0] = tray->icon;
  actions[1] = tray->text;
  actions[2] = tray->share_model;
  g_signal_handlers_disconnect_by_data (tray->sharing, tray);
  g_signal_handlers_disconnect_by_data (tray->share_model, tray);
  g_clear_handle_id (&tray->update_id, g_source_remove);
  if (tray->export_id != 0)
    g_dbus_connection_unexport_menu_model (g_application_get_dbus_connection (tray->application), tray->export_id);
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++) {
    g_action_map_remove_action (G_ACTION_MAP (tray->application), g_action_get_name (G_ACTION (actions[i])));
    g_object_unref (actions[i]);
  }
  mr_tray_menu_free (tray->menu);
  g_object_unref (tray->client);
  g_object_unref (tray->sharing);
  g_free (tray);
}

MrIndicatorClient *
mr_tray_get_client (MrTray *tray)
{
  return tray->client;
}
