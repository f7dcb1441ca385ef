/* SPDX-License-Identifier: MIT */
/*
 * One request's data and state. See job.h.
 */
#include "job.h"

#include "headers.h"
#include "json.h"
#include "response.h"

#include <string.h>

#define BIT(state) (1u << MR_JOB_##state)

static const struct {
  const char *name;
  guint next; /* set of legal successors */
} states[MR_JOB_N_STATES] = {
  [MR_JOB_RECEIVED] = { "received", BIT (QUEUED) | BIT (FAILED) | BIT (CANCELLED) },
  [MR_JOB_QUEUED] = { "queued", BIT (DISPATCHED) | BIT (FAILED) | BIT (CANCELLED) },
  [MR_JOB_DISPATCHED] = { "dispatched", BIT (QUEUED) | BIT (STREAMING) | BIT (DONE) | BIT (FAILED) | BIT (CANCELLED) },
  [MR_JOB_STREAMING] = { "streaming", BIT (DONE) | BIT (FAILED) | BIT (CANCELLED) },
  [MR_JOB_DONE] = { "done", 0 },
  [MR_JOB_FAILED] = { "failed", 0 },
  [MR_JOB_CANCELLED] = { "cancelled", 0 },
};

MrJob *
mr_job_new (MrRelay *relay, const char *id, MrAdmission *admission)
{
  MrJob *job = g_new0 (MrJob, 1);

  job->relay = relay;
  job->id = id != NULL ? g_strdup (id) : g_uuid_string_random ();
  job->admission = *admission;
  *admission = (MrAdmission){ 0 };
  job->usage = MR_USAGE_UNKNOWN;
  job->queue_link.data = job;
  return job;
}

MrDispatchNeed
mr_job_need (const MrJob *job)
{
  return (MrDispatchNeed){ .name = job->admission.model,
                           .models = (const char *const *) job->models,
                           .binary = job->admission.binary };
}

void
mr_job_set_model (MrJob *job, const char *model)
{
  const MrAdmission *admission = &job->admission;
  gsize length;
  const char *body = g_bytes_get_data (job->client_body, &length);
  gsize end = admission->model_offset + admission->model_length;
  GString *rewritten;

  if (job->model != model) {
    g_free (job->model);
    job->model = g_strdup (model);
  }
  g_bytes_unref (job->body);
  if (g_str_equal (job->model, admission->model)) {
    job->body = g_bytes_ref (job->client_body);
    return;
  }
  rewritten = g_string_sized_new (length + strlen (job->model) + 2);
  g_string_append_len (rewritten, body, (gssize) admission->model_offset);
  if (admission->binary)
    g_string_append (rewritten, job->model);
  else
    mr_json_append_cstring (rewritten, job->model);
  g_string_append_len (rewritten, body + end, (gssize) (length - end));
  job->body = g_string_free_to_bytes (rewritten);
}

void
mr_job_free (MrJob *job)
{
  if (job == NULL)
    return;
  mr_timer_clear (&job->timer);
  if (job->flush.queued)
    mr_flush_unqueue (job->timer.reactor, &job->flush);
  mr_response_free (job->response);
  mr_admission_clear (&job->admission);
  mr_affinity_key_clear (&job->affinity);
  g_clear_pointer (&job->key, mr_key_unref);
  g_strfreev (job->models);
  g_free (job->model);
  mr_headers_free (job->headers);
  g_clear_pointer (&job->client_body, g_bytes_unref);
  g_clear_pointer (&job->body, g_bytes_unref);
  g_free (job->endpoint_path);
  g_free (job->id);
  g_free (job);
}

gboolean
mr_job_state_can_become (MrJobState from, MrJobState to)
{
  return (states[from].next & (1u << to)) != 0;
}

static gboolean
is_running (MrJobState state)
{
  return state == MR_JOB_DISPATCHED || state == MR_JOB_STREAMING;
}

gboolean
mr_job_set_state (MrJob *job, MrJobState state)
{
  if (!mr_job_state_can_become (job->state, state)) {
    g_critical ("request %s: no way from %s to %s", job->id, states[job->state].name, states[state].name);
    return FALSE;
  }
  if (job->key != NULL && is_running (state) && !is_running (job->state))
    job->key->limit.running++;
  else if (job->key != NULL && !is_running (state) && is_running (job->state))
    job->key->limit.running--;
  job->state = state;
  return TRUE;
}

gboolean
mr_job_is_over (const MrJob *job)
{
  return states[job->state].next == 0;
}

const char *
mr_job_state_name (MrJobState state)
{
  return states[state].name;
}
