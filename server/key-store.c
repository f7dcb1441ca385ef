/* SPDX-License-Identifier: MIT */
/*
 * The keys in memory and what is to be done with their database: look-ups, life and death of keys, writing of usage,
 * and going on while the database cannot be used. How a database is read and written lives in the backends.
 */
#include "key-store.h"

#include "error.h"
#include "key-database.h"
#include "key-ring.h"
#include "key-secret.h"
#include "limits.h"
#include "log.h"

/* The first load waits for so long before the relay starts without keys, and the end for what is not written yet. */
#define START_USEC (2 * MR_USEC_PER_SEC)
#define STOP_USEC (2 * MR_USEC_PER_SEC)

#define FLUSH_MS 1000
#define RETRY_SECS 1
#define RETRY_MAX_SECS 30

/* So long after a key with a daily budget was used, what other relays use of it is still read every second. */
#define BUDGET_USEC (60 * MR_USEC_PER_SEC)

struct _MrKeyStore {
  MrKeyStoreEvents events;
  gpointer data;
  const MrKeyBackendClass *class;
  MrKeyDatabase *database;
  GMainContext *context;
  guint in_flight;  /* tasks that did not come back yet */
  gboolean closing; /* nobody is called back any more */

  MrKeyRing *ring;
  GHashTable *revoked; /* ids of keys whose revocation is not known to be in the database */

  GHashTable *usage;  /* of MrKeyUsage: not handed to the database yet */
  GHashTable *used;   /* Owned: keys whose last_used_at is not handed to the database yet */
  MrKeyTask *written; /* the batch that the database has (borrowed then), or could not write (owned then) */
  gboolean write_failed;
  guint64 batches;
  gint64 budget_until_us; /* monotonic: until then totals of other relays matter */

  char *problem; /* NULL when ready */
  guint retry_secs;
  gboolean loading;
  GSource *retry_timer;
  GSource *flush_timer;
};

static void flush (MrKeyStore *store);

static gint64
now_secs (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

static void
arm (MrKeyStore *store, GSource **timer, guint ms, GSourceFunc func)
{
  if (*timer != NULL || store->closing)
    return;
  *timer = g_timeout_source_new (ms);
  g_source_set_callback (*timer, func, store, NULL);
  g_source_attach (*timer, store->context);
}

static void
disarm (GSource **timer)
{
  if (*timer != NULL)
    g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

static void
submit (MrKeyStore *store, MrKeyTask *task)
{
  store->in_flight++;
  mr_key_database_submit (store->database, task);
}

/* --- Ready and degraded --- */

static void
start_loading (MrKeyStore *store)
{
  if (store->loading)
    return;
  store->loading = TRUE;
  submit (store, mr_key_task_new (MR_KEY_TASK_LOAD));
}

static gboolean
on_retry (gpointer data)
{
  MrKeyStore *store = data;

  disarm (&store->retry_timer);
  start_loading (store);
  return G_SOURCE_REMOVE;
}

static void
set_problem (MrKeyStore *store, const char *problem)
{
  gboolean changed = (store->problem == NULL) != (problem == NULL);

  g_free (store->problem);
  store->problem = g_strdup (problem);
  if (changed && store->events.problem_changed != NULL && !store->closing)
    store->events.problem_changed (store, store->data);
}

static void
degrade (MrKeyStore *store, const char *problem, const char *detail)
{
  if (store->problem == NULL)
    mr_log (MR_LOG_ERROR, "key store degraded", "database", store->class->name, "error", problem, "detail", detail,
            NULL);
  set_problem (store, problem);
  if (store->loading || store->retry_timer != NULL)
    return;
  arm (store, &store->retry_timer, store->retry_secs * 1000, on_retry);
  store->retry_secs = MIN (store->retry_secs * 2, RETRY_MAX_SECS);
}

static void
submit_revocation (MrKeyStore *store, const char *id, MrKeyRevoked func, gpointer data)
{
  MrKeyTask *task = mr_key_task_new (MR_KEY_TASK_REVOKE);

  task->id = g_strdup (id);
  task->func = G_CALLBACK (func);
  task->data = data;
  submit (store, task);
}

/* What could not be written is due first. */
static void
become_ready (MrKeyStore *store)
{
  GHashTableIter iter;
  gpointer id;

  if (store->problem != NULL)
    mr_log (MR_LOG_INFO, "key store ready", "database", store->class->name, NULL);
  set_problem (store, NULL);
  disarm (&store->retry_timer);
  g_hash_table_iter_init (&iter, store->revoked);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    submit_revocation (store, id, NULL, NULL);
  flush (store);
}

/* --- Usage --- */

/* What came in since the batch of @task was handed over is in none of its totals. */
static void
take_totals (MrKeyStore *store, MrKeyTask *task)
{
  GHashTableIter iter;
  gpointer element, key_id;

  if (task->totals == NULL)
    return;
  g_hash_table_iter_init (&iter, store->usage);
  while (g_hash_table_iter_next (&iter, &element, NULL)) {
    const MrKeyUsage *usage = element;
    guint64 *total = g_hash_table_lookup (task->totals, usage->key_id);

    if (total != NULL && usage->day == task->now / 86400)
      *total += usage->prompt_tokens + usage->completion_tokens;
  }
  g_hash_table_iter_init (&iter, task->totals);
  while (g_hash_table_iter_next (&iter, &key_id, &element)) {
    MrKey *key = mr_key_ring_get (store->ring, key_id);

    if (key != NULL)
      mr_rate_limit_set_tokens_today (&key->limit, *(guint64 *) element, task->now / 86400);
  }
}

static gboolean
wants_totals (MrKeyStore *store)
{
  return store->class->shared && !store->closing && g_get_monotonic_time () < store->budget_until_us;
}

static gboolean
on_flush (gpointer data)
{
  MrKeyStore *store = data;

  disarm (&store->flush_timer);
  flush (store);
  return G_SOURCE_REMOVE;
}

static void
plan_flush (MrKeyStore *store)
{
  arm (store, &store->flush_timer, FLUSH_MS, on_flush);
}

static gboolean
has_usage (MrKeyStore *store)
{
  return g_hash_table_size (store->usage) > 0 || g_hash_table_size (store->used) > 0;
}

static MrKeyTask *
take_batch (MrKeyStore *store)
{
  MrKeyTask *task = mr_key_task_new (MR_KEY_TASK_WRITE);
  GHashTableIter iter;
  gpointer element;

  g_hash_table_iter_init (&iter, store->usage);
  while (g_hash_table_iter_next (&iter, &element, NULL)) {
    g_ptr_array_add (task->usage, element);
    g_hash_table_iter_steal (&iter);
  }
  g_hash_table_iter_init (&iter, store->used);
  while (g_hash_table_iter_next (&iter, &element, NULL)) {
    const MrKey *key = element;
    MrKeyUse use = { g_strdup (key->id), key->last_used_at };

    g_array_append_val (task->uses, use);
  }
  g_hash_table_remove_all (store->used);
  task->batch = ++store->batches;
  return task;
}

/* One batch at a time. One that could not be written goes again as it was, under its number. */
static void
flush (MrKeyStore *store)
{
  if (store->problem != NULL || (store->written != NULL && !store->write_failed))
    return; /* it is called again when the database is back, or has written */
  if (store->written == NULL) {
    if (!has_usage (store) && !wants_totals (store))
      return;
    store->written = take_batch (store);
  }
  store->write_failed = FALSE;
  store->written->now = now_secs ();
  store->written->want_totals = wants_totals (store);
  submit (store, store->written);
}

/* --- What comes back from the database --- */

static void
on_loaded (MrKeyStore *store, MrKeyTask *task)
{
  for (guint i = 0; task->keys != NULL && i < task->keys->len; i++) {
    MrKey *key = task->keys->pdata[i];

    key->revoked = key->revoked || g_hash_table_contains (store->revoked, key->id);
  }
  if (task->id != NULL && task->error == NULL)
    mr_key_ring_reload (store->ring, task->id, task->keys->len > 0 ? task->keys->pdata[0] : NULL);
  else if (task->id == NULL && task->keys != NULL)
    mr_key_ring_replace (store->ring, task->keys);
  take_totals (store, task);
  if (task->id == NULL && task->error == NULL)
    become_ready (store);
}

static void
on_created (MrKeyStore *store, MrKeyTask *task)
{
  MrKeyCreated func = (MrKeyCreated) task->func;
  g_autoptr (GError) error = NULL;

  if (task->error == NULL) {
    mr_key_ring_add (store->ring, task->key);
    if (!store->closing)
      func (task->key, task->secret, NULL, task->data);
    return;
  }
  /* Should it be in the database after all, nobody knows its secret: there it is to be revoked. */
  if (task->detail != NULL)
    g_hash_table_add (store->revoked, g_strdup (task->key->id));
  error = store->problem != NULL
              ? g_error_new (MR_ERROR, MR_ERROR_STORE, "The key was not created: %s.", store->problem)
              : g_error_copy (task->error);
  if (!store->closing)
    func (NULL, NULL, error, task->data);
}

static void
on_revoked (MrKeyStore *store, MrKeyTask *task)
{
  MrKeyRevoked func = (MrKeyRevoked) task->func;
  g_autoptr (GError) error = NULL;

  if (task->error == NULL)
    g_hash_table_remove (store->revoked, task->id);
  else
    error = g_error_new (MR_ERROR, MR_ERROR_STORE,
                         "The key no longer works on this relay, but that is not written yet: %s. "
                         "It is tried again until it succeeds or the relay ends.",
                         store->problem);
  if (func != NULL && !store->closing)
    func (task->found, error, task->data);
}

static void
on_queried (MrKeyStore *store, MrKeyTask *task)
{
  MrUsageFound func = (MrUsageFound) task->func;
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (MrUsageRow));
  g_autoptr (GError) error = NULL;

  if (store->closing)
    return;
  if (task->error != NULL) {
    error = g_error_new (MR_ERROR, MR_ERROR_STORE, "The usage cannot be read: %s.", store->problem);
    func (NULL, 0, error, task->data);
    return;
  }
  for (guint i = 0; i < task->rows->len; i++) {
    const MrKeyUsage *usage = task->rows->pdata[i];
    const MrKey *key = mr_key_ring_get (store->ring, usage->key_id);
    MrUsageRow row = { .key_id = usage->key_id,
                       .key_name = key != NULL ? key->spec.name : NULL,
                       .model = usage->model,
                       .day = usage->day,
                       .requests = usage->requests,
                       .prompt_tokens = usage->prompt_tokens,
                       .completion_tokens = usage->completion_tokens };

    g_array_append_val (rows, row);
  }
  func ((const void *) rows->data, rows->len, NULL, task->data);
}

/* Returns: %TRUE when the batch stays here, to be written later */
static gboolean
on_written (MrKeyStore *store, MrKeyTask *task)
{
  if (task->error != NULL) {
    g_clear_error (&task->error);
    g_clear_pointer (&task->detail, g_free);
    g_clear_pointer (&task->totals, g_hash_table_unref);
    store->write_failed = TRUE;
    return TRUE;
  }
  store->written = NULL;
  take_totals (store, task);
  if (has_usage (store) || wants_totals (store))
    plan_flush (store);
  return FALSE;
}

/* @given: (transfer full) */
static void
on_task (MrKeyTask *given, gpointer data)
{
  MrKeyStore *store = data;
  g_autoptr (MrKeyTask) task = given;

  if (!task->unasked) {
    store->in_flight--;
    store->loading = store->loading && task->kind != MR_KEY_TASK_LOAD;
  }
  /* A task that was not even tried tells nothing new. */
  if (task->error != NULL && task->detail != NULL)
    degrade (store, task->error->message, task->detail);
  else if (task->error == NULL && task->kind != MR_KEY_TASK_LOAD)
    store->retry_secs = RETRY_SECS;

  switch (task->kind) {
  case MR_KEY_TASK_LOAD:
    on_loaded (store, task);
    break;
  case MR_KEY_TASK_CREATE:
    on_created (store, task);
    break;
  case MR_KEY_TASK_REVOKE:
    mr_key_ring_announce (store->ring);
    on_revoked (store, task);
    break;
  case MR_KEY_TASK_WRITE:
    if (on_written (store, task))
      g_steal_pointer (&task);
    break;
  case MR_KEY_TASK_QUERY:
    on_queried (store, task);
    break;
  case MR_KEY_TASK_STOP:
    break;
  }
}

/* --- What others call --- */

static void
on_key_died (MrKey *key, gpointer data)
{
  MrKeyStore *store = data;

  if (!store->closing && store->events.died != NULL)
    store->events.died (store, key, store->data);
}

gboolean
mr_key_store_check_url (const char *url, GError **error)
{
  const char *location;

  return mr_key_backend_find (url, &location, error) != NULL;
}

/* The keys are to be known before the first request comes in. */
static void
wait_for_keys (MrKeyStore *store)
{
  gint64 deadline_us = g_get_monotonic_time () + START_USEC;
  MrKeyTask *task;

  start_loading (store);
  while (store->loading && (task = mr_key_database_wait (store->database, deadline_us)) != NULL)
    on_task (task, store);
  if (store->loading)
    degrade (store, "the key database did not answer in time", NULL);
}

MrKeyStore *
mr_key_store_new (const char *url, const MrKeyStoreEvents *events, gpointer data, GError **error)
{
  const char *location;
  const MrKeyBackendClass *class = mr_key_backend_find (url, &location, error);
  MrKeyStore *store;

  if (class == NULL)
    return NULL;
  store = g_new0 (MrKeyStore, 1);
  store->events = *events;
  store->data = data;
  store->class = class;
  store->context = g_main_context_ref_thread_default ();
  store->ring = mr_key_ring_new (store->context, on_key_died, store);
  store->revoked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  store->usage = mr_key_usage_table_new ();
  store->used = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) mr_key_unref, NULL);
  store->retry_secs = RETRY_SECS;
  store->database = mr_key_database_new (class, location, on_task, store);
  wait_for_keys (store);
  return store;
}

/* A database that could not be used a moment ago gets one more chance, if there is anything to write. */
static void
write_what_is_due (MrKeyStore *store, gint64 deadline_us)
{
  MrKeyTask *task;

  if (store->problem != NULL && (has_usage (store) || store->written != NULL || g_hash_table_size (store->revoked) > 0))
    start_loading (store);
  flush (store);
  while (store->in_flight > 0 && (task = mr_key_database_wait (store->database, deadline_us)) != NULL) {
    on_task (task, store);
    flush (store);
  }
}

void
mr_key_store_free (MrKeyStore *store)
{
  gint64 deadline_us = g_get_monotonic_time () + STOP_USEC;

  if (store == NULL)
    return;
  store->closing = TRUE;
  disarm (&store->retry_timer);
  disarm (&store->flush_timer);
  write_what_is_due (store, deadline_us);
  mr_key_database_free (store->database, deadline_us);
  if (store->write_failed)
    mr_key_task_free (store->written);
  mr_key_ring_free (store->ring);
  g_hash_table_unref (store->revoked);
  g_hash_table_unref (store->usage);
  g_hash_table_unref (store->used);
  g_main_context_unref (store->context);
  g_free (store->problem);
  g_free (store);
}

const char *
mr_key_store_get_problem (MrKeyStore *store)
{
  return store->problem;
}

MrKey *
mr_key_store_find (MrKeyStore *store, const char *secret)
{
  gint64 now = now_secs ();
  guint8 hash[MR_KEY_HASH_BYTES];
  MrKey *key;

  if (!mr_key_secret_is_ours (secret))
    return NULL;
  mr_key_secret_hash (secret, hash);
  key = mr_key_ring_find (store->ring, hash);
  if (key == NULL)
    return NULL;
  if (key->spec.tokens_per_day > 0 && store->class->shared) {
    store->budget_until_us = g_get_monotonic_time () + BUDGET_USEC;
    plan_flush (store);
  }
  if (key->last_used_at != now) {
    key->last_used_at = now;
    g_hash_table_add (store->used, mr_key_ref (key));
    plan_flush (store);
  }
  return key;
}

MrKey *
mr_key_store_get (MrKeyStore *store, const char *id)
{
  return mr_key_ring_get (store->ring, id);
}

GPtrArray *
mr_key_store_list (MrKeyStore *store)
{
  return g_ptr_array_copy (mr_key_ring_get_keys (store->ring), (GCopyFunc) (void (*) (void)) mr_key_ref, NULL);
}

gboolean
mr_key_store_has_worker_key (MrKeyStore *store)
{
  return mr_key_ring_has_worker_key (store->ring);
}

void
mr_key_store_create (MrKeyStore *store, const MrKeySpec *spec, MrKeyCreated func, gpointer data)
{
  MrKeyTask *task = mr_key_task_new (MR_KEY_TASK_CREATE);

  task->secret = mr_key_secret_new ();
  task->key = mr_key_new_with_secret (task->secret, spec, now_secs ());
  task->func = G_CALLBACK (func);
  task->data = data;
  if (mr_key_ring_get_keys (store->ring)->len >= MR_LIMIT_KEYS)
    g_set_error (&task->error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "There are %d keys already; no more are kept.",
                 MR_LIMIT_KEYS);
  submit (store, task);
}

void
mr_key_store_revoke (MrKeyStore *store, const char *id, MrKeyRevoked func, gpointer data)
{
  MrKey *key = mr_key_ring_get (store->ring, id);

  if (key != NULL)
    mr_key_ring_revoke (store->ring, key);
  g_hash_table_add (store->revoked, g_strdup (id));
  submit_revocation (store, id, func, data);
}

void
mr_key_store_note_usage (MrKeyStore *store, MrKey *key, const char *model, const MrUsage *usage)
{
  MrUsage counts = usage != NULL ? *usage : MR_USAGE_UNKNOWN;
  guint64 prompt_tokens = mr_key_usage_sane_tokens (counts.prompt_tokens);
  guint64 completion_tokens = mr_key_usage_sane_tokens (counts.completion_tokens);
  g_autofree char *name = g_utf8_make_valid (model, -1); /* or PostgreSQL would refuse the whole batch */
  gint64 now = now_secs ();

  if (key != NULL)
    mr_rate_limit_use_tokens (&key->limit, prompt_tokens + completion_tokens, now);
  mr_key_usage_table_add (store->usage, key != NULL ? key->id : "", name, now / 86400, prompt_tokens,
                          completion_tokens);
  plan_flush (store);
}

void
mr_key_store_query_usage (MrKeyStore *store, gint64 from, gint64 to, MrUsageFound func, gpointer data)
{
  MrKeyTask *task = mr_key_task_new (MR_KEY_TASK_QUERY);

  flush (store);
  task->from_day = from;
  task->to_day = to;
  task->func = G_CALLBACK (func);
  task->data = data;
  submit (store, task);
}
