/* SPDX-License-Identifier: MIT */
/*
 * The answer to GET /metrics (contract H1): what the relay counted and how things stand, as Prometheus text.
 * Knows nothing of HTTP and of who may look; the gauges are gathered by the caller.
 */
#pragma once

#include "stats.h"

/** MrMetricsProcess: this process; -1 where the system does not say. */
typedef struct {
  double cpu_seconds; /* user and system */
  gint64 resident_bytes;
  gint64 virtual_bytes;
  gint64 open_fds;
  gint64 max_fds;
} MrMetricsProcess;

/** MrMetricsWorker: one worker that is connected. Workers of one name are shown as one, added up. */
typedef struct {
  const char *name; /* Borrowed */
  guint in_flight;
  guint max_concurrent;
} MrMetricsWorker;

/** MrMetricsGauges: how things stand now. */
typedef struct {
  gint64 start_time; /* of the process, seconds since 1970 */
  guint workers_connected;
  guint workers_draining; /* of those that are connected */
  guint slots_total;
  guint slots_busy;
  guint queue_depth;
  guint in_flight; /* given to a worker and not over */
  guint open_connections;
  gboolean key_store_ready;
  gint64 certificate_expiry; /* seconds since 1970; 0 without TLS */
  MrMetricsProcess process;
  const MrMetricsWorker *workers; /* Borrowed */
  gsize n_workers;
} MrMetricsGauges;

/** MR_METRICS_CONTENT_TYPE: of what mr_metrics_render() returns. */
#define MR_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/**
 * mr_metrics_render:
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). The number of series is bounded
 * by %MR_LIMIT_STAT_MODELS and by the workers that are connected.
 *
 * Returns: (transfer full): the whole text
 */
char *mr_metrics_render (const MrStats *stats, const MrMetricsGauges *gauges);

/** mr_metrics_read_process: asks the kernel and /proc/self. Before Linux 6.2 it costs about a microsecond for each open
 * descriptor. */
void mr_metrics_read_process (MrMetricsProcess *process);
