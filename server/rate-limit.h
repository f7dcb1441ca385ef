/* SPDX-License-Identifier: MIT */
/*
 * What a key has used of its limits (contract B6). Pure: the clock is passed in.
 */
#pragma once

#include <glib.h>

/**
 * MrRateLimit: plain data, zeroed at first.
 */
typedef struct {
  double permits;       /* of the bucket of requests a minute */
  gint64 filled_us;     /* when @permits was computed; 0 before the first request */
  guint running;        /* requests that hold a place now; the relay counts them */
  gint64 day;           /* days since 1970 (UTC) that @tokens_today belongs to */
  guint64 tokens_today; /* prompt and completion, on all relays that share the store, as far as is known here */
} MrRateLimit;

/**
 * mr_rate_limit_take_request:
 * @per_minute: 0 for no limit
 * @now_us: monotonic microseconds
 * @retry_after_us: (out): on %FALSE when a request will be allowed again
 *
 * A bucket that holds a minute's worth at most and fills evenly, so that a burst of @per_minute is allowed after a
 * quiet minute.
 */
gboolean mr_rate_limit_take_request (MrRateLimit *limit, guint per_minute, gint64 now_us, gint64 *retry_after_us);

/**
 * mr_rate_limit_has_tokens:
 * @per_day: 0 for no limit
 * @now: seconds since 1970
 * @retry_after_us: (out): on %FALSE the time to the next day (UTC)
 *
 * A request is let in while the budget is not used up; what it uses then counts in full.
 */
gboolean mr_rate_limit_has_tokens (MrRateLimit *limit, guint64 per_day, gint64 now, gint64 *retry_after_us);

/** mr_rate_limit_use_tokens: adds to the day of @now (seconds since 1970). */
void mr_rate_limit_use_tokens (MrRateLimit *limit, guint64 tokens, gint64 now);

/** mr_rate_limit_set_tokens_today: what the store knows of @day (days since 1970). Never lowers what is known. */
void mr_rate_limit_set_tokens_today (MrRateLimit *limit, guint64 tokens, gint64 day);
