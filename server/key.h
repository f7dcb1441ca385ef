/* SPDX-License-Identifier: MIT */
/*
 * An API key: what it may do, and what it has used (contract B3, B5, B6). The secret itself is never kept, only its
 * SHA-256. Plain data with a reference count; the key store makes and changes keys, others read them.
 */
#pragma once

#include "rate-limit.h"

typedef enum { MR_KEY_SCOPE_CLIENT, MR_KEY_SCOPE_WORKER } MrKeyScope;

typedef enum { MR_PRIORITY_HIGH, MR_PRIORITY_NORMAL, MR_PRIORITY_LOW, MR_N_PRIORITIES } MrPriority;

#define MR_KEY_HASH_BYTES 32

/** MrKeySpec: what is said of a key when it is made. Limits are 0 where there is none. */
typedef struct {
  char *name;
  MrKeyScope scope;
  char **models; /* globs of `*` and `?`; NULL for every model */
  guint requests_per_minute;
  guint max_concurrent; /* what is beyond waits in the queue */
  guint64 tokens_per_day;
  MrPriority priority;
  gint64 expires_at; /* seconds since 1970 */
} MrKeySpec;

typedef struct {
  /*< private >*/
  grefcount references;

  /*< public >*/
  char *id;     /* UUID */
  char *prefix; /* the first characters of the secret, to tell keys apart */
  guint8 hash[MR_KEY_HASH_BYTES];
  MrKeySpec spec;
  gint64 created_at;   /* seconds since 1970 */
  gint64 last_used_at; /* 0 for never */
  gboolean revoked;
  MrRateLimit limit; /* what it has used of its limits; in memory */
} MrKey;

/**
 * mr_key_new:
 * @id: its UUID
 * @prefix: the first characters of its secret
 * @hash: %MR_KEY_HASH_BYTES bytes: SHA-256 of its secret
 * @spec: copied
 *
 * Returns: (transfer full): a key that was never used
 */
MrKey *mr_key_new (const char *id, const char *prefix, const guint8 *hash, const MrKeySpec *spec, gint64 created_at);
MrKey *mr_key_ref (MrKey *key);
void mr_key_unref (MrKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrKey, mr_key_unref)

/** mr_key_spec_copy: (transfer full): to be cleared with mr_key_spec_clear(). */
MrKeySpec mr_key_spec_copy (const MrKeySpec *spec);
void mr_key_spec_clear (MrKeySpec *spec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrKeySpec, mr_key_spec_clear)

/** mr_key_allows_model: %TRUE when a glob of its list matches, or it has no list. */
gboolean mr_key_allows_model (const MrKey *key, const char *model);

/** mr_key_is_live: neither revoked nor expired. @now: seconds since 1970. */
gboolean mr_key_is_live (const MrKey *key, gint64 now);

const char *mr_key_scope_name (MrKeyScope scope);
const char *mr_priority_name (MrPriority priority);

/** mr_key_scope_from_name, mr_priority_from_name: %FALSE for an unknown name. */
gboolean mr_key_scope_from_name (const char *name, MrKeyScope *scope);
gboolean mr_priority_from_name (const char *name, MrPriority *priority);
