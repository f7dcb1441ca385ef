/* SPDX-License-Identifier: MIT */
/*
 * Seconds in a row, and the mean of the last few.
 */
#include "rate.h"

#define LAST (MR_SHARING_HISTORY_SECONDS - 1)

/* A second, give or take what a timer is late or early. */
static gint64
next_second (void)
{
  static gint64 now_us = 1234567;

  now_us += G_USEC_PER_SEC + g_test_rand_int_range (-200000, 200000);
  return now_us;
}

static void
test_history (void)
{
  MrRate rate = { 0 };

  for (guint i = 0; i < 3 * MR_SHARING_HISTORY_SECONDS; i++) {
    mr_rate_sample (&rate, next_second (), i);
    for (guint back = 0; back < MIN (i, MR_SHARING_HISTORY_SECONDS); back++) {
      g_assert_cmpuint (rate.history[LAST - back], ==, i - back);
    }
  }
}

static void
test_gaps (void)
{
  MrRate rate = { 0 };
  gint64 now_us = next_second ();

  mr_rate_sample (&rate, now_us, 5);
  mr_rate_sample (&rate, now_us + 4 * G_USEC_PER_SEC, 7);
  g_assert_cmpuint (rate.history[LAST], ==, 7);
  g_assert_cmpuint (rate.history[LAST - 1], ==, 0);
  g_assert_cmpuint (rate.history[LAST - 3], ==, 0);
  g_assert_cmpuint (rate.history[LAST - 4], ==, 5);
  /* A night without requests; a clock that does not move; more than fits. */
  mr_rate_sample (&rate, now_us + (gint64) 40000 * G_USEC_PER_SEC, 9);
  g_assert_cmpuint (rate.history[LAST], ==, 9);
  g_assert_cmpuint (rate.history[0], ==, 0);
  g_assert_cmpuint (rate.history[LAST - 1], ==, 0);
  mr_rate_sample (&rate, now_us + (gint64) 40000 * G_USEC_PER_SEC, G_MAXUINT64);
  g_assert_cmpuint (rate.history[LAST - 1], ==, 9);
  g_assert_cmpuint (rate.history[LAST], ==, G_MAXUINT);
}

static void
test_mean (void)
{
  MrRate rate = { 0 };

  g_assert_cmpfloat (mr_rate_get (&rate), ==, 0);
  mr_rate_sample (&rate, next_second (), 40);
  g_assert_cmpfloat (mr_rate_get (&rate), ==, 40); /* at once, not after five seconds */
  mr_rate_sample (&rate, next_second (), 20);
  g_assert_cmpfloat (mr_rate_get (&rate), ==, 30);
  for (guint i = 0; i < 10; i++) {
    mr_rate_sample (&rate, next_second (), 50);
  }
  g_assert_cmpfloat (mr_rate_get (&rate), ==, 50);
  for (guint i = 0; i < 4; i++) {
    mr_rate_sample (&rate, next_second (), 0);
    g_assert_cmpfloat (mr_rate_get (&rate), >, 0);
  }
  mr_rate_sample (&rate, next_second (), 0);
  g_assert_cmpfloat (mr_rate_get (&rate), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/desktop/rate/history", test_history);
  g_test_add_func ("/desktop/rate/gaps", test_gaps);
  g_test_add_func ("/desktop/rate/mean", test_mean);
  return g_test_run ();
}
