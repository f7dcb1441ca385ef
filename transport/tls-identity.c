/* SPDX-License-Identifier: MIT */
/* Certificate and key of a server. See tls-identity.h. */
#include "tls-identity.h"

#include "error.h"
#include "tls-pin.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

/* A chain has two to four certificates. */
#define MAX_CHAIN 16

struct _MrTlsIdentity {
  gnutls_certificate_credentials_t credentials;
  GChecksum *checksum; /* of both files */
  gint64 expiry;
  char *pin;
};

typedef struct {
  gnutls_x509_crt_t certificates[MAX_CHAIN];
  unsigned int length;
} Chain;

static void
chain_clear (Chain *chain)
{
  for (unsigned int i = 0; i < chain->length; i++)
    gnutls_x509_crt_deinit (chain->certificates[i]);
  chain->length = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)

static gboolean
fail (GError **error, const char *option, const char *file, const char *reason)
{
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--%s \"%s\": %s", option, file, reason);
  return FALSE;
}

/* The bytes are wiped by forget(). */
static gboolean
read_file (const char *option, const char *file, gnutls_datum_t *datum, GError **error)
{
  g_autoptr (GError) failure = NULL;
  char *bytes;
  gsize length;

  if (!g_file_get_contents (file, &bytes, &length, &failure))
    return fail (error, option, file, failure->message);
  *datum = (gnutls_datum_t){ (unsigned char *) bytes, (unsigned int) length };
  return TRUE;
}

static void
forget (gnutls_datum_t *datum)
{
  if (datum->data != NULL)
    explicit_bzero (datum->data, datum->size);
  g_clear_pointer (&datum->data, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (gnutls_datum_t, forget)

static gboolean
parse_chain (const char *file, const gnutls_datum_t *pem, Chain *chain, GError **error)
{
  unsigned int length = MAX_CHAIN;
  int result =
      gnutls_x509_crt_list_import (chain->certificates, &length, pem, GNUTLS_X509_FMT_PEM,
                                   GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED | GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);

  if (result == GNUTLS_E_NO_CERTIFICATE_FOUND || result == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR || result == 0)
    return fail (error, "tls-cert", file, "there is no PEM certificate in this file");
  if (result == GNUTLS_E_CERTIFICATE_LIST_UNSORTED)
    return fail (error, "tls-cert", file,
                 "the chain is out of order: the server's own certificate comes first, then each one's issuer");
  if (result < 0)
    return fail (error, "tls-cert", file, gnutls_strerror (result));
  chain->length = (unsigned int) result;
  return TRUE;
}

static gboolean
parse_key (const char *file, const gnutls_datum_t *pem, gnutls_x509_privkey_t key, GError **error)
{
  int result = gnutls_x509_privkey_import2 (key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);

  if (result == GNUTLS_E_DECRYPTION_FAILED)
    return fail (error, "tls-key", file, "the key has a passphrase; give one without");
  if (result == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR || result == GNUTLS_E_BASE64_DECODING_ERROR ||
      result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
    return fail (error, "tls-key", file, "there is no PEM private key in this file");
  return result >= 0 || fail (error, "tls-key", file, gnutls_strerror (result));
}

static gboolean
set_pair (MrTlsIdentity *self, const char *key_file, Chain *chain, gnutls_x509_privkey_t key, GError **error)
{
  int result = gnutls_certificate_set_x509_key (self->credentials, chain->certificates, (int) chain->length, key);

  if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
    return fail (error, "tls-key", key_file, "this is not the key of the certificate in --tls-cert");
  return result >= 0 || fail (error, "tls-key", key_file, gnutls_strerror (result));
}

MrTlsIdentity *
mr_tls_identity_new (const char *cert_file, const char *key_file, GError **error)
{
  g_auto (gnutls_datum_t) cert_pem = { NULL, 0 };
  g_auto (gnutls_datum_t) key_pem = { NULL, 0 };
  g_auto (Chain) chain = { .length = 0 };
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_autoptr (MrTlsIdentity) self = g_rc_box_new0 (MrTlsIdentity);

  gnutls_certificate_allocate_credentials (&self->credentials);
  gnutls_x509_privkey_init (&key);
  if (!read_file ("tls-cert", cert_file, &cert_pem, error) || !read_file ("tls-key", key_file, &key_pem, error) ||
      !parse_chain (cert_file, &cert_pem, &chain, error) || !parse_key (key_file, &key_pem, key, error) ||
      !set_pair (self, key_file, &chain, key, error))
    return NULL;
  self->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (self->checksum, cert_pem.data, cert_pem.size);
  g_checksum_update (self->checksum, key_pem.data, key_pem.size);
  self->expiry = gnutls_x509_crt_get_expiration_time (chain.certificates[0]);
  self->pin = mr_tls_pin_of (chain.certificates[0]);
  return g_steal_pointer (&self);
}

MrTlsIdentity *
mr_tls_identity_ref (MrTlsIdentity *identity)
{
  return g_rc_box_acquire (identity);
}

static void
clear (gpointer data)
{
  MrTlsIdentity *identity = data;

  gnutls_certificate_free_credentials (identity->credentials);
  g_clear_pointer (&identity->checksum, g_checksum_free);
  g_free (identity->pin);
}

void
mr_tls_identity_unref (MrTlsIdentity *identity)
{
  if (identity != NULL)
    g_rc_box_release_full (identity, clear);
}

gboolean
mr_tls_identity_equal (MrTlsIdentity *a, MrTlsIdentity *b)
{
  return a == b || (a != NULL && b != NULL &&
                    g_str_equal (g_checksum_get_string (a->checksum), g_checksum_get_string (b->checksum)));
}

gint64
mr_tls_identity_get_expiry (MrTlsIdentity *identity)
{
  return identity->expiry;
}

const char *
mr_tls_identity_get_pin (MrTlsIdentity *identity)
{
  return identity->pin;
}

gnutls_certificate_credentials_t
mr_tls_identity_get_credentials (MrTlsIdentity *identity)
{
  return identity->credentials;
}
