/* SPDX-License-Identifier: MIT */
/*
 * A worker in a thread with a main context of its own, so that a test can play its relay and its backend in blocking
 * style. What is asserted is the tests' business.
 */
#pragma once

#include "scripted-backend.h"
#include "scripted-relay.h"
#include "worker.h"

#define HARNESS_SECRET "harness-secret"
#define ALL_EXTENSIONS "[\"request_errors\",\"response_start\"]"

typedef struct _Harness Harness;

/** harness_new: (transfer full): a started worker with the secret, the name "w" and, unless %NULL, one option more. */
Harness *harness_new (guint16 relay_port, guint16 backend_port, const char *option);

/** harness_new_between: the same between a relay and a backend. */
Harness *harness_new_between (MrtRelay *relay, MrtBackend *backend, const char *option);

/** harness_free: stops the worker at once; the test fails when its reactor keeps something. */
void harness_free (Harness *harness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Harness, harness_free)

/** harness_call: runs @call, e.g. mr_worker_drain(), in the worker's thread and waits for it. */
void harness_call (Harness *harness, void (*call) (MrWorker *worker));

/** harness_wait_state: the test fails when it does not come. */
void harness_wait_state (Harness *harness, MrWorkerState state);

/** harness_wait_status: until the status text contains @text. */
void harness_wait_status (Harness *harness, const char *text);

/** harness_wait_drained: until the signal came. */
void harness_wait_drained (Harness *harness);

/** harness_free_port: a port on which nobody listens. */
guint16 harness_free_port (void);
