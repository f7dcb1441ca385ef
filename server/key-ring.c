/* SPDX-License-Identifier: MIT */
/*
 * The tables of keys, the timer of their expiry, and the announcement of their end. What is written where lives in
 * key-store.c.
 */
#include "key-ring.h"

#include <string.h>

/* The wall clock may be set: it is looked at this often at least while a key has an end. */
#define EXPIRY_MAX_MS (3600 * 1000)

struct _MrKeyRing {
  GMainContext *context;
  MrKeyDied died;
  gpointer data;

  GPtrArray *keys;    /* Owned: all, in order of creation */
  GHashTable *by_id;  /* all; borrowed from @keys */
  GHashTable *live;   /* by hash, those that work; borrowed from @keys */
  guint live_workers; /* of @live */
  GQueue dying;       /* Owned: not live any more, not announced yet */

  GSource *expiry_timer;
  GSource *announcement;
};

static guint
hash_hash (gconstpointer data)
{
  guint value;

  memcpy (&value, data, sizeof value); /* as good as any: it is SHA-256 */
  return value;
}

static gboolean
hash_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, MR_KEY_HASH_BYTES) == 0;
}

MrKeyRing *
mr_key_ring_new (GMainContext *context, MrKeyDied died, gpointer data)
{
  MrKeyRing *ring = g_new0 (MrKeyRing, 1);

  ring->context = g_main_context_ref (context);
  ring->died = died;
  ring->data = data;
  ring->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_unref);
  ring->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  ring->live = g_hash_table_new (hash_hash, hash_equal);
  g_queue_init (&ring->dying);
  return ring;
}

static void
disarm (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
mr_key_ring_free (MrKeyRing *ring)
{
  disarm (&ring->expiry_timer);
  disarm (&ring->announcement);
  g_queue_clear_full (&ring->dying, (GDestroyNotify) mr_key_unref);
  g_hash_table_unref (ring->live);
  g_hash_table_unref (ring->by_id);
  g_ptr_array_unref (ring->keys);
  g_main_context_unref (ring->context);
  g_free (ring);
}

static void
arm (MrKeyRing *ring, GSource **source, guint ms, GSourceFunc func)
{
  *source = g_timeout_source_new (ms);
  g_source_set_callback (*source, func, ring, NULL);
  g_source_attach (*source, ring->context);
}

void
mr_key_ring_announce (MrKeyRing *ring)
{
  MrKey *key;

  disarm (&ring->announcement);
  while ((key = g_queue_pop_head (&ring->dying)) != NULL) {
    ring->died (key, ring->data);
    mr_key_unref (key);
  }
}

static gboolean
on_announcement (gpointer data)
{
  mr_key_ring_announce (data);
  return G_SOURCE_REMOVE;
}

static void
kill_key (MrKeyRing *ring, MrKey *key)
{
  if (!g_hash_table_remove (ring->live, key->hash))
    return;
  if (key->spec.scope == MR_KEY_SCOPE_WORKER)
    ring->live_workers--;
  g_queue_push_tail (&ring->dying, mr_key_ref (key));
  if (ring->announcement == NULL)
    arm (ring, &ring->announcement, 0, on_announcement);
}

static gboolean on_expiry (gpointer data);

static void
plan_expiry (MrKeyRing *ring, gint64 expires_at)
{
  gint64 left_ms = expires_at - g_get_real_time () / G_USEC_PER_SEC;

  left_ms = left_ms < EXPIRY_MAX_MS / 1000 ? expires_at * 1000 - g_get_real_time () / 1000 : EXPIRY_MAX_MS;
  disarm (&ring->expiry_timer);
  arm (ring, &ring->expiry_timer, (guint) CLAMP (left_ms, 1, EXPIRY_MAX_MS), on_expiry);
}

static gboolean
on_expiry (gpointer data)
{
  MrKeyRing *ring = data;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gint64 next = G_MAXINT64;

  disarm (&ring->expiry_timer);
  for (guint i = 0; i < ring->keys->len; i++) {
    MrKey *key = ring->keys->pdata[i];

    if (!mr_key_is_live (key, now))
      kill_key (ring, key);
    else if (key->spec.expires_at != 0)
      next = MIN (next, key->spec.expires_at);
  }
  if (next != G_MAXINT64)
    plan_expiry (ring, next);
  return G_SOURCE_REMOVE;
}

MrKey *
mr_key_ring_find (MrKeyRing *ring, const guint8 *hash)
{
  MrKey *key = g_hash_table_lookup (ring->live, hash);

  /* The timer may be late. */
  if (key != NULL && !mr_key_is_live (key, g_get_real_time () / G_USEC_PER_SEC)) {
    kill_key (ring, key);
    return NULL;
  }
  return key;
}

MrKey *
mr_key_ring_get (MrKeyRing *ring, const char *id)
{
  return g_hash_table_lookup (ring->by_id, id);
}

GPtrArray *
mr_key_ring_get_keys (MrKeyRing *ring)
{
  return ring->keys;
}

gboolean
mr_key_ring_has_worker_key (MrKeyRing *ring)
{
  return ring->live_workers > 0;
}

void
mr_key_ring_add (MrKeyRing *ring, MrKey *key)
{
  g_ptr_array_add (ring->keys, mr_key_ref (key));
  g_hash_table_insert (ring->by_id, key->id, key);
  if (!mr_key_is_live (key, g_get_real_time () / G_USEC_PER_SEC))
    return;
  g_hash_table_insert (ring->live, key->hash, key);
  if (key->spec.scope == MR_KEY_SCOPE_WORKER)
    ring->live_workers++;
  if (key->spec.expires_at != 0) {
    /* Which of all is the next to expire is found out there, once for all that are added in this turn. */
    disarm (&ring->expiry_timer);
    arm (ring, &ring->expiry_timer, 0, on_expiry);
  }
}

void
mr_key_ring_revoke (MrKeyRing *ring, MrKey *key)
{
  key->revoked = TRUE;
  kill_key (ring, key);
}

/* What others hold of a key stays the same object. */
static void
merge_key (MrKeyRing *ring, MrKey *loaded)
{
  MrKey *key = mr_key_ring_get (ring, loaded->id);

  if (key == NULL) {
    mr_key_ring_add (ring, loaded);
    return;
  }
  key->last_used_at = MAX (key->last_used_at, loaded->last_used_at);
  if (loaded->revoked)
    mr_key_ring_revoke (ring, key);
}

/* Its place in @keys, and with it the ring's reference, is the caller's to clear. */
static void
forget_key (MrKeyRing *ring, MrKey *key)
{
  mr_key_ring_revoke (ring, key);
  g_hash_table_remove (ring->by_id, key->id);
}

void
mr_key_ring_replace (MrKeyRing *ring, GPtrArray *loaded)
{
  g_autoptr (GHashTable) present = g_hash_table_new (NULL, NULL);
  GPtrArray *ordered = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_unref);

  for (guint i = 0; i < loaded->len; i++) {
    MrKey *key = loaded->pdata[i];

    merge_key (ring, key);
    key = mr_key_ring_get (ring, key->id);
    g_ptr_array_add (ordered, mr_key_ref (key));
    g_hash_table_add (present, key);
  }
  for (guint i = 0; i < ring->keys->len; i++) {
    if (!g_hash_table_contains (present, ring->keys->pdata[i]))
      forget_key (ring, ring->keys->pdata[i]);
  }
  g_ptr_array_unref (ring->keys);
  ring->keys = ordered;
}

void
mr_key_ring_reload (MrKeyRing *ring, const char *id, MrKey *loaded)
{
  MrKey *key = mr_key_ring_get (ring, id);

  if (loaded != NULL) {
    merge_key (ring, loaded);
  } else if (key != NULL) {
    forget_key (ring, key);
    g_ptr_array_remove (ring->keys, key);
  }
}
