/* SPDX-License-Identifier: MIT */
/*
 * The log line of a complete answer, from which an operator reads times and tokens (contract H2, H4).
 */
#pragma once

#include "job.h"
#include "message.h"

/**
 * mr_job_log_complete:
 * @worker: name of the worker that answered
 * @message: its response_complete: status, and token counts as far as the backend stated them
 */
void mr_job_log_complete (const MrJob *job, const char *worker, const MrMessage *message);
