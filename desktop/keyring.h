/* SPDX-License-Identifier: MIT */
/*
 * The worker secrets in the Secret Service: reading all of them, writing one. Remembers nothing; what the app knows
 * meanwhile is secrets.h's. Each call opens a session of its own, so that a service that was started again is spoken to
 * with its own key.
 * https://specifications.freedesktop.org/secret-service/
 *
 * Errors: %SECRET_ERROR_IS_LOCKED; %SECRET_ERROR_NO_SUCH_OBJECT: the service has no default keyring; any other: there
 * is no service, or it does not answer.
 */
#pragma once

#include <gio/gio.h>

/** MrKeyringLoad: what to read. Borrowed; copied by the call. */
typedef struct {
  const char *const *urls; /* relays whose secrets are wanted: while one is not found, a locked keyring matters */
  gboolean to_save;        /* something waits to be written, so that a locked or missing keyring matters anyway */
  gboolean unlock;         /* may ask the owner for the keyring's password, or for one for a new keyring */
} MrKeyringLoad;

void mr_keyring_load_async (const MrKeyringLoad *load, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);

/**
 * mr_keyring_load_finish:
 * @lack: (out): %NULL when all that is wanted could be read and written; else %SECRET_ERROR_IS_LOCKED or
 *   %SECRET_ERROR_NO_SUCH_OBJECT
 *
 * Returns: (transfer full): secrets by the URL of the relay, wiped when freed: what could be read
 */
GHashTable *mr_keyring_load_finish (GAsyncResult *result, GError **lack, GError **error);

/** mr_keyring_store_async: @secret: (nullable): copied; %NULL forgets it. Never asks the owner. */
void mr_keyring_store_async (const char *url, const char *secret, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
gboolean mr_keyring_store_finish (GAsyncResult *result, GError **error);

/** mr_keyring_new_table: (transfer full): for secrets by URL; wipes them. */
GHashTable *mr_keyring_new_table (void);
