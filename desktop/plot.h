/* SPDX-License-Identifier: MIT */
/*
 * A small plot of one figure over the last seconds, the present one at the right. It draws; what it draws is its
 * owner's. Colour is the CSS property of its node, `plot`.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_PLOT (mr_plot_get_type ())
G_DECLARE_FINAL_TYPE (MrPlot, mr_plot, MR, PLOT, GtkWidget)

GtkWidget *mr_plot_new (void);

/** mr_plot_set: @values: copied, one a second; draws only when something is new. */
void mr_plot_set (MrPlot *plot, const guint *values, guint n_values);
