/* SPDX-License-Identifier: MIT */
/* Judging a server's certificate. See tls-trust.h. */
#include "tls-trust.h"

#include "error.h"
#include "tls-pin.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct _MrTlsTrust {
  gnutls_certificate_credentials_t credentials;
  GStrv pins;      /* as mr_tls_pin_parse() writes them; empty for none */
  gboolean by_pin; /* the pin alone decides */
  gboolean system; /* the system's authorities are still to be read */
};

static gboolean
parse_pins (MrTlsTrust *self, const char *const *pins, GError **error)
{
  guint n = pins != NULL ? g_strv_length ((GStrv) pins) : 0;

  self->pins = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++) {
    self->pins[i] = mr_tls_pin_parse (pins[i], error);
    if (self->pins[i] == NULL)
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_authorities (MrTlsTrust *self, const char *file, GError **error)
{
  g_autofree char *pem = NULL;
  g_autoptr (GError) failure = NULL;
  gsize length;
  gnutls_datum_t datum;
  int n;

  if (!g_file_get_contents (file, &pem, &length, &failure)) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--ca-file \"%s\": %s", file, failure->message);
    return FALSE;
  }
  datum = (gnutls_datum_t){ (unsigned char *) pem, (unsigned int) length };
  n = gnutls_certificate_set_x509_trust_mem (self->credentials, &datum, GNUTLS_X509_FMT_PEM);
  if (n <= 0) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--ca-file \"%s\": there is no PEM certificate in this file", file);
    return FALSE;
  }
  return TRUE;
}

MrTlsTrust *
mr_tls_trust_new (const char *ca_file, MrTlsAuthorities authorities, const char *const *pins, GError **error)
{
  g_autoptr (MrTlsTrust) self = g_rc_box_new0 (MrTlsTrust);

  gnutls_certificate_allocate_credentials (&self->credentials);
  if (!parse_pins (self, pins, error) || (ca_file != NULL && !read_authorities (self, ca_file, error)))
    return NULL;
  self->by_pin = self->pins[0] != NULL && ca_file == NULL;
  self->system = !self->by_pin && (ca_file == NULL || authorities == MR_TLS_FILE_BESIDE);
  return g_steal_pointer (&self);
}

MrTlsTrust *
mr_tls_trust_ref (MrTlsTrust *trust)
{
  return g_rc_box_acquire (trust);
}

static void
clear (gpointer data)
{
  MrTlsTrust *trust = data;

  gnutls_certificate_free_credentials (trust->credentials);
  g_strfreev (trust->pins);
}

void
mr_tls_trust_unref (MrTlsTrust *trust)
{
  if (trust != NULL)
    g_rc_box_release_full (trust, clear);
}

gnutls_certificate_credentials_t
mr_tls_trust_get_credentials (MrTlsTrust *trust)
{
  if (trust->system)
    (void) gnutls_certificate_set_x509_system_trust (trust->credentials);
  trust->system = FALSE;
  return trust->credentials;
}

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, message);
  return FALSE;
}

static gboolean
check_pin (MrTlsTrust *self, gnutls_session_t session, GError **error)
{
  unsigned int n = 0;
  const gnutls_datum_t *shown = gnutls_certificate_get_peers (session, &n);
  g_autofree char *pin = NULL;
  gnutls_x509_crt_t certificate;

  if (n == 0)
    return fail (error, "the server shows no certificate");
  gnutls_x509_crt_init (&certificate);
  if (gnutls_x509_crt_import (certificate, &shown[0], GNUTLS_X509_FMT_DER) == 0)
    pin = mr_tls_pin_of (certificate);
  gnutls_x509_crt_deinit (certificate);
  if (pin != NULL && g_strv_contains ((const char *const *) self->pins, pin))
    return TRUE;
  g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE,
               "the server's key is not the one of --pin; its pin is %s", pin != NULL ? pin : "unknown");
  return FALSE;
}

/* The first reason that helps; GnuTLS sets several bits at a time. */
static gboolean
fail_status (unsigned int status, const char *host, GError **error)
{
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0)
    return fail (error,
                 "the certificate's issuer is not among the known authorities (--ca-file or --pin name another)");
  if ((status & GNUTLS_CERT_EXPIRED) != 0)
    return fail (error, "the certificate has expired");
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0)
    return fail (error, "the certificate is not valid yet; is the clock right?");
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) {
    g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "the certificate is not for the host %s", host);
    return FALSE;
  }
  if ((status & GNUTLS_CERT_REVOKED) != 0)
    return fail (error, "the certificate was revoked");
  if ((status & (GNUTLS_CERT_INSECURE_ALGORITHM | GNUTLS_CERT_SIGNATURE_FAILURE)) != 0)
    return fail (error, "the certificate's signature is wrong or too weak");
  return fail (error, "the certificate is not acceptable for a server");
}

static gboolean
check_authority (gnutls_session_t session, const char *host, GError **error)
{
  gnutls_typed_vdata_st wanted[] = {
    { GNUTLS_DT_DNS_HOSTNAME, (unsigned char *) host, 0 },
    { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *) GNUTLS_KP_TLS_WWW_SERVER, 0 },
  };
  unsigned int status = 0;

  if (gnutls_certificate_verify_peers (session, wanted, G_N_ELEMENTS (wanted), &status) < 0)
    return fail (error, "the server's certificate cannot be read");
  return status == 0 || fail_status (status, host, error);
}

gboolean
mr_tls_trust_check (MrTlsTrust *trust, gnutls_session_t session, const char *host, GError **error)
{
  return (trust->pins[0] == NULL || check_pin (trust, session, error)) &&
         (trust->by_pin || check_authority (session, host, error));
}
