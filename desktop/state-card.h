/* SPDX-License-Identifier: MIT */
/*
 * How sharing is: icon, headline, details, the one button that helps now, and “Stop at once” while requests run. A
 * section of the main window.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_STATE_CARD (mr_state_card_get_type ())
G_DECLARE_FINAL_TYPE (MrStateCard, mr_state_card, MR, STATE_CARD, GtkBox)

/** mr_state_card_new: @sharing: outlives it */
GtkWidget *mr_state_card_new (MrSharing *sharing);

/** mr_state_card_update: shows how it is now. */
void mr_state_card_update (MrStateCard *card);
