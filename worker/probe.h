/* SPDX-License-Identifier: MIT */
/*
 * Trying out a configuration before it is used: can this relay be reached and does it take us, does this backend
 * answer? Keeps nothing; a running worker is not touched.
 */
#pragma once

#include "reactor.h"
#include "relay-failure.h"
#include "worker-config.h"

/**
 * mr_probe_relay_async:
 * @config: checked, borrowed until the callback
 * @relay: which of its relays
 *
 * Connects, registers without models under the worker's name with " (test)" added, and leaves again; within
 * %MR_LIMIT_PROBE_USEC. The relay has forgotten it when the callback comes.
 */
void mr_probe_relay_async (MrReactor *reactor, const MrWorkerConfig *config, guint relay, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_probe_relay_finish:
 * @failure: (out): the step that failed; none on success
 * @error: a sentence with the details
 *
 * Returns: %TRUE when the relay took us; %FALSE with @failure and @error, which is %G_IO_ERROR_CANCELLED when it was
 *   cancelled (@failure is then none)
 */
gboolean mr_probe_relay_finish (GAsyncResult *result, MrRelayFailure *failure, GError **error);

/** mr_probe_backend_async: asks the backend of @config (checked, borrowed until the callback) for its models. Takes at
 * most some seconds. */
void mr_probe_backend_async (MrReactor *reactor, const MrWorkerConfig *config, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_probe_backend_finish:
 *
 * Returns: (transfer full): the models that it lists, perhaps none; %NULL with %MR_ERROR_BACKEND_UNREACHABLE and a
 *   sentence when it is down, or %G_IO_ERROR_CANCELLED
 */
char **mr_probe_backend_finish (GAsyncResult *result, GError **error);
