/* SPDX-License-Identifier: MIT */
/*
 * The settings page with the rules of when to share, and what each of them does now. Writes the settings; what the
 * rules mean is pause-rules.h's.
 */
#pragma once

#include "conditions.h"
#include "sharing.h"

#include <gtk/gtk.h>

#define MR_TYPE_RULES_PAGE (mr_rules_page_get_type ())
G_DECLARE_FINAL_TYPE (MrRulesPage, mr_rules_page, MR, RULES_PAGE, GtkBox)

/** mr_rules_page_set_up: once. References are taken */
void mr_rules_page_set_up (MrRulesPage *page, GSettings *settings, MrConditions *conditions, MrSharing *sharing);
