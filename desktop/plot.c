/* SPDX-License-Identifier: MIT */
/*
 * An area under a line, three lines to read it by, and the figure at the top. See plot.h.
 */
#include "plot.h"

#include "figures.h"

#include <string.h>

/* A scale that does not jump while next to nothing happens. */
#define LEAST_TOP 10

struct _MrPlot {
  GtkWidget parent_instance;
  guint *values; /* Owned */
  guint n_values;
  guint top;
};

G_DEFINE_FINAL_TYPE (MrPlot, mr_plot, GTK_TYPE_WIDGET)

/* The next of 10, 20, 50, 100, 200, ... */
static guint
round_up (guint value)
{
  guint top = LEAST_TOP;

  for (guint i = 0; top < value && top < G_MAXUINT / 5; i++)
    top = i % 3 == 1 ? top / 2 * 5 : top * 2;
  return top;
}

static void
draw_scale (MrPlot *self, cairo_t *cairo, const GdkRGBA *color, double width, double height)
{
  cairo_set_source_rgba (cairo, color->red, color->green, color->blue, 0.15);
  cairo_set_line_width (cairo, 1);
  for (guint i = 0; i <= 2; i++) {
    double y = i == 2 ? height - 0.5 : (int) (height * i / 2) + 0.5;

    cairo_move_to (cairo, 0, y);
    cairo_line_to (cairo, width, y);
  }
  cairo_stroke (cairo);
}

static void
draw_values (MrPlot *self, cairo_t *cairo, const GdkRGBA *color, double width, double height)
{
  double step = width / (self->n_values - 1);

  cairo_move_to (cairo, 0, height);
  for (guint i = 0; i < self->n_values; i++)
    cairo_line_to (cairo, i * step, height - 1 - (height - 3) * self->values[i] / self->top);
  cairo_line_to (cairo, width, height);
  cairo_close_path (cairo);
  cairo_set_source_rgba (cairo, color->red, color->green, color->blue, 0.25);
  cairo_fill (cairo);

  for (guint i = 0; i < self->n_values; i++)
    cairo_line_to (cairo, i * step, height - 1 - (height - 3) * self->values[i] / self->top);
  cairo_set_source_rgba (cairo, color->red, color->green, color->blue, color->alpha);
  cairo_set_line_width (cairo, 1.5);
  cairo_set_line_join (cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_stroke (cairo);
}

static void
draw_top (MrPlot *self, GtkSnapshot *snapshot, const GdkRGBA *color)
{
  g_autofree char *text = mr_figures_count (self->top);
  g_autoptr (PangoLayout) layout = gtk_widget_create_pango_layout (GTK_WIDGET (self), text);
  GdkRGBA faint = *color;

  faint.alpha *= 0.6f;
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (2, 2));
  gtk_snapshot_append_layout (snapshot, layout, &faint);
  gtk_snapshot_restore (snapshot);
}

static void
on_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  MrPlot *self = MR_PLOT (widget);
  GtkStyleContext *style = gtk_widget_get_style_context (widget);
  double width = gtk_widget_get_width (widget);
  double height = gtk_widget_get_height (widget);
  GdkRGBA color;
  cairo_t *cairo;

  if (self->n_values < 2 || width <= 0)
    return;
  gtk_style_context_get_color (style, &color);
  cairo = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, (float) width, (float) height));
  draw_scale (self, cairo, &color, width, height);
  draw_values (self, cairo, &color, width, height);
  cairo_destroy (cairo);
  draw_top (self, snapshot, &color);
}

void
mr_plot_set (MrPlot *plot, const guint *values, guint n_values)
{
  guint most = 0;

  if (n_values == plot->n_values && memcmp (values, plot->values, n_values * sizeof *values) == 0)
    return;
  g_free (plot->values);
  plot->values = g_memdup2 (values, n_values * sizeof *values);
  plot->n_values = n_values;
  for (guint i = 0; i < n_values; i++)
    most = MAX (most, values[i]);
  plot->top = round_up (most);
  gtk_widget_queue_draw (GTK_WIDGET (plot));
}

static void
finalize (GObject *object)
{
  g_free (MR_PLOT (object)->values);
  G_OBJECT_CLASS (mr_plot_parent_class)->finalize (object);
}

static void
mr_plot_class_init (MrPlotClass *class)
{
  G_OBJECT_CLASS (class)->finalize = finalize;
  GTK_WIDGET_CLASS (class)->snapshot = on_snapshot;
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "plot");
  gtk_widget_class_set_accessible_role (GTK_WIDGET_CLASS (class), GTK_ACCESSIBLE_ROLE_IMG);
}

static void
mr_plot_init (MrPlot *self)
{
  self->top = LEAST_TOP;
}

GtkWidget *
mr_plot_new (void)
{
  return g_object_new (MR_TYPE_PLOT, "height-request", 96, "hexpand", TRUE, NULL);
}
