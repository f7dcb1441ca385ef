/* SPDX-License-Identifier: MIT */
/*
 * The settings page with the relays: their addresses and secrets, and what holds for all of them. Writes the settings
 * and the secrets; who connects is sharing.h's.
 */
#pragma once

#include "reactor.h"
#include "secrets.h"

#include <gtk/gtk.h>

#define MR_TYPE_RELAYS_PAGE (mr_relays_page_get_type ())
G_DECLARE_FINAL_TYPE (MrRelaysPage, mr_relays_page, MR, RELAYS_PAGE, GtkBox)

/** mr_relays_page_set_up: once. @reactor: outlives the page; references to the others are taken */
void mr_relays_page_set_up (MrRelaysPage *page, MrReactor *reactor, GSettings *settings, MrSecrets *secrets);
