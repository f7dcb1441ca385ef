/* SPDX-License-Identifier: MIT */
/*
 * Throw-away authorities and certificates, made by OpenSSL at test time.
 */
#pragma once

#include <glib.h>

#define MRT_DAY_SECS 86400

typedef struct _MrtAuthority MrtAuthority;

struct x509_st;

/** mrt_authority_new: (transfer full): signs for ten days; its certificate is written to @ca_file. */
MrtAuthority *mrt_authority_new (const char *name, const char *ca_file);
void mrt_authority_free (MrtAuthority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtAuthority, mrt_authority_free)

/**
 * mrt_authority_issue:
 * @authority: (nullable): %NULL for a certificate that signs itself
 * @names: as `DNS:localhost,IP:127.0.0.1`
 * @end_secs: the end of validity, from now; it begins ten days before now
 * @cert_file, @key_file: PEM files to write, each in one step (written beside and renamed)
 */
void mrt_authority_issue (MrtAuthority *authority, const char *names, gint64 end_secs, const char *cert_file,
                          const char *key_file);

/** mrt_certificate_pin: (transfer full): `sha256/BASE64` of the public key, calculated here. */
char *mrt_certificate_pin (const char *cert_file);

/** mrt_certificate_pin_of: (transfer full): the same of a certificate of OpenSSL's. */
char *mrt_certificate_pin_of (struct x509_st *certificate);

/** mrt_certificate_end: the end of validity as in `2026-01-31T12:00:00Z`. (transfer full) */
char *mrt_certificate_end (const char *cert_file);

/** mrt_directory_new: (transfer full): an empty directory for such files. */
char *mrt_directory_new (void);

/** mrt_directory_remove: (transfer full): with all that is in it. */
void mrt_directory_remove (char *directory);
