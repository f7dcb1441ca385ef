/* SPDX-License-Identifier: MIT */
/*
 * The key store's private way to its database. A backend (SQLite, PostgreSQL) is a table of plain blocking functions
 * that run on one thread of their own; the store hands tasks to that thread and gets them back, in the same order, on
 * its main context. So neither a slow disk, nor a name server, nor a TLS handshake ever holds up the main loop.
 *
 *   store (main loop)            thread
 *     submit (task)  ----------->  backend's function of that kind
 *     on_task (task) <-----------  the same task with its answer
 *     on_task (task) <-----------  MR_KEY_TASK_LOAD of a key that another relay changed, or a failure: unasked
 */
#pragma once

#include "key-usage.h"
#include "key.h"

#include <glib-object.h>

typedef enum {
  MR_KEY_TASK_LOAD, /* all keys and totals (opens and migrates first, and shows that writing works); or one key */
  MR_KEY_TASK_CREATE,
  MR_KEY_TASK_REVOKE,
  MR_KEY_TASK_WRITE, /* usage and times of last use */
  MR_KEY_TASK_QUERY, /* usage */
  MR_KEY_N_TASKS,
  MR_KEY_TASK_STOP = MR_KEY_N_TASKS /* the thread's own: the last one */
} MrKeyTaskKind;

/** MrKeyUse: when a key was last used. */
typedef struct {
  char *key_id;
  gint64 at; /* seconds since 1970 */
} MrKeyUse;

/** MrKeyTask: one thing to do. Whoever holds it owns it: the store, then the thread, then the store. */
typedef struct {
  MrKeyTaskKind kind;

  /* What is asked. */
  char *id;             /* LOAD: of the one key, or NULL; REVOKE */
  gint64 now;           /* seconds since 1970 */
  MrKey *key;           /* CREATE */
  GPtrArray *usage;     /* WRITE: of MrKeyUsage */
  GArray *uses;         /* WRITE: of MrKeyUse */
  guint64 batch;        /* WRITE: the same number when the same is written again, a higher one for every other */
  gboolean want_totals; /* WRITE */
  gint64 from_day;      /* QUERY */
  gint64 to_day;

  /* What came of it. */
  GPtrArray *keys;    /* LOAD: of MrKey, in order of creation; may be there although writing failed */
  GHashTable *totals; /* LOAD, WRITE: key id to guint64: tokens of the day of @now */
  GPtrArray *rows;    /* QUERY: of MrKeyUsage, by day, key and model */
  gboolean found;     /* REVOKE */
  gboolean unasked;   /* LOAD: the thread's own */
  GError *error;      /* MR_ERROR_STORE with a sentence without addresses and secrets */
  char *detail;       /* for the log: what the library said of @error; NULL when it was not even tried */

  /* The store's own. */
  GCallback func;
  gpointer data;
  char *secret; /* CREATE */
} MrKeyTask;

MrKeyTask *mr_key_task_new (MrKeyTaskKind kind);
void mr_key_task_free (MrKeyTask *task);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrKeyTask, mr_key_task_free)

/** mr_key_task_add_total: to the @totals of a LOAD or WRITE. */
void mr_key_task_add_total (MrKeyTask *task, const char *key_id, gint64 tokens);

/** MrKeyBackend: what every backend's data begins with. */
typedef struct {
  char *detail; /* what the library said of the last failure; may name files, hosts and users, never a password */
} MrKeyBackend;

/** mr_key_backend_fail: sets @error (MR_ERROR_STORE) and the detail. Returns: %FALSE */
gboolean mr_key_backend_fail (MrKeyBackend *backend, const char *detail, GError **error, const char *problem);

/** MrKeyBackendClass: everything but @check, @new and @free runs on the thread. After a failure @close comes next. */
typedef struct {
  const char *name;
  gboolean shared;                                          /* other relays may write to it too */
  gboolean (*check) (const char *location, GError **error); /* MR_ERROR_CONFIG; on any thread */
  MrKeyBackend *(*new) (const char *location);
  void (*free) (MrKeyBackend *backend);
  /* @may_create: a database without tables gets them. Not when it once had some: what is missing then was lost, and a
   * new one in its place would kill every key. */
  gboolean (*open) (MrKeyBackend *backend, gboolean may_create, GError **error);
  void (*close) (MrKeyBackend *backend);
  gboolean (*run[MR_KEY_N_TASKS]) (MrKeyBackend *backend, MrKeyTask *task, GError **error);
  /* Only of a shared one: a descriptor that is readable when others changed keys, and the ids of those. */
  int (*get_fd) (MrKeyBackend *backend);
  gboolean (*read_changes) (MrKeyBackend *backend, GPtrArray *ids, GError **error);
} MrKeyBackendClass;

extern const MrKeyBackendClass mr_key_backend_sqlite;
extern const MrKeyBackendClass mr_key_backend_postgres;

/** mr_key_backend_find: (nullable): the class for @url and what of it names the database; else %MR_ERROR_CONFIG. */
const MrKeyBackendClass *mr_key_backend_find (const char *url, const char **location, GError **error);

/** mr_key_models_to_text, mr_key_models_from_text: a list of globs as a JSON array; %NULL is %NULL. */
char *mr_key_models_to_text (char **models);
char **mr_key_models_from_text (const char *text);

typedef struct _MrKeyDatabase MrKeyDatabase;

/** MrKeyTaskDone: (transfer full): a task came back. */
typedef void (*MrKeyTaskDone) (MrKeyTask *task, gpointer data);

/** mr_key_database_new: starts the thread; @done comes on the thread-default main context. */
MrKeyDatabase *mr_key_database_new (const MrKeyBackendClass *class, const char *location, MrKeyTaskDone done,
                                    gpointer data);

/** mr_key_database_free: closes; waits for the thread until @deadline_us (monotonic), then leaves it to end by itself.
 */
void mr_key_database_free (MrKeyDatabase *database, gint64 deadline_us);

/** mr_key_database_submit: @task: (transfer full) */
void mr_key_database_submit (MrKeyDatabase *database, MrKeyTask *task);

/** mr_key_database_wait: (transfer full) (nullable): the next task that comes back, without the main loop. */
MrKeyTask *mr_key_database_wait (MrKeyDatabase *database, gint64 deadline_us);
