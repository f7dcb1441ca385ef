/* SPDX-License-Identifier: MIT */
/*
 * The sums of today as a row of figures, which breaks where the window is narrow. A section of the main window.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_TODAY_CARD (mr_today_card_get_type ())
G_DECLARE_FINAL_TYPE (MrTodayCard, mr_today_card, MR, TODAY_CARD, GtkBox)

/** mr_today_card_new: @sharing: outlives it */
GtkWidget *mr_today_card_new (MrSharing *sharing);

/** mr_today_card_update: shows the sums as they are now. */
void mr_today_card_update (MrTodayCard *card);
