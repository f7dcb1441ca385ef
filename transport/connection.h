/* SPDX-License-Identifier: MIT */
/*
 * A connected stream socket in the reactor: joined output (one send a turn), count of unsent bytes with
 * a high and a low water mark, bounded reading, and notice of a peer that has gone; plain or TLS, which its owners
 * cannot tell apart. What the bytes mean is the business of http-intake, http-client and link.
 *
 * Rules for owners: a callback may close or unref the connection. No callback comes from within a call
 * of the owner's, and none after mr_connection_close() or mr_connection_set_events (c, NULL, NULL).
 */
#pragma once

#include "reactor.h"
#include "tls-session.h"

#include <gio/gio.h>

typedef struct _MrConnection MrConnection;

typedef struct {
  /* Reading is on and bytes, or the end, can be had from mr_connection_read(). At most once a turn. */
  void (*readable) (MrConnection *connection, gpointer data);

  /* The unsent bytes fell to the low-water mark after they had been above the high-water mark. Nullable. */
  void (*drained) (MrConnection *connection, gpointer data);

  /* The peer closed, half-closed or reset, or a write failed; comes once. While reading is on it comes only after
   * everything that the peer had sent was read (mr_connection_read() returned 0 or failed). @error: (nullable): NULL
   * for an orderly end. The owner closes the connection. */
  void (*gone) (MrConnection *connection, const GError *error, gpointer data);
} MrConnectionEvents;

/**
 * mr_connection_new:
 * @fd: (transfer full): a connected, non-blocking, close-on-exec socket
 *
 * Sets TCP_NODELAY and TCP_NOTSENT_LOWAT where it is TCP. Reading is off at first.
 *
 * Returns: (transfer full): a connection with one reference
 */
MrConnection *mr_connection_new (MrReactor *reactor, int fd);

/**
 * mr_connection_start_tls:
 * @session: (transfer full): a new one
 *
 * Before anything is read or written: from now on every byte goes through @session. Its handshake goes on by itself;
 * when it fails `gone` comes with a %G_TLS_ERROR, as it does for a stream that ends without close_notify.
 */
void mr_connection_start_tls (MrConnection *connection, MrTlsSession *session);

/** mr_connection_is_handshaking: TLS was started and is not through yet. */
gboolean mr_connection_is_handshaking (MrConnection *connection);

MrConnection *mr_connection_ref (MrConnection *connection);

/** mr_connection_unref: the last reference closes at once, unsent bytes are dropped. */
void mr_connection_unref (MrConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrConnection, mr_connection_unref)

/** mr_connection_set_events: (nullable events): a new owner takes over. @events must outlive the connection. */
void mr_connection_set_events (MrConnection *connection, const MrConnectionEvents *events, gpointer data);

MrReactor *mr_connection_get_reactor (MrConnection *connection);

/** mr_connection_get_remote_address: (transfer none): the peer's numeric address without port, "unix" for AF_UNIX. */
const char *mr_connection_get_remote_address (MrConnection *connection);

/** mr_connection_set_reading: off is back-pressure: the kernel's buffer fills and the peer waits. */
void mr_connection_set_reading (MrConnection *connection, gboolean reading);

/**
 * mr_connection_set_patient:
 *
 * A patient owner is not told that the peer has gone while reading is off, but once it reads on and has read what
 * the peer sent before: that may be the rest of an answer. At first owners are not patient.
 */
void mr_connection_set_patient (MrConnection *connection, gboolean patient);

/**
 * mr_connection_read:
 *
 * Never blocks. Hands out at most %MR_LIMIT_TURN_BYTES a turn over all calls, then acts as if nothing more was there;
 * `readable` comes again on the next turn.
 *
 * Returns: bytes read; 0 at the peer's orderly end; -1 with errno EAGAIN when there is nothing now; -1 with
 *   another errno when the connection broke
 */
gssize mr_connection_read (MrConnection *connection, void *buffer, gsize length);

/**
 * mr_connection_unread:
 * @data: bytes that the present owner read but that belong to the next one
 *
 * They come first from mr_connection_read(), and `readable` follows while reading is on.
 */
void mr_connection_unread (MrConnection *connection, const void *data, gsize length);

/** mr_connection_write: queues a copy; sent joined at the end of the turn. Ignored after the peer has gone or a close.
 */
void mr_connection_write (MrConnection *connection, const void *data, gsize length);

/**
 * mr_connection_append:
 *
 * Like mr_connection_write(), for a caller who makes the bytes in place.
 *
 * Returns: (nullable): room for @length bytes, to be filled before any other call; %NULL when nothing can be sent any
 * more
 */
guint8 *mr_connection_append (MrConnection *connection, gsize length);

/** mr_connection_flush: sends now what can be sent without blocking, instead of at the end of the turn. */
void mr_connection_flush (MrConnection *connection);

/** mr_connection_get_unsent: bytes that the kernel has not taken yet. */
gsize mr_connection_get_unsent (MrConnection *connection);

/** mr_connection_set_water: marks for `drained`; defaults 256 KiB and 64 KiB. */
void mr_connection_set_water (MrConnection *connection, gsize high_bytes, gsize low_bytes);

/** mr_connection_close: closes the socket at once; unsent bytes are dropped. Idempotent; no callback follows. */
void mr_connection_close (MrConnection *connection);

/**
 * mr_connection_finish:
 * @patience_us: after so long without any progress the socket is closed with whatever is left
 *
 * The owner is done: sends what is queued, shuts down the sending side, reads and drops what the peer still sends (at
 * most %MR_LIMIT_DRAIN_BYTES; beyond them the peer has to wait), so that no reset eats our last words, and closes at
 * the peer's end or after %MR_LIMIT_DRAIN_USEC. Keeps itself alive, counted by mr_reactor_get_lingering(); no callback
 * follows.
 */
void mr_connection_finish (MrConnection *connection, gint64 patience_us);

/** MrConnectionClosed: the socket was closed, by whomever. */
typedef void (*MrConnectionClosed) (MrConnection *connection, gpointer user_data);

/** mr_connection_set_closed: @closed is called once, when the socket is closed; at any time, also within a call of the
 * owner's. */
void mr_connection_set_closed (MrConnection *connection, MrConnectionClosed closed, gpointer user_data);

/** mr_connection_is_open: %FALSE after a close, or once the peer has gone. */
gboolean mr_connection_is_open (MrConnection *connection);
