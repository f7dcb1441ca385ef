/* SPDX-License-Identifier: MIT */
/*
 * One request on its way through the relay: plain data, and the only place where its state changes.
 *
 *   RECEIVED -> QUEUED -> DISPATCHED -> STREAMING -> DONE | FAILED | CANCELLED
 *                 ^           |
 *                 +-----------+  requeue, before the client got a byte
 *   any living state -> CANCELLED, FAILED
 */
#pragma once

#include "admission.h"
#include "affinity.h"
#include "dispatch.h"
#include "key.h"
#include "reactor.h"
#include "sse.h"

typedef struct _MrWorkerSession MrWorkerSession;
typedef struct _MrResponse MrResponse;
typedef struct _MrRelay MrRelay;

typedef enum {
  MR_JOB_RECEIVED,
  MR_JOB_QUEUED,
  MR_JOB_DISPATCHED, /* on a worker, no byte of an answer yet */
  MR_JOB_STREAMING,  /* the client has the head */
  MR_JOB_DONE,
  MR_JOB_FAILED,
  MR_JOB_CANCELLED,
  MR_JOB_N_STATES
} MrJobState;

typedef struct {
  MrRelay *relay; /* Borrowed: owns the job */
  char *id;       /* ours, unique: names the request on the worker's link */
  MrAdmission admission;
  MrKey *key;    /* Owned, nullable: whose request it is */
  char **models; /* Owned, nullable: real names behind an alias, in order */
  char *model;   /* Owned: the real name that the last dispatch chose */
  MrAffinityKey affinity;
  char *endpoint_path;        /* path and query as the client sent them */
  struct _MrHeaders *headers; /* what travels to the backend */
  GBytes *client_body;        /* as it came */
  GBytes *body;               /* as it goes to the worker: behind an alias with another model's name in it */
  MrJobState state;
  guint64 number; /* order of arrival; a requeue keeps it */
  gint64 arrived_us;
  gint64 dispatched_us;     /* of the last dispatch */
  gint64 first_byte_us;     /* 0 before */
  gint64 progress_us;       /* last byte of the answer */
  guint64 answer_bytes;     /* of a stream so far */
  guint answer_status;      /* of a stream's head */
  MrUsage usage;            /* what the backend stated at the end */
  guint requeues;           /* those that count */
  MrTimer timer;            /* queue timeout, then request timeout */
  MrFlush flush;            /* after the client's connection: what it has taken is given back as credit */
  MrResponse *response;     /* Owned */
  MrWorkerSession *session; /* Borrowed: set while a slot is held for it */
  GList queue_link;         /* in its key's queue */
  gint64 started_at;        /* seconds since 1970: for display */
} MrJob;

/**
 * mr_job_new:
 * @id: (nullable): a unique id; %NULL for a fresh one
 * @admission: (transfer full): emptied
 *
 * Returns: (transfer full): a job in state RECEIVED
 */
MrJob *mr_job_new (MrRelay *relay, const char *id, MrAdmission *admission);

/** mr_job_need: what it asks of its worker; borrows from the job. */
MrDispatchNeed mr_job_need (const MrJob *job);

/**
 * mr_job_set_model:
 * @model: the real name that the dispatch chose
 *
 * Behind an alias the bytes of the model's name in the body are replaced, and no others.
 */
void mr_job_set_model (MrJob *job, const char *model);

/** mr_job_free: a living job may be freed only when the relay goes. */
void mr_job_free (MrJob *job);

/**
 * mr_job_set_state:
 *
 * Also counts the requests that run for the job's key.
 *
 * An edge that the table does not have is a bug: it aborts where G_DEBUG has fatal-criticals, and is a logged critical
 * otherwise, after which the state stays.
 *
 * Returns: %TRUE when the edge was legal
 */
gboolean mr_job_set_state (MrJob *job, MrJobState state);

/** mr_job_state_can_become: the table of legal edges. */
gboolean mr_job_state_can_become (MrJobState from, MrJobState to);

/** mr_job_is_over: DONE, FAILED or CANCELLED. */
gboolean mr_job_is_over (const MrJob *job);

const char *mr_job_state_name (MrJobState state);
