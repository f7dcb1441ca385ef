/* SPDX-License-Identifier: MIT */
/*
 * What a run has counted and measured so far. Pure: requests report to it, progress and report read it. Times are
 * microseconds.
 */
#pragma once

#include "sse.h"

#include <glib.h>

/* Of one kind of time. Beyond it samples are counted, but no longer kept: 8 MiB each. */
#define MR_LOAD_MAX_SAMPLES (1 << 20)

/* Kinds of failure that are told apart; a server that makes up a new error code each time gets "other". */
#define MR_LOAD_MAX_FAILURES 32

typedef enum {
  MR_LOAD_FIRST_BYTE,  /* from the start of a request to the head of its answer */
  MR_LOAD_FIRST_TOKEN, /* to the first piece of a streamed answer's text */
  MR_LOAD_GAP,         /* between two arrivals of such pieces */
  MR_LOAD_TOTAL,       /* to the end of the answer */
  MR_LOAD_N_TIMES
} MrLoadTime;

typedef struct {
  char *kind;
  guint64 count;
} MrLoadFailure;

typedef struct {
  guint64 started;
  guint64 ok;
  guint64 failed;
  guint64 unreachable;              /* of the failed ones: nobody answered at all */
  guint64 stopped;                  /* cut short by the user */
  guint64 late;                     /* had to wait for a place, with --rate */
  guint64 n_stated;                 /* answers whose backend stated token counts */
  MrUsage usage;                    /* the sum of these */
  GPtrArray *failures;              /* of MrLoadFailure, in the order of their first time */
  GArray *times[MR_LOAD_N_TIMES];   /* of gint64 */
  guint64 n_times[MR_LOAD_N_TIMES]; /* with those that are not kept */
} MrLoadTally;

MrLoadTally *mr_load_tally_new (void);
void mr_load_tally_free (MrLoadTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLoadTally, mr_load_tally_free)

void mr_load_tally_add_time (MrLoadTally *tally, MrLoadTime which, gint64 time_us);

/** mr_load_tally_add_failure: counts a failed request. @kind: what a reader is told of it; any bytes */
void mr_load_tally_add_failure (MrLoadTally *tally, const char *kind);

/** mr_load_tally_add_usage: what the backend stated of a whole answer, if anything. */
void mr_load_tally_add_usage (MrLoadTally *tally, const MrUsage *usage);

/** mr_load_tally_sort: before percentiles are asked for. */
void mr_load_tally_sort (MrLoadTally *tally);

/**
 * mr_load_tally_percentile:
 * @percent: 0 to 100
 *
 * Returns: the smallest time that so many of the kept times do not exceed (nearest rank); -1 when there is none
 */
gint64 mr_load_tally_percentile (const MrLoadTally *tally, MrLoadTime which, double percent);
