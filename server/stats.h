/* SPDX-License-Identifier: MIT */
/*
 * What has happened since the start: counters and distributions that /metrics, /admin/stats and D-Bus show. Pure;
 * times are passed in. Gauges (what is now) are read from relay and registry when somebody looks.
 */
#pragma once

#include "histogram.h"
#include "sse.h"

typedef enum { MR_OUTCOME_COMPLETED, MR_OUTCOME_FAILED, MR_OUTCOME_CANCELLED, MR_N_OUTCOMES } MrOutcome;

typedef enum {
  MR_COUNT_REQUESTS, /* every inference request that named a model and passed authentication */
  MR_COUNT_REFUSED,  /* before the queue: unknown model, model not allowed, over a limit */
  MR_COUNT_REQUEUED,
  MR_COUNT_QUEUE_FULL,
  MR_COUNT_QUEUE_TIMEOUT,
  MR_COUNT_REQUEST_TIMEOUT,
  MR_COUNT_WORKERS_LOST,
  MR_COUNT_ZOMBIES, /* slots freed because a worker did not confirm a cancel */
  MR_COUNT_CLIENT_AUTH_FAILURES,
  MR_COUNT_WORKER_AUTH_FAILURES,
  MR_COUNT_ADMIN_AUTH_FAILURES,
  MR_COUNT_RELOADS, /* of the configuration */
  MR_N_COUNTS
} MrCount;

/** MrModelStats: of one model; borrowed from the stats. */
typedef struct {
  char *model;
  guint64 outcomes[MR_N_OUTCOMES];
  guint64 prompt_tokens;
  guint64 completion_tokens;
  MrHistogram *first_byte;  /* Owned */
  double tokens_per_second; /* of the last answers, smoothed; 0 when unknown */
} MrModelStats;

typedef struct {
  guint64 counts[MR_N_COUNTS];
  guint64 outcomes[MR_N_OUTCOMES];
  guint64 bytes_from_clients; /* request bodies */
  guint64 bytes_to_clients;   /* answer bodies */
  guint64 prompt_tokens;
  guint64 completion_tokens;
  MrHistogram *queue_wait; /* Owned, as the next two: seconds by arrival to the last dispatch */
  MrHistogram *first_byte; /* arrival to the first byte of the answer */
  MrHistogram *total;      /* arrival to the end of completed requests */
  GHashTable *models;      /* Owned: name -> MrModelStats; at most MR_LIMIT_STAT_MODELS, then "(other)" */
} MrStats;

/** MrRequestEnd: all that is to be known of a request that is over. Times in monotonic microseconds, 0 if never. */
typedef struct {
  const char *model;
  MrOutcome outcome;
  gint64 arrived_us;
  gint64 first_byte_us;
  gint64 ended_us;
  guint64 request_bytes;
  guint64 answer_bytes;
  const MrUsage *usage; /* nullable */
} MrRequestEnd;

MrStats *mr_stats_new (void);
void mr_stats_free (MrStats *stats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrStats, mr_stats_free)

void mr_stats_count (MrStats *stats, MrCount what);

/** mr_stats_note_dispatch: @waited_us: since the request arrived. */
void mr_stats_note_dispatch (MrStats *stats, gint64 waited_us);

/** mr_stats_note_end: outcome, bytes, tokens, and the distributions of a request that was in the queue. */
void mr_stats_note_end (MrStats *stats, const MrRequestEnd *end);

/** mr_stats_tokens_per_second: completion tokens over the time from first byte to end; 0 when either is unknown. */
double mr_stats_tokens_per_second (const MrRequestEnd *end);
