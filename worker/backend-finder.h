/* SPDX-License-Identifier: MIT */
/*
 * Looks for model servers on this machine: asks 127.0.0.1 on the ports that the usual ones have. A relay, which
 * answers to the same questions, is none.
 */
#pragma once

#include "reactor.h"

#include <gio/gio.h>

/** MrFoundBackend: a model server that answered. */
typedef struct {
  char *url;  /* e.g. "http://127.0.0.1:11434" */
  char *kind; /* e.g. "Ollama", as far as the port and the answers tell; else "model server" */
  char **models;
} MrFoundBackend;

void mr_found_backend_free (MrFoundBackend *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrFoundBackend, mr_found_backend_free)

/**
 * mr_find_backends_async:
 * @ports: (nullable): ends with 0; %NULL for the usual ones: llama-server and llamafile (8080, 8081), vLLM (8000),
 *   Ollama (11434), LM Studio (1234), KoboldCpp (5001), Jan (1337), SGLang (30000)
 *
 * Takes at most %MR_LIMIT_FIND_BACKENDS_USEC; who has not answered by then is judged by what came.
 */
void mr_find_backends_async (MrReactor *reactor, const guint16 *ports, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/** mr_find_backends_finish: (transfer full): a #GPtrArray of #MrFoundBackend in the order of the ports, perhaps empty;
 * %NULL only when cancelled. */
GPtrArray *mr_find_backends_finish (GAsyncResult *result, GError **error);
