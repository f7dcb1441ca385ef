/* SPDX-License-Identifier: MIT */
/*
 * Where keys and their usage are kept: SQLite in a file, or PostgreSQL shared by several relays. Every look-up is
 * answered from memory; the database is the truth behind it, and is written on a thread (SQLite) or asynchronously
 * (PostgreSQL). All functions are called, and all callbacks come, on the main loop's thread; a callback never comes
 * from within the call that asked for it.
 *
 *   READY <-> DEGRADED  the database cannot be read or written (contract F8): known keys go on working, creating and
 *                       revoking fail with the reason, usage is kept in memory (bounded) and written when it can be
 */
#pragma once

#include "key.h"
#include "sse.h"

#include <gio/gio.h>

typedef struct _MrKeyStore MrKeyStore;

typedef struct {
  /* The key is dead: revoked here or by another relay, or expired. */
  void (*died) (MrKeyStore *store, MrKey *key, gpointer data);

  /* READY <-> DEGRADED: mr_key_store_get_problem() has changed. Nullable. */
  void (*problem_changed) (MrKeyStore *store, gpointer data);
} MrKeyStoreEvents;

/** MrUsageRow: what one key used of one model on one day. Borrowed strings. */
typedef struct {
  const char *key_id;   /* "" for requests without a key */
  const char *key_name; /* NULL where the key is not known */
  const char *model;
  gint64 day; /* days since 1970 (UTC) */
  guint64 requests;
  guint64 prompt_tokens;
  guint64 completion_tokens;
} MrUsageRow;

typedef void (*MrKeyCreated) (MrKey *key, const char *secret, const GError *error, gpointer data);
typedef void (*MrKeyRevoked) (gboolean found, const GError *error, gpointer data);
typedef void (*MrUsageFound) (const MrUsageRow *rows, gsize n, const GError *error, gpointer data);

/**
 * mr_key_store_new:
 * @url: `sqlite:/path/file.db`, `sqlite::memory:` or `postgresql://...` (libpq's URI)
 * @error: a malformed @url only
 *
 * Opens, migrates and loads. A database that cannot be opened is no error: the store is degraded, says so in the log,
 * and tries again.
 *
 * Returns: (transfer full): the store
 */
MrKeyStore *mr_key_store_new (const char *url, const MrKeyStoreEvents *events, gpointer data, GError **error);

/** mr_key_store_check_url: %FALSE with %MR_ERROR_CONFIG, without opening anything. */
gboolean mr_key_store_check_url (const char *url, GError **error);

/** mr_key_store_free: writes what is due, for at most 2 seconds; callbacks that are due do not come. */
void mr_key_store_free (MrKeyStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrKeyStore, mr_key_store_free)

/** mr_key_store_get_problem: (nullable): why it is degraded, a sentence without secrets; %NULL when it is ready. */
const char *mr_key_store_get_problem (MrKeyStore *store);

/** mr_key_store_find: (transfer none) (nullable): the live key with this secret; notes its use. */
MrKey *mr_key_store_find (MrKeyStore *store, const char *secret);

/** mr_key_store_get: (transfer none) (nullable): by id, dead or alive. */
MrKey *mr_key_store_get (MrKeyStore *store, const char *id);

/** mr_key_store_list: (transfer container) (element-type MrKey): all, dead or alive, in order of creation. */
GPtrArray *mr_key_store_list (MrKeyStore *store);

/** mr_key_store_has_worker_key: a live key of scope worker exists. */
gboolean mr_key_store_has_worker_key (MrKeyStore *store);

/** mr_key_store_create: @spec was checked by the caller; copied. The secret is `mr-` and 43 base64url characters. */
void mr_key_store_create (MrKeyStore *store, const MrKeySpec *spec, MrKeyCreated func, gpointer data);

/**
 * mr_key_store_revoke: `died` comes before @func. Revoking a dead key is no error.
 *
 * The key is dead on this relay at once, whatever the database does. When the revocation cannot be written, @func gets
 * %MR_ERROR_STORE, which says so, and writing it is tried again until it succeeds or the relay ends: until then other
 * relays, and this one after a restart, still take the key.
 */
void mr_key_store_revoke (MrKeyStore *store, const char *id, MrKeyRevoked func, gpointer data);

/**
 * mr_key_store_note_usage:
 * @key: (nullable): %NULL for a request without a key
 * @usage: (nullable): what the backend stated; unknown counts add nothing
 *
 * One request that got an answer. Counts for the key's budget at once, and is in the database a second later.
 */
void mr_key_store_note_usage (MrKeyStore *store, MrKey *key, const char *model, const MrUsage *usage);

/** mr_key_store_query_usage: days @from to @to, both included; sorted by day, key, model. */
void mr_key_store_query_usage (MrKeyStore *store, gint64 from, gint64 to, MrUsageFound func, gpointer data);
