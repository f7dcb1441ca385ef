/* SPDX-License-Identifier: MIT */
/*
 * The log line of a complete answer. See job-log.h.
 */
#include "job-log.h"

#include "limits.h"
#include "log.h"
#include "response.h"

void
mr_job_log_complete (const MrJob *job, const char *worker, const MrMessage *message)
{
  gint64 now = mr_reactor_now (job->timer.reactor);
  const gint64 numbers[] = {
    message->status_code,
    message->token_counts.prompt_tokens,
    message->token_counts.completion_tokens,
    message->token_counts.total_tokens,
    (job->dispatched_us - job->arrived_us) / MR_USEC_PER_MSEC,
    job->first_byte_us != 0 ? (job->first_byte_us - job->arrived_us) / MR_USEC_PER_MSEC : -1,
    (now - job->arrived_us) / MR_USEC_PER_MSEC,
  };
  char texts[G_N_ELEMENTS (numbers)][24];
  const char *fields[G_N_ELEMENTS (numbers)];

  if (!mr_log_is_enabled (MR_LOG_INFO))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_snprintf (texts[i], sizeof texts[i], "%" G_GINT64_FORMAT, numbers[i]);
    fields[i] = numbers[i] >= 0 ? texts[i] : NULL;
  }
  mr_log (MR_LOG_INFO, "response complete", "request_id", mr_response_get_request_id (job->response), "model",
          job->admission.model, "worker", worker, "status", fields[0], "prompt_tokens", fields[1], "completion_tokens",
          fields[2], "total_tokens", fields[3], "queue_ms", fields[4], "first_byte_ms", fields[5], "total_ms",
          fields[6], NULL);
}
