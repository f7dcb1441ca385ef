/* SPDX-License-Identifier: MIT */
/*
 * Hot path (a): a request is admitted, waits, is given to a worker, and its answer goes to the client. Owns the jobs
 * and the worker sessions; decides with admission, job-queue and dispatch; who connects and routes is server.c's
 * business.
 */
#pragma once

#include "http-intake.h"
#include "server-config.h"
#include "worker-registry.h"

/** MrRelayIdle: a drain is over: no request and no worker is left. */
typedef void (*MrRelayIdle) (MrRelay *relay, gpointer user_data);

/** mr_relay_new: @config and @reactor are borrowed and outlive the relay. */
MrRelay *mr_relay_new (MrReactor *reactor, const MrServerConfig *config);

/** mr_relay_free: drops what is left at once. */
void mr_relay_free (MrRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrRelay, mr_relay_free)

/** mr_relay_take_request: @response: (transfer full): of a POST to an inference endpoint. */
void mr_relay_take_request (MrRelay *relay, MrResponse *response);

/** mr_relay_take_worker: @connection: (transfer full): upgraded and authenticated. */
void mr_relay_take_worker (MrRelay *relay, MrConnection *connection);

/** mr_relay_apply_config: the configuration's contents have changed. */
void mr_relay_apply_config (MrRelay *relay);

/** mr_relay_get_registry: (transfer none): for listings. */
MrWorkerRegistry *mr_relay_get_registry (MrRelay *relay);

guint mr_relay_get_queue_depth (MrRelay *relay);

/**
 * mr_relay_drain:
 *
 * Waiting requests are refused with 503, running ones go on for at most the drain timeout, workers are told; then
 * @idle.
 */
void mr_relay_drain (MrRelay *relay, MrRelayIdle idle, gpointer user_data);
