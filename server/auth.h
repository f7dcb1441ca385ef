/* SPDX-License-Identifier: MIT */
/*
 * Secrets compared in constant time, failures counted by address, and the address behind trusted proxies
 * (contract B1). Pure: the clock is passed in.
 */
#pragma once

#include <gio/gio.h>

/** mr_auth_secret_matches: in time that depends on the given secret's length only. Neither may be %NULL. */
gboolean mr_auth_secret_matches (const char *secret, const char *given);

/** MrAuthFailures: after 3 failures an address is refused for 1 s, and twice as long (to 60 s) after each further
 * one. A success or 10 quiet minutes forget it. */
typedef struct _MrAuthFailures MrAuthFailures;

MrAuthFailures *mr_auth_failures_new (void);
void mr_auth_failures_free (MrAuthFailures *failures);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrAuthFailures, mr_auth_failures_free)

/** mr_auth_failures_get_wait: microseconds until @address is heard again; 0 when it is now. @now_us: monotonic. */
gint64 mr_auth_failures_get_wait (MrAuthFailures *failures, const char *address, gint64 now_us);

/** mr_auth_failures_is_refused: @now_us: monotonic microseconds. */
gboolean mr_auth_failures_is_refused (MrAuthFailures *failures, const char *address, gint64 now_us);
void mr_auth_failures_note_failure (MrAuthFailures *failures, const char *address, gint64 now_us);
void mr_auth_failures_note_success (MrAuthFailures *failures, const char *address);

/**
 * mr_auth_parse_proxies:
 * @texts: networks as `10.0.0.0/8`, `::1`
 *
 * Returns: (transfer full) (element-type GInetAddressMask): the list, or %NULL with %MR_ERROR_CONFIG
 */
GPtrArray *mr_auth_parse_proxies (const char *const *texts, GError **error);

/**
 * mr_auth_client_address:
 * @peer: the socket's address, numeric or "unix"
 * @forwarded: (nullable): value of `Forwarded` (RFC 7239)
 * @x_forwarded_for: (nullable): value of `X-Forwarded-For`
 * @proxies: (element-type GInetAddressMask): whom to believe; "unix" is always believed
 *
 * Walks the list from its end while its elements are trusted proxies.
 *
 * Returns: (transfer full): the first address that is not a trusted proxy's; @peer when it is not trusted itself
 */
char *mr_auth_client_address (const char *peer, const char *forwarded, const char *x_forwarded_for,
                              const GPtrArray *proxies);
