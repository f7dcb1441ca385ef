/* SPDX-License-Identifier: MIT */
/*
 * Facts of workers, requests, models and figures as JSON. See admin-report.h; keys and their usage are in
 * admin-report-keys.c.
 */
#include "admin-report.h"

#include "admin-json.h"
#include "limits.h"
#include "response.h"

#include <string.h>

static double
to_ms (gint64 us)
{
  return (double) us / (double) MR_USEC_PER_MSEC;
}

/* --- workers --- */

static guint
free_slots (const MrDispatchWorker *worker)
{
  guint load = mr_dispatch_load (worker);

  return worker->draining || load >= worker->max_concurrent ? 0 : worker->max_concurrent - load;
}

JsonNode *
mr_admin_report_worker (const MrAdminParts *parts, const MrWorkerSession *session)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_auto (GStrv) extensions = mr_extensions_to_strv (session->extensions);
  const MrDispatchWorker *dispatch = &session->dispatch;

  json_builder_begin_object (out);
  mr_json_add_string (out, "worker_id", session->id);
  mr_json_add_string (out, "worker_name", session->name);
  mr_json_add_string (out, "provider", parts->config->provider);
  mr_json_add_strings (out, "models", session->models);
  mr_json_add_int (out, "max_concurrent", dispatch->max_concurrent);
  mr_json_add_int (out, "reported_load", dispatch->reported_load);
  mr_json_add_int (out, "in_flight_count", dispatch->in_flight);
  mr_json_add_int (out, "free_slots", free_slots (dispatch));
  mr_json_add_bool (out, "is_draining", dispatch->draining);
  mr_json_add_time (out, "connected_at", session->connected_at);
  mr_json_add_time (out, "last_seen_at", mr_worker_session_get_last_seen ((MrWorkerSession *) session));
  mr_json_add_string (out, "remote_address", session->address);
  mr_json_add_double (out, "rtt_ms", to_ms (session->rtt_us), session->rtt_us >= 0);
  mr_json_add_int (out, "requests_total", session->n_requests);
  mr_json_add_int (out, "errors_total", session->n_errors);
  mr_json_add_double (out, "tokens_per_second", session->tokens_per_second, session->tokens_per_second > 0);
  mr_json_add_strings (out, "extensions", extensions);
  mr_json_add_string (out, "version", session->version);
  mr_json_add_string (out, "key_id", session->key != NULL ? session->key->id : NULL);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}

static int
compare_workers (gconstpointer a, gconstpointer b)
{
  const MrWorkerSession *left = *(const MrWorkerSession *const *) a;
  const MrWorkerSession *right = *(const MrWorkerSession *const *) b;
  int order = strcmp (left->name, right->name);

  return order != 0 ? order : strcmp (left->id, right->id);
}

JsonNode *
mr_admin_report_workers (const MrAdminParts *parts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (GPtrArray) sessions = g_ptr_array_new ();
  MrWorkerRegistry *registry = mr_relay_get_registry (parts->relay);

  for (guint i = 0; i < mr_worker_registry_get_length (registry); i++)
    g_ptr_array_add (sessions, mr_worker_registry_index (registry, i));
  g_ptr_array_sort (sessions, compare_workers);
  json_builder_begin_array (out);
  for (guint i = 0; i < sessions->len; i++)
    json_builder_add_value (out, mr_admin_report_worker (parts, g_ptr_array_index (sessions, i)));
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

/* --- requests --- */

void
mr_request_facts_init (MrRequestFacts *facts, const MrJob *job, gint64 now_us)
{
  gboolean dispatched = job->dispatched_us != 0 && job->state != MR_JOB_QUEUED;

  *facts = (MrRequestFacts){
    .id = g_strdup (job->id),
    .request_id = g_strdup (mr_response_get_request_id (job->response)),
    .state = mr_job_state_name (job->state),
    .model = g_strdup (job->admission.model),
    .served_model = g_strdup (job->model),
    .endpoint = g_strndup (job->endpoint_path, strcspn (job->endpoint_path, "?")),
    .streaming = job->admission.is_streaming,
    .arrived_at = job->started_at,
    .age_ms = (now_us - job->arrived_us) / MR_USEC_PER_MSEC,
    .wait_ms = ((dispatched ? job->dispatched_us : now_us) - job->arrived_us) / MR_USEC_PER_MSEC,
    .answer_bytes = job->answer_bytes,
    .requeues = job->requeues,
  };
  if (job->key != NULL) {
    facts->key_id = g_strdup (job->key->id);
    facts->key_name = g_strdup (job->key->spec.name);
  }
  if (job->session != NULL) {
    facts->worker_id = g_strdup (job->session->id);
    facts->worker_name = g_strdup (job->session->name);
  }
}

void
mr_request_facts_clear (MrRequestFacts *facts)
{
  g_clear_pointer (&facts->id, g_free);
  g_clear_pointer (&facts->request_id, g_free);
  g_clear_pointer (&facts->model, g_free);
  g_clear_pointer (&facts->served_model, g_free);
  g_clear_pointer (&facts->key_id, g_free);
  g_clear_pointer (&facts->key_name, g_free);
  g_clear_pointer (&facts->worker_id, g_free);
  g_clear_pointer (&facts->worker_name, g_free);
  g_clear_pointer (&facts->endpoint, g_free);
}

JsonNode *
mr_admin_report_facts (const MrRequestFacts *facts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();

  json_builder_begin_object (out);
  mr_json_add_string (out, "id", facts->id);
  mr_json_add_string (out, "request_id", facts->request_id);
  mr_json_add_string (out, "state", facts->state);
  mr_json_add_string (out, "model", facts->model);
  mr_json_add_string (out, "served_model", facts->served_model);
  mr_json_add_string (out, "key_id", facts->key_id);
  mr_json_add_string (out, "key_name", facts->key_name);
  mr_json_add_string (out, "worker_id", facts->worker_id);
  mr_json_add_string (out, "worker_name", facts->worker_name);
  mr_json_add_string (out, "endpoint", facts->endpoint);
  mr_json_add_bool (out, "streaming", facts->streaming);
  mr_json_add_time (out, "arrived_at", facts->arrived_at);
  mr_json_add_int (out, "age_ms", (guint64) MAX (facts->age_ms, 0));
  mr_json_add_int (out, "wait_ms", (guint64) MAX (facts->wait_ms, 0));
  mr_json_add_int (out, "answer_bytes", facts->answer_bytes);
  mr_json_add_int (out, "requeues", facts->requeues);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}

JsonNode *
mr_admin_report_request (const MrAdminParts *parts, const MrJob *job)
{
  g_auto (MrRequestFacts) facts = { 0 };

  mr_request_facts_init (&facts, job, mr_reactor_now (parts->reactor));
  return mr_admin_report_facts (&facts);
}

JsonNode *
mr_admin_report_requests (const MrAdminParts *parts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (parts->relay);

  json_builder_begin_array (out);
  for (guint i = 0; i < jobs->len; i++)
    json_builder_add_value (out, mr_admin_report_request (parts, g_ptr_array_index (jobs, i)));
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

/* --- models --- */

static guint
count_workers (const MrAdminParts *parts, const char *name, char **models)
{
  const MrDispatchNeed need = { .name = name, .models = (const char *const *) models };
  MrWorkerRegistry *registry = mr_relay_get_registry (parts->relay);
  guint n = 0;

  for (guint i = 0; i < mr_worker_registry_get_length (registry); i++)
    n += mr_dispatch_serves (&mr_worker_registry_index (registry, i)->dispatch, &need) ? 1 : 0;
  return n;
}

JsonNode *
mr_admin_report_models (const MrAdminParts *parts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_auto (GStrv) names = mr_relay_dup_models (parts->relay, NULL);

  json_builder_begin_array (out);
  for (char **name = names; *name != NULL; name++) {
    char **models = mr_server_config_find_models (parts->config, *name);

    json_builder_begin_object (out);
    mr_json_add_string (out, "name", *name);
    mr_json_add_strings (out, "stands_for", models);
    mr_json_add_int (out, "workers", count_workers (parts, *name, models));
    mr_json_add_time (out, "first_seen_at", mr_relay_get_first_seen (parts->relay, *name));
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

/* --- figures --- */

static void
add_latency (JsonBuilder *out, const char *name, const MrHistogram *histogram)
{
  gboolean known = mr_histogram_get_count (histogram) > 0;

  json_builder_set_member_name (out, name);
  json_builder_begin_object (out);
  mr_json_add_double (out, "p50_ms", to_ms (mr_histogram_get_quantile (histogram, 0.50)), known);
  mr_json_add_double (out, "p95_ms", to_ms (mr_histogram_get_quantile (histogram, 0.95)), known);
  mr_json_add_double (out, "p99_ms", to_ms (mr_histogram_get_quantile (histogram, 0.99)), known);
  json_builder_end_object (out);
}

static void
add_requests (JsonBuilder *out, const MrAdminParts *parts)
{
  const MrStats *stats = parts->stats;

  json_builder_set_member_name (out, "requests");
  json_builder_begin_object (out);
  mr_json_add_int (out, "total", stats->counts[MR_COUNT_REQUESTS]);
  mr_json_add_int (out, "completed", stats->outcomes[MR_OUTCOME_COMPLETED]);
  mr_json_add_int (out, "failed", stats->outcomes[MR_OUTCOME_FAILED]);
  mr_json_add_int (out, "cancelled", stats->outcomes[MR_OUTCOME_CANCELLED]);
  mr_json_add_int (out, "refused", stats->counts[MR_COUNT_REFUSED]);
  mr_json_add_int (out, "requeued", stats->counts[MR_COUNT_REQUEUED]);
  mr_json_add_int (out, "queue_full", stats->counts[MR_COUNT_QUEUE_FULL]);
  mr_json_add_int (out, "queue_timeout", stats->counts[MR_COUNT_QUEUE_TIMEOUT]);
  mr_json_add_int (out, "request_timeout", stats->counts[MR_COUNT_REQUEST_TIMEOUT]);
  mr_json_add_int (out, "in_flight", mr_admin_report_count_in_flight (parts));
  json_builder_end_object (out);
}

static void
add_tokens (JsonBuilder *out, guint64 prompt, guint64 completion)
{
  json_builder_set_member_name (out, "tokens");
  json_builder_begin_object (out);
  mr_json_add_int (out, "prompt", prompt);
  mr_json_add_int (out, "completion", completion);
  json_builder_end_object (out);
}

static void
add_model_stats (JsonBuilder *out, const MrModelStats *model)
{
  json_builder_set_member_name (out, model->model);
  json_builder_begin_object (out);
  mr_json_add_int (out, "completed", model->outcomes[MR_OUTCOME_COMPLETED]);
  mr_json_add_int (out, "failed", model->outcomes[MR_OUTCOME_FAILED]);
  mr_json_add_int (out, "cancelled", model->outcomes[MR_OUTCOME_CANCELLED]);
  add_tokens (out, model->prompt_tokens, model->completion_tokens);
  add_latency (out, "time_to_first_byte", model->first_byte);
  mr_json_add_double (out, "tokens_per_second", model->tokens_per_second, model->tokens_per_second > 0);
  json_builder_end_object (out);
}

static void
add_models (JsonBuilder *out, const MrStats *stats)
{
  GHashTableIter iter;
  gpointer model;

  json_builder_set_member_name (out, "models");
  json_builder_begin_object (out);
  g_hash_table_iter_init (&iter, stats->models);
  while (g_hash_table_iter_next (&iter, NULL, &model))
    add_model_stats (out, model);
  json_builder_end_object (out);
}

guint
mr_admin_report_count_in_flight (const MrAdminParts *parts)
{
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (parts->relay);
  guint n = 0;

  for (guint i = 0; i < jobs->len; i++)
    n += ((const MrJob *) g_ptr_array_index (jobs, i))->state != MR_JOB_QUEUED ? 1 : 0;
  return n;
}

const char *
mr_admin_report_status (MrRelay *relay, MrKeyStore *store)
{
  if (mr_relay_is_draining (relay))
    return "draining";
  return mr_key_store_get_problem (store) != NULL ? "degraded" : "ok";
}

JsonNode *
mr_admin_report_stats (const MrAdminParts *parts)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  const MrStats *stats = parts->stats;

  json_builder_begin_object (out);
  json_builder_set_member_name (out, "queue_depth");
  json_builder_begin_object (out);
  mr_json_add_int (out, parts->config->provider, mr_relay_get_queue_depth (parts->relay));
  json_builder_end_object (out);
  mr_json_add_int (out, "active_workers", mr_worker_registry_get_length (mr_relay_get_registry (parts->relay)));
  add_requests (out, parts);
  json_builder_set_member_name (out, "latency");
  json_builder_begin_object (out);
  add_latency (out, "queue_wait", stats->queue_wait);
  add_latency (out, "time_to_first_byte", stats->first_byte);
  add_latency (out, "total", stats->total);
  json_builder_end_object (out);
  add_tokens (out, stats->prompt_tokens, stats->completion_tokens);
  add_models (out, stats);
  mr_json_add_time (out, "started_at", parts->started_at);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}
