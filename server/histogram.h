/* SPDX-License-Identifier: MIT */
/*
 * A distribution of times: log-linear counts, from which quantiles and Prometheus buckets are read. Pure; less than
 * 4 KiB each, whatever is added.
 */
#pragma once

#include <glib.h>

/* Upper bounds of the exposition's buckets: from an error that is answered at once to a long generation. */
#define MR_HISTOGRAM_N_BOUNDS 16
extern const gint64 mr_histogram_bounds_us[MR_HISTOGRAM_N_BOUNDS];

typedef struct _MrHistogram MrHistogram;

MrHistogram *mr_histogram_new (void);
void mr_histogram_free (MrHistogram *histogram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHistogram, mr_histogram_free)

/** mr_histogram_copy: (transfer full) */
MrHistogram *mr_histogram_copy (const MrHistogram *histogram);

/** mr_histogram_subtract: takes out what @earlier had counted, a copy of the same one from before. */
void mr_histogram_subtract (MrHistogram *histogram, const MrHistogram *earlier);

/** mr_histogram_add: @value_us: microseconds; negative counts as 0. */
void mr_histogram_add (MrHistogram *histogram, gint64 value_us);

guint64 mr_histogram_get_count (const MrHistogram *histogram);

/** mr_histogram_get_sum: seconds */
double mr_histogram_get_sum (const MrHistogram *histogram);

/**
 * mr_histogram_get_quantile: @q: 0 to 1. Microseconds, exact to within 4 percent (beyond 2 hours the largest value);
 * 0 when empty.
 */
gint64 mr_histogram_get_quantile (const MrHistogram *histogram, double q);

/** mr_histogram_count_up_to: how many values were at most @value_us, exact where @value_us is one of
 * mr_histogram_bounds_us, else possibly a few too few. */
guint64 mr_histogram_count_up_to (const MrHistogram *histogram, gint64 value_us);
