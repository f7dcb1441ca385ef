/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue of waiting requests (contract C3): in arrival order among requests that a given worker could
 * take, so that a busy model never blocks another one. Pure; jobs are borrowed.
 */
#pragma once

#include "job.h"

typedef struct _MrJobQueue MrJobQueue;

/** MrJobQueuePredicate: %TRUE when a request with this need could be taken now. */
typedef gboolean (*MrJobQueuePredicate) (const MrDispatchNeed *need, gpointer user_data);

/** mr_job_queue_new: without a bound. */
MrJobQueue *mr_job_queue_new (void);
void mr_job_queue_free (MrJobQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrJobQueue, mr_job_queue_free)

/** mr_job_queue_set_max_length: most jobs that may wait; 0 for no bound. Those that wait already stay. */
void mr_job_queue_set_max_length (MrJobQueue *queue, guint max_length);

/**
 * mr_job_queue_push:
 *
 * Jobs are kept by their number, so that a requeued one is first again. A requeued job (@returning) is
 * taken above the bound: it had its place.
 *
 * Returns: %FALSE when the queue is full
 */
gboolean mr_job_queue_push (MrJobQueue *queue, MrJob *job, gboolean returning);

void mr_job_queue_remove (MrJobQueue *queue, MrJob *job);

/**
 * mr_job_queue_find:
 *
 * Asks @predicate once for each need that somebody waits with.
 *
 * Returns: (transfer none) (nullable): of the jobs that can be taken the one that came first
 */
MrJob *mr_job_queue_find (MrJobQueue *queue, MrJobQueuePredicate predicate, gpointer user_data);

guint mr_job_queue_get_length (MrJobQueue *queue);
