/* SPDX-License-Identifier: MIT */
/*
 * The back-off by itself: its first steps, and thousands of random histories against a simple model.
 */
#include "backoff.h"

static void
test_steps (void)
{
  const gint64 expected_s[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
  MrBackoff backoff = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (expected_s); i++) {
    g_assert_cmpint (mr_backoff_next_us (&backoff, 0), ==, expected_s[i] * G_USEC_PER_SEC);
  }
}

static void
test_jitter (void)
{
  MrBackoff backoff = { 0 };

  g_assert_cmpint (mr_backoff_next_us (&backoff, 499999), ==, 1499999);
  g_assert_cmpint (mr_backoff_next_us (&backoff, 500000), ==, 2000000);
  g_assert_cmpint (mr_backoff_next_us (&backoff, G_MAXUINT32), <, 4500000);
}

static void
test_reset (void)
{
  MrBackoff backoff = { 0 };

  mr_backoff_next_us (&backoff, 0);
  mr_backoff_next_us (&backoff, 0);
  mr_backoff_session_ended (&backoff, MR_BACKOFF_GOOD_SESSION_USEC - 1);
  g_assert_cmpint (mr_backoff_next_us (&backoff, 0), ==, 4 * G_USEC_PER_SEC);
  mr_backoff_session_ended (&backoff, MR_BACKOFF_GOOD_SESSION_USEC);
  g_assert_cmpint (mr_backoff_next_us (&backoff, 0), ==, 1 * G_USEC_PER_SEC);
}

/* The model keeps the list of failures since the last good session, and nothing else. */
static void
test_random (void)
{
  guint32 seed = g_random_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  g_test_message ("seed %u", seed);
  for (guint history = 0; history < 5000; history++) {
    MrBackoff backoff = { 0 };
    guint failures = 0;

    for (guint step = 0; step < 100; step++) {
      if (g_rand_int_range (rand, 0, 20) == 0) {
        gint64 lived_us = g_rand_int_range (rand, 0, 20 * G_USEC_PER_SEC);

        mr_backoff_session_ended (&backoff, lived_us);
        failures = lived_us >= 10 * G_USEC_PER_SEC ? 0 : failures;
      } else {
        gint64 wait_us = mr_backoff_next_us (&backoff, g_rand_int (rand));
        gint64 least_us = failures >= 5 ? 30 * G_USEC_PER_SEC : (G_USEC_PER_SEC << failures);

        g_assert_cmpint (wait_us, >=, least_us);
        g_assert_cmpint (wait_us, <, least_us + 500 * 1000);
        failures++;
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/steps", test_steps);
  g_test_add_func ("/backoff/jitter", test_jitter);
  g_test_add_func ("/backoff/reset", test_reset);
  g_test_add_func ("/backoff/random", test_random);
  return g_test_run ();
}
