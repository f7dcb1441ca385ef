/* SPDX-License-Identifier: MIT */
/*
 * RFC 6455 after the handshake, either side, without extensions, and the JSON messages of the worker protocol on it.
 * Frames can be sent in any shape, also wrong ones.
 */
#pragma once

#include "http-message.h"
#include "json-text.h"

#define MRT_FRAME_CONTINUATION 0x0
#define MRT_FRAME_TEXT 0x1
#define MRT_FRAME_BINARY 0x2
#define MRT_FRAME_CLOSE 0x8
#define MRT_FRAME_PING 0x9
#define MRT_FRAME_PONG 0xa
#define MRT_FRAME_FIN 0x80

/** MrtWebsocket: one end of a link. */
typedef struct {
  MrtStream *stream;  /* Owned */
  gboolean client;    /* we mask, and answer protocol pings */
  MrtHead *handshake; /* Owned: the request on the server side, the answer on the client side */
  gboolean mute;      /* do not answer protocol pings */
  guint load;         /* current_load in the pongs that answer pings */
  guint close_code;   /* what the peer closed with; 1005 without a code, 1006 without a close frame, 0 while open */
  char *close_reason;
} MrtWebsocket;

typedef enum {
  MRT_MESSAGE_TEXT,
  MRT_MESSAGE_BINARY,
  MRT_MESSAGE_PONG,
  MRT_MESSAGE_CLOSED,
  MRT_MESSAGE_TIMEOUT
} MrtMessage;

/** mrt_websocket_new: (transfer full): takes @stream and @handshake. */
MrtWebsocket *mrt_websocket_new (MrtStream *stream, MrtHead *handshake, gboolean client);
void mrt_websocket_free (MrtWebsocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtWebsocket, mrt_websocket_free)

/** mrt_websocket_accept_key: (transfer full): what answers a Sec-WebSocket-Key. */
char *mrt_websocket_accept_key (const char *key);

/** mrt_websocket_send_frame: @first_byte is FIN, reserved bits and opcode. */
void mrt_websocket_send_frame (MrtWebsocket *socket, guint8 first_byte, const void *data, gsize length);

/** mrt_websocket_send: one JSON text message in printf style. */
void mrt_websocket_send (MrtWebsocket *socket, const char *format, ...) G_GNUC_PRINTF (2, 3);

/** mrt_websocket_close: sends a close frame. */
void mrt_websocket_close (MrtWebsocket *socket, guint code, const char *reason);

/**
 * mrt_websocket_receive:
 * @out: the payload replaces what is in it
 *
 * WebSocket pings are answered within, a close frame with a close frame.
 */
MrtMessage mrt_websocket_receive (MrtWebsocket *socket, GString *out, int timeout_ms);

/**
 * mrt_websocket_next:
 *
 * Returns: (nullable) (transfer full): the next protocol message but `ping` (answered) and `pong` (dropped); %NULL when
 *   the link closed or @timeout_ms passed
 */
JsonObject *mrt_websocket_next (MrtWebsocket *socket, int timeout_ms);

/** mrt_websocket_expect: (transfer full): the next protocol message, which must be of @type. */
JsonObject *mrt_websocket_expect (MrtWebsocket *socket, const char *type);

/** mrt_websocket_is_quiet: no protocol message but `ping` and `pong`, and no close, within @timeout_ms. */
gboolean mrt_websocket_is_quiet (MrtWebsocket *socket, int timeout_ms);

/** mrt_websocket_sync: returns when the peer has handled everything that we sent; no message but `ping` may come
 * meanwhile, and that one is not answered. */
void mrt_websocket_sync (MrtWebsocket *socket);

/** mrt_websocket_expect_close: the peer closes with this; messages before are dropped. @reason: (nullable): any */
void mrt_websocket_expect_close (MrtWebsocket *socket, guint code, const char *reason);
