/* SPDX-License-Identifier: MIT */
/* Pins of public keys. See tls-pin.h. */
#include "tls-pin.h"

#include "error.h"

#include <gnutls/x509.h>
#include <string.h>

#define PIN_BYTES 32
#define HEX_PREFIX "sha256:"
#define BASE64_PREFIX "sha256/"

static char *
write_pin (const guint8 *digest)
{
  GString *text = g_string_new (HEX_PREFIX);

  for (gsize i = 0; i < PIN_BYTES; i++)
    g_string_append_printf (text, "%02x", digest[i]);
  return g_string_free (text, FALSE);
}

static gboolean
is_hex (const char *text)
{
  return strlen (text) == 2 * PIN_BYTES && strspn (text, "0123456789abcdefABCDEF") == 2 * PIN_BYTES;
}

char *
mr_tls_pin_parse (const char *text, GError **error)
{
  if (g_str_has_prefix (text, HEX_PREFIX) && is_hex (text + strlen (HEX_PREFIX)))
    return g_ascii_strdown (text, -1);
  if (g_str_has_prefix (text, BASE64_PREFIX)) {
    gsize length;
    g_autofree guint8 *digest = g_base64_decode (text + strlen (BASE64_PREFIX), &length);
    g_autofree char *again = g_base64_encode (digest, length);

    /* What GLib skipped was no base64. */
    if (length == PIN_BYTES && g_str_equal (again, text + strlen (BASE64_PREFIX)))
      return write_pin (digest);
  }
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
               "--pin \"%s\": sha256: with 64 hexadecimal digits is allowed, or sha256/ with 44 characters of base64",
               text);
  return NULL;
}

char *
mr_tls_pin_of (gnutls_x509_crt_t certificate)
{
  guint8 digest[PIN_BYTES];
  size_t length = sizeof digest;

  if (gnutls_x509_crt_get_key_id (certificate, GNUTLS_KEYID_USE_SHA256, digest, &length) < 0)
    return g_strdup ("unknown");
  return write_pin (digest);
}
