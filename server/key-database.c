/* SPDX-License-Identifier: MIT */
/*
 * The thread of a key database, its queue, and the way back to the main loop. What is asked for and what an answer
 * means is the store's; how it is done is the backend's.
 */
#include "key-database.h"

#include "error.h"
#include "json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Owned by both sides (an atomic box), because a thread that hangs in the kernel is left to itself. */
struct _MrKeyDatabase {
  const MrKeyBackendClass *class;
  GAsyncQueue *asked;    /* to the thread */
  GAsyncQueue *answered; /* from the thread */
  int wake_fd;           /* readable when something was asked */

  /* The thread's. */
  MrKeyBackend *backend;
  gboolean open;
  gboolean was_open;

  /* The main loop's. */
  GSource *source;
  GThread *thread;
  MrKeyTaskDone done;
  gpointer data;
};

static void
clear_use (gpointer data)
{
  g_free (((MrKeyUse *) data)->key_id);
}

MrKeyTask *
mr_key_task_new (MrKeyTaskKind kind)
{
  MrKeyTask *task = g_new0 (MrKeyTask, 1);

  task->kind = kind;
  task->now = g_get_real_time () / G_USEC_PER_SEC;
  if (kind == MR_KEY_TASK_WRITE) {
    task->usage = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_usage_free);
    task->uses = g_array_new (FALSE, FALSE, sizeof (MrKeyUse));
    g_array_set_clear_func (task->uses, clear_use);
  }
  return task;
}

void
mr_key_task_free (MrKeyTask *task)
{
  if (task == NULL)
    return;
  g_free (task->id);
  g_clear_pointer (&task->key, mr_key_unref);
  g_clear_pointer (&task->usage, g_ptr_array_unref);
  g_clear_pointer (&task->uses, g_array_unref);
  g_clear_pointer (&task->keys, g_ptr_array_unref);
  g_clear_pointer (&task->totals, g_hash_table_unref);
  g_clear_pointer (&task->rows, g_ptr_array_unref);
  g_clear_error (&task->error);
  g_free (task->detail);
  if (task->secret != NULL)
    explicit_bzero (task->secret, strlen (task->secret));
  g_free (task->secret);
  g_free (task);
}

void
mr_key_task_add_total (MrKeyTask *task, const char *key_id, gint64 tokens)
{
  if (task->totals == NULL)
    task->totals = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert (task->totals, g_strdup (key_id), g_memdup2 (&(guint64){ (guint64) MAX (tokens, 0) }, 8));
}

gboolean
mr_key_backend_fail (MrKeyBackend *backend, const char *detail, GError **error, const char *problem)
{
  g_free (backend->detail);
  backend->detail = g_strstrip (g_strdup (detail));
  g_set_error_literal (error, MR_ERROR, MR_ERROR_STORE, problem);
  return FALSE;
}

const MrKeyBackendClass *
mr_key_backend_find (const char *url, const char **location, GError **error)
{
  const MrKeyBackendClass *class = NULL;

  if (g_str_has_prefix (url, "sqlite:")) {
    class = &mr_key_backend_sqlite;
    *location = url + strlen ("sqlite:");
  } else if (g_str_has_prefix (url, "postgresql://") || g_str_has_prefix (url, "postgres://")) {
    class = &mr_key_backend_postgres;
    *location = url;
  } else {
    /* The URL itself may hold a password. */
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "not a database URL; allowed are sqlite:/path/of/the/file.db, sqlite::memory: and"
                         " postgresql://user@host/database");
    return NULL;
  }
  return class->check (*location, error) ? class : NULL;
}

char *
mr_key_models_to_text (char **models)
{
  GString *text;

  if (models == NULL)
    return NULL;
  text = g_string_new ("[");
  for (char **model = models; *model != NULL; model++) {
    if (model != models)
      g_string_append_c (text, ',');
    mr_json_append_cstring (text, *model);
  }
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* What was written by hand and is no list of strings allows nothing: the safe side. */
char **
mr_key_models_from_text (const char *text)
{
  g_autoptr (GPtrArray) models = g_ptr_array_new_with_free_func (g_free);
  MrJsonValue value, element;
  MrJsonIter iter;

  if (text == NULL)
    return NULL;
  if (mr_json_scan (text, strlen (text), &value, NULL) && value.type == MR_JSON_ARRAY &&
      mr_json_iter_init (&iter, &value)) {
    while (mr_json_iter_next (&iter, NULL, &element)) {
      char *model = mr_json_dup_string (&element, NULL);

      if (model != NULL)
        g_ptr_array_add (models, model);
    }
  }
  g_ptr_array_add (models, NULL);
  return (char **) g_ptr_array_steal (models, NULL);
}

static void
clear_database (gpointer data)
{
  MrKeyDatabase *database = data;

  database->class->free (database->backend);
  g_async_queue_unref (database->asked);
  g_async_queue_unref (database->answered);
  g_source_unref (database->source);
  close (database->wake_fd);
}

static void
close_backend (MrKeyDatabase *database)
{
  if (database->open)
    database->class->close (database->backend);
  database->open = FALSE;
}

static void
answer (MrKeyDatabase *database, MrKeyTask *task)
{
  g_async_queue_push (database->answered, task);
  g_source_set_ready_time (database->source, 0);
}

static void
try_task (MrKeyDatabase *database, MrKeyTask *task)
{
  if (task->error != NULL)
    return; /* refused by the store itself: it only takes its place among the answers */
  if (!database->open && task->kind == MR_KEY_TASK_LOAD && task->id == NULL) {
    /* A backend that failed to open half-way has something to close too. */
    database->open = TRUE;
    if (!database->class->open (database->backend, !database->was_open, &task->error))
      close_backend (database);
  } else if (!database->open) {
    g_set_error_literal (&task->error, MR_ERROR, MR_ERROR_STORE, "the key database is not open");
    return;
  }
  if (database->open && !database->class->run[task->kind](database->backend, task, &task->error))
    close_backend (database);
  if (task->keys != NULL)
    database->was_open = TRUE;
  if (task->error != NULL)
    task->detail = g_strdup (database->backend->detail);
}

/* What other relays changed is read here and now and goes to the store as if it had asked. */
static void
report_changes (MrKeyDatabase *database)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  if (!database->open || database->class->read_changes == NULL)
    return;
  if (!database->class->read_changes (database->backend, ids, &error)) {
    MrKeyTask *failure = mr_key_task_new (MR_KEY_TASK_LOAD);

    close_backend (database);
    failure->unasked = TRUE;
    failure->error = g_steal_pointer (&error);
    failure->detail = g_strdup (database->backend->detail);
    answer (database, failure);
    return;
  }
  for (guint i = 0; i < ids->len && database->open; i++) {
    MrKeyTask *task = mr_key_task_new (MR_KEY_TASK_LOAD);

    task->unasked = TRUE;
    task->id = g_strdup (ids->pdata[i]);
    try_task (database, task);
    answer (database, task);
  }
}

static void
wait_for_work (MrKeyDatabase *database)
{
  gboolean watch = database->open && database->class->get_fd != NULL;
  struct pollfd fds[2] = {
    { .fd = database->wake_fd, .events = POLLIN },
    { .fd = watch ? database->class->get_fd (database->backend) : -1, .events = POLLIN },
  };
  eventfd_t count;

  if (poll (fds, 2, -1) > 0 && fds[0].revents != 0)
    eventfd_read (database->wake_fd, &count);
}

static gpointer
run (gpointer data)
{
  MrKeyDatabase *database = data;
  MrKeyTask *task = NULL;

  while (task == NULL || task->kind != MR_KEY_TASK_STOP) {
    wait_for_work (database);
    report_changes (database);
    while ((task = g_async_queue_try_pop (database->asked)) != NULL && task->kind != MR_KEY_TASK_STOP) {
      try_task (database, task);
      answer (database, task);
      report_changes (database);
    }
  }
  close_backend (database);
  answer (database, task);
  g_atomic_rc_box_release_full (database, clear_database);
  return NULL;
}

typedef struct {
  GSource source;
  MrKeyDatabase *database; /* Borrowed: destroys the source before it goes */
} AnswerSource;

static gboolean
dispatch_answers (GSource *source, GSourceFunc callback, gpointer user_data)
{
  MrKeyDatabase *database = ((AnswerSource *) source)->database;
  MrKeyTask *task;

  g_source_set_ready_time (source, -1);
  while (!g_source_is_destroyed (source) && (task = g_async_queue_try_pop (database->answered)) != NULL)
    database->done (task, database->data);
  return G_SOURCE_CONTINUE;
}

MrKeyDatabase *
mr_key_database_new (const MrKeyBackendClass *class, const char *location, MrKeyTaskDone done, gpointer data)
{
  static GSourceFuncs funcs = { .dispatch = dispatch_answers };
  MrKeyDatabase *database = g_atomic_rc_box_new0 (MrKeyDatabase);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  database->class = class;
  database->backend = class->new (location);
  database->asked = g_async_queue_new_full ((GDestroyNotify) mr_key_task_free);
  database->answered = g_async_queue_new_full ((GDestroyNotify) mr_key_task_free);
  database->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (database->wake_fd < 0)
    g_error ("eventfd: %s", g_strerror (errno));
  database->done = done;
  database->data = data;
  database->source = g_source_new (&funcs, sizeof (AnswerSource));
  ((AnswerSource *) database->source)->database = database;
  g_source_set_static_name (database->source, "key database");
  g_source_attach (database->source, context);
  database->thread = g_thread_new ("key database", run, g_atomic_rc_box_acquire (database));
  return database;
}

void
mr_key_database_submit (MrKeyDatabase *database, MrKeyTask *task)
{
  g_async_queue_push (database->asked, task);
  eventfd_write (database->wake_fd, 1);
}

MrKeyTask *
mr_key_database_wait (MrKeyDatabase *database, gint64 deadline_us)
{
  gint64 left = MAX (deadline_us - g_get_monotonic_time (), 1);

  return g_async_queue_timeout_pop (database->answered, (guint64) left);
}

void
mr_key_database_free (MrKeyDatabase *database, gint64 deadline_us)
{
  gboolean stopped = FALSE;

  g_source_destroy (database->source);
  mr_key_database_submit (database, mr_key_task_new (MR_KEY_TASK_STOP));
  while (!stopped) {
    g_autoptr (MrKeyTask) task = mr_key_database_wait (database, deadline_us);

    if (task == NULL)
      break;
    stopped = task->kind == MR_KEY_TASK_STOP;
  }
  if (stopped)
    g_thread_join (database->thread);
  else
    g_thread_unref (database->thread);
  g_atomic_rc_box_release_full (database, clear_database);
}
