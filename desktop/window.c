/* SPDX-License-Identifier: MIT */
/*
 * Puts the sections together and has them follow: on every change, and once a second while something moves; never while
 * the window is not seen. What a section shows is its own business. See window.h.
 */
#include "window.h"

#include "clamp.h"
#include "model-list.h"
#include "request-list.h"
#include "state-card.h"
#include "throughput-card.h"
#include "today-card.h"

#include <glib/gi18n-lib.h>

/* Of the sections, in pixels. */
#define MOST_WIDTH 760

#define MR_TYPE_WINDOW (mr_window_get_type ())
G_DECLARE_FINAL_TYPE (MrWindow, mr_window, MR, WINDOW, GtkApplicationWindow)

struct _MrWindow {
  GtkApplicationWindow parent_instance;
  MrApplication *application; /* Borrowed: outlives its windows */
  MrSharing *sharing;         /* Borrowed, as the next one */
  MrSecrets *secrets;
  GtkScrolledWindow *scroller;
  GtkMenuButton *pause_button;
  GtkRevealer *keyring_banner;
  GtkLabel *keyring_text;
  GtkButton *keyring_button;
  GtkRevealer *tray_banner;
  GtkLabel *tray_text;
  GtkButton *tray_button;
  MrStateCard *state;
  MrModelList *models;
  MrRequestList *requests;
  MrThroughputCard *throughput;
  MrTodayCard *today;
  guint tick_id; /* while something moves */
  gboolean tray_banner_closed;
};

G_DEFINE_FINAL_TYPE (MrWindow, mr_window, GTK_TYPE_APPLICATION_WINDOW)

static gboolean on_tick (gpointer data);

static gboolean
is_seen (MrWindow *self)
{
  GdkSurface *surface = gtk_native_get_surface (GTK_NATIVE (self));

  return gtk_widget_get_mapped (GTK_WIDGET (self)) &&
         (gdk_toplevel_get_state (GDK_TOPLEVEL (surface)) & GDK_TOPLEVEL_STATE_MINIMIZED) == 0;
}

static void
update_banners (MrWindow *self)
{
  MrIndicatorClient *client = mr_tray_get_client (mr_application_get_tray (self->application));
  g_autofree char *keyring = mr_secrets_describe_state (self->secrets);
  g_autofree char *tray = mr_indicator_client_is_settled (client) ? mr_indicator_client_dup_problem (client) : NULL;
  gboolean locked = mr_secrets_get_state (self->secrets) == MR_SECRETS_LOCKED;

  if (keyring != NULL)
    gtk_label_set_label (self->keyring_text, keyring);
  gtk_button_set_label (self->keyring_button, locked ? _ ("Unlock") : _ ("Try again"));
  gtk_revealer_set_reveal_child (self->keyring_banner, keyring != NULL);
  if (tray != NULL) {
    g_autofree char *text =
        g_strjoin (" ", tray, _ ("Once this window is closed, start ModelRelay again to come back to it."), NULL);

    gtk_label_set_label (self->tray_text, text);
  }
  gtk_revealer_set_reveal_child (self->tray_banner, tray != NULL && !self->tray_banner_closed);
}

static void
update (MrWindow *self)
{
  gboolean moves;

  if (!is_seen (self))
    return;
  update_banners (self);
  gtk_widget_set_sensitive (GTK_WIDGET (self->pause_button),
                            g_action_group_get_action_enabled (G_ACTION_GROUP (self->application), "toggle-pause"));
  mr_state_card_update (self->state);
  mr_model_list_update (self->models);
  mr_request_list_update (self->requests);
  moves = mr_throughput_card_update (self->throughput);
  mr_today_card_update (self->today);
  if (moves && self->tick_id == 0)
    self->tick_id = g_timeout_add_seconds (1, on_tick, self);
}

static gboolean
on_tick (gpointer data)
{
  MrWindow *self = data;

  self->tick_id = 0;
  update (self);
  return G_SOURCE_REMOVE;
}

static void
on_secrets_loaded (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrWindow) self = data;

  /* When it went wrong the banner says so, as before. */
  if (mr_secrets_load_finish (MR_SECRETS (object), result, NULL) && mr_sharing_is_wanted (self->sharing))
    mr_sharing_connect (self->sharing);
}

static void
on_keyring_clicked (GtkButton *button, MrWindow *self)
{
  g_auto (GStrv) relays = g_settings_get_strv (mr_application_get_settings (self->application), "relays");

  mr_secrets_load_async (self->secrets, (const char *const *) relays, TRUE, NULL, on_secrets_loaded,
                         g_object_ref (self));
}

static void
on_tray_banner_closed (GtkButton *button, MrWindow *self)
{
  self->tray_banner_closed = TRUE;
  update_banners (self);
}

static void
on_state (GdkToplevel *toplevel, GParamSpec *property, MrWindow *self)
{
  update (self);
}

static void
on_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (mr_window_parent_class)->map (widget);
  update (MR_WINDOW (widget));
}

static void
on_realize (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (mr_window_parent_class)->realize (widget);
  g_signal_connect_object (gtk_native_get_surface (GTK_NATIVE (widget)), "notify::state", G_CALLBACK (on_state), widget,
                           0);
}

static void
on_unmap (GtkWidget *widget)
{
  MrWindow *self = MR_WINDOW (widget);
  GSettings *settings = mr_application_get_settings (self->application);
  int width;
  int height;

  gtk_window_get_default_size (GTK_WINDOW (self), &width, &height);
  g_settings_set_int (settings, "window-width", width);
  g_settings_set_int (settings, "window-height", height);
  g_clear_handle_id (&self->tick_id, g_source_remove);
  GTK_WIDGET_CLASS (mr_window_parent_class)->unmap (widget);
}

static void
mr_window_class_init (MrWindowClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  widget_class->realize = on_realize;
  widget_class->map = on_map;
  widget_class->unmap = on_unmap;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/window.ui");
  gtk_widget_class_bind_template_child (widget_class, MrWindow, scroller);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, pause_button);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, keyring_banner);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, keyring_text);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, keyring_button);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, tray_banner);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, tray_text);
  gtk_widget_class_bind_template_child (widget_class, MrWindow, tray_button);
}

static void
mr_window_init (MrWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect_object (self->keyring_button, "clicked", G_CALLBACK (on_keyring_clicked), self, 0);
  g_signal_connect_object (self->tray_button, "clicked", G_CALLBACK (on_tray_banner_closed), self, 0);
}

static void
add_sections (MrWindow *self)
{
  GtkWidget *sections = gtk_box_new (GTK_ORIENTATION_VERTICAL, 24);

  self->state = MR_STATE_CARD (mr_state_card_new (self->sharing));
  self->models = MR_MODEL_LIST (mr_model_list_new (self->sharing));
  self->requests = MR_REQUEST_LIST (mr_request_list_new (self->sharing));
  self->throughput = MR_THROUGHPUT_CARD (mr_throughput_card_new (self->sharing));
  self->today = MR_TODAY_CARD (mr_today_card_new (self->sharing));
  gtk_box_append (GTK_BOX (sections), GTK_WIDGET (self->state));
  gtk_box_append (GTK_BOX (sections), GTK_WIDGET (self->models));
  gtk_box_append (GTK_BOX (sections), GTK_WIDGET (self->requests));
  gtk_box_append (GTK_BOX (sections), GTK_WIDGET (self->throughput));
  gtk_box_append (GTK_BOX (sections), GTK_WIDGET (self->today));
  gtk_widget_add_css_class (sections, "sections");
  gtk_scrolled_window_set_child (self->scroller, mr_clamp_new (sections, MOST_WIDTH));
}

GtkWindow *
mr_window_new (MrApplication *application)
{
  GSettings *settings = mr_application_get_settings (application);
  MrIndicatorClient *client = mr_tray_get_client (mr_application_get_tray (application));
  MrWindow *self = g_object_new (MR_TYPE_WINDOW, "application", application, "default-width",
                                 g_settings_get_int (settings, "window-width"), "default-height",
                                 g_settings_get_int (settings, "window-height"), NULL);

  self->application = application;
  self->sharing = mr_application_get_sharing (application);
  self->secrets = mr_application_get_secrets (application);
  add_sections (self);
  g_signal_connect_object (self->sharing, "changed", G_CALLBACK (update), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->secrets, "changed", G_CALLBACK (update), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (client, "notify", G_CALLBACK (update), self, G_CONNECT_SWAPPED);
  return GTK_WINDOW (self);
}
