/* SPDX-License-Identifier: MIT */
/*
 * Hot path (a), the way back: what a worker says becomes the client's answer; workers come, change and go. See relay.h.
 *
 *   on_started | on_chunk | on_body_follows | on_completed | on_failed | on_job_lost -> response
 */
#include "relay-private.h"

#include "job-log.h"
#include "limits.h"
#include "log.h"
#include "response.h"

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
  mr_relay_set_job_state (job, MR_JOB_STREAMING);
  job->first_byte_us = mr_reactor_now (job->relay->reactor);
  job->answer_status = status;
  name_worker (job, session);
  mr_response_begin (job->response, status, headers, body_bytes);
}

static void
on_started (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  job->progress_us = mr_reactor_now (job->relay->reactor);
  if (job->state != MR_JOB_DISPATCHED)
    return;
  if (!is_head_sane (message))
    mr_relay_give_up_job (job, MR_ERROR_BACKEND, "The model server's answer has an invalid head.");
  else
    begin (session, job, (guint) message->status_code, message->headers, message->body_bytes);
}

/* The head of an answer that is whole on the worker: its length is known, and a break shows. */
static void
on_body_follows (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  if (job->state != MR_JOB_DISPATCHED) {
    mr_relay_give_up_job (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
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
    mr_relay_give_up_job (job, MR_ERROR_RESPONSE_TOO_LARGE, "The answer is larger than the relay allows.");
    return;
  }
  mr_response_chunk (job->response, payload.data, payload.length);
  mr_flush_queue (job->relay->reactor, &job->flush);
  if (mr_response_get_unsent (job->response) > MR_LIMIT_CLIENT_UNSENT_BYTES &&
      (session->extensions & MR_EXTENSION_FLOW_CONTROL) == 0)
    mr_relay_give_up_job (job, MR_ERROR_CLIENT_TOO_SLOW, "The client read the answer too slowly.");
}

static void
note_worker (MrWorkerSession *session, MrJob *job, gint64 status)
{
  const MrRequestEnd end = mr_relay_describe_end (job, MR_JOB_DONE);
  double speed = mr_stats_tokens_per_second (&end);

  if (speed > 0)
    session->tokens_per_second =
        session->tokens_per_second > 0 ? 0.8 * session->tokens_per_second + 0.2 * speed : speed;
  if (status >= 500)
    session->n_errors++;
}

static void
on_completed (MrWorkerSession *session, MrJob *job, const MrMessage *message, gpointer data)
{
  if (!is_head_sane (message)) {
    mr_relay_fail_job (job, MR_ERROR_BACKEND, "The model server's answer has an invalid head.");
    return;
  }
  if (message->payload.length > job->relay->config->max_response_bytes) {
    mr_relay_fail_job (job, MR_ERROR_RESPONSE_TOO_LARGE, "The answer is larger than the relay allows.");
    return;
  }
  if (job->state == MR_JOB_STREAMING && message->status_code >= 400 &&
      message->status_code != (gint64) job->answer_status) {
    /* How a worker without request_errors says that the stream broke. */
    mr_relay_fail_job (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
    return;
  }
  mr_job_log_complete (job, session->name, message);
  job->usage = message->token_counts;
  if (job->state == MR_JOB_STREAMING) {
    if (message->payload.length > 0)
      mr_response_chunk (job->response, message->payload.data, message->payload.length);
    mr_response_end (job->response);
  } else {
    job->first_byte_us = mr_reactor_now (job->relay->reactor);
    job->answer_bytes = message->payload.length;
    name_worker (job, session);
    mr_response_send (job->response, (guint) message->status_code, message->headers, message->payload.data,
                      message->payload.length);
  }
  note_worker (session, job, message->status_code);
  mr_relay_end_job (job, MR_JOB_DONE);
}

/* --- things break --- */

static void
on_failed (MrWorkerSession *session, MrJob *job, MrErrorCode code, gpointer data)
{
  gboolean begun = mr_response_has_begun (job->response);

  if (code != MR_ERROR_DRAINING && code != MR_ERROR_BUSY)
    session->n_errors++;
  mr_log (MR_LOG_WARN, "worker reported an error", "request_id", mr_relay_request_id (job), "worker", session->name,
          "error", mr_error_info ((int) code)->openai_code, NULL);
  if (begun)
    mr_relay_fail_job (job, MR_ERROR_BACKEND, "The model server broke off in the middle of its answer.");
  else if ((code == MR_ERROR_DRAINING || code == MR_ERROR_BUSY) && !job->relay->draining)
    mr_relay_requeue_job (job, mr_error_info ((int) code)->openai_code);
  else if (code == MR_ERROR_DRAINING || code == MR_ERROR_BUSY)
    mr_relay_fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  else if (code == MR_ERROR_BACKEND_TIMEOUT)
    mr_relay_fail_job (job, MR_ERROR_REQUEST_TIMEOUT, "The model server did not answer in time.");
  else if (code == MR_ERROR_RESPONSE_TOO_LARGE)
    mr_relay_fail_job (job, code, "The answer is larger than the worker can carry.");
  else if (code == MR_ERROR_BACKEND_UNREACHABLE)
    mr_relay_fail_job (job, MR_ERROR_BACKEND, "The model server cannot be reached by its worker.");
  else
    mr_relay_fail_job (job, MR_ERROR_BACKEND, "The model server did not give a valid answer.");
}

static void
on_job_lost (MrWorkerSession *session, MrJob *job, gpointer data)
{
  MrRelay *relay = data;

  session->n_errors++;
  if (mr_response_has_begun (job->response)) {
    mr_relay_fail_job (job, MR_ERROR_WORKER_LOST, "The connection to the worker was lost in the middle of the answer.");
  } else if (relay->draining) {
    mr_relay_fail_job (job, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
  } else if (job->requeues >= relay->config->max_requeue_count) {
    mr_log (MR_LOG_ERROR, "requeue exhausted", "request_id", mr_relay_request_id (job), "model", job->admission.model,
            NULL);
    mr_relay_fail_job (job, MR_ERROR_REQUEUE_EXHAUSTED, "Too many workers were lost with this request.");
  } else {
    job->requeues++;
    mr_relay_requeue_job (job, "worker lost");
  }
}

/* --- workers come and go --- */

static void
on_registered (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_worker_registry_add (relay->registry, session);
  mr_relay_worker_changed (relay, session, MR_WORKER_JOINED);
  mr_relay_pump (relay);
}

static void
on_changed (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_worker_registry_note_models (relay->registry, session);
  mr_relay_worker_changed (relay, session, MR_WORKER_CHANGED);
  mr_relay_pump (relay);
}

static void
on_zombie (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  mr_stats_count (relay->stats, MR_COUNT_ZOMBIES);
}

static void
on_session_closed (MrWorkerSession *session, gpointer data)
{
  MrRelay *relay = data;

  if (session->registered) {
    mr_worker_registry_remove (relay->registry, session);
    mr_relay_worker_changed (relay, session, MR_WORKER_LEFT);
    if (!session->left_in_order)
      mr_stats_count (relay->stats, MR_COUNT_WORKERS_LOST);
  }
  g_ptr_array_remove (relay->sessions, session);
  mr_relay_check_idle (relay);
}

const MrWorkerSessionEvents mr_relay_session_events = {
  .registered = on_registered,
  .changed = on_changed,
  .started = on_started,
  .chunk = on_chunk,
  .body_follows = on_body_follows,
  .completed = on_completed,
  .failed = on_failed,
  .job_lost = on_job_lost,
  .zombie = on_zombie,
  .closed = on_session_closed,
};
