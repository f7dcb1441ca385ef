/* SPDX-License-Identifier: MIT */
/*
 * Layout of binary messages. See frame.h.
 */
#include "frame.h"

#include "error.h"
#include "limits.h"

#include <string.h>

#define FIXED_BYTES 4
#define FLAG_LAST 1

gsize
mr_frame_header_length (const MrFrame *frame)
{
  return FIXED_BYTES + frame->request_id.length;
}

void
mr_frame_write_header (const MrFrame *frame, guint8 *out)
{
  out[0] = (guint8) frame->kind;
  out[1] = frame->last ? FLAG_LAST : 0;
  out[2] = (guint8) (frame->request_id.length >> 8);
  out[3] = (guint8) frame->request_id.length;
  memcpy (out + FIXED_BYTES, frame->request_id.data, frame->request_id.length);
}

static gboolean
may_send (MrMessageSender sender, guint8 kind)
{
  if (sender == MR_SENDER_SERVER)
    return kind == MR_FRAME_REQUEST_BODY;
  return kind == MR_FRAME_RESPONSE_CHUNK || kind == MR_FRAME_RESPONSE_BODY;
}

gboolean
mr_frame_decode (const char *data, gsize length, MrMessageSender sender, MrFrame *frame, GError **error)
{
  const guint8 *bytes = (const guint8 *) data;
  gsize id_length = length >= FIXED_BYTES ? ((gsize) bytes[2] << 8) + bytes[3] : 0;

  if (id_length == 0 || id_length > MR_LIMIT_REQUEST_ID_BYTES || length - FIXED_BYTES < id_length) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_PROTOCOL, "binary message without a whole request id");
    return FALSE;
  }
  if (!may_send (sender, bytes[0]) || (bytes[1] & ~FLAG_LAST) != 0) {
    g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "binary message of kind %u with flags %u", bytes[0], bytes[1]);
    return FALSE;
  }
  *frame = (MrFrame){
    .kind = (MrFrameKind) bytes[0],
    .last = (bytes[1] & FLAG_LAST) != 0,
    .request_id = { data + FIXED_BYTES, id_length },
    .payload = { data + FIXED_BYTES + id_length, length - FIXED_BYTES - id_length },
  };
  return TRUE;
}
