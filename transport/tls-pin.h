/* SPDX-License-Identifier: MIT */
/*
 * Pins: the SHA-256 of a public key as it stands in a certificate (SubjectPublicKeyInfo, DER), after RFC 7469 2.4. A
 * certificate that is renewed with the same key keeps its pin. Pure.
 */
#pragma once

#include <glib.h>

struct gnutls_x509_crt_int;

/**
 * mr_tls_pin_parse:
 * @text: `sha256:HEX` (64 digits) or `sha256/BASE64` (as curl writes it)
 *
 * Returns: (transfer full): the pin as `sha256:hex`, which compares as text; %NULL with %MR_ERROR_CONFIG
 */
char *mr_tls_pin_parse (const char *text, GError **error);

/** mr_tls_pin_of: (transfer full): the pin of a certificate, as mr_tls_pin_parse() writes it. */
char *mr_tls_pin_of (struct gnutls_x509_crt_int *certificate);
