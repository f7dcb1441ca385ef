/* SPDX-License-Identifier: MIT */
/*
 * The machine's name, when the app starts, what it tells. See preferences-general.h.
 */
#include "preferences-general.h"

#include "field-check.h"
#include "field.h"
#include "login-switch.h"

struct _MrGeneralPage {
  GtkBox parent_instance;

  GtkEditable *worker_name;
  GtkLabel *worker_name_problem;
  GtkSwitch *login;
  GtkLabel *login_problem;
  GtkSwitch *connect;
  GtkSwitch *notifications;
  GSettings *settings;
};

G_DEFINE_FINAL_TYPE (MrGeneralPage, mr_general_page, GTK_TYPE_BOX)

static char *
check_worker_name (const char *text, gpointer data)
{
  return mr_field_check_worker_name (text);
}

static void
apply_worker_name (const char *text, gpointer data)
{
  g_settings_set_string (MR_GENERAL_PAGE (data)->settings, "worker-name", text);
}

static const MrFieldFuncs worker_name_funcs = { check_worker_name, apply_worker_name, NULL };

static void
show_worker_name (MrGeneralPage *self)
{
  g_autofree char *name = g_settings_get_string (self->settings, "worker-name");
  mr_field_set_text (self->worker_name, name);
}

void
mr_general_page_set_up (MrGeneralPage *self, GSettings *settings)
{
  self->settings = g_object_ref (settings);
  g_object_set (self->worker_name, "placeholder-text", g_get_host_name (), NULL);
  mr_field_attach (self->worker_name, self->worker_name_problem, &worker_name_funcs, self);
  g_signal_connect_object (settings, "changed::worker-name", G_CALLBACK (show_worker_name), self, G_CONNECT_SWAPPED);
  show_worker_name (self);
  mr_login_switch_bind (self->login, self->login_problem, settings);
  g_settings_bind (settings, "connect-at-start", self->connect, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "notifications", self->notifications, "active", G_SETTINGS_BIND_DEFAULT);
}

static void
mr_general_page_dispose (GObject *object)
{
  MrGeneralPage *self = MR_GENERAL_PAGE (object);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (mr_general_page_parent_class)->dispose (object);
}

static void
mr_general_page_class_init (MrGeneralPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_general_page_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/preferences-general.ui");
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, worker_name);
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, worker_name_problem);
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, login);
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, login_problem);
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, connect);
  gtk_widget_class_bind_template_child (widget_class, MrGeneralPage, notifications);
}

static void
mr_general_page_init (MrGeneralPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
