/* SPDX-License-Identifier: MIT */
/*
 * A run: when each request starts, never more of them under way than allowed, and when all is over. Two ways to go:
 *
 *   closed: a request starts when one has ended; there are always `concurrency` under way
 *   open (--rate): request i is due at i / rate; when all places are taken it waits for one, and its time counts
 */
#pragma once

#include "load-request.h"

typedef struct _MrLoadRun MrLoadRun;

/** MrLoadRunOver: the last request has ended. */
typedef void (*MrLoadRunOver) (MrLoadRun *run, gpointer data);

/**
 * mr_load_run_new:
 * @options: complete; must outlive the run, like @client and @reactor
 * @model: to ask for
 *
 * Starts at once; no callback comes before this returns.
 */
MrLoadRun *mr_load_run_new (MrReactor *reactor, MrHttpClient *client, const MrLoadOptions *options, const char *model,
                            MrLoadRunOver over, gpointer data);

/** mr_load_run_free: (nullable): what is under way is stopped. */
void mr_load_run_free (MrLoadRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLoadRun, mr_load_run_free)

/** mr_load_run_stop: ends all that is under way; nothing starts any more; no callback follows. */
void mr_load_run_stop (MrLoadRun *run);

/** mr_load_run_get_tally: (transfer none): what was counted so far. */
MrLoadTally *mr_load_run_get_tally (MrLoadRun *run);

/** mr_load_run_get_running: requests under way. */
guint mr_load_run_get_running (MrLoadRun *run);

/** mr_load_run_get_elapsed: microseconds since its start, up to its end. */
gint64 mr_load_run_get_elapsed (MrLoadRun *run);

/** mr_load_run_get_progress: how much is done, 0 to 1: of the requests or of the time, whichever is further. */
double mr_load_run_get_progress (MrLoadRun *run);
