/* SPDX-License-Identifier: MIT */
/*
 * Hot path (a), the way to a worker. See relay.h. Read from top to bottom:
 *
 *   mr_relay_take_request -> admission -> the caller's limits -> job -> queue -> pump -> worker
 *   on_client_gone, on_job_timer, mr_relay_end_key: the other ways out; the answer's way back is in relay-answer.c
 */
#include "relay-private.h"

#include "limits.h"
#include "log.h"
#include "response.h"

#include <string.h>

const char *
mr_relay_request_id (const MrJob *job)
{
  return mr_response_get_request_id (job->response);
}

static const char *
worker_name (const MrJob *job)
{
  return job->session != NULL ? job->session->name : NULL;
}

/* --- states, and the end of a job --- */

void
mr_relay_check_idle (MrRelay *relay)
{
  if (relay->draining && g_hash_table_size (relay->jobs) == 0 && relay->sessions->len == 0)
    mr_timer_set (&relay->idle_timer, mr_reactor_now (relay->reactor));
}

MrRequestEnd
mr_relay_describe_end (const MrJob *job, MrJobState state)
{
  static const MrOutcome outcomes[MR_JOB_N_STATES] = {
    [MR_JOB_DONE] = MR_OUTCOME_COMPLETED, [MR_JOB_FAILED] = MR_OUTCOME_FAILED, [MR_JOB_CANCELLED] = MR_OUTCOME_CANCELLED
  };

  return (MrRequestEnd){ .model = job->model != NULL ? job->model : job->admission.model,
                         .outcome = outcomes[state],
                         .arrived_us = job->arrived_us,
                         .first_byte_us = job->first_byte_us,
                         .ended_us = mr_reactor_now (job->relay->reactor),
                         .request_bytes = g_bytes_get_size (job->body),
                         .answer_bytes = job->answer_bytes,
                         .usage = &job->usage };
}

/* Only what got as far as the queue has figures of its own; a refusal is counted where it happens. */
static void
note_end (MrJob *job)
{
  const MrRequestEnd end = mr_relay_describe_end (job, job->state);

  mr_stats_note_end (job->relay->stats, &end);
  if (job->first_byte_us != 0)
    mr_key_store_note_usage (job->relay->store, job->key, end.model, &job->usage);
}

void
mr_relay_end_job (MrJob *job, MrJobState state)
{
  MrRelay *relay = job->relay;
  gboolean was_in = job->state != MR_JOB_RECEIVED;
  gboolean frees_place = job->key != NULL && job->key->spec.max_concurrent > 0;

  if (job->state == MR_JOB_QUEUED)
    mr_job_queue_remove (relay->queue, job);
  mr_relay_set_job_state (job, state);
  if (was_in)
    note_end (job);
  g_hash_table_remove (relay->jobs, job->id);
  mr_relay_check_idle (relay);
  if (frees_place)
    mr_relay_pump (relay);
}

void
mr_relay_fail_job (MrJob *job, MrErrorCode code, const char *message)
{
  mr_log (MR_LOG_INFO, "request failed", "request_id", mr_relay_request_id (job), "model", job->admission.model,
          "error", mr_error_info ((int) code)->openai_code, NULL);
  mr_response_fail (job->response, code, message);
  mr_relay_end_job (job, code == MR_ERROR_CANCELLED ? MR_JOB_CANCELLED : MR_JOB_FAILED);
}

/* The worker is told to stop; its slot is free when it has confirmed that. */
static void
cancel_on_worker (MrJob *job, const char *reason)
{
  if (job->session != NULL)
    mr_worker_session_cancel (job->session, job, reason);
}

void
mr_relay_give_up_job (MrJob *job, MrErrorCode code, const char *message)
{
  cancel_on_worker (job, mr_error_info ((int) code)->openai_code);
  mr_relay_fail_job (job, code, message);
}

static void
on_client_gone (MrResponse *response, gpointer user_data)
{
  MrJob *job = user_data;

  mr_log (MR_LOG_INFO, "client disconnected", "request_id", mr_relay_request_id (job), "state",
          mr_job_state_name (job->state), NULL);
  cancel_on_worker (job, "client_disconnect");
  mr_relay_end_job (job, MR_JOB_CANCELLED);
}

/* What the client has taken lets the worker send more. */
static void
return_credit (MrJob *job)
{
  if (job->session != NULL)
    mr_worker_session_return_credit (job->session, job, mr_response_get_unsent (job->response));
}

static void
on_client_drained (MrResponse *response, gpointer user_data)
{
  return_credit (user_data);
}

static void
on_job_flush (MrFlush *flush)
{
  return_credit (MR_OWNER_OF (flush, MrJob, flush));
}

static const MrResponseEvents response_events = { .gone = on_client_gone, .drained = on_client_drained };

/* --- dispatch --- */

static void
start_request_timer (MrJob *job)
{
  const MrServerConfig *config = job->relay->config;

  mr_timer_clear (&job->timer);
  job->progress_us = job->dispatched_us;
  if (config->request_timeout_us > 0)
    mr_timer_set (&job->timer, job->dispatched_us + config->request_timeout_us);
}

static void
assign (MrRelay *relay, MrJob *job)
{
  const MrDispatchNeed need = mr_job_need (job);
  gint64 now = mr_reactor_now (relay->reactor);
  const char *model = NULL;
  MrWorkerSession *session =
      mr_worker_registry_choose (relay->registry, &need, relay->config->affinity ? &job->affinity : NULL, now, &model);

  mr_job_queue_remove_served (relay->queue, job);
  mr_job_set_model (job, model);
  job->dispatched_us = now;
  start_request_timer (job);
  mr_worker_session_send (session, job);
  mr_relay_set_job_state (job, MR_JOB_DISPATCHED);
  mr_stats_note_dispatch (relay->stats, now - job->arrived_us);
  mr_log (MR_LOG_INFO, "request dispatched", "request_id", mr_relay_request_id (job), "id", job->id, "model",
          job->model, "worker", session->name, NULL);
}

static gboolean
can_take (const MrDispatchNeed *need, gpointer user_data)
{
  return mr_worker_registry_can_take (user_data, need);
}

void
mr_relay_pump (MrRelay *relay)
{
  gint64 now = mr_reactor_now (relay->reactor);
  MrJob *job;

  while ((job = mr_job_queue_find (relay->queue, can_take, relay->registry, now)) != NULL)
    assign (relay, job);
}

void
mr_relay_requeue_job (MrJob *job, const char *reason)
{
  MrRelay *relay = job->relay;

  mr_log (MR_LOG_WARN, "request requeued", "request_id", mr_relay_request_id (job), "model", job->admission.model,
          "reason", reason, NULL);
  mr_stats_count (relay->stats, MR_COUNT_REQUEUED);
  mr_relay_set_job_state (job, MR_JOB_QUEUED);
  mr_job_queue_push (relay->queue, job, TRUE);
  mr_timer_set (&job->timer, job->arrived_us + relay->config->queue_timeout_us);
  mr_relay_pump (relay);
}

/* --- time --- */

static void
on_queue_timeout (MrJob *job)
{
  const MrDispatchNeed need = mr_job_need (job);
  gboolean served = mr_worker_registry_serves (job->relay->registry, &need);
  g_autofree char *message = NULL;

  if (served)
    message = g_strdup_printf ("All workers that serve the model \"%s\" were busy for too long.", job->admission.model);
  else
    message = g_strdup_printf ("No worker serves the model \"%s\" at the moment.", job->admission.model);
  mr_log (MR_LOG_WARN, "queue timeout", "request_id", mr_relay_request_id (job), "model", job->admission.model,
          "served", served ? "true" : "false", NULL);
  mr_stats_count (job->relay->stats, MR_COUNT_QUEUE_TIMEOUT);
  mr_relay_fail_job (job, MR_ERROR_QUEUE_TIMEOUT, message);
}

static void
on_request_timeout (MrJob *job)
{
  gboolean begun = mr_response_has_begun (job->response);

  mr_log (MR_LOG_WARN, "request timeout", "request_id", mr_relay_request_id (job), "model", job->admission.model,
          "worker", worker_name (job), NULL);
  mr_stats_count (job->relay->stats, MR_COUNT_REQUEST_TIMEOUT);
  cancel_on_worker (job, "timeout");
  mr_relay_fail_job (job, MR_ERROR_REQUEST_TIMEOUT,
                     begun ? "The model server was silent for too long in the middle of its answer."
                           : "The model server did not answer in time.");
}

static void
on_job_timer (MrTimer *timer)
{
  MrJob *job = MR_OWNER_OF (timer, MrJob, timer);
  gint64 deadline = job->progress_us + job->relay->config->request_timeout_us;

  if (job->state == MR_JOB_QUEUED)
    on_queue_timeout (job);
  else if (job->relay->config->request_timeout_us == 0)
    return; /* lifted by a reload */
  else if (deadline > mr_reactor_now (job->relay->reactor))
    mr_timer_set (timer, deadline); /* the stream made progress since the timer was set */
  else
    on_request_timeout (job);
}

/* --- a request comes --- */

static gboolean
was_seen (MrRelay *relay, const MrDispatchNeed *need)
{
  gboolean seen = need->models == NULL && mr_worker_registry_has_seen (relay->registry, need->name);

  for (gsize i = 0; need->models != NULL && need->models[i] != NULL && !seen; i++)
    seen = mr_worker_registry_has_seen (relay->registry, need->models[i]);
  return seen;
}

static gboolean
is_refused_as_unknown (MrRelay *relay, const MrJob *job)
{
  const MrDispatchNeed need = mr_job_need (job);

  if (mr_worker_registry_serves (relay->registry, &need))
    return FALSE;
  switch ((MrUnknownModels) relay->config->unknown_models) {
  case MR_UNKNOWN_QUEUE:
    return FALSE;
  case MR_UNKNOWN_REJECT:
    return TRUE;
  default:
    return mr_worker_registry_get_length (relay->registry) > 0 && !was_seen (relay, &need);
  }
}

static char *
unknown_model_message (MrRelay *relay, const MrJob *job)
{
  g_auto (GStrv) names = mr_relay_dup_models (relay, job->key);
  g_autofree char *list = g_strjoinv (", ", names);

  if (names[0] == NULL)
    return g_strdup_printf ("The model \"%s\" does not exist here; no model is available at the moment.",
                            job->admission.model);
  return g_strdup_printf ("The model \"%s\" does not exist here. Available: %s.", job->admission.model, list);
}

static const char *
session_header (const MrHttpRequest *request)
{
  const char *value = NULL;

  for (gsize i = 0; mr_affinity_session_headers[i] != NULL && value == NULL; i++)
    value = mr_http_request_header (request, mr_affinity_session_headers[i]);
  return value;
}

static MrJob *
job_for_request (MrRelay *relay, MrResponse *response, MrAdmission *admission, const MrCaller *caller)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  const char *unique_id = mr_response_is_request_id_ours (response) ? mr_response_get_request_id (response) : NULL;
  MrJob *job = mr_job_new (relay, unique_id, admission);

  job->number = ++relay->arrivals;
  job->arrived_us = mr_reactor_now (relay->reactor);
  job->started_at = g_get_real_time () / MR_USEC_PER_SEC;
  job->endpoint_path = g_strdup (request->target);
  job->response = response;
  job->headers = mr_http_request_dup_travelling_headers (request);
  if (caller->key != NULL) {
    job->key = mr_key_ref (caller->key);
    mr_headers_remove (job->headers, caller->key_header);
  }
  mr_headers_set (job->headers, "x-request-id", mr_relay_request_id (job));
  job->client_body = g_bytes_ref (request->body);
  job->body = g_bytes_ref (request->body);
  job->models = g_strdupv (mr_server_config_find_models (relay->config, job->admission.model));
  job->flush.func = on_job_flush;
  mr_timer_init (&job->timer, relay->reactor, on_job_timer);
  g_hash_table_insert (relay->jobs, job->id, job);
  return job;
}

/* Counted, and answered before it gets as far as the queue. */
static void
refuse (MrJob *job, MrErrorCode code, const char *message)
{
  mr_stats_count (job->relay->stats, MR_COUNT_REFUSED);
  mr_relay_fail_job (job, code, message);
}

static gboolean
is_within_limits (MrJob *job)
{
  g_auto (MrRefusal) refusal = { 0 };

  if (job->key == NULL ||
      mr_client_gate_check (job->key, job->admission.model, job->arrived_us, job->started_at, &refusal))
    return TRUE;
  if (refusal.retry_after_us > 0) {
    g_autofree char *seconds =
        g_strdup_printf ("%" G_GINT64_FORMAT, (refusal.retry_after_us + MR_USEC_PER_SEC - 1) / MR_USEC_PER_SEC);

    mr_headers_set (mr_response_get_fields (job->response), "retry-after", seconds);
  }
  refuse (job, refusal.code, refusal.message);
  return FALSE;
}

/* Only what goes on with a conversation has a prefix to come back to; embeddings would push out those that do. */
static gboolean
is_conversation (const MrHttpRequest *request)
{
  static const char *const paths[] = { "/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions",
                                       NULL };

  return g_strv_contains (paths, request->path);
}

static void
enqueue (MrJob *job)
{
  MrRelay *relay = job->relay;
  const MrDispatchNeed need = mr_job_need (job);

  /* A full queue for one model does not keep a request from a free worker for another. */
  if (!mr_job_queue_push (relay->queue, job, can_take (&need, relay->registry))) {
    mr_stats_count (relay->stats, MR_COUNT_QUEUE_FULL);
    mr_log (MR_LOG_WARN, "queue full", "request_id", mr_relay_request_id (job), "model", job->admission.model, NULL);
    mr_relay_fail_job (job, MR_ERROR_QUEUE_FULL, "Too many requests are waiting for a worker; try again later.");
    return;
  }
  if (relay->config->affinity && is_conversation (mr_response_get_request (job->response))) {
    gsize length;
    const char *body = g_bytes_get_data (job->body, &length);

    mr_affinity_key_init (&job->affinity, job->admission.model,
                          session_header (mr_response_get_request (job->response)), body, length);
  }
  mr_relay_set_job_state (job, MR_JOB_QUEUED);
  mr_timer_set (&job->timer, job->arrived_us + relay->config->queue_timeout_us);
  mr_response_watch (job->response, &response_events, job);
  mr_response_set_water (job->response, relay->config->stream_window_bytes / 4, relay->config->stream_window_bytes / 8);
  mr_relay_pump (relay);
}

void
mr_relay_take_request (MrRelay *relay, MrResponse *response, const MrCaller *caller)
{
  g_auto (MrAdmission) admission = { 0 };
  g_autoptr (GError) error = NULL;
  const MrHttpRequest *request = mr_response_get_request (response);
  MrJob *job;

  if (!mr_admission_check (request->path, mr_http_request_header (request, "content-type"), request->body, &admission,
                           &error)) {
    mr_response_fail (response, (MrErrorCode) error->code, error->message);
    mr_response_free (response);
    return;
  }
  mr_stats_count (relay->stats, MR_COUNT_REQUESTS);
  job = job_for_request (relay, response, &admission, caller);
  if (!is_within_limits (job))
    return;
  if (relay->draining) {
    refuse (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  } else if (is_refused_as_unknown (relay, job)) {
    g_autofree char *message = unknown_model_message (relay, job);

    refuse (job, MR_ERROR_MODEL_NOT_FOUND, message);
  } else {
    enqueue (job);
  }
}

/* --- the relay itself --- */

static void
on_idle_timer (MrTimer *timer)
{
  MrRelay *relay = MR_OWNER_OF (timer, MrRelay, idle_timer);

  relay->idle (relay, relay->idle_data);
}

MrRelay *
mr_relay_new (MrReactor *reactor, const MrServerConfig *config, MrStats *stats, MrKeyStore *store)
{
  MrRelay *relay = g_new0 (MrRelay, 1);

  relay->reactor = reactor;
  relay->config = config;
  relay->stats = stats;
  relay->store = store;
  relay->registry = mr_worker_registry_new ();
  relay->sessions = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_worker_session_free);
  relay->queue = mr_job_queue_new ();
  relay->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) mr_job_free);
  relay->observers = g_array_new (FALSE, FALSE, sizeof (MrObserving));
  mr_timer_init (&relay->idle_timer, reactor, on_idle_timer);
  return relay;
}

void
mr_relay_free (MrRelay *relay)
{
  if (relay == NULL)
    return;
  mr_timer_clear (&relay->idle_timer);
  g_ptr_array_unref (relay->sessions);
  g_hash_table_unref (relay->jobs);
  g_array_unref (relay->observers);
  mr_job_queue_free (relay->queue);
  mr_worker_registry_free (relay->registry);
  g_free (relay);
}

gboolean
mr_relay_is_draining (MrRelay *relay)
{
  return relay->draining;
}

void
mr_relay_drain (MrRelay *relay, MrRelayIdle idle, gpointer user_data)
{
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (relay);

  relay->draining = TRUE;
  relay->idle = idle;
  relay->idle_data = user_data;
  for (guint i = 0; i < jobs->len; i++) {
    MrJob *job = g_ptr_array_index (jobs, i);

    if (job->state == MR_JOB_QUEUED)
      mr_relay_fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  }
  for (guint i = 0; i < relay->sessions->len; i++)
    mr_worker_session_drain (g_ptr_array_index (relay->sessions, i), relay->config->drain_timeout_us);
  mr_relay_check_idle (relay);
}
