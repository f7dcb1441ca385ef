/* SPDX-License-Identifier: MIT */
/*
 * The worker as its owner sees it, a daemon or a desktop app: state, models, load; start, stop, drain. It logs through
 * log.h, handles no process signals, ends no process and keeps nothing global. Everything belongs to one main context.
 */
#pragma once

#include "reactor.h"
#include "relay-failure.h"
#include "worker-config.h"
#include "worker-totals.h"

#include <glib-object.h>

/**
 * MrWorkerState:
 * @MR_WORKER_STOPPED: not started, or drained
 * @MR_WORKER_CONNECTING: no relay yet
 * @MR_WORKER_CONNECTED: registered with at least one relay
 * @MR_WORKER_RELAYING: at least one request is running
 * @MR_WORKER_DRAINING: takes no requests any more
 * @MR_WORKER_ERROR: no relay, and the last attempt failed; it goes on trying
 */
typedef enum {
  MR_WORKER_STOPPED,
  MR_WORKER_CONNECTING,
  MR_WORKER_CONNECTED,
  MR_WORKER_RELAYING,
  MR_WORKER_DRAINING,
  MR_WORKER_ERROR,
} MrWorkerState;

#define MR_TYPE_WORKER_STATE (mr_worker_state_get_type ())
GType mr_worker_state_get_type (void);

/**
 * MrWorker: properties, all read-only, notified at most once a main loop turn: `state` (#MrWorkerState), `status-text`
 * (sentences for a person), `models` (#GStrv, what is offered now), `load` and `max-concurrent` (requests).
 * Signal `drained`: the last request has ended and every relay has been left. The worker may be freed in a handler.
 */
#define MR_TYPE_WORKER (mr_worker_get_type ())
G_DECLARE_FINAL_TYPE (MrWorker, mr_worker, MR, WORKER, GObject)

/**
 * mr_worker_new:
 * @reactor: in the default main context; outlives the worker
 * @config: (transfer full): has passed mr_worker_config_check()
 */
MrWorker *mr_worker_new (MrReactor *reactor, MrWorkerConfig *config);

/** mr_worker_start: asks the backend, then connects. Harmless when started already; while draining it takes the drain
 * back: the models are offered again, relays that were left are connected to anew, and no `drained` comes. */
void mr_worker_start (MrWorker *worker);

/** mr_worker_stop: drops links and requests at once; the worker can be started again. */
void mr_worker_stop (MrWorker *worker);

/** mr_worker_drain: takes no new requests, finishes those that run, leaves the relays; then `drained`, in a later turn
 * of the main loop. Nothing while stopped. */
void mr_worker_drain (MrWorker *worker);

/** mr_worker_refresh_models: asks the backend now instead of at the next interval. */
void mr_worker_refresh_models (MrWorker *worker);

/** mr_worker_reconnect: connects anew, without back-off, to each relay that it is not registered with, and to the
 * others unless a request is running. Not while stopped or draining. */
void mr_worker_reconnect (MrWorker *worker);

MrWorkerState mr_worker_get_state (MrWorker *worker);

/** mr_worker_get_status_text: (transfer full) */
char *mr_worker_get_status_text (MrWorker *worker);

/** mr_worker_get_models: (transfer none) */
const char *const *mr_worker_get_models (MrWorker *worker);

/** mr_worker_get_backend_is_up: %TRUE once the backend has answered, until it does not. */
gboolean mr_worker_get_backend_is_up (MrWorker *worker);

/** mr_worker_get_backend_models: (transfer none): what the backend lists, hidden models included, also when models are
 * configured by name; empty while stopped, while the backend is down, and when it does not list any. */
const char *const *mr_worker_get_backend_models (MrWorker *worker);

/**
 * mr_worker_set_hidden_models:
 * @names: copied: models of the backend that are not offered; a name that the backend does not list is harmless
 *
 * Holds from now on, also while stopped and after a restart: the relays are told at once; requests that run already, or
 * were on their way, go on. A backend that does not list its models is offered as `*` all the same.
 */
void mr_worker_set_hidden_models (MrWorker *worker, const char *const *names);

/** MrWorkerRequest: a request that is running. Borrowed until the main loop's next turn. */
typedef struct {
  const char *request_id;
  const char *model;
  const char *relay_url;
  gint64 started_us; /* monotonic */
  guint64 events;    /* events of a stream that were passed on: about one a token; 0 when the answer is no stream */
} MrWorkerRequest;

/** mr_worker_foreach_request: calls @visit, which leaves the worker alone, for each running request, the oldest first.
 */
void mr_worker_foreach_request (MrWorker *worker, void (*visit) (const MrWorkerRequest *request, gpointer data),
                                gpointer data);

/** mr_worker_get_totals: @totals: (out caller-allocates) */
void mr_worker_get_totals (MrWorker *worker, MrWorkerTotals *totals);

/** MrWorkerRelay: how one relay is doing. Borrowed until the main loop's next turn. */
typedef struct {
  const char *url;
  const char *state;  /* a name of relay-state.h */
  const char *status; /* a sentence for a person */
  MrRelayFailure failure;
} MrWorkerRelay;

/** mr_worker_get_relay: number @i of the configured relays; %FALSE when there is none. */
gboolean mr_worker_get_relay (MrWorker *worker, guint i, MrWorkerRelay *relay);

/** mr_worker_get_name: (transfer none): what relays know it by. */
const char *mr_worker_get_name (MrWorker *worker);

/** mr_worker_get_backend_url: (transfer none) */
const char *mr_worker_get_backend_url (MrWorker *worker);

guint mr_worker_get_load (MrWorker *worker);
guint mr_worker_get_max_concurrent (MrWorker *worker);
