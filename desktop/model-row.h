/* SPDX-License-Identifier: MIT */
/*
 * One model: its name, what runs on it, and the switch that shares it.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_MODEL_ROW (mr_model_row_get_type ())
G_DECLARE_FINAL_TYPE (MrModelRow, mr_model_row, MR, MODEL_ROW, GtkListBoxRow)

/** mr_model_row_new: @sharing: outlives it */
GtkWidget *mr_model_row_new (MrSharing *sharing, const char *model);

/** mr_model_row_get_model: (transfer none) */
const char *mr_model_row_get_model (MrModelRow *row);

/** mr_model_row_update: @running: requests on it now */
void mr_model_row_update (MrModelRow *row, guint running);

/** mr_model_row_toggle: what a click on the row does. */
void mr_model_row_toggle (MrModelRow *row);
