/* SPDX-License-Identifier: MIT */
/*
 * What a worker has done since it was made: plain numbers. Who counts is relay-requests.c, who shows is worker.h.
 */
#pragma once

#include <glib.h>

/** MrWorkerTotals: since the worker was made; never smaller than before. */
typedef struct {
  guint64 requests;          /* that ended, however */
  guint64 failed;            /* of them: the backend failed, or the connection to the relay was lost */
  guint64 cancelled;         /* of them: by the relay, or dropped by mr_worker_stop() */
  guint64 events;            /* of streams, those of running requests included */
  guint64 prompt_tokens;     /* that backends stated; requests of unknown usage add nothing */
  guint64 completion_tokens; /* likewise */
} MrWorkerTotals;
