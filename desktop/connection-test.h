/* SPDX-License-Identifier: MIT */
/*
 * Trying out a relay or a model server that is still being typed, and saying in one sentence how it went: which step
 * failed, and what the owner can do. Keeps nothing; who asks and where the sentence stands is not ours.
 */
#pragma once

#include "reactor.h"

#include <gio/gio.h>

/** MrRelayTest: what to try. Borrowed; copied by the call. */
typedef struct {
  const char *url;
  const char *secret;
  const char *provider;
  const char *ca_file;     /* (nullable): or empty: the system's certificates */
  const char *worker_name; /* (nullable): or empty: the host's */
} MrRelayTest;

/** mr_test_relay_async: @reactor: outlives the test */
void mr_test_relay_async (MrReactor *reactor, const MrRelayTest *test, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_test_relay_finish:
 *
 * Returns: (transfer full): a translated sentence: it works; %NULL with an error whose message is a translated
 * sentence, %G_IO_ERROR_CANCELLED when cancelled
 */
char *mr_test_relay_finish (GAsyncResult *result, GError **error);

/** mr_test_backend_async: @reactor: outlives the test */
void mr_test_backend_async (MrReactor *reactor, const char *url, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_test_backend_finish:
 * @models: (out) (transfer full) (optional): what it offers, on success
 *
 * A model server without any model counts as a failure.
 *
 * Returns: as mr_test_relay_finish()
 */
char *mr_test_backend_finish (GAsyncResult *result, char ***models, GError **error);
