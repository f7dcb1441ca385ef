/* SPDX-License-Identifier: MIT */
/*
 * The frame layer of RFC 6455 without extensions, pure: bytes in, whole messages out, and frames to bytes.
 * The link (link.h) does the I/O; SoupServer and the handshake helpers do the upgrade.
 *
 *    0               1               2               3
 *   |F|RSV|opcode   |M| length 7    | 16 or 64 bit length | mask (client to server) | payload ...
 */
#pragma once

#include <glib.h>

typedef enum { MR_WEBSOCKET_SERVER, MR_WEBSOCKET_CLIENT } MrWebsocketRole;

typedef enum {
  MR_WEBSOCKET_CONTINUATION = 0x0,
  MR_WEBSOCKET_TEXT = 0x1,
  MR_WEBSOCKET_BINARY = 0x2,
  MR_WEBSOCKET_CLOSE = 0x8,
  MR_WEBSOCKET_PING = 0x9,
  MR_WEBSOCKET_PONG = 0xa,
} MrWebsocketOpcode;

/* Close codes, RFC 6455 7.4.1 */
#define MR_CLOSE_NORMAL 1000
#define MR_CLOSE_GOING_AWAY 1001
#define MR_CLOSE_PROTOCOL_ERROR 1002
#define MR_CLOSE_NO_STATUS 1005
#define MR_CLOSE_ABNORMAL 1006
#define MR_CLOSE_BAD_DATA 1007
#define MR_CLOSE_POLICY 1008
#define MR_CLOSE_TOO_BIG 1009

/** MrWebsocketMessage: one whole message or one control frame. */
typedef struct {
  MrWebsocketOpcode opcode; /* never a continuation */
  const char *data;         /* Borrowed from the parser until its next call */
  gsize length;
  guint16 close_code; /* of a close: its code, MR_CLOSE_NO_STATUS without one; data is then the reason */
} MrWebsocketMessage;

typedef enum { MR_WEBSOCKET_NEED_MORE, MR_WEBSOCKET_MESSAGE, MR_WEBSOCKET_FAILED } MrWebsocketResult;

typedef struct _MrWebsocketParser MrWebsocketParser;

/**
 * mr_websocket_parser_new:
 * @role: our side: a server demands masked frames, a client refuses them
 * @max_message_bytes: cap over all fragments of one message; beyond it the parser fails with 1009, as soon as the
 *   announced length shows it
 */
MrWebsocketParser *mr_websocket_parser_new (MrWebsocketRole role, gsize max_message_bytes);
void mr_websocket_parser_free (MrWebsocketParser *parser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWebsocketParser, mr_websocket_parser_free)

void mr_websocket_parser_set_max (MrWebsocketParser *parser, gsize max_message_bytes);

/**
 * mr_websocket_parser_feed:
 *
 * Copies @data in. Take out every message with mr_websocket_parser_next() before feeding much more.
 */
void mr_websocket_parser_feed (MrWebsocketParser *parser, const void *data, gsize length);

/**
 * mr_websocket_parser_next:
 * @message: (out caller-allocates): on %MR_WEBSOCKET_MESSAGE
 * @error: return location on %MR_WEBSOCKET_FAILED: %MR_ERROR_PROTOCOL; see mr_websocket_parser_get_close_code()
 *
 * Fails on reserved bits or opcodes, a wrong mask, fragmented or oversize control frames, a continuation out of turn,
 * an invalid close code, a length that is not minimal, and text or a close reason that is not UTF-8 (checked over the
 * whole message, so that fragments may cut a character). After a failure it fails for ever.
 */
MrWebsocketResult mr_websocket_parser_next (MrWebsocketParser *parser, MrWebsocketMessage *message, GError **error);

/** mr_websocket_parser_get_close_code: after a failure: 1002, 1007 or 1009. */
guint16 mr_websocket_parser_get_close_code (const MrWebsocketParser *parser);

/**
 * mr_websocket_frame_header:
 * @out: at least 14 bytes
 * @role: our side: a client's frame is masked with @mask
 *
 * Writes the header of an unfragmented frame.
 *
 * Returns: its length
 */
gsize mr_websocket_frame_header (guint8 *out, MrWebsocketRole role, MrWebsocketOpcode opcode, guint64 length,
                                 guint32 mask);

/** mr_websocket_mask: applies @mask (as it stands in the header, in memory order) to @data in place. */
void mr_websocket_mask (guint8 *data, gsize length, guint32 mask);

/** mr_websocket_accept_key: (transfer full): `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 4.2.2). */
char *mr_websocket_accept_key (const char *key);
