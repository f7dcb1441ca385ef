/* SPDX-License-Identifier: MIT */
/*
 * The settings window: relays, model server, sharing rules, general. Every field is checked as it is typed, and what is
 * valid takes effect at once; what is not is named next to the field and is not kept.
 */
#pragma once

#include "application.h"

/**
 * mr_preferences_new:
 * @page: (nullable): "relays", "server", "rules" or "general"
 */
GtkWindow *mr_preferences_new (MrApplication *application, const char *page);
