/* SPDX-License-Identifier: MIT */
/*
 * What the backend is and offers: discovery, health, slots. Asks every poll interval, and when told to.
 * The requests of clients do not pass here; they are exchange.h's.
 *
 *   GET /v1/models -> (missing or empty) GET /api/tags -> (if slots are wanted) GET /props
 */
#pragma once

#include "worker-config.h"
#include "reactor.h"

typedef struct _MrBackend MrBackend;

/** MrBackendState: one sentence for each is in mr_backend_get_status(). */
typedef enum {
  MR_BACKEND_UNKNOWN, /* not asked yet */
  MR_BACKEND_DOWN,    /* unreachable, still loading, or it refuses us */
  MR_BACKEND_UP,
} MrBackendState;

/** MrBackendChanged: state, status, models or slots are new, or the first answer is in. The backend may be freed in it.
 */
typedef void (*MrBackendChanged) (MrBackend *backend, gpointer data);

/**
 * mr_backend_new:
 * @config: checked; outlives the backend
 *
 * Asks nothing before mr_backend_poll().
 */
MrBackend *mr_backend_new (MrReactor *reactor, const MrWorkerConfig *config, MrBackendChanged changed, gpointer data);
void mr_backend_free (MrBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrBackend, mr_backend_free)

/** mr_backend_poll: asks now, and every poll interval from now on. While asking already, asks once more after it. */
void mr_backend_poll (MrBackend *backend);

MrBackendState mr_backend_get_state (MrBackend *backend);

/** mr_backend_get_status: a sentence for a person, e.g. why the backend is down. Borrowed. */
const char *mr_backend_get_status (MrBackend *backend);

/** mr_backend_get_models: what to register now; empty while the backend is down. Borrowed. */
const char *const *mr_backend_get_models (MrBackend *backend);

/** mr_backend_get_listed: the models that the backend lists, whatever is to be registered; empty while it is down or
 * does not say. Borrowed. */
const char *const *mr_backend_get_listed (MrBackend *backend);

/** mr_backend_get_slots: the backend's slot count as it told last; 0 when it never did or slots are not wanted. */
guint mr_backend_get_slots (MrBackend *backend);
