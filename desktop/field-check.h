/* SPDX-License-Identifier: MIT */
/*
 * Whether a text that the owner types is a value that can be used, and a sentence that says what is wrong with it. The
 * worker's own rules decide (worker-config.h); only the sentences are ours. Pure; where they are shown is not ours.
 *
 * Each check returns: (transfer full) (nullable): a translated sentence; %NULL when the text is good.
 */
#pragma once

#include <glib.h>

char *mr_field_check_relay_url (const char *text);
char *mr_field_check_backend_url (const char *text);
char *mr_field_check_secret (const char *text);
char *mr_field_check_provider (const char *text);

/** mr_field_check_worker_name: an empty one is good: the host's. */
char *mr_field_check_worker_name (const char *text);

/** mr_field_check_program: the name of an executable, without directory. */
char *mr_field_check_program (const char *text);

/** mr_field_check_number: a whole number, both limits included. */
char *mr_field_check_number (const char *text, guint min, guint max);

char *mr_field_check_time (const char *text);

/**
 * mr_field_parse_time:
 * @text: a time of day as mr_field_format_time() writes it; 24 hours or 12 hours with am/pm, whatever the locale has
 * @minutes: (out): after midnight
 *
 * Returns: %FALSE when it is none
 */
gboolean mr_field_parse_time (const char *text, guint *minutes);

/** mr_field_format_time: (transfer full): @minutes after midnight in the locale's way, e.g. "20:00" or "8:00 PM". */
char *mr_field_format_time (guint minutes);
