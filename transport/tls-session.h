/* SPDX-License-Identifier: MIT */
/*
 * TLS over one non-blocking descriptor (GnuTLS): handshake, records, close_notify, in the manner of recv(2) and
 * send(2). Only connection.c drives it; nothing here waits, starts a thread or knows the reactor. TLS 1.2 and 1.3, ALPN
 * http/1.1.
 *
 *   HANDSHAKE -- mr_tls_session_handshake() until it is through --> OPEN -- mr_tls_session_say_goodbye() -->
 * half-closed |                                                            |
 *       +---------------- failed: mr_tls_session_get_error() --------+
 */
#pragma once

#include "tls-identity.h"
#include "tls-trust.h"

typedef struct _MrTlsSession MrTlsSession;

/** mr_tls_session_new_server: (transfer full): takes a reference on @identity. */
MrTlsSession *mr_tls_session_new_server (MrTlsIdentity *identity);

/** mr_tls_session_new_client: (transfer full): @host: name or numeric address of the server, ASCII; @trust is
 * referenced. */
MrTlsSession *mr_tls_session_new_client (MrTlsTrust *trust, const char *host);

/** mr_tls_session_free: says nothing to the peer. */
void mr_tls_session_free (MrTlsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTlsSession, mr_tls_session_free)

/** mr_tls_session_set_fd: @fd: borrowed: non-blocking, outlives the session; set before anything else. */
void mr_tls_session_set_fd (MrTlsSession *session, int fd);

/** mr_tls_session_is_handshaking: nothing can be read or written yet. */
gboolean mr_tls_session_is_handshaking (MrTlsSession *session);

/**
 * mr_tls_session_handshake:
 *
 * Returns: %TRUE once it is through; %FALSE with errno EAGAIN (see mr_tls_session_wants_to_write()) or another one
 *   when it has failed
 */
gboolean mr_tls_session_handshake (MrTlsSession *session);

/** mr_tls_session_wants_to_write: whether the handshake waits for room to write, rather than for bytes. */
gboolean mr_tls_session_wants_to_write (MrTlsSession *session);

/**
 * mr_tls_session_read:
 *
 * Returns: bytes read; 0 after the peer's close_notify; -1 with errno EAGAIN, or another one when the session broke; an
 *   end of the stream without close_notify is such a break, for the bytes before may be cut (RFC 8446 6.1)
 */
gssize mr_tls_session_read (MrTlsSession *session, void *buffer, gsize length);

/** mr_tls_session_has_pending: bytes were decrypted and not read; the descriptor will not tell of them. */
gboolean mr_tls_session_has_pending (MrTlsSession *session);

/**
 * mr_tls_session_write:
 *
 * After EAGAIN the next call must begin with the same bytes; they may lie elsewhere, and more may follow.
 *
 * Returns: bytes that the kernel has taken; -1 with errno EAGAIN, or another one when the session broke
 */
gssize mr_tls_session_write (MrTlsSession *session, const void *data, gsize length);

/** mr_tls_session_say_goodbye: sends close_notify; %FALSE when it has to be called again once the descriptor takes
 * more.
 */
gboolean mr_tls_session_say_goodbye (MrTlsSession *session);

/** mr_tls_session_get_error: (nullable) (transfer none): why it broke, in %G_TLS_ERROR. */
const GError *mr_tls_session_get_error (MrTlsSession *session);
