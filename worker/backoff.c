/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of reconnecting. No clock, no timer, no sockets.
 */
#include "backoff.h"

void
mr_backoff_session_ended (MrBackoff *backoff, gint64 lived_us)
{
  if (lived_us >= MR_BACKOFF_GOOD_SESSION_USEC) {
    backoff->failures = 0;
  }
}

gint64
mr_backoff_next_us (MrBackoff *backoff, guint32 random)
{
  gint64 wait_us = MR_BACKOFF_MIN_USEC;
  for (guint i = 0; i < backoff->failures && wait_us < MR_BACKOFF_MAX_USEC; i++) {
    wait_us *= 2;
  }
  if (wait_us < MR_BACKOFF_MAX_USEC) {
    backoff->failures++;
  }
  return MIN (wait_us, MR_BACKOFF_MAX_USEC) + random % MR_BACKOFF_JITTER_USEC;
}
