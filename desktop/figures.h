/* SPDX-License-Identifier: MIT */
/*
 * Numbers, times and places as the app's windows show them: translated, grouped as the locale does. All texts are
 * (transfer full).
 */
#pragma once

#include <glib.h>

/** mr_figures_count: "12,345" */
char *mr_figures_count (guint64 count);

/** mr_figures_span: of seconds: "12 s", "3 min 20 s", "2 h 5 min" */
char *mr_figures_span (guint64 seconds);

/** mr_figures_total: of seconds, where they no longer count: "12 min", "2 h 5 min" */
char *mr_figures_total (guint64 seconds);

/** mr_figures_place: of a relay: host and, when the URL has one, port; @url itself when it is no URL. */
char *mr_figures_place (const char *url);
