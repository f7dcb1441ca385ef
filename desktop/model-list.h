/* SPDX-License-Identifier: MIT */
/*
 * The models of the model server, each with a switch: shared or not, and what runs on it. A section of the main window.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_MODEL_LIST (mr_model_list_get_type ())
G_DECLARE_FINAL_TYPE (MrModelList, mr_model_list, MR, MODEL_LIST, GtkBox)

/** mr_model_list_new: @sharing: outlives it */
GtkWidget *mr_model_list_new (MrSharing *sharing);

/** mr_model_list_update: shows what there is now. */
void mr_model_list_update (MrModelList *list);
