/* SPDX-License-Identifier: MIT */
/*
 * What is said comes from MrSharing; which button helps is decided here, in one table. See state-card.h.
 */
#include "state-card.h"

#include "tray.h"

#include <glib/gi18n-lib.h>

/* What the button can be. */
typedef enum { SET_UP, MEND_RELAYS, MEND_SERVER, SEE_RULES, CONNECT, PAUSE, RESUME, N_HELPS } Help;

struct _MrStateCard {
  GtkBox parent_instance;
  MrSharing *sharing; /* Borrowed */
  GtkImage *icon;
  GtkLabel *headline;
  GtkLabel *details;
  GtkButton *help;
  GtkButton *stop;
  Help shown; /* by the button */
};

G_DEFINE_FINAL_TYPE (MrStateCard, mr_state_card, GTK_TYPE_BOX)

static const struct {
  const char *label;
  const char *action;
  const char *page; /* of the settings: the action's target; NULL for none */
  gboolean suggested;
} helps[N_HELPS] = {
  [SET_UP] = { N_ ("Set _up…"), "app.assistant", NULL, TRUE },
  [MEND_RELAYS] = { N_ ("_Fix…"), "app.preferences-page", "relays", TRUE },
  [MEND_SERVER] = { N_ ("_Fix…"), "app.preferences-page", "server", TRUE },
  [SEE_RULES] = { N_ ("_Rules…"), "app.preferences-page", "rules", FALSE },
  [CONNECT] = { N_ ("_Connect"), "app.connect", NULL, TRUE },
  [PAUSE] = { N_ ("_Pause"), "app.pause", NULL, FALSE },
  [RESUME] = { N_ ("_Resume"), "app.resume", NULL, TRUE },
};

static const char *const colors[] = { "state-good", "state-busy", "state-bad", NULL };

static Help
choose_help (MrSharing *sharing)
{
  g_autofree char *problem = mr_sharing_dup_config_problem (sharing);
  MrWorker *worker = mr_sharing_get_worker (sharing);
  MrPauseReason reason = mr_sharing_get_pause (sharing)->reason;

  if (problem != NULL)
    return worker == NULL ? SET_UP : MEND_RELAYS;
  if (!mr_sharing_is_wanted (sharing))
    return CONNECT;
  if (reason != MR_PAUSE_NONE)
    return reason == MR_PAUSE_BY_OWNER ? RESUME : SEE_RULES;
  if (mr_sharing_get_state (sharing) == MR_SHARING_ERROR)
    return worker != NULL && !mr_worker_get_backend_is_up (worker) ? MEND_SERVER : MEND_RELAYS;
  return PAUSE;
}

static const char *
choose_color (MrSharingState state)
{
  if (state == MR_SHARING_ERROR)
    return "state-bad";
  if (state == MR_SHARING_RELAYING)
    return "state-busy";
  return state == MR_SHARING_CONNECTED ? "state-good" : NULL;
}

static void
show_icon (MrStateCard *self, MrSharingState state)
{
  const char *color = choose_color (state);

  gtk_image_set_from_icon_name (self->icon, mr_tray_icon_name (state));
  for (guint i = 0; colors[i] != NULL; i++)
    if (color != NULL && g_str_equal (colors[i], color))
      gtk_widget_add_css_class (GTK_WIDGET (self->icon), colors[i]);
    else
      gtk_widget_remove_css_class (GTK_WIDGET (self->icon), colors[i]);
}

static void
show_help (MrStateCard *self, Help help)
{
  GtkActionable *button = GTK_ACTIONABLE (self->help);

  gtk_button_set_label (self->help, _ (helps[help].label));
  gtk_button_set_use_underline (self->help, TRUE);
  /* One after the other: never the new action with the old target. */
  gtk_actionable_set_action_name (button, NULL);
  gtk_actionable_set_action_target_value (button,
                                          helps[help].page != NULL ? g_variant_new_string (helps[help].page) : NULL);
  gtk_actionable_set_action_name (button, helps[help].action);
  if (helps[help].suggested)
    gtk_widget_add_css_class (GTK_WIDGET (self->help), "suggested-action");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self->help), "suggested-action");
}

void
mr_state_card_update (MrStateCard *card)
{
  MrSharingState state = mr_sharing_get_state (card->sharing);
  g_autofree char *headline = mr_sharing_dup_headline (card->sharing);
  g_autofree char *details = mr_sharing_dup_details (card->sharing);
  Help help = choose_help (card->sharing);

  show_icon (card, state);
  gtk_label_set_label (card->headline, headline);
  gtk_label_set_label (card->details, details);
  gtk_widget_set_visible (GTK_WIDGET (card->details), details[0] != '\0');
  if (help != card->shown) {
    card->shown = help;
    show_help (card, help);
  }
  gtk_widget_set_visible (GTK_WIDGET (card->stop), state == MR_SHARING_RELAYING);
}

static void
mr_state_card_class_init (MrStateCardClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/state-card.ui");
  gtk_widget_class_bind_template_child (widget_class, MrStateCard, icon);
  gtk_widget_class_bind_template_child (widget_class, MrStateCard, headline);
  gtk_widget_class_bind_template_child (widget_class, MrStateCard, details);
  gtk_widget_class_bind_template_child (widget_class, MrStateCard, help);
  gtk_widget_class_bind_template_child (widget_class, MrStateCard, stop);
}

static void
mr_state_card_init (MrStateCard *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->shown = N_HELPS;
}

GtkWidget *
mr_state_card_new (MrSharing *sharing)
{
  MrStateCard *self = g_object_new (MR_TYPE_STATE_CARD, NULL);

  self->sharing = sharing;
  return GTK_WIDGET (self);
}
