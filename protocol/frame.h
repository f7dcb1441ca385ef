/* SPDX-License-Identifier: MIT */
/*
 * The binary messages of the `binary_frames` extension: bodies as they are, without JSON escaping. Pure.
 *
 *   | u8 kind | u8 flags | u16 id_length | request id ... | payload ... |      integers big-endian
 */
#pragma once

#include "json.h"
#include "message.h"

typedef enum {
  MR_FRAME_REQUEST_BODY = 1,   /* server to worker */
  MR_FRAME_RESPONSE_CHUNK = 2, /* worker to server: of a streamed answer */
  MR_FRAME_RESPONSE_BODY = 3,  /* worker to server: after a response_complete with body_bytes */
} MrFrameKind;

/** MrFrame: spans of the message's own bytes. */
typedef struct {
  MrFrameKind kind;
  gboolean last; /* of this kind for the request */
  MrSpan request_id;
  MrSpan payload;
} MrFrame;

/** mr_frame_header_length: bytes before the payload. */
gsize mr_frame_header_length (const MrFrame *frame);

/** mr_frame_write_header: @out: mr_frame_header_length() bytes. The id is at most %MR_LIMIT_REQUEST_ID_BYTES long. */
void mr_frame_write_header (const MrFrame *frame, guint8 *out);

/**
 * mr_frame_decode:
 * @sender: which side sent it
 * @frame: (out caller-allocates): untouched on failure
 *
 * Returns: %FALSE with %MR_ERROR_PROTOCOL when it is cut short, has no id or one that is too long, unknown flags, or a
 * kind that @sender may not send
 */
gboolean mr_frame_decode (const char *data, gsize length, MrMessageSender sender, MrFrame *frame, GError **error);
