/* SPDX-License-Identifier: MIT */
/*
 * A row of seconds. See rate.h.
 */
#include "rate.h"

#include <string.h>

#define MEAN_SECONDS 5

void
mr_rate_sample (MrRate *self, gint64 now_us, guint64 events)
{
  gint64 elapsed_us = now_us - self->sampled_us;
  /* A timer is never exact: what is nearest to one second is one. */
  gint64 seconds = (elapsed_us + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC;
  gsize steps = (gsize) CLAMP (seconds, 1, MR_SHARING_HISTORY_SECONDS);
  gsize kept = MR_SHARING_HISTORY_SECONDS - steps;

  memmove (self->history, self->history + steps, kept * sizeof *self->history);
  memset (self->history + kept, 0, steps * sizeof *self->history);
  self->history[MR_SHARING_HISTORY_SECONDS - 1] = (guint) MIN (events, G_MAXUINT);
  self->sampled_us = now_us;
}

double
mr_rate_get (const MrRate *self)
{
  guint64 sum = 0;
  guint seconds = 0;

  for (guint i = MR_SHARING_HISTORY_SECONDS - MEAN_SECONDS; i < MR_SHARING_HISTORY_SECONDS; i++) {
    sum += self->history[i];
    seconds += sum > 0 ? 1 : 0;
  }
  return seconds > 0 ? (double) sum / seconds : 0;
}
