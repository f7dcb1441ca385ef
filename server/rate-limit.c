/* SPDX-License-Identifier: MIT */
/*
 * Requests a minute and tokens a day of one key. See rate-limit.h.
 */
#include "rate-limit.h"

#include "limits.h"

#define MINUTE_US (60.0 * MR_USEC_PER_SEC)
#define DAY_SECONDS G_GINT64_CONSTANT (86400)

/* What rounding may take from a permit, far less than a microsecond's worth. */
#define ROUNDING 1e-9

static void
refill (MrRateLimit *limit, guint per_minute, gint64 now_us)
{
  if (limit->filled_us == 0)
    limit->permits = per_minute;
  else if (now_us > limit->filled_us)
    limit->permits += (double) (now_us - limit->filled_us) * per_minute / MINUTE_US;
  limit->permits = MIN (limit->permits, per_minute);
  limit->filled_us = MAX (limit->filled_us, now_us);
}

gboolean
mr_rate_limit_take_request (MrRateLimit *limit, guint per_minute, gint64 now_us, gint64 *retry_after_us)
{
  if (per_minute == 0)
    return TRUE;
  refill (limit, per_minute, now_us);
  if (limit->permits < 1 - ROUNDING) {
    *retry_after_us = (gint64) ((1 - limit->permits) * MINUTE_US / per_minute) + 1;
    return FALSE;
  }
  limit->permits = MAX (limit->permits - 1, 0);
  return TRUE;
}

/* A wall clock that was set back opens its day anew: else one that was once far ahead would lock the key out. */
static void
turn_to_day (MrRateLimit *limit, gint64 day)
{
  if (limit->day != day) {
    limit->day = day;
    limit->tokens_today = 0;
  }
}

gboolean
mr_rate_limit_has_tokens (MrRateLimit *limit, guint64 per_day, gint64 now, gint64 *retry_after_us)
{
  gint64 day = now / DAY_SECONDS;

  turn_to_day (limit, day);
  if (per_day == 0 || limit->tokens_today < per_day)
    return TRUE;
  *retry_after_us = ((day + 1) * DAY_SECONDS - now) * MR_USEC_PER_SEC;
  return FALSE;
}

void
mr_rate_limit_use_tokens (MrRateLimit *limit, guint64 tokens, gint64 now)
{
  turn_to_day (limit, now / DAY_SECONDS);
  if (!g_uint64_checked_add (&limit->tokens_today, limit->tokens_today, tokens))
    limit->tokens_today = G_MAXUINT64;
}

void
mr_rate_limit_set_tokens_today (MrRateLimit *limit, guint64 tokens, gint64 day)
{
  if (day < limit->day)
    return;
  turn_to_day (limit, day);
  limit->tokens_today = MAX (limit->tokens_today, tokens);
}
