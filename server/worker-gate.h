/* SPDX-License-Identifier: MIT */
/*
 * `GET /v1/worker/connect`: the upgrade to a WebSocket and the worker's authentication (contract B1, protocol
 * "Transport"). A worker that may not come in is upgraded and then closed with 1008, so that it can tell a wrong secret
 * from a wrong address.
 */
#pragma once

#include "relay.h"

#define MR_WORKER_CONNECT_PATH "/v1/worker/connect"

typedef struct _MrWorkerGate MrWorkerGate;

/** mr_worker_gate_new: everything is borrowed and outlives the gate; @config was checked. */
MrWorkerGate *mr_worker_gate_new (MrReactor *reactor, MrRelay *relay, const MrServerConfig *config, MrStats *stats,
                                  MrKeyStore *store);
void mr_worker_gate_free (MrWorkerGate *gate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWorkerGate, mr_worker_gate_free)

/** mr_worker_gate_apply_config: the configuration's contents have changed; also needed once at first. */
void mr_worker_gate_apply_config (MrWorkerGate *gate);

/** mr_worker_gate_take: @response: (transfer full): of a GET on the path. */
void mr_worker_gate_take (MrWorkerGate *gate, MrResponse *response);
