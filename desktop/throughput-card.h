/* SPDX-License-Identifier: MIT */
/*
 * Tokens a second over the last two minutes: a plot, and the same in words. A section of the main window.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_THROUGHPUT_CARD (mr_throughput_card_get_type ())
G_DECLARE_FINAL_TYPE (MrThroughputCard, mr_throughput_card, MR, THROUGHPUT_CARD, GtkBox)

/** mr_throughput_card_new: @sharing: outlives it */
GtkWidget *mr_throughput_card_new (MrSharing *sharing);

/** mr_throughput_card_update: Returns: %TRUE while the plot moves, so that it is to be called again in a second */
gboolean mr_throughput_card_update (MrThroughputCard *card);
