/* SPDX-License-Identifier: MIT */
/*
 * Hot path (a): a request is admitted, waits, is given to a worker, and its answer goes to the client. Owns the jobs
 * and the worker sessions; decides with admission, job-queue and dispatch; who connects and routes is server.c's
 * business, who a caller is client-gate.c's and worker-gate.c's.
 */
#pragma once

#include "client-gate.h"
#include "http-intake.h"
#include "key-store.h"
#include "server-config.h"
#include "stats.h"
#include "worker-registry.h"

/** MrRelayIdle: a drain is over: no request and no worker is left. */
typedef void (*MrRelayIdle) (MrRelay *relay, gpointer user_data);

/** mr_relay_new: everything is borrowed and outlives the relay. */
MrRelay *mr_relay_new (MrReactor *reactor, const MrServerConfig *config, MrStats *stats, MrKeyStore *store);

/** mr_relay_free: drops what is left at once. */
void mr_relay_free (MrRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrRelay, mr_relay_free)

/** mr_relay_take_request: @response: (transfer full): of a POST to an inference endpoint, by @caller. */
void mr_relay_take_request (MrRelay *relay, MrResponse *response, const MrCaller *caller);

/**
 * mr_relay_take_worker:
 * @connection: (transfer full): upgraded and authenticated
 * @address: where the worker is, behind trusted proxies
 * @key: (nullable): of scope worker, if it came with one
 */
void mr_relay_take_worker (MrRelay *relay, MrConnection *connection, const char *address, MrKey *key);

/** mr_relay_apply_config: the configuration's contents have changed. */
void mr_relay_apply_config (MrRelay *relay);

/** mr_relay_get_registry: (transfer none): for listings. */
MrWorkerRegistry *mr_relay_get_registry (MrRelay *relay);

guint mr_relay_get_queue_depth (MrRelay *relay);

/** mr_relay_list_jobs: (transfer container) (element-type MrJob): every request that is not over, in order of arrival.
 */
GPtrArray *mr_relay_list_jobs (MrRelay *relay);

/**
 * mr_relay_dup_models:
 * @key: (nullable): only what it may use
 *
 * Returns: (transfer full): names that a client can use now, real ones and aliases, sorted, each once, without "*"
 */
char **mr_relay_dup_models (MrRelay *relay, const MrKey *key);

/** mr_relay_get_first_seen: seconds since 1970 when a name of mr_relay_dup_models() was first served. */
gint64 mr_relay_get_first_seen (MrRelay *relay, const char *model);

/**
 * mr_relay_cancel_request:
 * @id: of the job
 *
 * The client gets an error that says so; the worker stops at once.
 *
 * Returns: %FALSE when there is no such request
 */
gboolean mr_relay_cancel_request (MrRelay *relay, const char *id);

/** mr_relay_drain_worker: no new requests; its link is closed when it has finished those it has. %FALSE: no such
 * worker.
 */
gboolean mr_relay_drain_worker (MrRelay *relay, const char *worker_id);

/** mr_relay_refresh_worker: it is asked to look at its backend's models again. %FALSE: no such worker. */
gboolean mr_relay_refresh_worker (MrRelay *relay, const char *worker_id);

/** mr_relay_end_key: @key is dead: its requests end at once, waiting or running, and the workers that came with it. */
void mr_relay_end_key (MrRelay *relay, MrKey *key);

typedef enum { MR_WORKER_JOINED, MR_WORKER_CHANGED, MR_WORKER_LEFT } MrWorkerChange;

/** MrRelayObserver: told of facts as they change; changes nothing itself. What it is given stays until it is told that
 * the job is over or that the worker has left. */
typedef struct {
  /* Its state has changed; the last time it is over. */
  void (*job_changed) (MrRelay *relay, const MrJob *job, gpointer data);

  /* Registered; models, load, slots or draining changed; gone. */
  void (*worker_changed) (MrRelay *relay, const MrWorkerSession *session, MrWorkerChange change, gpointer data);
} MrRelayObserver;

/** mr_relay_observe: until the relay goes, or mr_relay_unobserve() with the same @data. */
void mr_relay_observe (MrRelay *relay, const MrRelayObserver *observer, gpointer data);
void mr_relay_unobserve (MrRelay *relay, gpointer data);

/**
 * mr_relay_drain:
 *
 * Waiting requests are refused with 503, running ones go on for at most the drain timeout, workers are told; then
 * @idle.
 */
void mr_relay_drain (MrRelay *relay, MrRelayIdle idle, gpointer user_data);

gboolean mr_relay_is_draining (MrRelay *relay);
