/* SPDX-License-Identifier: MIT */
/*
 * What a TLS server shows: a certificate chain and its private key, read from PEM files. Immutable: a new certificate
 * is a new identity, and sessions go on with the one that they began with. When to read the files again is not known
 * here.
 */
#pragma once

#include <glib.h>

typedef struct _MrTlsIdentity MrTlsIdentity;

struct gnutls_certificate_credentials_st;

/**
 * mr_tls_identity_new:
 * @cert_file: PEM: the server's certificate first, then those that lead to the authority
 * @key_file: PEM: the private key of the first certificate, without a passphrase
 *
 * Returns: (transfer full): an identity, or %NULL with %MR_ERROR_CONFIG; the message names the option, the file and the
 *   reason, and has nothing of the key
 */
MrTlsIdentity *mr_tls_identity_new (const char *cert_file, const char *key_file, GError **error);

MrTlsIdentity *mr_tls_identity_ref (MrTlsIdentity *identity);
void mr_tls_identity_unref (MrTlsIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTlsIdentity, mr_tls_identity_unref)

/** mr_tls_identity_equal: (nullable a) (nullable b): the same certificates and key. */
gboolean mr_tls_identity_equal (MrTlsIdentity *a, MrTlsIdentity *b);

/** mr_tls_identity_get_expiry: the end of the first certificate's validity, in seconds since 1970. */
gint64 mr_tls_identity_get_expiry (MrTlsIdentity *identity);

/** mr_tls_identity_get_pin: (transfer none): of its key, as `--pin` of a worker takes it: `sha256:HEX`. */
const char *mr_tls_identity_get_pin (MrTlsIdentity *identity);

/** mr_tls_identity_get_credentials: (transfer none): for tls-session. */
struct gnutls_certificate_credentials_st *mr_tls_identity_get_credentials (MrTlsIdentity *identity);
