/* SPDX-License-Identifier: MIT */
/*
 * The settings page about the app itself: the machine's name, when it starts, what it tells. Writes the settings;
 * the entry for the login is autostart.h's.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_GENERAL_PAGE (mr_general_page_get_type ())
G_DECLARE_FINAL_TYPE (MrGeneralPage, mr_general_page, MR, GENERAL_PAGE, GtkBox)

/** mr_general_page_set_up: once. A reference to @settings is taken */
void mr_general_page_set_up (MrGeneralPage *page, GSettings *settings);
