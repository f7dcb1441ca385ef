/* SPDX-License-Identifier: MIT */
/*
 * Keys and usage in one SQLite file of this relay alone. Everything here runs on the key database's thread and may
 * block; when it is called, and what a failure means, lives in key-store.c.
 */
#include "key-database.h"

#include "error.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

/* Another program that looks into the file may hold it for so long. */
#define BUSY_MS 1000

typedef struct {
  MrKeyBackend base;
  char *path;
  sqlite3 *db;
} Sqlite;

/* Number n of the list leads from version n to n + 1, which PRAGMA user_version holds. Never changed, only added to. */
static const char *const migrations[] = {
  "CREATE TABLE keys ("
  " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
  " id TEXT NOT NULL UNIQUE,"
  " prefix TEXT NOT NULL,"
  " hash BLOB NOT NULL UNIQUE,"
  " name TEXT NOT NULL,"
  " scope TEXT NOT NULL,"
  " models TEXT,"
  " requests_per_minute INTEGER NOT NULL,"
  " max_concurrent INTEGER NOT NULL,"
  " tokens_per_day INTEGER NOT NULL,"
  " priority TEXT NOT NULL,"
  " created_at INTEGER NOT NULL,"
  " expires_at INTEGER NOT NULL,"
  " last_used_at INTEGER NOT NULL DEFAULT 0,"
  " revoked_at INTEGER NOT NULL DEFAULT 0);"
  "CREATE TABLE usage ("
  " day INTEGER NOT NULL,"
  " key_id TEXT NOT NULL,"
  " model TEXT NOT NULL,"
  " requests INTEGER NOT NULL,"
  " prompt_tokens INTEGER NOT NULL,"
  " completion_tokens INTEGER NOT NULL,"
  " PRIMARY KEY (day, key_id, model)) WITHOUT ROWID;",
};

static const char *
describe (int code)
{
  switch (code & 0xff) {
  case SQLITE_FULL:
    return "the disk with the key database is full";
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return "the key database is read-only";
  case SQLITE_CANTOPEN:
    return "the key database cannot be opened";
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return "the key database is damaged";
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return "the key database is locked by another program";
  case SQLITE_IOERR:
    return "the key database cannot be read or written (disk full or failing)";
  default:
    return "the key database refused a statement";
  }
}

static gboolean
fail (Sqlite *self, GError **error)
{
  int code = sqlite3_extended_errcode (self->db);
  g_autofree char *detail = g_strdup_printf ("%s: %s (SQLite code %d)", self->path, sqlite3_errmsg (self->db), code);

  return mr_key_backend_fail (&self->base, detail, error, describe (code));
}

static gboolean
execute (Sqlite *self, const char *sql, GError **error)
{
  return sqlite3_exec (self->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail (self, error);
}

static sqlite3_stmt *
prepare (Sqlite *self, const char *sql, GError **error)
{
  sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL) != SQLITE_OK)
    fail (self, error);
  return statement;
}

/* The next row: SQLITE_ROW or SQLITE_DONE; else @error is set. */
static int
step (Sqlite *self, sqlite3_stmt *statement, GError **error)
{
  int result = sqlite3_step (statement);

  if (result != SQLITE_ROW && result != SQLITE_DONE)
    fail (self, error);
  return result;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

static void
bind_text (sqlite3_stmt *statement, int index, const char *text)
{
  sqlite3_bind_text (statement, index, text, -1, SQLITE_STATIC);
}

static gint64
read_number (Sqlite *self, const char *sql, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = prepare (self, sql, error);

  return statement != NULL && step (self, statement, error) == SQLITE_ROW ? sqlite3_column_int64 (statement, 0) : -1;
}

static gboolean
check_location (const char *location, GError **error)
{
  if (strcmp (location, ":memory:") == 0 || g_path_is_absolute (location))
    return TRUE;
  g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                       "a sqlite URL names a file by its whole path, as in sqlite:/var/lib/modelrelay/keys.db"
                       " (or is sqlite::memory:)");
  return FALSE;
}

static MrKeyBackend *
new_sqlite (const char *location)
{
  Sqlite *self = g_new0 (Sqlite, 1);

  self->path = g_strdup (location);
  return &self->base;
}

static void
close_sqlite (MrKeyBackend *backend)
{
  Sqlite *self = (Sqlite *) backend;

  sqlite3_close (self->db);
  self->db = NULL;
}

static void
free_sqlite (MrKeyBackend *backend)
{
  Sqlite *self = (Sqlite *) backend;

  g_free (self->path);
  g_free (self->base.detail);
  g_free (self);
}

/* SQLite would make the file readable for others; what it makes beside it later takes over the file's mode. That the
 * new name is on the disk too SQLite sees to, when it syncs the log that is new in the same directory. */
static void
create_file (const char *path)
{
  g_autofree char *directory = g_path_get_dirname (path);
  int fd;

  g_mkdir_with_parents (directory, 0700);
  fd = open (path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0)
    close (fd); /* else it is there already, or SQLite says why it cannot be */
}

static gboolean
migrate (Sqlite *self, gint64 version, GError **error)
{
  if (!execute (self, "BEGIN IMMEDIATE", error))
    return FALSE;
  for (; version < (gint64) G_N_ELEMENTS (migrations); version++) {
    if (!execute (self, migrations[version], error))
      return FALSE;
  }

  g_autofree char *set_version = g_strdup_printf ("PRAGMA user_version = %zu; COMMIT", G_N_ELEMENTS (migrations));
  return execute (self, set_version, error);
}

/* -1 when the file cannot be read, or not be used as it is. */
static gint64
check_version (Sqlite *self, gboolean may_create, GError **error)
{
  gint64 version = read_number (self, "PRAGMA user_version", error);

  if (version > (gint64) G_N_ELEMENTS (migrations)) {
    mr_key_backend_fail (&self->base, self->path, error,
                         "the key database was written by a newer version of ModelRelay");
    return -1;
  }
  if (version == 0 && !may_create) {
    mr_key_backend_fail (&self->base, self->path, error, "the key database has become empty");
    return -1;
  }
  return version;
}

/* A database in WAL mode on a read-only disk can only be read as one that nobody changes; it is then enough to go on
 * with the keys that it holds. With a log beside it that would miss what the log holds. */
static gboolean
open_immutable (Sqlite *self)
{
  g_autofree char *wal = g_strconcat (self->path, "-wal", NULL);
  g_autofree char *escaped = g_uri_escape_string (self->path, "/", FALSE);
  g_autofree char *uri = g_strdup_printf ("file:%s?immutable=1", escaped);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;

  if (g_file_test (wal, G_FILE_TEST_EXISTS))
    return FALSE;
  close_sqlite (&self->base);
  if (sqlite3_open_v2 (uri, &self->db, flags, NULL) != SQLITE_OK)
    return FALSE;
  return check_version (self, FALSE, NULL) == (gint64) G_N_ELEMENTS (migrations);
}

static gboolean
open_writable (Sqlite *self, gboolean may_create, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  gint64 version;

  /* Creating a file that is gone would hide its loss (MrKeyBackendClass.open). */
  if (may_create && strcmp (self->path, ":memory:") != 0)
    create_file (self->path);
  if (sqlite3_open_v2 (self->path, &self->db, flags, NULL) != SQLITE_OK)
    return fail (self, error);
  sqlite3_extended_result_codes (self->db, 1);
  sqlite3_busy_timeout (self->db, BUSY_MS);
  /* The version comes first: a file of a newer one is not even switched to WAL. */
  version = check_version (self, may_create, error);
  return version >= 0 && execute (self, "PRAGMA journal_mode = WAL", error) &&
         execute (self, "PRAGMA synchronous = NORMAL", error) &&
         (version == (gint64) G_N_ELEMENTS (migrations) || migrate (self, version, error));
}

static gboolean
open_sqlite (MrKeyBackend *backend, gboolean may_create, GError **error)
{
  Sqlite *self = (Sqlite *) backend;
  g_autoptr (GError) problem = NULL;

  if (open_writable (self, may_create, &problem))
    return TRUE;

  int code = sqlite3_errcode (self->db) & 0xff;
  if ((code == SQLITE_READONLY || code == SQLITE_CANTOPEN) && open_immutable (self))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* In a damaged file NULL may be where there can be none. */
static const char *
column_text (sqlite3_stmt *row, int column)
{
  const char *text = (const char *) sqlite3_column_text (row, column);

  return text != NULL ? text : "";
}

static MrKey *
read_key (sqlite3_stmt *row)
{
  const char *models = (const char *) sqlite3_column_text (row, 5);
  g_auto (MrKeySpec) spec = {
    .name = g_strdup (column_text (row, 3)),
    .models = mr_key_models_from_text (models),
    .requests_per_minute = (guint) sqlite3_column_int64 (row, 6),
    .max_concurrent = (guint) sqlite3_column_int64 (row, 7),
    .tokens_per_day = (guint64) sqlite3_column_int64 (row, 8),
    .priority = MR_PRIORITY_NORMAL,
    .expires_at = sqlite3_column_int64 (row, 11),
  };
  guint8 hash[MR_KEY_HASH_BYTES] = { 0 };
  MrKey *key;

  mr_key_scope_from_name (column_text (row, 4), &spec.scope);
  mr_priority_from_name (column_text (row, 9), &spec.priority);
  memcpy (hash, sqlite3_column_blob (row, 2), MIN (sizeof hash, (gsize) sqlite3_column_bytes (row, 2)));
  key = mr_key_new (column_text (row, 0), column_text (row, 1), hash, &spec, sqlite3_column_int64 (row, 10));
  key->last_used_at = sqlite3_column_int64 (row, 12);
  key->revoked = sqlite3_column_int64 (row, 13) != 0;
  return key;
}

static gboolean
read_keys (Sqlite *self, GPtrArray *keys, GError **error)
{
  g_autoptr (sqlite3_stmt) rows =
      prepare (self,
               "SELECT id, prefix, hash, name, scope, models, requests_per_minute, max_concurrent, tokens_per_day,"
               " priority, created_at, expires_at, last_used_at, revoked_at FROM keys ORDER BY seq",
               error);
  int result = SQLITE_ERROR;

  while (rows != NULL && (result = step (self, rows, error)) == SQLITE_ROW)
    g_ptr_array_add (keys, read_key (rows));
  return result == SQLITE_DONE;
}

static gboolean
read_totals (Sqlite *self, MrKeyTask *task, GError **error)
{
  g_autoptr (sqlite3_stmt) rows = prepare (
      self, "SELECT key_id, sum(prompt_tokens + completion_tokens) FROM usage WHERE day = ? GROUP BY key_id", error);
  int result = SQLITE_ERROR;

  if (rows != NULL)
    sqlite3_bind_int64 (rows, 1, task->now / 86400);
  while (rows != NULL && (result = step (self, rows, error)) == SQLITE_ROW)
    mr_key_task_add_total (task, column_text (rows, 0), sqlite3_column_int64 (rows, 1));
  return result == SQLITE_DONE;
}

/* Writes one page with what it holds already: on a full or read-only disk reading alone would look well. */
static gboolean
check_writable (Sqlite *self, GError **error)
{
  g_autofree char *sql =
      g_strdup_printf ("BEGIN IMMEDIATE; PRAGMA user_version = %zu; COMMIT", G_N_ELEMENTS (migrations));

  return execute (self, sql, error);
}

static gboolean
load (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  Sqlite *self = (Sqlite *) backend;
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_unref);

  if (!read_keys (self, keys, error) || !read_totals (self, task, error))
    return FALSE;
  task->keys = g_steal_pointer (&keys);
  return check_writable (self, error);
}

/* One statement that is on the disk when this returns, also after a power failure: with FULL the log is synced at each
 * commit, with NORMAL (which is enough for usage) only at checkpoints. */
static gboolean
run_durably (Sqlite *self, sqlite3_stmt *statement, GError **error)
{
  return execute (self, "PRAGMA synchronous = FULL", error) && step (self, statement, error) == SQLITE_DONE &&
         execute (self, "PRAGMA synchronous = NORMAL", error);
}

static gboolean
create_key (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  Sqlite *self = (Sqlite *) backend;
  const MrKey *key = task->key;
  g_autofree char *models = mr_key_models_to_text (key->spec.models);
  g_autoptr (sqlite3_stmt) insert =
      prepare (self,
               "INSERT INTO keys (id, prefix, hash, name, scope, models, requests_per_minute, max_concurrent,"
               " tokens_per_day, priority, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               error);

  if (insert == NULL)
    return FALSE;
  bind_text (insert, 1, key->id);
  bind_text (insert, 2, key->prefix);
  sqlite3_bind_blob (insert, 3, key->hash, sizeof key->hash, SQLITE_STATIC);
  bind_text (insert, 4, key->spec.name);
  bind_text (insert, 5, mr_key_scope_name (key->spec.scope));
  bind_text (insert, 6, models);
  sqlite3_bind_int64 (insert, 7, key->spec.requests_per_minute);
  sqlite3_bind_int64 (insert, 8, key->spec.max_concurrent);
  sqlite3_bind_int64 (insert, 9, (gint64) MIN (key->spec.tokens_per_day, G_MAXINT64));
  bind_text (insert, 10, mr_priority_name (key->spec.priority));
  sqlite3_bind_int64 (insert, 11, key->created_at);
  sqlite3_bind_int64 (insert, 12, key->spec.expires_at);
  return run_durably (self, insert, error);
}

static gboolean
revoke_key (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  Sqlite *self = (Sqlite *) backend;
  g_autoptr (sqlite3_stmt) update = prepare (
      self, "UPDATE keys SET revoked_at = CASE revoked_at WHEN 0 THEN ?1 ELSE revoked_at END WHERE id = ?2", error);

  if (update == NULL)
    return FALSE;
  sqlite3_bind_int64 (update, 1, task->now);
  bind_text (update, 2, task->id);
  if (!run_durably (self, update, error))
    return FALSE;
  task->found = sqlite3_changes (self->db) > 0;
  return TRUE;
}

static gboolean
add_usage (Sqlite *self, GPtrArray *usage, GError **error)
{
  g_autoptr (sqlite3_stmt) insert =
      prepare (self,
               "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (day, key_id, model) DO UPDATE SET"
               " requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens,"
               " completion_tokens = completion_tokens + excluded.completion_tokens",
               error);

  for (guint i = 0; insert != NULL && i < usage->len; i++) {
    const MrKeyUsage *row = usage->pdata[i];

    sqlite3_bind_int64 (insert, 1, row->day);
    bind_text (insert, 2, row->key_id);
    bind_text (insert, 3, row->model);
    sqlite3_bind_int64 (insert, 4, (gint64) row->requests);
    sqlite3_bind_int64 (insert, 5, (gint64) row->prompt_tokens);
    sqlite3_bind_int64 (insert, 6, (gint64) row->completion_tokens);
    if (step (self, insert, error) != SQLITE_DONE)
      return FALSE;
    sqlite3_reset (insert);
  }
  return insert != NULL;
}

static gboolean
set_last_used (Sqlite *self, GArray *uses, GError **error)
{
  g_autoptr (sqlite3_stmt) update =
      prepare (self, "UPDATE keys SET last_used_at = max (last_used_at, ?) WHERE id = ?", error);

  for (guint i = 0; update != NULL && i < uses->len; i++) {
    const MrKeyUse *use = &g_array_index (uses, MrKeyUse, i);

    sqlite3_bind_int64 (update, 1, use->at);
    bind_text (update, 2, use->key_id);
    if (step (self, update, error) != SQLITE_DONE)
      return FALSE;
    sqlite3_reset (update);
  }
  return update != NULL;
}

/* What fails before the end of COMMIT is not there: nothing is counted twice when it is written again. */
static gboolean
write_usage (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  Sqlite *self = (Sqlite *) backend;

  return execute (self, "BEGIN IMMEDIATE", error) && add_usage (self, task->usage, error) &&
         set_last_used (self, task->uses, error) && execute (self, "COMMIT", error) &&
         (!task->want_totals || read_totals (self, task, error));
}

static gboolean
query (MrKeyBackend *backend, MrKeyTask *task, GError **error)
{
  Sqlite *self = (Sqlite *) backend;
  g_autoptr (sqlite3_stmt) rows =
      prepare (self,
               "SELECT day, key_id, model, requests, prompt_tokens, completion_tokens FROM usage"
               " WHERE day BETWEEN ? AND ? ORDER BY day, key_id, model",
               error);
  int result = SQLITE_ERROR;

  task->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_usage_free);
  if (rows != NULL) {
    sqlite3_bind_int64 (rows, 1, task->from_day);
    sqlite3_bind_int64 (rows, 2, task->to_day);
  }
  while (rows != NULL && (result = step (self, rows, error)) == SQLITE_ROW) {
    MrKeyUsage *usage = mr_key_usage_new (column_text (rows, 1), column_text (rows, 2), sqlite3_column_int64 (rows, 0));

    usage->requests = (guint64) sqlite3_column_int64 (rows, 3);
    usage->prompt_tokens = (guint64) sqlite3_column_int64 (rows, 4);
    usage->completion_tokens = (guint64) sqlite3_column_int64 (rows, 5);
    g_ptr_array_add (task->rows, usage);
  }
  return result == SQLITE_DONE;
}

const MrKeyBackendClass mr_key_backend_sqlite = {
  .name = "sqlite",
  .check = check_location,
  .new = new_sqlite,
  .free = free_sqlite,
  .open = open_sqlite,
  .close = close_sqlite,
  .run = { [MR_KEY_TASK_LOAD] = load,
           [MR_KEY_TASK_CREATE] = create_key,
           [MR_KEY_TASK_REVOKE] = revoke_key,
           [MR_KEY_TASK_WRITE] = write_usage,
           [MR_KEY_TASK_QUERY] = query },
};
