/* SPDX-License-Identifier: MIT */
/*
 * What others see of the relay and make it do: lists, observers, the administrator's commands, dead keys, a new
 * configuration. See relay.h.
 */
#include "relay-private.h"

#include <string.h>

/* --- who is told --- */

void
mr_relay_set_job_state (MrJob *job, MrJobState state)
{
  MrRelay *relay = job->relay;

  mr_job_set_state (job, state);
  for (guint i = 0; i < relay->observers->len; i++) {
    const MrObserving *entry = &g_array_index (relay->observers, MrObserving, i);

    entry->observer->job_changed (relay, job, entry->data);
  }
}

void
mr_relay_worker_changed (MrRelay *relay, MrWorkerSession *session, MrWorkerChange change)
{
  for (guint i = 0; i < relay->observers->len; i++) {
    const MrObserving *entry = &g_array_index (relay->observers, MrObserving, i);

    entry->observer->worker_changed (relay, session, change, entry->data);
  }
}

void
mr_relay_observe (MrRelay *relay, const MrRelayObserver *observer, gpointer data)
{
  const MrObserving entry = { observer, data };

  g_array_append_val (relay->observers, entry);
}

void
mr_relay_unobserve (MrRelay *relay, gpointer data)
{
  for (guint i = relay->observers->len; i > 0; i--)
    if (g_array_index (relay->observers, MrObserving, i - 1).data == data)
      g_array_remove_index (relay->observers, i - 1);
}

/* --- what there is --- */

MrWorkerRegistry *
mr_relay_get_registry (MrRelay *relay)
{
  return relay->registry;
}

guint
mr_relay_get_queue_depth (MrRelay *relay)
{
  return mr_job_queue_get_length (relay->queue);
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  const MrJob *left = *(const MrJob *const *) a;
  const MrJob *right = *(const MrJob *const *) b;

  return left->number < right->number ? -1 : left->number > right->number;
}

GPtrArray *
mr_relay_list_jobs (MrRelay *relay)
{
  GPtrArray *jobs = g_ptr_array_sized_new (g_hash_table_size (relay->jobs));
  GHashTableIter iter;
  gpointer job;

  g_hash_table_iter_init (&iter, relay->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &job))
    g_ptr_array_add (jobs, job);
  g_ptr_array_sort (jobs, compare_numbers);
  return jobs;
}

/* --- models --- */

static gboolean
is_served (MrRelay *relay, const char *name, char **models)
{
  const MrDispatchNeed need = { .name = name, .models = (const char *const *) models };

  return mr_worker_registry_serves (relay->registry, &need);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
mr_relay_dup_models (MrRelay *relay, const MrKey *key)
{
  g_auto (GStrv) real = mr_worker_registry_dup_models (relay->registry);
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer alias;
  gpointer models;

  for (char **name = real; *name != NULL; name++)
    if ((key == NULL || mr_key_allows_model (key, *name)) &&
        mr_server_config_find_models (relay->config, *name) == NULL)
      g_ptr_array_add (names, g_strdup (*name));
  g_hash_table_iter_init (&iter, relay->config->models);
  while (g_hash_table_iter_next (&iter, &alias, &models))
    if ((key == NULL || mr_key_allows_model (key, alias)) && is_served (relay, alias, models))
      g_ptr_array_add (names, g_strdup (alias));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

gint64
mr_relay_get_first_seen (MrRelay *relay, const char *model)
{
  char **models = mr_server_config_find_models (relay->config, model);
  gint64 first = models == NULL ? mr_worker_registry_get_first_seen (relay->registry, model) : 0;

  for (; models != NULL && *models != NULL; models++) {
    gint64 seen = mr_worker_registry_get_first_seen (relay->registry, *models);

    if (seen != 0 && (first == 0 || seen < first))
      first = seen;
  }
  return first;
}

/* --- workers and the administrator --- */

void
mr_relay_take_worker (MrRelay *relay, MrConnection *connection, const char *address, MrKey *key)
{
  const MrWorkerSettings settings = {
    .heartbeat_us = relay->config->heartbeat_us,
    .pong_timeout_us = relay->config->pong_timeout_us,
    .window_bytes = relay->config->stream_window_bytes,
    .address = address,
    .key = key,
  };
  MrWorkerSession *session = mr_worker_session_new (connection, &settings, &mr_relay_session_events, relay);

  g_ptr_array_add (relay->sessions, session);
  if (relay->draining)
    mr_worker_session_drain (session, 0);
}

static MrWorkerSession *
find_worker (MrRelay *relay, const char *worker_id)
{
  for (guint i = 0; i < relay->sessions->len; i++) {
    MrWorkerSession *session = g_ptr_array_index (relay->sessions, i);

    if (session->registered && g_str_equal (session->id, worker_id))
      return session;
  }
  return NULL;
}

gboolean
mr_relay_drain_worker (MrRelay *relay, const char *worker_id)
{
  MrWorkerSession *session = find_worker (relay, worker_id);

  if (session == NULL)
    return FALSE;
  mr_worker_session_drain (session, relay->config->drain_timeout_us);
  mr_relay_worker_changed (relay, session, MR_WORKER_CHANGED);
  return TRUE;
}

gboolean
mr_relay_refresh_worker (MrRelay *relay, const char *worker_id)
{
  MrWorkerSession *session = find_worker (relay, worker_id);

  if (session == NULL)
    return FALSE;
  mr_worker_session_refresh (session);
  return TRUE;
}

gboolean
mr_relay_cancel_request (MrRelay *relay, const char *id)
{
  MrJob *job = g_hash_table_lookup (relay->jobs, id);

  if (job == NULL)
    return FALSE;
  mr_relay_give_up_job (job, MR_ERROR_CANCELLED, "The request was cancelled by the relay's administrator.");
  return TRUE;
}

void
mr_relay_end_key (MrRelay *relay, MrKey *key)
{
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (relay);

  for (guint i = 0; i < jobs->len; i++) {
    MrJob *job = g_ptr_array_index (jobs, i);

    if (job->key == key)
      mr_relay_give_up_job (job, MR_ERROR_INVALID_API_KEY, "The API key is no longer valid.");
  }
  for (guint i = 0; i < relay->sessions->len; i++) {
    MrWorkerSession *session = g_ptr_array_index (relay->sessions, i);

    if (session->key == key)
      mr_worker_session_dismiss (session);
  }
}

/* --- configuration --- */

void
mr_relay_apply_config (MrRelay *relay)
{
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (relay);

  mr_job_queue_set_max_length (relay->queue, relay->config->max_queue_len);
  /* What an alias stands for may have changed for those that wait: for all of them at once. */
  for (guint i = jobs->len; i > 0; i--) {
    MrJob *job = g_ptr_array_index (jobs, i - 1);

    if (job->state == MR_JOB_QUEUED)
      mr_job_queue_remove (relay->queue, job);
    else
      g_ptr_array_remove_index (jobs, i - 1);
  }
  for (guint i = 0; i < jobs->len; i++) {
    MrJob *job = g_ptr_array_index (jobs, i);

    g_strfreev (job->models);
    job->models = g_strdupv (mr_server_config_find_models (relay->config, job->admission.model));
    mr_job_queue_push (relay->queue, job, TRUE);
  }
  mr_relay_pump (relay);
}
