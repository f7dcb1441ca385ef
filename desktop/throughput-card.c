/* SPDX-License-Identifier: MIT */
/*
 * Hands the history to the plot, and to a screen reader in words. See throughput-card.h.
 */
#include "throughput-card.h"

#include "figures.h"
#include "plot.h"

#include <glib/gi18n-lib.h>

struct _MrThroughputCard {
  GtkBox parent_instance;
  MrSharing *sharing; /* Borrowed */
  GtkLabel *rate;
  GtkBox *frame;
  MrPlot *plot;
};

G_DEFINE_FINAL_TYPE (MrThroughputCard, mr_throughput_card, GTK_TYPE_BOX)

gboolean
mr_throughput_card_update (MrThroughputCard *card)
{
  const guint *history = mr_sharing_get_history (card->sharing);
  g_autofree char *rate = mr_figures_count ((guint64) (mr_sharing_get_rate (card->sharing) + 0.5));
  g_autofree char *text = g_strdup_printf (_ ("about %s tokens a second"), rate);
  g_autofree char *most_text = NULL;
  g_autofree char *description = NULL;
  guint most = 0;

  for (guint i = 0; i < MR_SHARING_HISTORY_SECONDS; i++)
    most = MAX (most, history[i]);
  most_text = mr_figures_count (most);
  description = g_strdup_printf (_ ("Tokens a second in the last two minutes: %s now, %s at most"), rate, most_text);
  gtk_label_set_label (card->rate, most > 0 ? text : "");
  mr_plot_set (card->plot, history, MR_SHARING_HISTORY_SECONDS);
  gtk_accessible_update_property (GTK_ACCESSIBLE (card->plot), GTK_ACCESSIBLE_PROPERTY_LABEL, description, -1);
  return most > 0;
}

static void
mr_throughput_card_class_init (MrThroughputCardClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/throughput-card.ui");
  gtk_widget_class_bind_template_child (widget_class, MrThroughputCard, rate);
  gtk_widget_class_bind_template_child (widget_class, MrThroughputCard, frame);
}

static void
mr_throughput_card_init (MrThroughputCard *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->plot = MR_PLOT (mr_plot_new ());
  gtk_box_prepend (self->frame, GTK_WIDGET (self->plot));
}

GtkWidget *
mr_throughput_card_new (MrSharing *sharing)
{
  MrThroughputCard *self = g_object_new (MR_TYPE_THROUGHPUT_CARD, NULL);

  self->sharing = sharing;
  return GTK_WIDGET (self);
}
