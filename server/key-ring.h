/* SPDX-License-Identifier: MIT */
/*
 * The keys in memory: look-ups, and the end of each key (revoked or expired), which is announced once. No database.
 */
#pragma once

#include "key.h"

typedef struct _MrKeyRing MrKeyRing;

/** MrKeyDied: @key is on the ring no more, or dead on it. */
typedef void (*MrKeyDied) (MrKey *key, gpointer data);

/** mr_key_ring_new: announcements come from @context, never from within a call that kills, but see
 * mr_key_ring_announce(). */
MrKeyRing *mr_key_ring_new (GMainContext *context, MrKeyDied died, gpointer data);
void mr_key_ring_free (MrKeyRing *ring);

/** mr_key_ring_find: (transfer none) (nullable): the live key with this hash. */
MrKey *mr_key_ring_find (MrKeyRing *ring, const guint8 *hash);

/** mr_key_ring_get: (transfer none) (nullable): by id, dead or alive. */
MrKey *mr_key_ring_get (MrKeyRing *ring, const char *id);

/** mr_key_ring_get_keys: (transfer none): all, in order of creation. */
GPtrArray *mr_key_ring_get_keys (MrKeyRing *ring);

gboolean mr_key_ring_has_worker_key (MrKeyRing *ring);

/** mr_key_ring_add: @key: a new one; the ring takes a reference. */
void mr_key_ring_add (MrKeyRing *ring, MrKey *key);

/** mr_key_ring_revoke: no look-up finds it from now on; its end is announced in the next turn. */
void mr_key_ring_revoke (MrKeyRing *ring, MrKey *key);

/** mr_key_ring_replace: @loaded are all keys there are; of those known already only what can change is taken. */
void mr_key_ring_replace (MrKeyRing *ring, GPtrArray *loaded);

/** mr_key_ring_reload: @loaded: (nullable): the key with this @id as it is now; %NULL when there is none any more. */
void mr_key_ring_reload (MrKeyRing *ring, const char *id, MrKey *loaded);

/** mr_key_ring_announce: the deaths that are due, now. */
void mr_key_ring_announce (MrKeyRing *ring);
