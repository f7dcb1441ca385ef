/* SPDX-License-Identifier: MIT */
/*
 * The workers of one machine: the present one, and those before it that still finish what they have. When one is hired
 * or sent home is sharing.c's decision.
 */
#pragma once

#include "today.h"
#include "worker.h"

typedef struct _MrCrew MrCrew;

/** MrCrewEvents: come from the main loop, when no worker is half-way. */
typedef struct {
  /* State, models, load or a relay of a worker is new. */
  void (*changed) (gpointer data);

  /* A worker has finished; if it is the present one, it can be started again. */
  void (*drained) (gpointer data);

  /* What workers have done since it was told last. May also come from within a call of the owner's. */
  void (*done) (const MrSharingToday *more, guint64 events, gpointer data);
} MrCrewEvents;

/** mr_crew_new: @events: must outlive the crew */
MrCrew *mr_crew_new (MrReactor *reactor, const MrCrewEvents *events, gpointer data);

/** mr_crew_free: drops all requests. */
void mr_crew_free (MrCrew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrCrew, mr_crew_free)

/** mr_crew_get_present: (nullable) (transfer none) */
MrWorker *mr_crew_get_present (MrCrew *crew);

/**
 * mr_crew_hire: a new present worker, not started; there must be none.
 * @config: (transfer full): checked
 */
void mr_crew_hire (MrCrew *crew, MrWorkerConfig *config);

/** mr_crew_retire: the present worker, if any, finishes what it has; there is none from now on. */
void mr_crew_retire (MrCrew *crew);

/** mr_crew_drop_all: their requests end at once; there is no present worker from now on. */
void mr_crew_drop_all (MrCrew *crew);

/** mr_crew_all_have_stopped: nobody works, nobody drains. */
gboolean mr_crew_all_have_stopped (MrCrew *crew);

/** mr_crew_count: tells what was done since. */
void mr_crew_count (MrCrew *crew);

/** mr_crew_get_running: how many requests run with all of them. */
guint mr_crew_get_running (MrCrew *crew);

void mr_crew_foreach_request (MrCrew *crew, void (*visit) (const MrWorkerRequest *request, gpointer data),
                              gpointer data);
