/* SPDX-License-Identifier: MIT */
/*
 * A list of models to choose from. See model-choice.h.
 */
#include "model-choice.h"

#include <glib/gi18n-lib.h>

#define BUTTON_KEY "modelrelay-check"

struct _MrModelChoice {
  GtkBox parent_instance;

  GtkListBox *list;
  GtkLabel *problem;
};

G_DEFINE_FINAL_TYPE (MrModelChoice, mr_model_choice, GTK_TYPE_BOX)

static GtkCheckButton *
check_of (GtkListBoxRow *row)
{
  return g_object_get_data (G_OBJECT (row), BUTTON_KEY);
}

static void
on_toggled (MrModelChoice *self)
{
  gtk_widget_set_visible (GTK_WIDGET (self->problem), FALSE);
}

static void
on_row_activated (MrModelChoice *self, GtkListBoxRow *row)
{
  GtkCheckButton *check = check_of (row);
  gtk_check_button_set_active (check, !gtk_check_button_get_active (check));
}

/* One focus stop a row: the check button. */
static void
add_model (MrModelChoice *self, const char *model, gboolean shared)
{
  GtkWidget *row = gtk_list_box_row_new ();
  GtkWidget *check = gtk_check_button_new ();
  GtkWidget *label = gtk_label_new (model);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_widget_set_tooltip_text (label, model);
  gtk_check_button_set_child (GTK_CHECK_BUTTON (check), label);
  gtk_check_button_set_active (GTK_CHECK_BUTTON (check), shared);
  gtk_accessible_update_property (GTK_ACCESSIBLE (check), GTK_ACCESSIBLE_PROPERTY_LABEL, model, -1);
  g_signal_connect_swapped (check, "toggled", G_CALLBACK (on_toggled), self);
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (row), check);
  gtk_widget_set_focusable (row, FALSE);
  gtk_widget_set_name (row, model);
  g_object_set_data (G_OBJECT (row), BUTTON_KEY, check);
  gtk_list_box_append (self->list, row);
}

void
mr_model_choice_foreach (MrModelChoice *self, void (*visit) (const char *model, gboolean shared, gpointer data),
                         gpointer data)
{
  GtkListBoxRow *row;
  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->list, i)) != NULL; i++) {
    visit (gtk_widget_get_name (GTK_WIDGET (row)), gtk_check_button_get_active (check_of (row)), data);
  }
}

static void
note_mark (const char *model, gboolean shared, gpointer data)
{
  g_hash_table_insert (data, g_strdup (model), GINT_TO_POINTER (shared));
}

void
mr_model_choice_set_models (MrModelChoice *self, const char *const *models, const char *const *hidden)
{
  g_autoptr (GHashTable) marks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GtkListBoxRow *row;
  mr_model_choice_foreach (self, note_mark, marks);
  while ((row = gtk_list_box_get_row_at_index (self->list, 0)) != NULL) {
    gtk_list_box_remove (self->list, GTK_WIDGET (row));
  }
  for (const char *const *model = models; *model != NULL; model++) {
    gpointer mark;
    gboolean shared = g_hash_table_lookup_extended (marks, *model, NULL, &mark)
                          ? GPOINTER_TO_INT (mark)
                          : hidden == NULL || !g_strv_contains (hidden, *model);
    add_model (self, *model, shared);
  }
}

static void
add_if_shared (const char *model, gboolean shared, gpointer data)
{
  if (shared) {
    g_strv_builder_add (data, model);
  }
}

char **
mr_model_choice_dup_shared (MrModelChoice *self)
{
  g_autoptr (GStrvBuilder) shared = g_strv_builder_new ();
  mr_model_choice_foreach (self, add_if_shared, shared);
  return g_strv_builder_end (shared);
}

gboolean
mr_model_choice_check (MrModelChoice *self)
{
  g_auto (GStrv) shared = mr_model_choice_dup_shared (self);
  gtk_label_set_label (self->problem, _ ("Choose at least one model."));
  gtk_widget_set_visible (GTK_WIDGET (self->problem), *shared == NULL);
  return *shared != NULL;
}

static void
mr_model_choice_class_init (MrModelChoiceClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/model-choice.ui");
  gtk_widget_class_bind_template_child (widget_class, MrModelChoice, list);
  gtk_widget_class_bind_template_child (widget_class, MrModelChoice, problem);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
}

static void
mr_model_choice_init (MrModelChoice *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
