/* SPDX-License-Identifier: MIT */
/*
 * Fields that are checked as they are typed. See field.h.
 */
#include "field.h"

#define SETTLE_MS 500
#define FIELD_KEY "modelrelay-field"

typedef struct {
  GtkEditable *editable; /* Borrowed: owns the field */
  GtkLabel *problem;     /* Borrowed: next to it */
  const MrFieldFuncs *funcs;
  gpointer data;
  char *applied; /* Owned: (nullable): in effect */
  guint settle;  /* source; 0 while nothing waits */
} Field;

static void
field_free (gpointer data)
{
  Field *field = data;
  g_clear_handle_id (&field->settle, g_source_remove);
  g_free (field->applied);
  g_free (field);
}

static Field *
field_of (GtkEditable *editable)
{
  return g_object_get_data (G_OBJECT (editable), FIELD_KEY);
}

static void
show_problem (Field *field, const char *sentence)
{
  GtkWidget *widget = GTK_WIDGET (field->editable);
  gtk_label_set_label (field->problem, sentence != NULL ? sentence : "");
  gtk_widget_set_visible (GTK_WIDGET (field->problem), sentence != NULL);
  if (sentence != NULL) {
    gtk_widget_add_css_class (widget, "error");
    gtk_accessible_update_state (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_STATE_INVALID, GTK_ACCESSIBLE_INVALID_TRUE,
                                 -1);
    gtk_accessible_update_property (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, sentence, -1);
  } else {
    gtk_widget_remove_css_class (widget, "error");
    gtk_accessible_reset_state (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_STATE_INVALID);
    gtk_accessible_reset_property (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION);
  }
}

/* Surrounding blanks are never meant: they come along when something is pasted. */
static char *
dup_text (Field *field)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (field->editable)));
}

gboolean
mr_field_settle (GtkEditable *editable, gboolean demand)
{
  Field *field = field_of (editable);
  g_autofree char *text = dup_text (field);
  g_autofree char *sentence = field->funcs->check (text, field->data);
  g_clear_handle_id (&field->settle, g_source_remove);
  if (demand || *text != '\0') {
    show_problem (field, sentence);
  }
  if (sentence == NULL && g_strcmp0 (text, field->applied) != 0) {
    g_free (field->applied);
    field->applied = g_strdup (text);
    if (field->funcs->apply != NULL) {
      field->funcs->apply (text, field->data);
    }
  }
  return sentence == NULL;
}

static gboolean
on_settled (gpointer data)
{
  Field *field = data;
  field->settle = 0;
  mr_field_settle (field->editable, FALSE);
  return G_SOURCE_REMOVE;
}

static void
on_changed (GtkEditable *editable, Field *field)
{
  if (field->funcs->typed != NULL) {
    field->funcs->typed (field->data);
  }
  g_autofree char *text = dup_text (field);
  g_autofree char *sentence = field->funcs->check (text, field->data);
  show_problem (field, sentence);
  g_clear_handle_id (&field->settle, g_source_remove);
  if (sentence == NULL) {
    field->settle = g_timeout_add (SETTLE_MS, on_settled, field);
  }
}

static void
settle_pending (Field *field)
{
  if (field->settle != 0) {
    mr_field_settle (field->editable, FALSE);
  }
}

void
mr_field_attach (GtkEditable *editable, GtkLabel *problem, const MrFieldFuncs *funcs, gpointer data)
{
  Field *field = g_new0 (Field, 1);
  GtkEventController *focus = gtk_event_controller_focus_new ();
  field->editable = editable;
  field->problem = problem;
  field->funcs = funcs;
  field->data = data;
  g_object_set_data_full (G_OBJECT (editable), FIELD_KEY, field, field_free);
  g_signal_connect (editable, "changed", G_CALLBACK (on_changed), field);
  g_signal_connect_swapped (editable, "unmap", G_CALLBACK (settle_pending), field);
  g_signal_connect_swapped (focus, "leave", G_CALLBACK (settle_pending), field);
  gtk_widget_add_controller (GTK_WIDGET (editable), focus);
}

void
mr_field_set_text (GtkEditable *editable, const char *text)
{
  Field *field = field_of (editable);
  if (field->settle != 0 || (g_strcmp0 (text, field->applied) == 0 && field->applied != NULL)) {
    return;
  }
  g_free (field->applied);
  field->applied = g_strdup (text);
  g_signal_handlers_block_by_func (editable, on_changed, field);
  gtk_editable_set_text (editable, text);
  g_signal_handlers_unblock_by_func (editable, on_changed, field);
  mr_field_recheck (editable);
}

void
mr_field_recheck (GtkEditable *editable)
{
  Field *field = field_of (editable);
  g_autofree char *text = dup_text (field);
  g_autofree char *sentence = *text != '\0' ? field->funcs->check (text, field->data) : NULL;
  show_problem (field, sentence);
}
