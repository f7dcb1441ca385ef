/* SPDX-License-Identifier: MIT */
/*
 * Keys and usage in a PostgreSQL database that several relays share. Everything here runs on the key database's thread;
 * libpq is used asynchronously even so, because only then each step has a deadline. What changes a key says so with
 * NOTIFY in the same transaction, and each relay listens. Values are always bound, never spliced.
 */
#include "key-postgres.h"

#include "error.h"
#include "json.h"

#include <string.h>

#define CHANNEL "modelrelay_keys"

/* Number n of the list leads from version n to n + 1, which modelrelay_schema holds. Never changed, only added to. */
static const char *const migrations[] = {
  "CREATE TABLE modelrelay_schema (version integer NOT NULL);"
  "INSERT INTO modelrelay_schema VALUES (0);"
  "CREATE TABLE modelrelay_keys ("
  " seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
  " id text NOT NULL UNIQUE,"
  " prefix text NOT NULL,"
  " hash bytea NOT NULL UNIQUE,"
  " name text NOT NULL,"
  " scope text NOT NULL,"
  " models text,"
  " requests_per_minute bigint NOT NULL,"
  " max_concurrent bigint NOT NULL,"
  " tokens_per_day bigint NOT NULL,"
  " priority text NOT NULL,"
  " created_at bigint NOT NULL,"
  " expires_at bigint NOT NULL,"
  " last_used_at bigint NOT NULL DEFAULT 0,"
  " revoked_at bigint NOT NULL DEFAULT 0);"
  "CREATE TABLE modelrelay_usage ("
  " day bigint NOT NULL,"
  " key_id text NOT NULL,"
  " model text NOT NULL,"
  " requests bigint NOT NULL,"
  " prompt_tokens bigint NOT NULL,"
  " completion_tokens bigint NOT NULL,"
  " PRIMARY KEY (day, key_id, model));"
  "CREATE TABLE modelrelay_relays ("
  " relay text PRIMARY KEY,"
  " batch bigint NOT NULL,"
  " seen_at timestamptz NOT NULL);",
};

/* Two relays that start at once migrate one after the other. The number is this product's name in ASCII. */
#define LOCK "SELECT pg_advisory_xact_lock (x'4d6f64656c52'::bigint)"

static gint64
get_number (const PGresult *result, int row, int column)
{
  return g_ascii_strtoll (PQgetvalue (result, row, column), NULL, 10);
}

static char *
number_text (gint64 number)
{
  return g_strdup_printf ("%" G_GINT64_FORMAT, number);
}

/* libpq's own message may hold a part of the URL that is a password. */
static gboolean
check_location (const char *location, GError **error)
{
  PQconninfoOption *options = PQconninfoParse (location, NULL);

  if (options == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "the postgresql URL is malformed; expected postgresql://[user[:password]@][host[:port]]"
                         "[/database][?option=value&...] with special characters written as %XX");
    return FALSE;
  }
  PQconninfoFree (options);
  return TRUE;
}

static MrKeyBackend *
new_postgres (const char *location)
{
  MrPostgres *self = g_new0 (MrPostgres, 1);

  self->url = g_strdup (location);
  self->relay = g_uuid_string_random ();
  return &self->base;
}

static void
close_postgres (MrKeyBackend *backend)
{
  MrPostgres *self = (MrPostgres *) backend;

  g_clear_pointer (&self->connection, PQfinish);
}

static void
free_postgres (MrKeyBackend *backend)
{
  MrPostgres *self = (MrPostgres *) backend;

  explicit_bzero (self->url, strlen (self->url));
  g_free (self->url);
  g_free (self->relay);
  g_free (self->base.detail);
  g_free (self);
}

static gboolean
migrate (MrPostgres *self, gint64 version, GError **error)
{
  for (; version < (gint64) G_N_ELEMENTS (migrations); version++) {
    if (!mr_postgres_execute (self, migrations[version], error))
      return FALSE;
  }

  g_autofree char *set_version =
      g_strdup_printf ("UPDATE modelrelay_schema SET version = %zu", G_N_ELEMENTS (migrations));
  return mr_postgres_execute (self, set_version, error);
}

/* -1 when it cannot be read. Whether there is a table is read from the catalog as from any table: to_regclass() would
 * go by what this session remembers, which another relay that has just migrated may have made untrue. */
static gint64
read_version (MrPostgres *self, GError **error)
{
  g_autoptr (MrPgResult) table = mr_postgres_run (
      self, "SELECT count (*) > 0 FROM pg_class WHERE relname = 'modelrelay_schema' AND pg_table_is_visible (oid)",
      NULL, 0, error);

  if (table == NULL)
    return -1;
  if (strcmp (PQgetvalue (table, 0, 0), "t") != 0)
    return 0;

  g_autoptr (MrPgResult) version =
      mr_postgres_run (self, "SELECT max (version) FROM modelrelay_schema", NULL, 0, error);
  return version != NULL ? get_number (version, 0, 0) : -1;
}

static gboolean
check_version (MrPostgres *self, gboolean may_create, GError **error)
{
  gint64 version = read_version (self, error);

  if (version < 0)
    return FALSE;
  if (version > (gint64) G_N_ELEMENTS (migrations))
    return mr_key_backend_fail (&self->base, "modelrelay_schema", error,
                                "the key database was written by a newer version of ModelRelay");
  if (version == 0 && !may_create)
    return mr_key_backend_fail (&self->base, "modelrelay_schema", error, "the key database has become empty");
  if (version == (gint64) G_N_ELEMENTS (migrations))
    return TRUE;

  /* Another relay may have done it before the lock was ours. */
  return mr_postgres_execute (self, "BEGIN; " LOCK, error) && (version = read_version (self, error)) >= 0 &&
         (version >= (gint64) G_N_ELEMENTS (migrations) || migrate (self, version, error)) &&
         mr_postgres_execute (self, "COMMIT", error);
}

static gboolean
open_postgres (MrKeyBackend *backend, gboolean may_create, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;

  /* Listening comes before reading, so that no change falls between. */
  return mr_postgres_connect (self, error) && check_version (self, may_create, error) &&
         mr_postgres_execute (self, "LISTEN " CHANNEL, error);
}

static char **
get_models (const PGresult *result, int row, int column)
{
  return PQgetisnull (result, row, column) ? NULL : mr_key_models_from_text (PQgetvalue (result, row, column));
}

static void
read_hash (const char *hex, guint8 *hash)
{
  for (gsize i = 0; i < MR_KEY_HASH_BYTES && hex[2 * i] != '\0' && hex[2 * i + 1] != '\0'; i++)
    hash[i] = (guint8) (g_ascii_xdigit_value (hex[2 * i]) << 4 | g_ascii_xdigit_value (hex[2 * i + 1]));
}

static MrKey *
read_key (const PGresult *result, int row)
{
  g_auto (MrKeySpec) spec = {
    .name = g_strdup (PQgetvalue (result, row, 3)),
    .models = get_models (result, row, 5),
    .requests_per_minute = (guint) get_number (result, row, 6),
    .max_concurrent = (guint) get_number (result, row, 7),
    .tokens_per_day = (guint64) get_number (result, row, 8),
    .priority = MR_PRIORITY_NORMAL,
    .expires_at = get_number (result, row, 11),
  };
  guint8 hash[MR_KEY_HASH_BYTES] = { 0 };
  MrKey *key;

  mr_key_scope_from_name (PQgetvalue (result, row, 4), &spec.scope);
  mr_priority_from_name (PQgetvalue (result, row, 9), &spec.priority);
  read_hash (PQgetvalue (result, row, 2), hash);
  key =
      mr_key_new (PQgetvalue (result, row, 0), PQgetvalue (result, row, 1), hash, &spec, get_number (result, row, 10));
  key->last_used_at = get_number (result, row, 12);
  key->revoked = get_number (result, row, 13) != 0;
  return key;
}

static gboolean
read_totals (MrPostgres *self, MrKeyTask *task, GError **error)
{
  g_autofree char *day = number_text (task->now / 86400);
  const char *const values[] = { day };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "SELECT u.key_id, sum (u.prompt_tokens + u.completion_tokens)::bigint FROM modelrelay_usage u"
      " JOIN modelrelay_keys k ON k.id = u.key_id WHERE u.day = $1 AND k.tokens_per_day > 0 GROUP BY u.key_id",
      values, 1, error);

  for (int i = 0; result != NULL && i < PQntuples (result); i++)
    mr_key_task_add_total (task, PQgetvalue (result, i, 0), get_number (result, i, 1));
  return result != NULL;
}

/* Shows that writing works, and forgets relays that are long gone. */
static gboolean
register_relay (MrPostgres *self, GError **error)
{
  const char *const values[] = { self->relay };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "WITH gone AS (DELETE FROM modelrelay_relays WHERE relay <> $1 AND seen_at < now () - interval '30 days')"
      " INSERT INTO modelrelay_relays VALUES ($1, 0, now ()) ON CONFLICT (relay) DO UPDATE SET seen_at = now ()",
      values, 1, error);

  return result != NULL;
}

static gboolean
load (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  const char *const values[] = { task->id };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "SELECT id, prefix, encode (hash, 'hex'), name, scope, models, requests_per_minute, max_concurrent,"
      " tokens_per_day, priority, created_at, expires_at, last_used_at, revoked_at FROM modelrelay_keys"
      " WHERE $1::text IS NULL OR id = $1 ORDER BY seq",
      values, 1, error);

  if (result == NULL || !read_totals (self, task, error))
    return FALSE;
  task->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_unref);
  for (int i = 0; i < PQntuples (result); i++)
    g_ptr_array_add (task->keys, read_key (result, i));
  return task->id != NULL || register_relay (self, error);
}

static char *
hash_to_hex (const guint8 *hash)
{
  GString *hex = g_string_sized_new (2 * MR_KEY_HASH_BYTES);

  for (gsize i = 0; i < MR_KEY_HASH_BYTES; i++)
    g_string_append_printf (hex, "%02x", hash[i]);
  return g_string_free (hex, FALSE);
}

/* The change, and the word to the other relays, in one statement and so in one transaction. */
static gboolean
create_key (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  const MrKey *key = task->key;
  g_autofree char *hash = hash_to_hex (key->hash);
  g_autofree char *models = mr_key_models_to_text (key->spec.models);
  g_autofree char *requests = number_text (key->spec.requests_per_minute);
  g_autofree char *concurrent = number_text (key->spec.max_concurrent);
  g_autofree char *tokens = number_text ((gint64) MIN (key->spec.tokens_per_day, G_MAXINT64));
  g_autofree char *created_at = number_text (key->created_at);
  g_autofree char *expires_at = number_text (key->spec.expires_at);
  const char *const values[] = {
    key->id,    key->prefix, hash,       key->spec.name, mr_key_scope_name (key->spec.scope),
    models,     requests,    concurrent, tokens,         mr_priority_name (key->spec.priority),
    created_at, expires_at,
  };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "WITH made AS (INSERT INTO modelrelay_keys (id, prefix, hash, name, scope, models, requests_per_minute,"
      " max_concurrent, tokens_per_day, priority, created_at, expires_at) VALUES ($1, $2, decode ($3, 'hex'), $4,"
      " $5, $6, $7::bigint, $8::bigint, $9::bigint, $10, $11::bigint, $12::bigint) RETURNING id)"
      " SELECT pg_notify ('" CHANNEL "', id) FROM made",
      values, G_N_ELEMENTS (values), error);

  return result != NULL;
}

static gboolean
revoke_key (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  g_autofree char *now = number_text (task->now);
  const char *const values[] = { task->id, now };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "WITH dead AS (UPDATE modelrelay_keys SET revoked_at = CASE revoked_at WHEN 0 THEN $2::bigint"
      " ELSE revoked_at END WHERE id = $1 RETURNING id) SELECT pg_notify ('" CHANNEL "', id) FROM dead",
      values, G_N_ELEMENTS (values), error);

  if (result == NULL)
    return FALSE;
  task->found = PQntuples (result) > 0;
  return TRUE;
}

static char *
usage_to_json (GPtrArray *usage)
{
  GString *json = g_string_new ("[");

  for (guint i = 0; i < usage->len; i++) {
    const MrKeyUsage *row = usage->pdata[i];

    g_string_append (json, i > 0 ? ",{\"key_id\":" : "{\"key_id\":");
    mr_json_append_cstring (json, row->key_id);
    g_string_append (json, ",\"model\":");
    mr_json_append_cstring (json, row->model);
    g_string_append_printf (json,
                            ",\"day\":%" G_GINT64_FORMAT ",\"requests\":%" G_GUINT64_FORMAT
                            ",\"prompt_tokens\":%" G_GUINT64_FORMAT ",\"completion_tokens\":%" G_GUINT64_FORMAT "}",
                            row->day, row->requests, row->prompt_tokens, row->completion_tokens);
  }
  g_string_append_c (json, ']');
  return g_string_free (json, FALSE);
}

static char *
uses_to_json (GArray *uses)
{
  GString *json = g_string_new ("[");

  for (guint i = 0; i < uses->len; i++) {
    const MrKeyUse *use = &g_array_index (uses, MrKeyUse, i);

    g_string_append (json, i > 0 ? ",{\"id\":" : "{\"id\":");
    mr_json_append_cstring (json, use->key_id);
    g_string_append_printf (json, ",\"at\":%" G_GINT64_FORMAT "}", use->at);
  }
  g_string_append_c (json, ']');
  return g_string_free (json, FALSE);
}

/* Rows are locked in one order by every relay, so that no two wait for each other. */
static gboolean
add_rows (MrPostgres *self, MrKeyTask *task, GError **error)
{
  g_autofree char *usage = usage_to_json (task->usage);
  g_autofree char *uses = uses_to_json (task->uses);
  const char *const usage_values[] = { usage };
  const char *const uses_values[] = { uses };
  g_autoptr (MrPgResult) added = mr_postgres_run (
      self,
      "INSERT INTO modelrelay_usage AS u SELECT day, key_id, model, requests, prompt_tokens, completion_tokens"
      " FROM json_to_recordset ($1::json) AS r (day bigint, key_id text, model text, requests bigint,"
      " prompt_tokens bigint, completion_tokens bigint) ORDER BY day, key_id, model"
      " ON CONFLICT (day, key_id, model) DO UPDATE SET requests = u.requests + excluded.requests,"
      " prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,"
      " completion_tokens = u.completion_tokens + excluded.completion_tokens",
      usage_values, 1, error);

  if (added == NULL)
    return FALSE;

  g_autoptr (MrPgResult) used = mr_postgres_run (
      self,
      "WITH r AS (SELECT id, at FROM json_to_recordset ($1::json) AS j (id text, at bigint)),"
      " locked AS (SELECT k.id FROM modelrelay_keys k WHERE k.id IN (SELECT id FROM r) ORDER BY k.id FOR UPDATE)"
      " UPDATE modelrelay_keys k SET last_used_at = greatest (k.last_used_at, r.at)"
      " FROM r JOIN locked ON locked.id = r.id WHERE k.id = r.id",
      uses_values, 1, error);
  return used != NULL;
}

/* A connection that is lost during COMMIT leaves open whether it happened. The number of the batch, written with it,
 * tells the next attempt, so that nothing is counted twice. */
static gboolean
write_batch (MrPostgres *self, MrKeyTask *task, GError **error)
{
  g_autofree char *batch = number_text ((gint64) task->batch);
  const char *const values[] = { self->relay, batch };

  if (!mr_postgres_execute (self, "BEGIN", error))
    return FALSE;

  g_autoptr (MrPgResult) fresh = mr_postgres_run (
      self,
      "INSERT INTO modelrelay_relays AS r VALUES ($1, $2::bigint, now ()) ON CONFLICT (relay) DO UPDATE"
      " SET batch = excluded.batch, seen_at = now () WHERE r.batch < excluded.batch RETURNING batch",
      values, G_N_ELEMENTS (values), error);
  if (fresh == NULL || (PQntuples (fresh) > 0 && !add_rows (self, task, error)))
    return FALSE;
  return mr_postgres_execute (self, "COMMIT", error);
}

static gboolean
write_usage (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  gboolean empty = task->usage->len == 0 && task->uses->len == 0;

  return (empty || write_batch (self, task, error)) && (!task->want_totals || read_totals (self, task, error));
}

static gboolean
query (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  g_autofree char *from = number_text (task->from_day);
  g_autofree char *to = number_text (task->to_day);
  const char *const values[] = { from, to };
  g_autoptr (MrPgResult) result = mr_postgres_run (
      self,
      "SELECT day, key_id, model, requests, prompt_tokens, completion_tokens FROM modelrelay_usage"
      " WHERE day BETWEEN $1::bigint AND $2::bigint ORDER BY day, key_id COLLATE \"C\", model COLLATE \"C\"",
      values, G_N_ELEMENTS (values), error);

  if (result == NULL)
    return FALSE;
  task->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_usage_free);
  for (int i = 0; i < PQntuples (result); i++) {
    MrKeyUsage *usage =
        mr_key_usage_new (PQgetvalue (result, i, 1), PQgetvalue (result, i, 2), get_number (result, i, 0));

    usage->requests = (guint64) get_number (result, i, 3);
    usage->prompt_tokens = (guint64) get_number (result, i, 4);
    usage->completion_tokens = (guint64) get_number (result, i, 5);
    g_ptr_array_add (task->rows, usage);
  }
  return TRUE;
}

static int
get_fd (MrKeyBackend *backend)
{
  return PQsocket (((MrPostgres *) backend)->connection);
}

static gboolean
read_changes (MrKeyBackend *backend, GPtrArray *ids, GError **error)
{
  MrPostgres *self = (MrPostgres *) backend;
  PGnotify *note;

  if (!PQconsumeInput (self->connection))
    return mr_postgres_fail_connection (self, error, "the connection to PostgreSQL was lost");
  while ((note = PQnotifies (self->connection)) != NULL) {
    if (note->be_pid != PQbackendPID (self->connection))
      g_ptr_array_add (ids, g_strdup (note->extra));
    PQfreemem (note);
  }
  return TRUE;
}

const MrKeyBackendClass mr_key_backend_postgres = {
  .name = "postgresql",
  .shared = TRUE,
  .check = check_location,
  .new = new_postgres,
  .free = free_postgres,
  .open = open_postgres,
  .close = close_postgres,
  .run = { [MR_KEY_TASK_LOAD] = load,
           [MR_KEY_TASK_CREATE] = create_key,
           [MR_KEY_TASK_REVOKE] = revoke_key,
           [MR_KEY_TASK_WRITE] = write_usage,
           [MR_KEY_TASK_QUERY] = query },
  .get_fd = get_fd,
  .read_changes = read_changes,
};
