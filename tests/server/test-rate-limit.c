/* SPDX-License-Identifier: MIT */
/* Requests a minute and tokens a day: server/rate-limit.c, also by random sequences against whole numbers. */
#include "rate-limit.h"

#include "limits.h"

#define N_STEPS 100000
#define START_US G_GINT64_CONSTANT (1000)
#define MINUTE_US (60 * MR_USEC_PER_SEC)
#define DAY G_GINT64_CONSTANT (86400)

static guint
take_all (MrRateLimit *limit, guint per_minute, gint64 now_us, gint64 *retry_us)
{
  guint taken = 0;

  while (mr_rate_limit_take_request (limit, per_minute, now_us, retry_us)) {
    taken++;
    g_assert_cmpuint (taken, <=, per_minute);
  }
  return taken;
}

static void
test_burst_then_evenly (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  g_assert_cmpuint (take_all (&limit, 60, START_US, &retry_us), ==, 60);
  g_assert_cmpint (retry_us, >=, MR_USEC_PER_SEC);
  g_assert_cmpint (retry_us, <=, MR_USEC_PER_SEC + 1);
  g_assert_cmpuint (take_all (&limit, 60, START_US + 10 * MR_USEC_PER_SEC, &retry_us), ==, 10);
  g_assert_cmpuint (take_all (&limit, 60, START_US + 10 * MR_USEC_PER_SEC + 500000, &retry_us), ==, 0);
  g_assert_cmpint (retry_us, <=, 500001);
  /* A long silence is worth a minute, no more. */
  g_assert_cmpuint (take_all (&limit, 60, START_US + 100 * MINUTE_US, &retry_us), ==, 60);
}

static void
test_no_limit (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = -1;

  for (guint i = 0; i < 1000; i++)
    g_assert_true (mr_rate_limit_take_request (&limit, 0, START_US, &retry_us));
  limit.tokens_today = G_MAXUINT64;
  g_assert_true (mr_rate_limit_has_tokens (&limit, 0, 0, &retry_us));
  g_assert_cmpint (retry_us, ==, -1);
}

/* What was let in stays untouched when the limit is refused; a lower limit holds at once. */
static void
test_limit_changes (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  g_assert_true (mr_rate_limit_take_request (&limit, 100, START_US, &retry_us));
  g_assert_cmpuint (take_all (&limit, 5, START_US, &retry_us), ==, 5);
  g_assert_cmpuint (take_all (&limit, 100, START_US, &retry_us), ==, 0);
}

static void
test_clock_that_stands_or_goes_back (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  g_assert_cmpuint (take_all (&limit, 10, START_US + MINUTE_US, &retry_us), ==, 10);
  g_assert_cmpuint (take_all (&limit, 10, START_US, &retry_us), ==, 0);
  g_assert_cmpuint (take_all (&limit, 10, START_US + MINUTE_US, &retry_us), ==, 0);
  g_assert_cmpuint (take_all (&limit, 10, START_US + 2 * MINUTE_US, &retry_us), ==, 10);
}

/* The model counts in shares of a permit: one share is what one permit a minute gains in a microsecond. */
static void
test_random_requests (void)
{
  static const guint rates[] = { 1, 7, 60, 500, 12345 };
  guint n_allowed = 0, n_refused = 0;

  for (gsize r = 0; r < G_N_ELEMENTS (rates); r++) {
    const gint64 full = rates[r] * MINUTE_US;
    MrRateLimit limit = { 0 };
    gint64 level = full;
    gint64 now_us = START_US;

    for (guint i = 0; i < N_STEPS; i++) {
      gint64 passed_us = g_test_rand_int_range (0, (int) (2 * MINUTE_US / rates[r]));
      gint64 retry_us = 0;
      gboolean allowed;

      if (g_test_rand_int_range (0, 1000) == 0)
        passed_us = g_test_rand_int_range (0, (int) (3 * MINUTE_US));
      if (g_test_rand_int_range (0, 2) == 0)
        passed_us = 0;
      now_us += passed_us;
      level = MIN (level + passed_us * rates[r], full);
      allowed = mr_rate_limit_take_request (&limit, rates[r], now_us, &retry_us);
      g_assert_cmpint (allowed, ==, level >= MINUTE_US);
      if (allowed) {
        level -= MINUTE_US;
        n_allowed++;
        continue;
      }
      /* Then it is allowed, and two microseconds before it is not. */
      n_refused++;
      g_assert_cmpint (level + retry_us * rates[r], >=, MINUTE_US);
      g_assert_cmpint (level + (retry_us - 2) * rates[r], <, MINUTE_US);
      if (g_test_rand_bit ()) {
        MrRateLimit copy = limit;
        gint64 unused;

        g_assert_true (mr_rate_limit_take_request (&copy, rates[r], now_us + retry_us, &unused));
      }
    }
  }
  g_test_message ("%u allowed, %u refused", n_allowed, n_refused);
  g_assert_cmpuint (n_allowed, >, N_STEPS);
  g_assert_cmpuint (n_refused, >, N_STEPS / 10);
}

static void
test_tokens_a_day (void)
{
  const gint64 noon = 20000 * DAY + DAY / 2;
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  g_assert_true (mr_rate_limit_has_tokens (&limit, 100, noon, &retry_us));
  mr_rate_limit_use_tokens (&limit, 99, noon);
  g_assert_true (mr_rate_limit_has_tokens (&limit, 100, noon, &retry_us));
  mr_rate_limit_use_tokens (&limit, 500, noon);
  g_assert_cmpuint (limit.tokens_today, ==, 599);
  g_assert_false (mr_rate_limit_has_tokens (&limit, 100, noon, &retry_us));
  g_assert_cmpint (retry_us, ==, DAY / 2 * MR_USEC_PER_SEC);
  g_assert_false (mr_rate_limit_has_tokens (&limit, 100, 20001 * DAY - 1, &retry_us));
  g_assert_cmpint (retry_us, ==, MR_USEC_PER_SEC);
  g_assert_true (mr_rate_limit_has_tokens (&limit, 600, noon, &retry_us));
  g_assert_true (mr_rate_limit_has_tokens (&limit, 100, 20001 * DAY, &retry_us));
  g_assert_cmpuint (limit.tokens_today, ==, 0);
}

/* A worker may state any number. */
static void
test_tokens_do_not_wrap (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  mr_rate_limit_use_tokens (&limit, G_MAXUINT64 - 1, DAY);
  mr_rate_limit_use_tokens (&limit, 10, DAY);
  g_assert_cmpuint (limit.tokens_today, ==, G_MAXUINT64);
  g_assert_false (mr_rate_limit_has_tokens (&limit, G_MAXUINT64, DAY, &retry_us));
}

static void
test_what_the_store_knows (void)
{
  MrRateLimit limit = { 0 };
  gint64 retry_us = 0;

  mr_rate_limit_use_tokens (&limit, 50, 10 * DAY);
  mr_rate_limit_set_tokens_today (&limit, 30, 10);
  g_assert_cmpuint (limit.tokens_today, ==, 50);
  mr_rate_limit_set_tokens_today (&limit, 80, 10);
  g_assert_cmpuint (limit.tokens_today, ==, 80);
  mr_rate_limit_set_tokens_today (&limit, 1000, 9);
  g_assert_cmpuint (limit.tokens_today, ==, 80);
  mr_rate_limit_set_tokens_today (&limit, 5, 11);
  g_assert_cmpuint (limit.tokens_today, ==, 5);
  g_assert_cmpint (limit.day, ==, 11);
  g_assert_false (mr_rate_limit_has_tokens (&limit, 5, 11 * DAY, &retry_us));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/B6/requests-burst-then-evenly", test_burst_then_evenly);
  g_test_add_func ("/server/rate-limit/no-limit", test_no_limit);
  g_test_add_func ("/server/rate-limit/limit-changes", test_limit_changes);
  g_test_add_func ("/server/rate-limit/clock-that-stands-or-goes-back", test_clock_that_stands_or_goes_back);
  g_test_add_func ("/server/rate-limit/random-requests", test_random_requests);
  g_test_add_func ("/contract/B6/tokens-a-day", test_tokens_a_day);
  g_test_add_func ("/server/rate-limit/tokens-do-not-wrap", test_tokens_do_not_wrap);
  g_test_add_func ("/server/rate-limit/what-the-store-knows", test_what_the_store_knows);
  return g_test_run ();
}
