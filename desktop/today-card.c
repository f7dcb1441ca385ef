/* SPDX-License-Identifier: MIT */
/*
 * A figure is a number with its caption below. See today-card.h.
 */
#include "today-card.h"

#include "figures.h"

#include <glib/gi18n-lib.h>

enum { REQUESTS, FAILED, TOKENS_IN, TOKENS_OUT, BUSY, N_FIGURES };

static const char *const captions[N_FIGURES] = {
  [REQUESTS] = N_ ("Requests"),     [FAILED] = N_ ("Failed"), [TOKENS_IN] = N_ ("Tokens in"),
  [TOKENS_OUT] = N_ ("Tokens out"), [BUSY] = N_ ("Busy"),
};

struct _MrTodayCard {
  GtkBox parent_instance;
  MrSharing *sharing; /* Borrowed */
  GtkLabel *numbers[N_FIGURES];
};

G_DEFINE_FINAL_TYPE (MrTodayCard, mr_today_card, GTK_TYPE_BOX)

static void
take_number (MrTodayCard *self, guint i, char *text)
{
  gtk_label_set_label (self->numbers[i], text);
  g_free (text);
}

/* Not every model server says how many tokens there were. */
static char *
dup_tokens (guint64 tokens, guint64 requests)
{
  return tokens == 0 && requests > 0 ? g_strdup ("–") : mr_figures_count (tokens);
}

void
mr_today_card_update (MrTodayCard *card)
{
  MrSharingToday today;

  mr_sharing_get_today (card->sharing, &today);
  take_number (card, REQUESTS, mr_figures_count (today.requests));
  take_number (card, FAILED, mr_figures_count (today.failed));
  take_number (card, TOKENS_IN, dup_tokens (today.prompt_tokens, today.requests));
  take_number (card, TOKENS_OUT, dup_tokens (today.completion_tokens, today.requests));
  take_number (card, BUSY, mr_figures_total (today.busy_seconds));
}

static GtkWidget *
make_figure (MrTodayCard *self, guint i)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *number = gtk_label_new (NULL);
  GtkWidget *caption = gtk_label_new (_ (captions[i]));
  GtkWidget *child = g_object_new (GTK_TYPE_FLOW_BOX_CHILD, "focusable", FALSE, "child", box, NULL);

  gtk_widget_add_css_class (number, "number");
  gtk_widget_add_css_class (caption, "caption");
  gtk_widget_add_css_class (caption, "dim-label");
  gtk_box_append (GTK_BOX (box), number);
  gtk_box_append (GTK_BOX (box), caption);
  /* Read as one: “Requests 12”. */
  gtk_accessible_update_relation (GTK_ACCESSIBLE (child), GTK_ACCESSIBLE_RELATION_LABELLED_BY, caption, number, NULL,
                                  -1);
  self->numbers[i] = GTK_LABEL (number);
  return child;
}

static void
mr_today_card_class_init (MrTodayCardClass *class)
{
}

static void
mr_today_card_init (MrTodayCard *self)
{
  GtkWidget *heading = g_object_new (GTK_TYPE_LABEL, "label", _ ("Today"), "xalign", 0.0, NULL);
  GtkWidget *figures = g_object_new (GTK_TYPE_FLOW_BOX, "selection-mode", GTK_SELECTION_NONE, "homogeneous", TRUE,
                                     "min-children-per-line", 1, "max-children-per-line", N_FIGURES, "row-spacing", 12,
                                     "focusable", FALSE, NULL);

  gtk_orientable_set_orientation (GTK_ORIENTABLE (self), GTK_ORIENTATION_VERTICAL);
  gtk_box_set_spacing (GTK_BOX (self), 6);
  gtk_widget_add_css_class (heading, "heading");
  gtk_widget_add_css_class (figures, "card");
  for (guint i = 0; i < N_FIGURES; i++)
    gtk_flow_box_append (GTK_FLOW_BOX (figures), make_figure (self, i));
  gtk_box_append (GTK_BOX (self), heading);
  gtk_box_append (GTK_BOX (self), figures);
}

GtkWidget *
mr_today_card_new (MrSharing *sharing)
{
  MrTodayCard *self = g_object_new (MR_TYPE_TODAY_CARD, NULL);

  self->sharing = sharing;
  return GTK_WIDGET (self);
}
