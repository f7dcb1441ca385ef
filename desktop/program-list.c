/* SPDX-License-Identifier: MIT */
/*
 * Programs during which sharing pauses. See program-list.h.
 */
#include "program-list.h"

#include "field-check.h"
#include "field.h"
#include "running-programs.h"

#include <glib/gi18n-lib.h>

#define PROGRAMS_SETTING "pause-for-programs"

struct _MrProgramList {
  GtkBox parent_instance;

  GtkLabel *effect;
  GtkBox *rows;
  GtkEditable *name;
  GtkLabel *name_problem;
  GtkMenuButton *choose;
  GtkEditable *search;
  GtkListBox *running;
  GtkWidget *none;
  GSettings *settings;
};

G_DEFINE_FINAL_TYPE (MrProgramList, mr_program_list, GTK_TYPE_BOX)

/* --- the list --- */

static void
change (MrProgramList *self, const char *add, const char *leave_out)
{
  g_auto (GStrv) old = g_settings_get_strv (self->settings, PROGRAMS_SETTING);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  for (char **name = old; *name != NULL; name++) {
    if (g_strcmp0 (*name, leave_out) != 0) {
      g_strv_builder_add (builder, *name);
    }
  }
  if (add != NULL && !g_strv_contains ((const char *const *) old, add)) {
    g_strv_builder_add (builder, add);
  }
  g_auto (GStrv) names = g_strv_builder_end (builder);
  g_settings_set_strv (self->settings, PROGRAMS_SETTING, (const char *const *) names);
}

static void
on_remove (GtkButton *button, MrProgramList *self)
{
  g_autofree char *name = g_strdup (gtk_widget_get_name (GTK_WIDGET (button)));
  change (self, NULL, name);
  gtk_widget_grab_focus (GTK_WIDGET (self->name));
}

static void
add_row (MrProgramList *self, const char *name)
{
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *label = gtk_label_new (name);
  GtkWidget *button = gtk_button_new_from_icon_name ("list-remove-symbolic");
  /* Translators: %s is the name of a program */
  g_autofree char *remove = g_strdup_printf (_ ("Remove %s"), name);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_set_tooltip_text (label, name);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_widget_add_css_class (row, "row");
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, remove);
  gtk_widget_set_name (button, name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, remove, -1);
  g_signal_connect (button, "clicked", G_CALLBACK (on_remove), self);
  gtk_box_append (GTK_BOX (row), label);
  gtk_box_append (GTK_BOX (row), button);
  gtk_box_append (self->rows, row);
}

static void
show_programs (MrProgramList *self)
{
  g_auto (GStrv) names = g_settings_get_strv (self->settings, PROGRAMS_SETTING);
  GtkWidget *row;
  while ((row = gtk_widget_get_first_child (GTK_WIDGET (self->rows))) != NULL) {
    gtk_box_remove (self->rows, row);
  }
  for (char **name = names; *name != NULL; name++) {
    add_row (self, *name);
  }
  gtk_widget_set_visible (GTK_WIDGET (self->rows), *names != NULL);
}

/* --- adding --- */

static char *
check_name (const char *text, gpointer data)
{
  MrProgramList *self = data;
  g_auto (GStrv) names = g_settings_get_strv (self->settings, PROGRAMS_SETTING);
  if (g_strv_contains ((const char *const *) names, text)) {
    return g_strdup (_ ("This program is in the list already."));
  }
  return *text != '\0' ? mr_field_check_program (text) : NULL;
}

/* Nothing is added before the owner says so. */
static const MrFieldFuncs name_funcs = { check_name, NULL, NULL };

static void
on_add (MrProgramList *self)
{
  g_autofree char *name = g_strstrip (g_strdup (gtk_editable_get_text (self->name)));
  if (*name != '\0' && mr_field_settle (self->name, TRUE)) {
    change (self, name, NULL);
    gtk_editable_set_text (self->name, "");
  }
  gtk_widget_grab_focus (GTK_WIDGET (self->name));
}

/* --- running programs --- */

static void
on_running_activated (MrProgramList *self, GtkListBoxRow *row)
{
  change (self, gtk_widget_get_name (GTK_WIDGET (row)), NULL);
  gtk_menu_button_popdown (self->choose);
}

static void
on_popover_shown (MrProgramList *self)
{
  g_auto (GStrv) names = mr_running_programs_list ();
  g_auto (GStrv) chosen = g_settings_get_strv (self->settings, PROGRAMS_SETTING);
  GtkListBoxRow *row;
  guint n = 0;
  while ((row = gtk_list_box_get_row_at_index (self->running, 0)) != NULL) {
    gtk_list_box_remove (self->running, GTK_WIDGET (row));
  }
  for (char **name = names; *name != NULL; name++) {
    if (!g_strv_contains ((const char *const *) chosen, *name)) {
      GtkWidget *label = gtk_label_new (*name);
      GtkWidget *item = gtk_list_box_row_new ();
      gtk_label_set_xalign (GTK_LABEL (label), 0);
      gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
      gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (item), label);
      gtk_widget_set_name (item, *name);
      gtk_list_box_append (self->running, item);
      n++;
    }
  }
  gtk_widget_set_visible (self->none, n == 0);
  gtk_editable_set_text (self->search, "");
  gtk_widget_grab_focus (GTK_WIDGET (self->search));
}

static gboolean
matches_search (GtkListBoxRow *row, gpointer data)
{
  g_autofree char *name = g_utf8_casefold (gtk_widget_get_name (GTK_WIDGET (row)), -1);
  g_autofree char *wanted = g_utf8_casefold (gtk_editable_get_text (MR_PROGRAM_LIST (data)->search), -1);
  return g_strstr_len (name, -1, wanted) != NULL;
}

static void
on_search_changed (MrProgramList *self)
{
  gtk_list_box_invalidate_filter (self->running);
}

/* --- the object --- */

void
mr_program_list_set_effect (MrProgramList *self, const char *effect)
{
  gtk_label_set_label (self->effect, effect);
}

void
mr_program_list_set_up (MrProgramList *self, GSettings *settings)
{
  self->settings = g_object_ref (settings);
  mr_field_attach (self->name, self->name_problem, &name_funcs, self);
  gtk_list_box_set_filter_func (self->running, matches_search, self, NULL);
  g_signal_connect_object (settings, "changed::" PROGRAMS_SETTING, G_CALLBACK (show_programs), self, G_CONNECT_SWAPPED);
  show_programs (self);
}

static void
mr_program_list_dispose (GObject *object)
{
  MrProgramList *self = MR_PROGRAM_LIST (object);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (mr_program_list_parent_class)->dispose (object);
}

static void
mr_program_list_class_init (MrProgramListClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_program_list_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/program-list.ui");
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, effect);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, rows);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, name);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, name_problem);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, choose);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, search);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, running);
  gtk_widget_class_bind_template_child (widget_class, MrProgramList, none);
  gtk_widget_class_bind_template_callback (widget_class, on_add);
  gtk_widget_class_bind_template_callback (widget_class, on_running_activated);
  gtk_widget_class_bind_template_callback (widget_class, on_popover_shown);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
}

static void
mr_program_list_init (MrProgramList *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
