/* SPDX-License-Identifier: MIT */
/*
 * See relay-stage.h.
 */
#include "relay-stage.h"

#include <string.h>

static RelayStageProgram *
new_program (MrtProcess *process, const char *line)
{
  RelayStageProgram *program = g_new0 (RelayStageProgram, 1);
  const char *address = strstr (line, "127.0.0.1:");
  g_assert_nonnull (address);
  program->process = process;
  program->url =
      g_strdup_printf ("http://127.0.0.1:%u", (guint) g_ascii_strtoull (address + strlen ("127.0.0.1:"), NULL, 10));
  return program;
}

RelayStageProgram *
relay_stage_relay (const char *path, const char *option)
{
  static const char *const env[] = { "WORKER_SECRET=" RELAY_STAGE_SECRET, NULL };
  const char *const argv[] = { path, "--listen=127.0.0.1:0", option, NULL };
  MrtProcess *process = mrt_process_start (argv, env);
  g_autofree char *line = mrt_process_wait_log (process, "listening address=127.0.0.1:");
  return new_program (process, line);
}

RelayStageProgram *
relay_stage_backend (const char *path)
{
  const char *const argv[] = { path, "--listen=127.0.0.1:0", "--tokens-per-second=200", NULL };
  MrtProcess *process = mrt_process_start (argv, NULL);
  g_autofree char *line = mrt_process_wait_log (process, "127.0.0.1:");
  return new_program (process, line);
}

MrtProcess *
relay_stage_worker (const char *path, RelayStageProgram *relay, RelayStageProgram *backend)
{
  static const char *const env[] = { "WORKER_SECRET=" RELAY_STAGE_SECRET, NULL };
  const char *const argv[] = { path,         "--proxy-url",   relay->url, "--backend-url",
                               backend->url, "--worker-name", "stage",    NULL };
  MrtProcess *process = mrt_process_start (argv, env);
  g_autofree char *line = mrt_process_wait_log (process, " registered");
  return process;
}

void
relay_stage_program_free (RelayStageProgram *program)
{
  if (program == NULL) {
    return;
  }
  mrt_process_free (program->process);
  g_free (program->url);
  g_free (program);
}
