/* SPDX-License-Identifier: MIT */
/*
 * The requests that run now: model, relay, age, tokens so far. A section of the main window.
 */
#pragma once

#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_REQUEST_LIST (mr_request_list_get_type ())
G_DECLARE_FINAL_TYPE (MrRequestList, mr_request_list, MR, REQUEST_LIST, GtkBox)

/** mr_request_list_new: @sharing: outlives it */
GtkWidget *mr_request_list_new (MrSharing *sharing);

/** mr_request_list_update: shows what runs now. */
void mr_request_list_update (MrRequestList *list);
