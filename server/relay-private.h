/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of the relay share: relay.c has the way of a request to its worker, relay-answer.c the way of the
 * answer back. Not for others.
 */
#pragma once

#include "relay.h"

#include "job-queue.h"

/** MrObserving: one who is told of changes. */
typedef struct {
  const MrRelayObserver *observer;
  gpointer data;
} MrObserving;

struct _MrRelay {
  MrReactor *reactor; /* Borrowed, as the next three */
  const MrServerConfig *config;
  MrStats *stats;
  MrKeyStore *store;
  MrWorkerRegistry *registry; /* Owned */
  GPtrArray *sessions;        /* Owned MrWorkerSession, registered or not */
  MrJobQueue *queue;          /* Owned; its jobs are in @jobs */
  GHashTable *jobs;           /* Owned MrJob by their id: every one that is not over */
  GArray *observers;          /* Owned MrObserving */
  guint64 arrivals;
  gboolean draining;
  MrRelayIdle idle;
  gpointer idle_data;
  MrTimer idle_timer; /* calls @idle from the reactor, not from within a callback of ours */
};

/** mr_relay_session_events: what the relay does when a worker speaks; the data is the relay. */
extern const MrWorkerSessionEvents mr_relay_session_events;

/** mr_relay_request_id: what the client knows the request by. It may be the client's own, and then need not be unique.
 */
const char *mr_relay_request_id (const MrJob *job);

/** mr_relay_describe_end: what is to be known of a request that ends now, with @state. Borrows from the job. */
MrRequestEnd mr_relay_describe_end (const MrJob *job, MrJobState state);

/** mr_relay_end_job: the end of every job; frees it. @job->response has sent or dropped its answer. */
void mr_relay_end_job (MrJob *job, MrJobState state);

/** mr_relay_fail_job: answers with the error, or ends the stream with it, and ends the job: as cancelled if @code is
 * %MR_ERROR_CANCELLED, else as failed. */
void mr_relay_fail_job (MrJob *job, MrErrorCode code, const char *message);

/** mr_relay_give_up_job: as mr_relay_fail_job(), and the worker is told to stop. */
void mr_relay_give_up_job (MrJob *job, MrErrorCode code, const char *message);

/** mr_relay_set_job_state: a legal edge; observers are told. */
void mr_relay_set_job_state (MrJob *job, MrJobState state);

/** mr_relay_requeue_job: back to its place; @reason: a word for the log. */
void mr_relay_requeue_job (MrJob *job, const char *reason);

/** mr_relay_pump: called whenever a request or a place for one came up: nobody waits for a tick (contract C4). */
void mr_relay_pump (MrRelay *relay);

/** mr_relay_check_idle: tells the end of a drain when nothing is left. */
void mr_relay_check_idle (MrRelay *relay);

/** mr_relay_worker_changed: observers are told. */
void mr_relay_worker_changed (MrRelay *relay, MrWorkerSession *session, MrWorkerChange change);
