/* SPDX-License-Identifier: MIT */
/*
 * One worker link, either end: protocol messages over a WebSocket over a connection. Decodes and encodes, answers
 * WebSocket pings, watches for silence, closes with a handshake and a deadline. Who the peer is and what the
 * messages cause is the business of worker-session (server/) and relay-link (worker/).
 *
 *   OPEN --our close--> CLOSING --peer's close, or the deadline--> CLOSED
 *   OPEN --peer's close--> CLOSED        OPEN --socket gone--> CLOSED (1006)
 */
#pragma once

#include "connection.h"
#include "frame.h"
#include "message.h"
#include "websocket.h"

typedef struct _MrLink MrLink;

typedef struct {
  /* A valid message of the peer's side. The message lives until the callback returns. */
  void (*message) (MrLink *link, const MrMessage *message, gpointer data);

  /* A valid binary message of the peer's side; only after mr_link_allow_frames(), nullable without it. @request_id is
   * the frame's, as a C string. */
  void (*frame) (MrLink *link, const char *request_id, const MrFrame *frame, gpointer data);

  /* The link is over, comes once and last, never from within a call of the owner's. @code: what ended it: the peer's
   * close code, or ours when we closed; 1006 when the socket just went. */
  void (*closed) (MrLink *link, guint16 code, const char *reason, gpointer data);

  /* As `drained` of the connection, whose water marks count: the peer reads again. Nullable. */
  void (*drained) (MrLink *link, gpointer data);
} MrLinkEvents;

/**
 * mr_link_new:
 * @connection: (transfer full): after the upgrade
 * @role: our side; a server receives worker messages and the reverse
 * @events: must outlive the link
 *
 * What the peer does wrong ends the link here: a protocol error with 1002 (reason "worker registration protocol error"
 * on the server's side, "protocol error" on the worker's), an oversize message with 1009 "message too big", bad UTF-8
 * with 1007, more than %MR_LIMIT_LINK_UNSENT_BYTES unread by the peer with 1008 "peer does not read".
 */
MrLink *mr_link_new (MrConnection *connection, MrWebsocketRole role, const MrLinkEvents *events, gpointer data);

/** mr_link_free: closes the socket at once if the link is not over; no callback follows. Safe in a callback. */
void mr_link_free (MrLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLink, mr_link_free)

/** mr_link_send: queues @message (borrowed); joined with others of this turn. Ignored unless the link is open. */
void mr_link_send (MrLink *link, const MrMessage *message);

/** mr_link_allow_frames: `binary_frames` was negotiated: binary messages are no protocol error from now on. */
void mr_link_allow_frames (MrLink *link);

/** mr_link_send_frame: queues a binary message (borrowed); joined with others of this turn. Ignored unless open. */
void mr_link_send_frame (MrLink *link, const MrFrame *frame);

/** mr_link_close: starts the closing handshake; messages of the peer are dropped from now on; `closed` follows. */
void mr_link_close (MrLink *link, guint16 code, const char *reason);

/** mr_link_set_max_message: cap on one received message in bytes; at first %MR_LIMIT_MESSAGE_BYTES. */
void mr_link_set_max_message (MrLink *link, gsize bytes);

/**
 * mr_link_watch_silence:
 * @ping_after_us: without anything from the peer for so long a `ping` message is sent; 0 for never
 * @dead_after_us: after so long the link is closed with 1000 and @reason; 0 for never
 */
void mr_link_watch_silence (MrLink *link, gint64 ping_after_us, gint64 dead_after_us, const char *reason);

/** mr_link_get_last_received: monotonic microseconds of the last bytes from the peer. */
gint64 mr_link_get_last_received (MrLink *link);

/** mr_link_get_last_ping: monotonic microseconds of the last `ping` message that silence caused; 0 before. */
gint64 mr_link_get_last_ping (MrLink *link);

/** mr_link_get_unsent: bytes queued that the kernel has not taken. */
gsize mr_link_get_unsent (MrLink *link);

const char *mr_link_get_remote_address (MrLink *link);

MrReactor *mr_link_get_reactor (MrLink *link);
