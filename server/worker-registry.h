/* SPDX-License-Identifier: MIT */
/*
 * The workers that are registered, and the models that were ever seen. Holds no link: sessions are the relay's.
 */
#pragma once

#include "worker-session.h"

typedef struct _MrWorkerRegistry MrWorkerRegistry;

MrWorkerRegistry *mr_worker_registry_new (void);
void mr_worker_registry_free (MrWorkerRegistry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWorkerRegistry, mr_worker_registry_free)

/** mr_worker_registry_add: @session is borrowed until mr_worker_registry_remove(). */
void mr_worker_registry_add (MrWorkerRegistry *registry, MrWorkerSession *session);
void mr_worker_registry_remove (MrWorkerRegistry *registry, MrWorkerSession *session);

/** mr_worker_registry_note_models: remembers the models that @session lists now (contract C6). */
void mr_worker_registry_note_models (MrWorkerRegistry *registry, MrWorkerSession *session);

guint mr_worker_registry_get_length (MrWorkerRegistry *registry);
MrWorkerSession *mr_worker_registry_index (MrWorkerRegistry *registry, guint i);

/** MrWorkerSums: over all registered workers. */
typedef struct {
  guint workers;
  guint draining;   /* of the workers */
  guint slots;      /* requests that may run at a time */
  guint busy_slots; /* that our own requests hold */
  guint free_slots; /* of workers that do not drain, by the larger of our count and what they told (contract C1) */
} MrWorkerSums;

MrWorkerSums mr_worker_registry_sum (MrWorkerRegistry *registry);

/** mr_worker_registry_can_take: somebody has a free slot for @need now. */
gboolean mr_worker_registry_can_take (MrWorkerRegistry *registry, const MrDispatchNeed *need);

/**
 * mr_worker_registry_choose:
 * @key: (nullable): of the request's conversation; %NULL without affinity
 * @model: (out) (transfer none): the real model's name
 * @now_us: monotonic microseconds
 *
 * Counts as the worker's assignment, and the worker holds the prefix from now on.
 *
 * Returns: (transfer none) (nullable): who takes a request with @need
 */
MrWorkerSession *mr_worker_registry_choose (MrWorkerRegistry *registry, const MrDispatchNeed *need,
                                            const MrAffinityKey *key, gint64 now_us, const char **model);

/** mr_worker_registry_serves: somebody could take @need, busy or not. */
gboolean mr_worker_registry_serves (MrWorkerRegistry *registry, const MrDispatchNeed *need);

/** mr_worker_registry_has_seen: some worker listed @model at some time. */
gboolean mr_worker_registry_has_seen (MrWorkerRegistry *registry, const char *model);

/** mr_worker_registry_dup_models: (transfer full): names that are routable now, sorted, each once, without "*". */
char **mr_worker_registry_dup_models (MrWorkerRegistry *registry);

/** mr_worker_registry_get_first_seen: seconds since 1970 when @model was first listed; 0 if never. */
gint64 mr_worker_registry_get_first_seen (MrWorkerRegistry *registry, const char *model);
