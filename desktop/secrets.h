/* SPDX-License-Identifier: MIT */
/*
 * The worker secrets of the relays: in the Secret Service (libsecret), or, where there is none, in memory until the app
 * ends. They are never written anywhere else. Nothing here blocks. Calls are carried out one after the other.
 */
#pragma once

#include <gio/gio.h>

typedef enum {
  MR_SECRETS_UNKNOWN,     /* not asked yet */
  MR_SECRETS_AVAILABLE,   /* kept in the keyring */
  MR_SECRETS_LOCKED,      /* the keyring has to be unlocked, or created, first */
  MR_SECRETS_UNAVAILABLE, /* no Secret Service: kept for this session only */
} MrSecretsState;

/** MrSecrets: signal `changed`: the state, or what mr_secrets_peek() tells, is new. */
#define MR_TYPE_SECRETS (mr_secrets_get_type ())
G_DECLARE_FINAL_TYPE (MrSecrets, mr_secrets, MR, SECRETS, GObject)

MrSecrets *mr_secrets_new (void);

MrSecretsState mr_secrets_get_state (MrSecrets *secrets);

/** mr_secrets_describe_state: (transfer full) (nullable): a translated sentence for the owner; %NULL when all is well.
 */
char *mr_secrets_describe_state (MrSecrets *secrets);

/** mr_secrets_peek: (nullable) (transfer none): what is known without asking anybody. */
const char *mr_secrets_peek (MrSecrets *secrets, const char *relay_url);

/**
 * mr_secrets_load_async:
 * @unlock: may ask the owner for the keyring's password, when it has, or is to take, one of @relay_urls
 *
 * Makes the secrets of @relay_urls (copied) known to mr_secrets_peek().
 */
void mr_secrets_load_async (MrSecrets *secrets, const char *const *relay_urls, gboolean unlock,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/** mr_secrets_load_finish: %FALSE when the keyring cannot be read; see the state. A missing secret is no error. */
gboolean mr_secrets_load_finish (MrSecrets *secrets, GAsyncResult *result, GError **error);

/**
 * mr_secrets_store_async:
 * @secret: (nullable): %NULL forgets it
 * @cancellable: ends the waiting, not the saving
 *
 * Known to mr_secrets_peek() at once. Never asks the owner: what cannot be saved now is saved as soon as it can.
 */
void mr_secrets_store_async (MrSecrets *secrets, const char *relay_url, const char *secret, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/** mr_secrets_store_finish: %FALSE when it is kept in memory only, for now; the error says why. */
gboolean mr_secrets_store_finish (MrSecrets *secrets, GAsyncResult *result, GError **error);
