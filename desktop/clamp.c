/* SPDX-License-Identifier: MIT */
/*
 * See clamp.h.
 */
#include "clamp.h"

struct _MrClamp {
  GtkWidget parent_instance;
  GtkWidget *child; /* Owned */
  int most;
};

G_DEFINE_FINAL_TYPE (MrClamp, mr_clamp, GTK_TYPE_WIDGET)

static GtkSizeRequestMode
get_request_mode (GtkWidget *widget)
{
  return GTK_SIZE_REQUEST_HEIGHT_FOR_WIDTH;
}

static void
measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural, int *minimum_baseline,
         int *natural_baseline)
{
  MrClamp *self = MR_CLAMP (widget);

  if (orientation == GTK_ORIENTATION_VERTICAL && for_size > self->most)
    for_size = self->most;
  gtk_widget_measure (self->child, orientation, for_size, minimum, natural, NULL, NULL);
}

static void
size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  MrClamp *self = MR_CLAMP (widget);
  int given;

  gtk_widget_measure (self->child, GTK_ORIENTATION_HORIZONTAL, -1, &given, NULL, NULL, NULL);
  given = MAX (given, MIN (width, self->most));
  gtk_widget_size_allocate (self->child, &(GtkAllocation){ (width - given) / 2, 0, given, height }, -1);
}

static void
dispose (GObject *object)
{
  g_clear_pointer (&MR_CLAMP (object)->child, gtk_widget_unparent);
  G_OBJECT_CLASS (mr_clamp_parent_class)->dispose (object);
}

static void
mr_clamp_class_init (MrClampClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  widget_class->get_request_mode = get_request_mode;
  widget_class->measure = measure;
  widget_class->size_allocate = size_allocate;
}

static void
mr_clamp_init (MrClamp *self)
{
}

GtkWidget *
mr_clamp_new (GtkWidget *child, int most)
{
  MrClamp *self = g_object_new (MR_TYPE_CLAMP, NULL);

  self->child = child;
  self->most = most;
  gtk_widget_set_parent (child, GTK_WIDGET (self));
  return GTK_WIDGET (self);
}
