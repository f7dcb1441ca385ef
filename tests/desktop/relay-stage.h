/* SPDX-License-Identifier: MIT */
/*
 * A real relay and a demonstration backend on this machine, for what the desktop app tries out against them.
 */
#pragma once

#include "process.h"

#define RELAY_STAGE_SECRET "stage-secret-5d1f"

typedef struct {
  MrtProcess *process;
  char *url;
} RelayStageProgram;

/** relay_stage_relay: @path: of modelrelay-server; @option: (nullable): one more */
RelayStageProgram *relay_stage_relay (const char *path, const char *option);

/** relay_stage_backend: @path: of modelrelay-demo-backend, which answers as the model "demo" */
RelayStageProgram *relay_stage_backend (const char *path);

/** relay_stage_worker: @path: of modelrelay-worker; returns when it is registered */
MrtProcess *relay_stage_worker (const char *path, RelayStageProgram *relay, RelayStageProgram *backend);

void relay_stage_program_free (RelayStageProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayStageProgram, relay_stage_program_free)
