/* SPDX-License-Identifier: MIT */
/*
 * Gives its child its whole height, and its width up to a bound, in the middle: lines stay
 * readable in a maximised window.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_CLAMP (mr_clamp_get_type ())
G_DECLARE_FINAL_TYPE (MrClamp, mr_clamp, MR, CLAMP, GtkWidget)

/** mr_clamp_new: @child: (transfer full). @most: width in pixels */
GtkWidget *mr_clamp_new (GtkWidget *child, int most);
