/* SPDX-License-Identifier: MIT */
/*
 * Whom a TLS client believes: authorities, or keys by their pins. Immutable; the judgement of one certificate is made
 * here, when it is made in tls-session.
 */
#pragma once

#include <gio/gio.h>

typedef struct _MrTlsTrust MrTlsTrust;

struct gnutls_certificate_credentials_st;
struct gnutls_session_int;

/** MrTlsAuthorities: whether those in a file come beside the system's or instead of them. */
typedef enum { MR_TLS_FILE_INSTEAD, MR_TLS_FILE_BESIDE } MrTlsAuthorities;

/**
 * mr_tls_trust_new:
 * @ca_file: (nullable): PEM: authorities; without it the system's
 * @pins: (nullable): see mr_tls_pin_parse(). A server whose key is among them is believed for that alone, whatever its
 *   certificate says, unless @ca_file is given as well: then both must be right
 *
 * The system's authorities are read when the first server is judged.
 *
 * Returns: (transfer full): %NULL with %MR_ERROR_CONFIG that names the option
 */
MrTlsTrust *mr_tls_trust_new (const char *ca_file, MrTlsAuthorities authorities, const char *const *pins,
                              GError **error);

MrTlsTrust *mr_tls_trust_ref (MrTlsTrust *trust);
void mr_tls_trust_unref (MrTlsTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTlsTrust, mr_tls_trust_unref)

/** mr_tls_trust_get_credentials: (transfer none): for tls-session. */
struct gnutls_certificate_credentials_st *mr_tls_trust_get_credentials (MrTlsTrust *trust);

/**
 * mr_tls_trust_check:
 * @session: the peer has shown its certificates
 * @host: name or numeric address that the peer must be
 *
 * Returns: %FALSE with %G_TLS_ERROR_BAD_CERTIFICATE: unknown authority, expired, another host, or the pin that was seen
 */
gboolean mr_tls_trust_check (MrTlsTrust *trust, struct gnutls_session_int *session, const char *host, GError **error);
