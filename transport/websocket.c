/* SPDX-License-Identifier: MIT */
/*
 * RFC 6455 frames, both ways. The parser keeps its input in one buffer, decodes a frame's header anew until the whole
 * frame is there, unmasks it where it lies and hands it out from there; only fragments are copied together. No I/O, no
 * policy: what a failure or a close frame causes is the business of link.c.
 */
#include "websocket.h"

#include "error.h"
#include "json.h"

#include <string.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define MAX_CONTROL_BYTES 125

/* An empty buffer up to this size is kept for the next bytes; a larger one is given back. */
#define KEEP_BYTES 4096

struct _MrWebsocketParser {
  MrWebsocketRole role;
  gsize max_message_bytes;

  guint8 *buffer; /* Owned; the unread bytes are those from start to end */
  gsize start;
  gsize end;
  gsize capacity;

  GString *fragments; /* Owned: an unfinished message's payload so far; NULL between messages */
  MrWebsocketOpcode fragments_opcode;
  gsize fragments_checked; /* so many bytes of it are whole UTF-8 characters */
  GString *whole;          /* Owned: the fragmented message that was handed out last; NULL if it was in one frame */

  guint16 close_code; /* 0 until a failure */
  GError *failure;    /* Owned; NULL until then */
};

typedef struct {
  gboolean final;
  gboolean masked;
  guint8 reserved;
  MrWebsocketOpcode opcode;
  guint32 mask;
  gsize header_bytes;
  guint64 length;
} Frame;

MrWebsocketParser *
mr_websocket_parser_new (MrWebsocketRole role, gsize max_message_bytes)
{
  MrWebsocketParser *parser = g_new0 (MrWebsocketParser, 1);

  parser->role = role;
  parser->max_message_bytes = max_message_bytes;
  return parser;
}

static void
free_string (GString *string)
{
  g_string_free (string, TRUE);
}

void
mr_websocket_parser_free (MrWebsocketParser *parser)
{
  if (parser == NULL) {
    return;
  }
  g_free (parser->buffer);
  g_clear_pointer (&parser->fragments, free_string);
  g_clear_pointer (&parser->whole, free_string);
  g_clear_error (&parser->failure);
  g_free (parser);
}

void
mr_websocket_parser_set_max (MrWebsocketParser *parser, gsize max_message_bytes)
{
  parser->max_message_bytes = max_message_bytes;
}

void
mr_websocket_parser_feed (MrWebsocketParser *parser, const void *data, gsize length)
{
  if (length == 0 || parser->failure != NULL) {
    return;
  }
  if (parser->capacity - parser->end < length) {
    gsize unread = parser->end - parser->start;

    /* Moving is paid for by the bytes that were consumed since the last move, so the sum stays linear. */
    if (parser->start >= unread) {
      if (unread > 0) {
        memmove (parser->buffer, parser->buffer + parser->start, unread);
      }
      parser->start = 0;
      parser->end = unread;
    }
    if (parser->capacity - parser->end < length) {
      parser->capacity = MAX (parser->end + length, parser->capacity * 2);
      parser->buffer = g_realloc (parser->buffer, parser->capacity);
    }
  }
  memcpy (parser->buffer + parser->end, data, length);
  parser->end += length;
}

static MrWebsocketResult
fail (MrWebsocketParser *parser, guint16 close_code, const char *message)
{
  parser->close_code = close_code;
  parser->failure = g_error_new_literal (MR_ERROR, MR_ERROR_PROTOCOL, message);
  return MR_WEBSOCKET_FAILED;
}

static guint64
read_big_endian (const guint8 *bytes, gsize n)
{
  guint64 value = 0;

  for (gsize i = 0; i < n; i++) {
    value = value << 8 | bytes[i];
  }
  return value;
}

/* Reads the header at the start of the unread bytes; FALSE while it is not complete. */
static gboolean
decode_header (const MrWebsocketParser *parser, Frame *frame)
{
  gsize available = parser->end - parser->start;
  gsize length_bytes = 0;
  const guint8 *bytes;

  if (available < 2) {
    return FALSE;
  }
  bytes = parser->buffer + parser->start;
  frame->final = (bytes[0] & 0x80) != 0;
  frame->reserved = bytes[0] & 0x70;
  frame->opcode = bytes[0] & 0x0f;
  frame->masked = (bytes[1] & 0x80) != 0;
  frame->length = bytes[1] & 0x7f;
  if (frame->length >= 126) {
    length_bytes = frame->length == 126 ? 2 : 8;
  }
  frame->header_bytes = 2 + length_bytes + (frame->masked ? 4 : 0);
  if (available < frame->header_bytes) {
    return FALSE;
  }
  if (length_bytes > 0) {
    frame->length = read_big_endian (bytes + 2, length_bytes);
  }
  if (frame->masked) {
    memcpy (&frame->mask, bytes + 2 + length_bytes, sizeof frame->mask);
  }
  return TRUE;
}

static gsize
plain_header_bytes (guint64 length)
{
  if (length < 126) {
    return 2;
  }
  return length <= G_MAXUINT16 ? 4 : 10;
}

static gboolean
is_known_opcode (MrWebsocketOpcode opcode)
{
  return opcode <= MR_WEBSOCKET_BINARY || (opcode >= MR_WEBSOCKET_CLOSE && opcode <= MR_WEBSOCKET_PONG);
}

/* Everything that a header alone can show to be wrong. */
static MrWebsocketResult
check_header (MrWebsocketParser *parser, const Frame *frame)
{
  gboolean control = frame->opcode >= MR_WEBSOCKET_CLOSE;
  gsize before = parser->fragments != NULL ? parser->fragments->len : 0;

  if (frame->reserved != 0) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a frame has reserved bits set");
  }
  if (!is_known_opcode (frame->opcode)) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a frame has a reserved opcode");
  }
  if (frame->masked != (parser->role == MR_WEBSOCKET_SERVER)) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR,
                 frame->masked ? "a server's frame is masked" : "a client's frame is not masked");
  }
  if (frame->header_bytes != plain_header_bytes (frame->length) + (frame->masked ? 4 : 0)) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a frame's length is not in its shortest form");
  }
  if (control) {
    if (!frame->final || frame->length > MAX_CONTROL_BYTES) {
      return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a control frame is fragmented or too long");
    }
    return MR_WEBSOCKET_MESSAGE;
  }
  if ((frame->opcode == MR_WEBSOCKET_CONTINUATION) != (parser->fragments != NULL)) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR,
                 parser->fragments != NULL ? "a message starts inside another" : "a continuation continues nothing");
  }
  if (before > parser->max_message_bytes || frame->length > parser->max_message_bytes - before) {
    return fail (parser, MR_CLOSE_TOO_BIG, "a message is too big");
  }
  return MR_WEBSOCKET_MESSAGE;
}

static gboolean
is_valid_close_code (guint16 code)
{
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static gboolean
is_utf8 (const char *data, gsize length)
{
  gsize complete;

  return length == 0 || (mr_utf8_complete_length (data, length, &complete) && complete == length);
}

static MrWebsocketResult
take_control (MrWebsocketParser *parser, const Frame *frame, const guint8 *payload, MrWebsocketMessage *message)
{
  *message = (MrWebsocketMessage){ .opcode = frame->opcode, .data = (const char *) payload, .length = frame->length };
  if (frame->opcode != MR_WEBSOCKET_CLOSE) {
    return MR_WEBSOCKET_MESSAGE;
  }
  if (frame->length == 0) {
    message->close_code = MR_CLOSE_NO_STATUS;
    return MR_WEBSOCKET_MESSAGE;
  }
  if (frame->length == 1) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a close frame has half a code");
  }
  message->close_code = read_big_endian (payload, 2);
  message->data += 2;
  message->length -= 2;
  if (!is_valid_close_code (message->close_code)) {
    return fail (parser, MR_CLOSE_PROTOCOL_ERROR, "a close frame has an invalid code");
  }
  if (!is_utf8 (message->data, message->length)) {
    return fail (parser, MR_CLOSE_BAD_DATA, "a close reason is not UTF-8");
  }
  return MR_WEBSOCKET_MESSAGE;
}

/* Adds a fragment; the last one completes the message. Text is checked fragment by fragment. */
static MrWebsocketResult
take_fragment (MrWebsocketParser *parser, const Frame *frame, const guint8 *payload, MrWebsocketMessage *message)
{
  if (parser->fragments == NULL) {
    parser->fragments = g_string_sized_new (frame->length);
    parser->fragments_opcode = frame->opcode;
    parser->fragments_checked = 0;
  }
  g_string_append_len (parser->fragments, (const char *) payload, frame->length);
  if (parser->fragments_opcode == MR_WEBSOCKET_TEXT) {
    gsize unchecked = parser->fragments->len - parser->fragments_checked;
    gsize complete = 0;

    if (unchecked > 0 &&
        !mr_utf8_complete_length (parser->fragments->str + parser->fragments_checked, unchecked, &complete)) {
      return fail (parser, MR_CLOSE_BAD_DATA, "a text message is not UTF-8");
    }
    if (frame->final && complete != unchecked) {
      return fail (parser, MR_CLOSE_BAD_DATA, "a text message ends inside a character");
    }
    parser->fragments_checked += complete;
  }
  if (!frame->final) {
    return MR_WEBSOCKET_NEED_MORE;
  }
  parser->whole = g_steal_pointer (&parser->fragments);
  *message = (MrWebsocketMessage){ .opcode = parser->fragments_opcode,
                                   .data = parser->whole->str,
                                   .length = parser->whole->len };
  return MR_WEBSOCKET_MESSAGE;
}

static MrWebsocketResult
take_frame (MrWebsocketParser *parser, const Frame *frame, guint8 *payload, MrWebsocketMessage *message)
{
  if (frame->opcode >= MR_WEBSOCKET_CLOSE) {
    return take_control (parser, frame, payload, message);
  }
  if (!frame->final || frame->opcode == MR_WEBSOCKET_CONTINUATION) {
    return take_fragment (parser, frame, payload, message);
  }
  if (frame->opcode == MR_WEBSOCKET_TEXT && !is_utf8 ((const char *) payload, frame->length)) {
    return fail (parser, MR_CLOSE_BAD_DATA, "a text message is not UTF-8");
  }
  *message = (MrWebsocketMessage){ .opcode = frame->opcode, .data = (const char *) payload, .length = frame->length };
  return MR_WEBSOCKET_MESSAGE;
}

/* One frame, if it is there: NEED_MORE with *consumed set means that it was a fragment and another may follow. */
static MrWebsocketResult
next_frame (MrWebsocketParser *parser, MrWebsocketMessage *message, gboolean *consumed)
{
  Frame frame = { 0 };
  MrWebsocketResult result;
  guint8 *payload;

  *consumed = FALSE;
  if (!decode_header (parser, &frame)) {
    return MR_WEBSOCKET_NEED_MORE;
  }
  result = check_header (parser, &frame);
  if (result == MR_WEBSOCKET_FAILED) {
    return result;
  }
  if (parser->end - parser->start - frame.header_bytes < frame.length) {
    return MR_WEBSOCKET_NEED_MORE;
  }
  payload = parser->buffer + parser->start + frame.header_bytes;
  if (frame.masked) {
    mr_websocket_mask (payload, frame.length, frame.mask);
  }
  parser->start += frame.header_bytes + frame.length;
  *consumed = TRUE;
  return take_frame (parser, &frame, payload, message);
}

static void
rewind_empty_buffer (MrWebsocketParser *parser)
{
  if (parser->start < parser->end) {
    return;
  }
  parser->start = parser->end = 0;
  if (parser->capacity > KEEP_BYTES) {
    g_clear_pointer (&parser->buffer, g_free);
    parser->capacity = 0;
  }
}

MrWebsocketResult
mr_websocket_parser_next (MrWebsocketParser *parser, MrWebsocketMessage *message, GError **error)
{
  MrWebsocketMessage found = { 0 };
  MrWebsocketResult result = MR_WEBSOCKET_FAILED;
  gboolean consumed = TRUE;

  g_clear_pointer (&parser->whole, free_string);
  if (parser->failure == NULL) {
    do {
      rewind_empty_buffer (parser);
      result = next_frame (parser, &found, &consumed);
    } while (result == MR_WEBSOCKET_NEED_MORE && consumed);
  }
  if (result == MR_WEBSOCKET_FAILED) {
    g_propagate_error (error, g_error_copy (parser->failure));
  } else if (result == MR_WEBSOCKET_MESSAGE) {
    *message = found;
  }
  return result;
}

guint16
mr_websocket_parser_get_close_code (const MrWebsocketParser *parser)
{
  return parser->close_code;
}

gsize
mr_websocket_frame_header (guint8 *out, MrWebsocketRole role, MrWebsocketOpcode opcode, guint64 length, guint32 mask)
{
  gsize bytes = plain_header_bytes (length);
  gsize length_bytes = bytes - 2;
  guint8 masked = role == MR_WEBSOCKET_CLIENT ? 0x80 : 0;

  out[0] = 0x80 | opcode;
  out[1] = masked | (length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127);
  for (gsize i = 0; i < length_bytes; i++) {
    out[2 + i] = length >> (8 * (length_bytes - 1 - i));
  }
  if (masked) {
    memcpy (out + bytes, &mask, sizeof mask);
    bytes += sizeof mask;
  }
  return bytes;
}

void
mr_websocket_mask (guint8 *data, gsize length, guint32 mask)
{
  guint64 wide = (guint64) mask << 32 | mask;
  guint8 bytes[4];
  gsize i = 0;

  for (; length - i >= sizeof wide; i += sizeof wide) {
    guint64 word;

    memcpy (&word, data + i, sizeof word);
    word ^= wide;
    memcpy (data + i, &word, sizeof word);
  }
  memcpy (bytes, &mask, sizeof bytes);
  for (; i < length; i++) {
    data[i] ^= bytes[i % 4];
  }
}

char *
mr_websocket_accept_key (const char *key)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA1);
  guint8 digest[20];
  gsize length = sizeof digest;

  g_checksum_update (checksum, (const guchar *) key, -1);
  g_checksum_update (checksum, (const guchar *) ACCEPT_GUID, -1);
  g_checksum_get_digest (checksum, digest, &length);
  return g_base64_encode (digest, length);
}
