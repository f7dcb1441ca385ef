/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue of waiting requests (contract C3, C7): fair over keys, and in arrival order among requests that
 * a given worker could take, so that a busy model never blocks another one. Pure; jobs are borrowed.
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
 * A key's jobs are kept by their number, so that a requeued one is first again. A requeued job (@returning) is taken
 * above the bound: it had its place.
 *
 * Returns: %FALSE when the queue is full
 */
gboolean mr_job_queue_push (MrJobQueue *queue, MrJob *job, gboolean returning);

void mr_job_queue_remove (MrJobQueue *queue, MrJob *job);

/**
 * mr_job_queue_find:
 * @now_us: monotonic microseconds
 *
 * Who is next (contract C7), of the jobs whose need @predicate accepts and whose key is below its max_concurrent: the
 * highest priority band first; a job rises by one band for every %MR_LIMIT_AGING_USEC that it has waited, so that none
 * starves; within a band the keys in turn, the one that was served longest ago first; within a key the order of
 * arrival. Jobs without a key are one key's. Asks @predicate once for each need that somebody waits with. Changes
 * nothing: the turn passes on with mr_job_queue_remove_served().
 *
 * Returns: (transfer none) (nullable): the job
 */
MrJob *mr_job_queue_find (MrJobQueue *queue, MrJobQueuePredicate predicate, gpointer user_data, gint64 now_us);

/** mr_job_queue_remove_served: as mr_job_queue_remove(), and its key's turn is over. */
void mr_job_queue_remove_served (MrJobQueue *queue, MrJob *job);

guint mr_job_queue_get_length (MrJobQueue *queue);
