/* SPDX-License-Identifier: MIT */
/*
 * The switch shows the settings and changes them; it has no state of its own. See model-row.h.
 */
#include "model-row.h"

#include <glib/gi18n-lib.h>

struct _MrModelRow {
  GtkListBoxRow parent_instance;
  MrSharing *sharing; /* Borrowed */
  char *model;        /* Owned */
  GtkLabel *name;
  GtkLabel *running;
  GtkSwitch *shared;
};

G_DEFINE_FINAL_TYPE (MrModelRow, mr_model_row, GTK_TYPE_LIST_BOX_ROW)

static void
on_active (GtkSwitch *shared, GParamSpec *property, MrModelRow *self)
{
  mr_sharing_set_model_shared (self->sharing, self->model, gtk_switch_get_active (shared));
}

const char *
mr_model_row_get_model (MrModelRow *row)
{
  return row->model;
}

void
mr_model_row_update (MrModelRow *row, guint running)
{
  g_autofree char *text =
      running == 0 ? g_strdup ("") : g_strdup_printf (ngettext ("%u request", "%u requests", running), running);

  gtk_label_set_label (row->running, text);
  g_signal_handlers_block_by_func (row->shared, on_active, row);
  gtk_switch_set_active (row->shared, mr_sharing_is_model_shared (row->sharing, row->model));
  g_signal_handlers_unblock_by_func (row->shared, on_active, row);
}

void
mr_model_row_toggle (MrModelRow *row)
{
  gtk_switch_set_active (row->shared, !gtk_switch_get_active (row->shared));
}

static void
finalize (GObject *object)
{
  g_free (MR_MODEL_ROW (object)->model);
  G_OBJECT_CLASS (mr_model_row_parent_class)->finalize (object);
}

static void
mr_model_row_class_init (MrModelRowClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = finalize;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/model-row.ui");
  gtk_widget_class_bind_template_child (widget_class, MrModelRow, name);
  gtk_widget_class_bind_template_child (widget_class, MrModelRow, running);
  gtk_widget_class_bind_template_child (widget_class, MrModelRow, shared);
}

static void
mr_model_row_init (MrModelRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
mr_model_row_new (MrSharing *sharing, const char *model)
{
  MrModelRow *self = g_object_new (MR_TYPE_MODEL_ROW, NULL);
  /* For screen readers: the name alone does not say what the switch does. */
  g_autofree char *label = g_strdup_printf (_ ("Share %s"), model);

  self->sharing = sharing;
  self->model = g_strdup (model);
  gtk_label_set_label (self->name, model);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->name), model);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->shared), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
  g_signal_connect (self->shared, "notify::active", G_CALLBACK (on_active), self);
  return GTK_WIDGET (self);
}
