/* SPDX-License-Identifier: MIT */
/*
 * One connected worker: its registration, its slots, and the requests that it has. Carries out what relay.c decides.
 *
 *   CONNECTED (register due) -> REGISTERED -> [draining] -> link over
 *
 * A slot is held from the dispatch until the worker has said that the request is over, also after a cancel; a worker
 * that says nothing after a cancel loses the slot's ghost after a grace (%MR_LIMIT_CANCEL_GRACE_USEC).
 */
#pragma once

#include "dispatch.h"
#include "job.h"
#include "link.h"

/** MR_WORKER_AUTH_FAILED: reason of the close (protocol, "Close codes"). */
#define MR_WORKER_AUTH_FAILED "worker authentication failed"

typedef struct {
  /* The worker may get requests now; its register_ack is on its way. */
  void (*registered) (MrWorkerSession *session, gpointer data);

  /* Its models, its load or its slots changed: somebody who waits may have a place now. */
  void (*changed) (MrWorkerSession *session, gpointer data);

  /* Words about a running request. The job's slot is free already in `completed` and `failed`. */
  void (*started) (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data);
  void (*chunk) (MrWorkerSession *session, MrJob *job, MrSpan payload, gpointer data);

  /* The answer is complete on the worker and its body follows in chunks, body_bytes in all; then `completed`, without a
   * payload. */
  void (*body_follows) (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data);
  void (*completed) (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data);
  void (*failed) (MrWorkerSession *session, MrJob *job, MrErrorCode code, gpointer data);

  /* A slot was freed because the worker did not confirm a cancel in time; `changed` follows. */
  void (*zombie) (MrWorkerSession *session, gpointer data);

  /* The link broke under a running request. */
  void (*job_lost) (MrWorkerSession *session, MrJob *job, gpointer data);

  /* The link is over and every job_lost was called; the owner frees the session. */
  void (*closed) (MrWorkerSession *session, gpointer data);
} MrWorkerSessionEvents;

/** MrWorkerSettings: what the relay's configuration says of links. */
typedef struct {
  gint64 heartbeat_us;
  gint64 pong_timeout_us;
  guint64 window_bytes; /* of each request in each direction, with flow_control */
  const char *address;  /* where it comes from, behind trusted proxies */
  MrKey *key;           /* nullable: that it authenticated with */
} MrWorkerSettings;

struct _MrWorkerSession {
  MrLink *link; /* Owned */
  MrReactor *reactor;
  char *id;
  char *name;    /* NULL until registered */
  char **models; /* what was acknowledged, in its order */
  gboolean registered;
  gboolean left_in_order; /* set before `closed`: it or we drained */
  MrExtensions extensions;
  guint64 window_bytes;
  MrDispatchWorker dispatch;
  GHashTable *slots; /* Owned Slot by request id */

  /* For display. */
  char *address;
  char *version;       /* of its program; NULL when it does not say */
  MrKey *key;          /* Owned, nullable */
  gint64 connected_at; /* seconds since 1970 */
  gint64 rtt_us;       /* of the last ping; -1 before */
  guint64 n_requests;
  guint64 n_errors;
  double tokens_per_second; /* smoothed; 0 when unknown */

  MrTimer deadline; /* of the register, then of a drain */
  const MrWorkerSessionEvents *events;
  gpointer data;
};

/**
 * mr_worker_session_new:
 * @connection: (transfer full): upgraded and authenticated
 */
MrWorkerSession *mr_worker_session_new (MrConnection *connection, const MrWorkerSettings *settings,
                                        const MrWorkerSessionEvents *events, gpointer data);

/** mr_worker_session_free: drops the link at once; jobs are not told. */
void mr_worker_session_free (MrWorkerSession *session);

/** mr_worker_session_send: gives @job a slot and sends it. */
void mr_worker_session_send (MrWorkerSession *session, MrJob *job);

/**
 * mr_worker_session_return_credit:
 * @unsent: bytes of the job's answer that its client has not taken yet
 *
 * Lets the worker send as much more as the client has taken. Harmless without flow_control, and after the job's end.
 */
void mr_worker_session_return_credit (MrWorkerSession *session, MrJob *job, gsize unsent);

/**
 * mr_worker_session_cancel:
 * @reason: a word of the protocol (`client_disconnect`, `timeout`), or a text of one's own
 *
 * The job is no longer the session's; its slot stays until the worker says that the request is over.
 */
void mr_worker_session_cancel (MrWorkerSession *session, MrJob *job, const char *reason);

/** mr_worker_session_refresh: asks it to look at its backend's models again. */
void mr_worker_session_refresh (MrWorkerSession *session);

/** mr_worker_session_dismiss: closes the link with 1008, as for a wrong secret; no new requests. */
void mr_worker_session_dismiss (MrWorkerSession *session);

/** mr_worker_session_get_last_seen: seconds since 1970. */
gint64 mr_worker_session_get_last_seen (MrWorkerSession *session);

/**
 * mr_worker_session_drain:
 * @timeout_us: after so long what is left is failed and the link closed
 *
 * No new requests; closes with 1000 when the last one has ended.
 */
void mr_worker_session_drain (MrWorkerSession *session, gint64 timeout_us);
