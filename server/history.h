/* SPDX-License-Identifier: MIT */
/*
 * The last hour in samples of 10 s, for the dashboard's plots. Pure: fed with a clock, the statistics and the gauges;
 * who wakes up to feed it is admin-web.c's business.
 *
 *   mr_history_new -> [ ... quiet ... ] -> mr_history_skip -> change, change ... -> mr_history_sample -> ...
 *
 * An interval in which nothing changed needs nobody: it is filled in later, with rates of zero and the gauges as they
 * were.
 */
#pragma once

#include "stats.h"

#define MR_HISTORY_INTERVAL_USEC (10 * G_USEC_PER_SEC)
#define MR_HISTORY_SAMPLES 360

/* Of these models the rates are told apart; the others are added up. */
#define MR_HISTORY_MODELS 8

typedef struct _MrHistory MrHistory;

/** MrHistoryGauges: what is at the end of an interval. */
typedef struct {
  guint queue_depth;
  guint running;
  guint workers;
  guint slots;
} MrHistoryGauges;

/** mr_history_new: @stats: borrowed, outlives the history; @now_us: monotonic, where the first interval begins. */
MrHistory *mr_history_new (const MrStats *stats, gint64 now_us);
void mr_history_free (MrHistory *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHistory, mr_history_free)

/** mr_history_get_due: when the interval ends that is not over; monotonic. */
gint64 mr_history_get_due (MrHistory *history);

/** mr_history_skip: fills in the intervals that are over at @now_us. Nothing has changed since the last sample, or
 * since what is changing now. */
void mr_history_skip (MrHistory *history, gint64 now_us);

/**
 * mr_history_sample:
 *
 * Closes the intervals that are over at @now_us: what the statistics have counted meanwhile belongs to the first.
 *
 * Returns: how many they are
 */
guint mr_history_sample (MrHistory *history, gint64 now_us, const MrHistoryGauges *gauges);

/**
 * mr_history_to_json:
 * @n: the last so many samples, or as many as there are
 * @now_us: monotonic, and @real_us: the same instant since 1970
 *
 * `{"interval_s":10,"end":TIME,"columns":{...},"models":{...}}`: arrays by column, the oldest sample first; `end` is
 * when the last one ended. Times to the first byte are null where no answer began. At most 60 KiB.
 *
 * Returns: (transfer full): the document
 */
char *mr_history_to_json (MrHistory *history, guint n, gint64 now_us, gint64 real_us);
