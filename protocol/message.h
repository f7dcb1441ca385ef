/* SPDX-License-Identifier: MIT */
/*
 * The messages of the worker protocol, version 2026-04-bridge-v1: one struct, one table of fields per
 * type, encode and decode. Pure: bytes in, bytes out.
 */
#pragma once

#include "extension.h"
#include "headers.h"
#include "json.h"
#include "sse.h"

#define MR_PROTOCOL_VERSION "2026-04-bridge-v1"

/** MrMessageType: the tag. Server to worker first, then worker to server. */
typedef enum {
  MR_MESSAGE_REGISTER_ACK,
  MR_MESSAGE_REQUEST,
  MR_MESSAGE_CANCEL,
  MR_MESSAGE_PING,
  MR_MESSAGE_GRACEFUL_SHUTDOWN,
  MR_MESSAGE_MODELS_REFRESH,
  MR_MESSAGE_REGISTER,
  MR_MESSAGE_MODELS_UPDATE,
  MR_MESSAGE_RESPONSE_START,
  MR_MESSAGE_RESPONSE_CHUNK,
  MR_MESSAGE_RESPONSE_COMPLETE,
  MR_MESSAGE_PONG,
  MR_MESSAGE_ERROR,
  MR_MESSAGE_WINDOW_UPDATE, /* either way */
  MR_MESSAGE_N_TYPES
} MrMessageType;

/** MrMessageSender: who may send a type. */
typedef enum { MR_SENDER_SERVER = 1, MR_SENDER_WORKER = 2 } MrMessageSender;

/**
 * MrMessage:
 *
 * Every field that some type has; mr_message_encode() and mr_message_decode() touch those of the message's own type.
 * Absent: %NULL for pointers, -1 for the integers marked optional (set them with %MR_MESSAGE_INIT).
 *
 * To send, fill one with borrowed pointers: `(MrMessage){ MR_MESSAGE_INIT (CANCEL), .request_id = id, ... }`.
 * What mr_message_decode() returns is owned and freed by mr_message_clear().
 */
typedef struct {
  MrMessageType type;

  char *request_id;
  char *worker_id;
  char *worker_name;
  char *model;
  char *endpoint_path;
  char *protocol_version; /* optional */
  char *version;          /* register: of the worker's program; optional, ours */
  char *reason; /* cancel: the word, or the text of {"other": text}; graceful_shutdown, models_refresh: optional */
  gboolean reason_is_other; /* cancel: it came, or is to be sent, as {"other": text}; implied by a text of one's own */
  char *code;
  char *text; /* `message` of an error */

  char **models;
  char **warnings;   /* optional */
  char **extensions; /* optional */

  MrHeaders *headers; /* optional */

  /* `chunk` of response_chunk, `body` of request and response_complete. Bytes, may contain NUL.
   * Decoded: borrows from the input text where nothing was escaped, else from @unescaped. data is NULL when absent. */
  MrSpan payload;
  GString *unescaped; /* Owned: backs @payload; NULL otherwise */

  gboolean is_streaming;
  gint64 max_concurrent;
  gint64 current_load; /* optional in register */
  gint64 status_code;
  gint64 timestamp_unix_ms;  /* optional */
  gint64 drain_timeout_secs; /* optional */
  gint64 body_bytes; /* request, response_complete: in place of the payload, which follows in binary frames; optional */
  gint64 bytes;      /* window_update */
  gint64 window_bytes;  /* register_ack: each request's window at its start; optional */
  MrUsage token_counts; /* optional: all -1 */
} MrMessage;

#define MR_MESSAGE_INIT(TYPE)                                                                                          \
  .type = MR_MESSAGE_##TYPE, .current_load = -1, .timestamp_unix_ms = -1, .drain_timeout_secs = -1, .body_bytes = -1,  \
  .window_bytes = -1, .token_counts = { -1, -1, -1 }

/** mr_message_clear: frees what a decoded message owns and zeroes it. */
void mr_message_clear (MrMessage *message);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrMessage, mr_message_clear)

/** mr_message_type_name: the tag on the wire, e.g. "response_chunk". */
const char *mr_message_type_name (MrMessageType type);

/**
 * mr_message_encode:
 * @message: borrowed; strings must be UTF-8 (payload: see mr_utf8_complete_length())
 * @out: the JSON text is appended
 *
 * Optional fields are left out when they are absent or empty. An empty but present payload of response_complete
 * or request (data not NULL, length 0) is sent as "".
 */
void mr_message_encode (const MrMessage *message, GString *out);

/**
 * mr_message_decode:
 * @text: one WebSocket text message; must stay unchanged while @message is used
 * @length: its length
 * @sender: which side sent it; a type of the other side is an error
 * @message: (out caller-allocates): filled on success, untouched on failure
 * @error: return location
 *
 * Unknown members are ignored. `null` counts as absent for optional members only. A missing required member, a member
 * of the wrong type, a negative or oversize integer, a NUL in a name, an unknown type, or broken JSON is
 * %MR_ERROR_PROTOCOL (the message says which member).
 */
gboolean mr_message_decode (const char *text, gsize length, MrMessageSender sender, MrMessage *message, GError **error);
