/* SPDX-License-Identifier: MIT */
/*
 * The window around the pages of the settings. See preferences.h.
 */
#include "preferences.h"

#include "preferences-general.h"
#include "preferences-relays.h"
#include "preferences-rules.h"
#include "preferences-server.h"

#define MR_TYPE_PREFERENCES (mr_preferences_get_type ())
G_DECLARE_FINAL_TYPE (MrPreferences, mr_preferences, MR, PREFERENCES, GtkWindow)

struct _MrPreferences {
  GtkWindow parent_instance;

  GtkStack *stack;
  MrRelaysPage *relays;
  MrServerPage *server;
  MrRulesPage *rules;
  MrGeneralPage *general;
};

G_DEFINE_FINAL_TYPE (MrPreferences, mr_preferences, GTK_TYPE_WINDOW)

/* The buttons are the radio buttons of the action `win.page`. */
static void
add_page_action (MrPreferences *self)
{
  g_autoptr (GSimpleActionGroup) actions = g_simple_action_group_new ();
  g_autoptr (GPropertyAction) page = g_property_action_new ("page", self->stack, "visible-child-name");
  g_action_map_add_action (G_ACTION_MAP (actions), G_ACTION (page));
  gtk_widget_insert_action_group (GTK_WIDGET (self), "win", G_ACTION_GROUP (actions));
}

static void
mr_preferences_class_init (MrPreferencesClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  g_type_ensure (MR_TYPE_RELAYS_PAGE);
  g_type_ensure (MR_TYPE_SERVER_PAGE);
  g_type_ensure (MR_TYPE_RULES_PAGE);
  g_type_ensure (MR_TYPE_GENERAL_PAGE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/preferences.ui");
  gtk_widget_class_bind_template_child (widget_class, MrPreferences, stack);
  gtk_widget_class_bind_template_child (widget_class, MrPreferences, relays);
  gtk_widget_class_bind_template_child (widget_class, MrPreferences, server);
  gtk_widget_class_bind_template_child (widget_class, MrPreferences, rules);
  gtk_widget_class_bind_template_child (widget_class, MrPreferences, general);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void
mr_preferences_init (MrPreferences *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  add_page_action (self);
}

GtkWindow *
mr_preferences_new (MrApplication *application, const char *page)
{
  MrPreferences *self = g_object_new (MR_TYPE_PREFERENCES, "application", application, NULL);
  MrReactor *reactor = mr_application_get_reactor (application);
  GSettings *settings = mr_application_get_settings (application);

  mr_relays_page_set_up (self->relays, reactor, settings, mr_application_get_secrets (application));
  mr_server_page_set_up (self->server, reactor, settings);
  mr_rules_page_set_up (self->rules, settings, mr_application_get_conditions (application),
                        mr_application_get_sharing (application));
  mr_general_page_set_up (self->general, settings);
  if (page != NULL) {
    gtk_stack_set_visible_child_name (self->stack, page);
  }
  return GTK_WINDOW (self);
}
