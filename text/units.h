/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them: `1.2k`, `3m12s`, `850ms`, `4.1 MB`. Pure. All texts are (transfer full).
 */
#pragma once

#include <glib.h>

/** mr_units_count: `999`, `1.2k`, `35k`, `4.0M`; a dash when negative. */
char *mr_units_count (double count);

/** mr_units_rate: a rate a second: `0.4`, `38`, `1.2k`; a dash when negative. */
char *mr_units_rate (double rate);

/** mr_units_bytes: `812 B`, `4.1 kB`, `12 MB`; powers of 1000. */
char *mr_units_bytes (double bytes);

/** mr_units_span: milliseconds as `12ms`, `1.4s`, `3m12s`, `5h02m`, `12d4h`; a dash when negative. */
char *mr_units_span (double ms);

/** mr_units_ago: the time @then (seconds since 1970; 0 for never) as seen from @now: `never`, `12s ago`. */
char *mr_units_ago (gint64 then, gint64 now);
