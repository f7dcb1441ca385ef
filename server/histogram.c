/* SPDX-License-Identifier: MIT */
/*
 * A distribution of times in fixed memory. See histogram.h.
 *
 *   limits  0 1 2 ... 31 32 | 34 36 ... | ... 4900 5000 5312 ...    each a sixteenth above the one before; a bound of
 *   counts  one for each: the values above the limit before it      the exposition cuts a step short
 */
#include "histogram.h"

#define STEP 16 /* half a step, 3.1 percent, is the error of a quantile */
#define N_LIMITS 384
#define LAST_LIMIT_US (G_GINT64_CONSTANT (7200) * 1000000)

struct _MrHistogram {
  guint64 counts[N_LIMITS + 1]; /* the last one: everything above the last limit */
  guint64 count;
  guint64 sum_us;
  gint64 max_us;
};

const gint64 mr_histogram_bounds_us[MR_HISTOGRAM_N_BOUNDS] = {
  5000,    10000,   25000,    50000,    100000,   250000,    500000,    1000000,
  2500000, 5000000, 10000000, 30000000, 60000000, 120000000, 300000000, 600000000,
};

static gint64 limits[N_LIMITS];
static guint n_limits; /* those that are in use; 0 before the first histogram */

static void
compute_limits (void)
{
  gint64 limit = 0;
  guint bound = 0;

  while (limit < LAST_LIMIT_US) {
    g_assert (n_limits < N_LIMITS);
    limits[n_limits++] = limit;
    limit += MAX (1, limit / STEP);
    if (bound < MR_HISTOGRAM_N_BOUNDS && limit >= mr_histogram_bounds_us[bound])
      limit = mr_histogram_bounds_us[bound++];
  }
}

/* The first limit that is at least @value_us; n_limits when there is none. */
static guint
find_limit (gint64 value_us)
{
  guint low = 0, high = n_limits;

  while (low < high) {
    guint middle = (low + high) / 2;

    if (limits[middle] < value_us)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

MrHistogram *
mr_histogram_new (void)
{
  if (n_limits == 0)
    compute_limits ();
  return g_new0 (MrHistogram, 1);
}

void
mr_histogram_free (MrHistogram *histogram)
{
  g_free (histogram);
}

MrHistogram *
mr_histogram_copy (const MrHistogram *histogram)
{
  return g_memdup2 (histogram, sizeof *histogram);
}

void
mr_histogram_subtract (MrHistogram *histogram, const MrHistogram *earlier)
{
  for (guint i = 0; i <= n_limits; i++)
    histogram->counts[i] -= earlier->counts[i];
  histogram->count -= earlier->count;
  histogram->sum_us -= earlier->sum_us;
}

void
mr_histogram_add (MrHistogram *histogram, gint64 value_us)
{
  gint64 value = MAX (value_us, 0);

  histogram->counts[find_limit (value)]++;
  histogram->count++;
  histogram->sum_us += (guint64) value;
  histogram->max_us = MAX (histogram->max_us, value);
}

guint64
mr_histogram_get_count (const MrHistogram *histogram)
{
  return histogram->count;
}

double
mr_histogram_get_sum (const MrHistogram *histogram)
{
  return (double) histogram->sum_us / 1e6;
}

/* A value that stands for all those of one count: the middle of what it holds. */
static gint64
get_representative (const MrHistogram *histogram, guint i)
{
  if (i == 0)
    return 0;
  if (i == n_limits)
    return histogram->max_us;
  return MIN ((limits[i - 1] + 1 + limits[i]) / 2, histogram->max_us);
}

gint64
mr_histogram_get_quantile (const MrHistogram *histogram, double q)
{
  double wanted = CLAMP (q, 0, 1) * (double) histogram->count;
  guint64 seen = 0;

  if (histogram->count == 0)
    return 0;
  for (guint i = 0; i <= n_limits; i++) {
    seen += histogram->counts[i];
    if (seen > 0 && (double) seen >= wanted)
      return get_representative (histogram, i);
  }
  return histogram->max_us;
}

guint64
mr_histogram_count_up_to (const MrHistogram *histogram, gint64 value_us)
{
  guint64 count = 0;

  for (guint i = 0; i < n_limits && limits[i] <= value_us; i++)
    count += histogram->counts[i];
  return count;
}
