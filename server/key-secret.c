/* SPDX-License-Identifier: MIT */
/*
 * Making and hashing secrets. Whose they are and where hashes are kept lives elsewhere.
 */
#include "key-secret.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_PREFIX "mr-"
#define SECRET_BYTES 32
#define SHOWN_LENGTH 11
#define SECRET_LENGTH (sizeof SECRET_PREFIX - 1 + 43)

char *
mr_key_secret_new (void)
{
  guchar bytes[SECRET_BYTES];
  g_autofree char *text = NULL;
  char *secret;

  if (getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
    g_error ("getrandom: %s", g_strerror (errno));
  /* RFC 4648 section 5, without padding. */
  text = g_base64_encode (bytes, sizeof bytes);
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  secret = g_strconcat (SECRET_PREFIX, text, NULL);
  explicit_bzero (text, strlen (text));
  explicit_bzero (bytes, sizeof bytes);
  return secret;
}

gboolean
mr_key_secret_is_ours (const char *secret)
{
  return g_str_has_prefix (secret, SECRET_PREFIX) && strlen (secret) == SECRET_LENGTH;
}

void
mr_key_secret_hash (const char *secret, guint8 *hash)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = MR_KEY_HASH_BYTES;

  g_checksum_update (checksum, (const guchar *) secret, (gssize) strlen (secret));
  g_checksum_get_digest (checksum, hash, &length);
}

MrKey *
mr_key_new_with_secret (const char *secret, const MrKeySpec *spec, gint64 created_at)
{
  g_autofree char *id = g_uuid_string_random ();
  g_autofree char *prefix = g_strndup (secret, SHOWN_LENGTH);
  guint8 hash[MR_KEY_HASH_BYTES];

  mr_key_secret_hash (secret, hash);
  return mr_key_new (id, prefix, hash, spec, created_at);
}
