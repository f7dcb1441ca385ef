/* SPDX-License-Identifier: MIT */
/*
 * The secret of an API key: how it is made, and what of it is kept. Pure but for the kernel's random numbers.
 */
#pragma once

#include "key.h"

/** mr_key_secret_new: (transfer full): `mr-` and 43 base64url characters: 256 random bits of getrandom(2). */
char *mr_key_secret_new (void);

/** mr_key_secret_is_ours: %FALSE for what cannot be a secret of mr_key_secret_new(): another service's key. */
gboolean mr_key_secret_is_ours (const char *secret);

/** mr_key_secret_hash: @hash: (out): %MR_KEY_HASH_BYTES bytes: the SHA-256 of @secret. */
void mr_key_secret_hash (const char *secret, guint8 *hash);

/** mr_key_new_with_secret: (transfer full): a new key, with an id of its own, that @secret opens. */
MrKey *mr_key_new_with_secret (const char *secret, const MrKeySpec *spec, gint64 created_at);
