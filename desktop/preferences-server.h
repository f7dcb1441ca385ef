/* SPDX-License-Identifier: MIT */
/*
 * The settings page about the model server: where it is, how many requests it gets at a time, how often it is asked for
 * its models. Writes the settings; who forwards is sharing.h's.
 */
#pragma once

#include "reactor.h"

#include <gtk/gtk.h>

#define MR_TYPE_SERVER_PAGE (mr_server_page_get_type ())
G_DECLARE_FINAL_TYPE (MrServerPage, mr_server_page, MR, SERVER_PAGE, GtkBox)

/** mr_server_page_set_up: once. @reactor: outlives the page; a reference to @settings is taken */
void mr_server_page_set_up (MrServerPage *page, MrReactor *reactor, GSettings *settings);
