/* SPDX-License-Identifier: MIT */
/*
 * Where the model server is and what it is asked for. See preferences-server.h.
 */
#include "preferences-server.h"

#include "number-field.h"
#include "server-card.h"

struct _MrServerPage {
  GtkBox parent_instance;

  MrServerCard *card;
  GtkSwitch *automatic;
  GtkSpinButton *concurrency;
  GtkLabel *concurrency_problem;
  GtkSpinButton *poll;
  GtkLabel *poll_problem;
  GSettings *settings;
};

G_DEFINE_FINAL_TYPE (MrServerPage, mr_server_page, GTK_TYPE_BOX)

static void
on_url_applied (MrServerPage *self, const char *url)
{
  g_settings_set_string (self->settings, "backend-url", url);
}

static void
show_url (MrServerPage *self)
{
  g_autofree char *url = g_settings_get_string (self->settings, "backend-url");
  mr_server_card_set_url (self->card, url);
}

/* "max-concurrency" is 0 for automatic: the switch; else the number in the field. */
static gboolean
get_automatic (GValue *value, GVariant *variant, gpointer data)
{
  g_value_set_boolean (value, g_variant_get_int32 (variant) == 0);
  return TRUE;
}

static GVariant *
set_automatic (const GValue *value, const GVariantType *type, gpointer data)
{
  MrServerPage *self = data;
  return g_variant_new_int32 (g_value_get_boolean (value) ? 0 : gtk_spin_button_get_value_as_int (self->concurrency));
}

void
mr_server_page_set_up (MrServerPage *self, MrReactor *reactor, GSettings *settings)
{
  self->settings = g_object_ref (settings);
  mr_server_card_set_up (self->card, reactor);
  mr_number_field_bind (self->concurrency, self->concurrency_problem, settings, "max-concurrency");
  mr_number_field_bind (self->poll, self->poll_problem, settings, "poll-interval");
  g_settings_bind_with_mapping (settings, "max-concurrency", self->automatic, "active", G_SETTINGS_BIND_DEFAULT,
                                get_automatic, set_automatic, self, NULL);
  g_object_bind_property (self->automatic, "active", self->concurrency, "sensitive",
                          G_BINDING_SYNC_CREATE | G_BINDING_INVERT_BOOLEAN);
  g_signal_connect_object (settings, "changed::backend-url", G_CALLBACK (show_url), self, G_CONNECT_SWAPPED);
  show_url (self);
}

static void
mr_server_page_dispose (GObject *object)
{
  MrServerPage *self = MR_SERVER_PAGE (object);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (mr_server_page_parent_class)->dispose (object);
}

static void
mr_server_page_class_init (MrServerPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_server_page_dispose;
  g_type_ensure (MR_TYPE_SERVER_CARD);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/preferences-server.ui");
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, card);
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, automatic);
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, concurrency);
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, concurrency_problem);
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, poll);
  gtk_widget_class_bind_template_child (widget_class, MrServerPage, poll_problem);
  gtk_widget_class_bind_template_callback (widget_class, on_url_applied);
}

static void
mr_server_page_init (MrServerPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
