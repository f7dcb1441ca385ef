/* SPDX-License-Identifier: MIT */
/*
 * Events a second over the last minutes: a row of seconds for a curve, and a mean that settles within some seconds.
 * Pure: sampled by sharing.c about once a second.
 */
#pragma once

#include <glib.h>

#define MR_SHARING_HISTORY_SECONDS 120

/** MrRate: zeroed memory is a valid empty one. */
typedef struct {
  guint history[MR_SHARING_HISTORY_SECONDS]; /* the present second last */
  gint64 sampled_us;                         /* monotonic; 0 before the first sample */
} MrRate;

/** mr_rate_sample: @events: since the last sample; seconds without a sample had none. */
void mr_rate_sample (MrRate *rate, gint64 now_us, guint64 events);

/** mr_rate_get: events a second, over the last five seconds, or since they began. */
double mr_rate_get (const MrRate *rate);
