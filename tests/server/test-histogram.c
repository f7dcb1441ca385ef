/* SPDX-License-Identifier: MIT */
/* Distributions of times: server/histogram.c, also by random values against a sorted array. */
#include "histogram.h"

#include <stdlib.h>

#define N_VALUES 20000

static gint
compare_values (gconstpointer a, gconstpointer b)
{
  const gint64 *left = a, *right = b;

  return *left < *right ? -1 : *left > *right;
}

static void
test_empty (void)
{
  g_autoptr (MrHistogram) histogram = mr_histogram_new ();

  g_assert_cmpuint (mr_histogram_get_count (histogram), ==, 0);
  g_assert_cmpfloat (mr_histogram_get_sum (histogram), ==, 0);
  g_assert_cmpint (mr_histogram_get_quantile (histogram, 0.5), ==, 0);
  g_assert_cmpuint (mr_histogram_count_up_to (histogram, G_MAXINT64), ==, 0);
}

static void
test_small_values_are_exact (void)
{
  g_autoptr (MrHistogram) histogram = mr_histogram_new ();

  for (gint64 value = -1; value <= 31; value++)
    mr_histogram_add (histogram, value);
  g_assert_cmpuint (mr_histogram_get_count (histogram), ==, 33);
  g_assert_cmpuint (mr_histogram_count_up_to (histogram, -1), ==, 0);
  g_assert_cmpuint (mr_histogram_count_up_to (histogram, 0), ==, 2);
  for (gint64 value = 1; value <= 31; value++) {
    g_assert_cmpuint (mr_histogram_count_up_to (histogram, value), ==, value + 2);
    g_assert_cmpint (mr_histogram_get_quantile (histogram, (double) (value + 2) / 33), ==, value);
  }
  g_assert_cmpfloat_with_epsilon (mr_histogram_get_sum (histogram), 31 * 32 / 2 / 1e6, 1e-12);
}

/* A value on a bound belongs to it, the next microsecond does not. */
static void
test_bounds_are_exact (void)
{
  g_autoptr (MrHistogram) histogram = mr_histogram_new ();

  for (guint i = 0; i < MR_HISTOGRAM_N_BOUNDS; i++) {
    for (gint64 off = -1; off <= 1; off++)
      mr_histogram_add (histogram, mr_histogram_bounds_us[i] + off);
    if (i > 0)
      g_assert_cmpint (mr_histogram_bounds_us[i], >, mr_histogram_bounds_us[i - 1]);
  }
  for (guint i = 0; i < MR_HISTOGRAM_N_BOUNDS; i++)
    g_assert_cmpuint (mr_histogram_count_up_to (histogram, mr_histogram_bounds_us[i]), ==, 3 * i + 2);
}

static void
test_longer_than_any_request (void)
{
  g_autoptr (MrHistogram) histogram = mr_histogram_new ();
  const gint64 year_us = G_GINT64_CONSTANT (31536000000000);
  const gint64 hour_us = G_GINT64_CONSTANT (3600000000);

  mr_histogram_add (histogram, hour_us + 1);
  g_assert_cmpint (ABS (mr_histogram_get_quantile (histogram, 1) - hour_us), <=, hour_us / 25);
  mr_histogram_add (histogram, year_us);
  g_assert_cmpint (mr_histogram_get_quantile (histogram, 1), ==, year_us);
  g_assert_cmpuint (mr_histogram_count_up_to (histogram, mr_histogram_bounds_us[MR_HISTOGRAM_N_BOUNDS - 1]), ==, 0);
  g_assert_cmpuint (mr_histogram_get_count (histogram), ==, 2);
  g_assert_cmpfloat_with_epsilon (mr_histogram_get_sum (histogram), 31536000 + 3600, 0.001);
}

static void
check_quantile (const MrHistogram *histogram, const gint64 *sorted, gsize n, double q)
{
  gint64 shown = mr_histogram_get_quantile (histogram, q);
  gint64 exact;
  gsize rank = 1;

  while ((double) rank < q * (double) n)
    rank++;
  exact = sorted[rank - 1];
  g_assert_cmpfloat ((double) ABS (shown - exact), <=, 0.04 * (double) exact);
}

/* Evenly over the powers of two from 1 us to 2 hours, so that every size of step gets its share. */
static void
test_random (void)
{
  static const double quantiles[] = { 0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1 };
  g_autoptr (MrHistogram) histogram = mr_histogram_new ();
  g_autofree gint64 *values = g_new (gint64, N_VALUES);
  guint64 sum = 0;

  for (gsize i = 0; i < N_VALUES; i++) {
    gint64 power = G_GINT64_CONSTANT (1) << g_test_rand_int_range (0, 32);

    values[i] = power + (gint64) g_test_rand_double_range (0, (double) power);
    sum += (guint64) values[i];
    mr_histogram_add (histogram, values[i]);
  }
  qsort (values, N_VALUES, sizeof *values, compare_values);

  for (gsize i = 0; i < G_N_ELEMENTS (quantiles); i++)
    check_quantile (histogram, values, N_VALUES, quantiles[i]);
  for (guint i = 0; i < MR_HISTOGRAM_N_BOUNDS; i++) {
    guint64 exact = 0;

    while (exact < N_VALUES && values[exact] <= mr_histogram_bounds_us[i])
      exact++;
    g_assert_cmpuint (mr_histogram_count_up_to (histogram, mr_histogram_bounds_us[i]), ==, exact);
  }
  g_assert_cmpuint (mr_histogram_get_count (histogram), ==, N_VALUES);
  g_assert_cmpfloat_with_epsilon (mr_histogram_get_sum (histogram), (double) sum / 1e6, 1e-3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/server/histogram/empty", test_empty);
  g_test_add_func ("/server/histogram/small-values-are-exact", test_small_values_are_exact);
  g_test_add_func ("/server/histogram/bounds-are-exact", test_bounds_are_exact);
  g_test_add_func ("/server/histogram/longer-than-any-request", test_longer_than_any_request);
  g_test_add_func ("/server/histogram/random", test_random);
  return g_test_run ();
}
