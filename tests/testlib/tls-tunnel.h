/* SPDX-License-Identifier: MIT */
/*
 * TLS by OpenSSL around plain sockets, so that whatever a test does over a plain port it can do over TLS. Each
 * connection is pumped by a thread of its own.
 *
 *   test -- plain --> mrt_tunnel_to_tls --- TLS --> program under test
 *   program under test --- TLS --> mrt_tunnel_from_tls -- plain --> test
 *
 * A TLS side that ends with close_notify ends the plain one with FIN; one that breaks off resets it. A plain side that
 * ends closes the TLS one with close_notify.
 */
#pragma once

#include "stream.h"
#include "tls-files.h"

typedef struct _MrtTunnel MrtTunnel;

/** mrt_tunnel_to_tls: (transfer full): a plain port before 127.0.0.1:@port, which must show a certificate for localhost
 * by one of @ca_file. */
MrtTunnel *mrt_tunnel_to_tls (guint16 port, const char *ca_file);

/** mrt_tunnel_from_tls: (transfer full): a TLS port before the plain 127.0.0.1:@port. */
MrtTunnel *mrt_tunnel_from_tls (const char *cert_file, const char *key_file, guint16 port);

void mrt_tunnel_free (MrtTunnel *tunnel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtTunnel, mrt_tunnel_free)

guint16 mrt_tunnel_get_port (MrtTunnel *tunnel);

/** mrt_tls_try_version: whether 127.0.0.1:@port agrees to this version alone (of OpenSSL: TLS1_1_VERSION, ...). */
gboolean mrt_tls_try_version (guint16 port, int version);

/** mrt_tls_dup_shown_pin: (transfer full): mrt_certificate_pin() of what 127.0.0.1:@port shows; %NULL when there is no
 * handshake. */
char *mrt_tls_dup_shown_pin (guint16 port);
