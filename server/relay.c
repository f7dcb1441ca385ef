/* SPDX-License-Identifier: MIT */
/*
 * Hot path (a). See relay.h. Read from top to bottom:
 *
 *   mr_relay_take_request -> admit -> job -> queue -> pump -> worker
 *   worker -> on_started | on_chunk | on_completed | on_failed | on_job_lost -> response
 *   on_client_gone, on_job_timer: the other ways out
 */
#include "relay.h"

#include "job-log.h"
#include "job-queue.h"
#include "limits.h"
#include "log.h"
#include "response.h"

struct _MrRelay {
  MrReactor *reactor;           /* Borrowed */
  const MrServerConfig *config; /* Borrowed */
  MrWorkerRegistry *registry;   /* Owned */
  GPtrArray *sessions;          /* Owned MrWorkerSession, registered or not */
  MrJobQueue *queue;            /* Owned; its jobs are in @jobs */
  GHashTable *jobs;             /* Owned MrJob, a set: every one that is not over */
  guint64 arrivals;
  gboolean draining;
  MrRelayIdle idle;
  gpointer idle_data;
  MrTimer idle_timer; /* calls @idle from the reactor, not from within a callback of ours */
};

/* What the client knows the request by. It may be the client's own, and then need not be unique. */
static const char *
public_id (const MrJob *job)
{
  return mr_response_get_request_id (job->response);
}

static const char *
worker_name (const MrJob *job)
{
  return job->session != NULL ? job->session->name : NULL;
}

/* --- the end of a job --- */

static void
check_idle (MrRelay *relay)
{
  if (relay->draining && g_hash_table_size (relay->jobs) == 0 && relay->sessions->len == 0)
    mr_timer_set (&relay->idle_timer, mr_reactor_now (relay->reactor));
}

static void
end_job (MrJob *job, MrJobState state)
{
  MrRelay *relay = job->relay;

  if (job->state == MR_JOB_QUEUED)
    mr_job_queue_remove (relay->queue, job);
  mr_job_set_state (job, state);
  g_hash_table_remove (relay->jobs, job);
  check_idle (relay);
}

static void
fail_job (MrJob *job, MrErrorCode code, const char *message)
{
  mr_log (MR_LOG_INFO, "request failed", "request_id", public_id (job), "model", job->admission.model, "error",
          mr_error_info ((int) code)->openai_code, NULL);
  mr_response_fail (job->response, code, message);
  end_job (job, MR_JOB_FAILED);
}

/* The worker is told to stop; its slot is free when it has confirmed that. */
static void
cancel_on_worker (MrJob *job, const char *reason)
{
  if (job->session != NULL)
    mr_worker_session_cancel (job->session, job, reason);
}

static void
on_client_gone (MrResponse *response, gpointer user_data)
{
  MrJob *job = user_data;

  mr_log (MR_LOG_INFO, "client disconnected", "request_id", public_id (job), "state", mr_job_state_name (job->state),
          NULL);
  cancel_on_worker (job, "client_disconnect");
  end_job (job, MR_JOB_CANCELLED);
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
assign (MrRelay *relay, MrJob *job, MrWorkerSession *session)
{
  mr_job_queue_remove (relay->queue, job);
  mr_job_set_state (job, MR_JOB_DISPATCHED);
  job->dispatched_us = mr_reactor_now (relay->reactor);
  start_request_timer (job);
  mr_worker_session_send (session, job);
  mr_log (MR_LOG_INFO, "request dispatched", "request_id", public_id (job), "id", job->id, "model",
          job->admission.model, "worker", session->name, NULL);
}

static gboolean
can_take (const MrDispatchNeed *need, gpointer user_data)
{
  return mr_worker_registry_can_take (user_data, need);
}

/* Called whenever a request or a place for one came up: nobody waits for a tick (contract C4). */
static void
pump (MrRelay *relay)
{
  MrJob *job;

  while ((job = mr_job_queue_find (relay->queue, can_take, relay->registry)) != NULL) {
    const MrDispatchNeed need = mr_job_need (job);

    assign (relay, job, mr_worker_registry_choose (relay->registry, &need));
  }
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
  mr_log (MR_LOG_WARN, "queue timeout", "request_id", public_id (job), "model", job->admission.model, "served",
          served ? "true" : "false", NULL);
  fail_job (job, MR_ERROR_QUEUE_TIMEOUT, message);
}

static void
on_request_timeout (MrJob *job)
{
  gboolean begun = mr_response_has_begun (job->response);

  mr_log (MR_LOG_WARN, "request timeout", "request_id", public_id (job), "model", job->admission.model, "worker",
          worker_name (job), NULL);
  cancel_on_worker (job, "timeout");
  fail_job (job, MR_ERROR_REQUEST_TIMEOUT,
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
is_refused_as_unknown (MrRelay *relay, const char *model)
{
  const MrDispatchNeed need = { .model = model };

  if (mr_worker_registry_serves (relay->registry, &need))
    return FALSE;
  switch ((MrUnknownModels) relay->config->unknown_models) {
  case MR_UNKNOWN_QUEUE:
    return FALSE;
  case MR_UNKNOWN_REJECT:
    return TRUE;
  default:
    return mr_worker_registry_get_length (relay->registry) > 0 && !mr_worker_registry_has_seen (relay->registry, model);
  }
}

static char *
unknown_model_message (MrRelay *relay, const char *model)
{
  g_auto (GStrv) names = mr_worker_registry_dup_models (relay->registry);
  g_autofree char *list = g_strjoinv (", ", names);

  if (names[0] == NULL)
    return g_strdup_printf ("The model \"%s\" does not exist here; no model is available at the moment.", model);
  return g_strdup_printf ("The model \"%s\" does not exist here. Available: %s.", model, list);
}

static MrJob *
job_for_request (MrRelay *relay, MrResponse *response, MrAdmission *admission)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  const char *unique_id = mr_response_is_request_id_ours (response) ? mr_response_get_request_id (response) : NULL;
  MrJob *job = mr_job_new (relay, unique_id, admission);

  job->number = ++relay->arrivals;
  job->arrived_us = mr_reactor_now (relay->reactor);
  job->endpoint_path = g_strdup (request->target);
  job->response = response;
  job->headers = mr_http_request_dup_travelling_headers (request);
  mr_headers_set (job->headers, "x-request-id", public_id (job));
  job->body = g_bytes_ref (request->body);
  job->flush.func = on_job_flush;
  mr_timer_init (&job->timer, relay->reactor, on_job_timer);
  g_hash_table_add (relay->jobs, job);
  return job;
}

static void
enqueue (MrJob *job)
{
  MrRelay *relay = job->relay;
  const MrDispatchNeed need = mr_job_need (job);

  /* A full queue for one model does not keep a request from a free worker for another. */
  if (!mr_job_queue_push (relay->queue, job, can_take (&need, relay->registry))) {
    mr_log (MR_LOG_WARN, "queue full", "request_id", public_id (job), "model", job->admission.model, NULL);
    fail_job (job, MR_ERROR_QUEUE_FULL, "Too many requests are waiting for a worker; try again later.");
    return;
  }
  mr_job_set_state (job, MR_JOB_QUEUED);
  mr_timer_set (&job->timer, job->arrived_us + relay->config->queue_timeout_us);
  mr_response_watch (job->response, &response_events, job);
  mr_response_set_water (job->response, relay->config->stream_window_bytes / 4, relay->config->stream_window_bytes / 8);
  pump (relay);
}

void
mr_relay_take_request (MrRelay *relay, MrResponse *response)
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
  job = job_for_request (relay, response, &admission);
  if (relay->draining) {
    fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  } else if (is_refused_as_unknown (relay, job->admission.model)) {
    g_autofree char *message = unknown_model_message (relay, job->admission.model);

    fail_job (job, MR_ERROR_MODEL_NOT_FOUND, message);
  } else {
    enqueue (job);
  }
}

/* --- the answer comes --- */

static void
name_worker (MrJob *job, MrWorkerSession *session)
{
  if (job->relay->config->worker_header)
    mr_headers_set (mr_response_get_fields (job->response), "x-modelrelay-worker", session->name);
}

/* What came over a link is not written into an HTTP head unseen. */
static gboolean
is_head_sane (const MrMessage *message)
{
  return message->status_code >= 200 && message->status_code <= 599 &&
         (message->headers == NULL || mr_headers_are_safe (message->headers));
}

static void
begin (MrWorkerSession *session, MrJob *job, guint status, const MrHeaders *headers, gint64 body_bytes)
{
  mr_job_set_state (job, MR_JOB_STREAMING);
  job->first_byte_us = mr_reactor_now (job->relay->reactor);
  job->answer_status = status;
  name_worker (job, session);
  mr_response_begin (job->response, status, headers, body_bytes);
}

static void
give_up (MrJob *job, MrErrorCode code, const char *message)
{
  cancel_on_worker (job, mr_error_info ((int) code)->openai_code);
  fail_job (job, code, message);
}

static void
on_started (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  job->progress_us = mr_reactor_now (job->relay->reactor);
  if (job->state != MR_JOB_DISPATCHED)
    return;
  if (!is_head_sane (message))
    give_up (job, MR_ERROR_BACKEND, "The model server's answer has an invalid head.");
  else
    begin (session, job, (guint) message->status_code, message->headers, message->body_bytes);
}

/* The head of an answer that is whole on the worker: its length is known, and a break shows. */
static void
on_body_follows (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  if (job->state != MR_JOB_DISPATCHED) {
    give_up (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
    return;
  }
  on_started (session, job, message, data);
}

static void
on_chunk (MrWorkerSession *session, MrJob *job, MrSpan payload, gpointer data)
{
  job->progress_us = mr_reactor_now (job->relay->reactor);
  if (job->state == MR_JOB_DISPATCHED) {
    g_autoptr (MrHeaders) headers = mr_headers_new ();

    mr_headers_add (headers, "content-type", "text/event-stream");
    mr_headers_add (headers, "cache-control", "no-cache");
    begin (session, job, 200, headers, -1);
  }
  job->answer_bytes += payload.length;
  if (job->answer_bytes > job->relay->config->max_response_bytes) {
    give_up (job, MR_ERROR_RESPONSE_TOO_LARGE, "The answer is larger than the relay allows.");
    return;
  }
  mr_response_chunk (job->response, payload.data, payload.length);
  mr_flush_queue (job->relay->reactor, &job->flush);
  if (mr_response_get_unsent (job->response) > MR_LIMIT_CLIENT_UNSENT_BYTES &&
      (session->extensions & MR_EXTENSION_FLOW_CONTROL) == 0)
    give_up (job, MR_ERROR_CLIENT_TOO_SLOW, "The client read the answer too slowly.");
}

static void
on_completed (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  if (!is_head_sane (message)) {
    fail_job (job, MR_ERROR_BACKEND, "The model server's answer has an invalid head.");
    return;
  }
  if (message->payload.length > job->relay->config->max_response_bytes) {
    fail_job (job, MR_ERROR_RESPONSE_TOO_LARGE, "The answer is larger than the relay allows.");
    return;
  }
  if (job->state == MR_JOB_STREAMING && message->status_code >= 400 &&
      message->status_code != (gint64) job->answer_status) {
    /* How a worker without request_errors says that the stream broke. */
    fail_job (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
    return;
  }
  mr_job_log_complete (job, session->name, message);
  if (job->state == MR_JOB_STREAMING) {
    if (message->payload.length > 0)
      mr_response_chunk (job->response, message->payload.data, message->payload.length);
    mr_response_end (job->response);
  } else {
    name_worker (job, session);
    mr_response_send (job->response, (guint) message->status_code, message->headers, message->payload.data,
                      message->payload.length);
  }
  end_job (job, MR_JOB_DONE);
}

/* --- things break --- */

static void
requeue (MrJob *job, const char *reason)
{
  MrRelay *relay = job->relay;

  mr_log (MR_LOG_WARN, "request requeued", "request_id", public_id (job), "model", job->admission.model, "reason",
          reason, NULL);
  mr_job_set_state (job, MR_JOB_QUEUED);
  mr_job_queue_push (relay->queue, job, TRUE);
  mr_timer_set (&job->timer, job->arrived_us + relay->config->queue_timeout_us);
  pump (relay);
}

static void
on_failed (MrWorkerSession *session, MrJob *job, MrErrorCode code, gpointer data)
{
  gboolean begun = mr_response_has_begun (job->response);

  mr_log (MR_LOG_WARN, "worker reported an error", "request_id", public_id (job), "worker", session->name, "error",
          mr_error_info ((int) code)->openai_code, NULL);
  if (begun)
    fail_job (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
  else if ((code == MR_ERROR_DRAINING || code == MR_ERROR_BUSY) && !job->relay->draining)
    requeue (job, mr_error_info ((int) code)->openai_code);
  else if (code == MR_ERROR_DRAINING || code == MR_ERROR_BUSY)
    fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  else if (code == MR_ERROR_BACKEND_TIMEOUT)
    fail_job (job, MR_ERROR_REQUEST_TIMEOUT, "The model server did not answer in time.");
  else if (code == MR_ERROR_RESPONSE_TOO_LARGE)
    fail_job (job, code, "The answer is larger than the worker can carry.");
  else if (code == MR_ERROR_BACKEND_UNREACHABLE)
    fail_job (job, MR_ERROR_BACKEND, "The model server cannot be reached by its worker.");
  else
    fail_job (job, MR_ERROR_BACKEND, "The model server did not give a valid answer.");
}

static void
on_job_lost (MrWorkerSession *session, MrJob *job, gpointer data)
{
  MrRelay *relay = data;

  if (mr_response_has_begun (job->response)) {
    fail_job (job, MR_ERROR_WORKER_LOST, "The connection to the worker was lost in the middle of the answer.");
  } else if (relay->draining) {
    fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  } else if (job->requeues >= relay->config->max_requeue_count) {
    mr_log (MR_LOG_ERROR, "requeue exhausted", "request_id", public_id (job), "model", job->admission.model, NULL);
    fail_job (job, MR_ERROR_REQUEUE_EXHAUSTED, "Too many workers were lost with this request.");
  } else {
    job->requeues++;
    requeue (job, "worker lost");
  }
}

/* --- workers come and go --- */

static void
on_registered (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_worker_registry_add (relay->registry, session);
  pump (relay);
}

static void
on_changed (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_worker_registry_note_models (relay->registry, session);
  pump (relay);
}

static void
on_session_closed (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_worker_registry_remove (relay->registry, session);
  g_ptr_array_remove (relay->sessions, session);
  check_idle (relay);
}

static const MrWorkerSessionEvents session_events = {
  .registered = on_registered,
  .changed = on_changed,
  .started = on_started,
  .chunk = on_chunk,
  .body_follows = on_body_follows,
  .completed = on_completed,
  .failed = on_failed,
  .job_lost = on_job_lost,
  .closed = on_session_closed,
};

void
mr_relay_take_worker (MrRelay *relay, MrConnection *connection)
{
  const MrWorkerSettings settings = {
    .heartbeat_us = relay->config->heartbeat_us,
    .pong_timeout_us = relay->config->pong_timeout_us,
    .window_bytes = relay->config->stream_window_bytes,
  };
  MrWorkerSession *session = mr_worker_session_new (connection, &settings, &session_events, relay);

  g_ptr_array_add (relay->sessions, session);
  if (relay->draining)
    mr_worker_session_drain (session, 0);
}

/* --- the relay itself --- */

static void
on_idle_timer (MrTimer *timer)
{
  MrRelay *relay = MR_OWNER_OF (timer, MrRelay, idle_timer);

  relay->idle (relay, relay->idle_data);
}

MrRelay *
mr_relay_new (MrReactor *reactor, const MrServerConfig *config)
{
  MrRelay *relay = g_new0 (MrRelay, 1);

  relay->reactor = reactor;
  relay->config = config;
  relay->registry = mr_worker_registry_new ();
  relay->sessions = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_worker_session_free);
  relay->queue = mr_job_queue_new ();
  relay->jobs = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) mr_job_free, NULL);
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
  mr_job_queue_free (relay->queue);
  mr_worker_registry_free (relay->registry);
  g_free (relay);
}

void
mr_relay_apply_config (MrRelay *relay)
{
  mr_job_queue_set_max_length (relay->queue, relay->config->max_queue_len);
}

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

void
mr_relay_drain (MrRelay *relay, MrRelayIdle idle, gpointer user_data)
{
  g_autoptr (GList) jobs = g_hash_table_get_keys (relay->jobs);

  relay->draining = TRUE;
  relay->idle = idle;
  relay->idle_data = user_data;
  for (GList *item = jobs; item != NULL; item = item->next) {
    MrJob *job = item->data;

    if (job->state == MR_JOB_QUEUED)
      fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  }
  for (guint i = 0; i < relay->sessions->len; i++)
    mr_worker_session_drain (g_ptr_array_index (relay->sessions, i), relay->config->drain_timeout_us);
  check_idle (relay);
}
