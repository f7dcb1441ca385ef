/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket of raw-websocket.h.
 */
#include "raw-websocket.h"

#include <string.h>

MrtWebsocket *
mrt_websocket_new (MrtStream *stream, MrtHead *handshake, gboolean client)
{
  MrtWebsocket *socket = g_new0 (MrtWebsocket, 1);

  socket->stream = stream;
  socket->handshake = handshake;
  socket->client = client;
  return socket;
}

void
mrt_websocket_free (MrtWebsocket *socket)
{
  if (socket == NULL)
    return;
  mrt_stream_free (socket->stream);
  mrt_head_free (socket->handshake);
  g_free (socket->close_reason);
  g_free (socket);
}

char *
mrt_websocket_accept_key (const char *key)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA1);
  guint8 digest[20];
  gsize length = sizeof digest;

  g_checksum_update (checksum, (const guchar *) key, -1);
  g_checksum_update (checksum, (const guchar *) "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", -1);
  g_checksum_get_digest (checksum, digest, &length);
  return g_base64_encode (digest, length);
}

void
mrt_websocket_send_frame (MrtWebsocket *socket, guint8 first_byte, const void *data, gsize length)
{
  static const guint8 mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  guint8 masked = socket->client ? 0x80 : 0;
  guint8 head[10] = { first_byte };
  guint64 wide = GUINT64_TO_BE (length);
  guint16 narrow = GUINT16_TO_BE ((guint16) length);

  if (length < 126) {
    head[1] = (guint8) (masked | length);
    g_byte_array_append (frame, head, 2);
  } else if (length <= G_MAXUINT16) {
    head[1] = masked | 126;
    g_byte_array_append (frame, head, 2);
    g_byte_array_append (frame, (guint8 *) &narrow, 2);
  } else {
    head[1] = masked | 127;
    g_byte_array_append (frame, head, 2);
    g_byte_array_append (frame, (guint8 *) &wide, 8);
  }
  if (socket->client)
    g_byte_array_append (frame, mask, 4);
  g_byte_array_append (frame, data, (guint) length);
  for (gsize i = 0; socket->client && i < length; i++)
    frame->data[frame->len - length + i] ^= mask[i % 4];
  mrt_stream_write (socket->stream, frame->data, frame->len);
}

void
mrt_websocket_send (MrtWebsocket *socket, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  mrt_websocket_send_frame (socket, MRT_FRAME_FIN | MRT_FRAME_TEXT, text, strlen (text));
}

void
mrt_websocket_close (MrtWebsocket *socket, guint code, const char *reason)
{
  g_autoptr (GString) payload = g_string_new (NULL);

  g_string_append_c (payload, (char) (code >> 8));
  g_string_append_c (payload, (char) (code & 0xff));
  g_string_append (payload, reason);
  mrt_websocket_send_frame (socket, MRT_FRAME_FIN | MRT_FRAME_CLOSE, payload->str, payload->len);
}

static gboolean
fill_to (MrtWebsocket *socket, gsize n, gint64 deadline, MrtMessage *result)
{
  while (socket->stream->in->len < n) {
    MrtRead got = mrt_stream_fill (socket->stream, (int) MAX (0, deadline - mrt_now_ms ()));

    if (got == MRT_READ_TIMEOUT) {
      *result = MRT_MESSAGE_TIMEOUT;
      return FALSE;
    }
    if (got != MRT_READ_DATA) {
      socket->close_code = 1006;
      *result = MRT_MESSAGE_CLOSED;
      return FALSE;
    }
  }
  return TRUE;
}

/* Appends the payload of the next frame to @out; bytes stay in the stream until the frame is whole. */
static gboolean
take_frame (MrtWebsocket *socket, GString *out, guint8 *first_byte, gint64 deadline, MrtMessage *result)
{
  GString *in = socket->stream->in;
  gsize head = 2;
  guint64 length;

  if (!fill_to (socket, 2, deadline, result))
    return FALSE;
  if (((guint8) in->str[1] & 0x80) != (socket->client ? 0 : 0x80))
    g_error ("a frame came with the wrong masking");
  length = (guint8) in->str[1] & 0x7f;
  if (length >= 126) {
    guint n = length == 126 ? 2 : 8;

    if (!fill_to (socket, 2 + n, deadline, result))
      return FALSE;
    length = 0;
    for (guint i = 0; i < n; i++)
      length = length << 8 | (guint8) in->str[2 + i];
    head += n;
  }
  if (!socket->client)
    head += 4;
  if (!fill_to (socket, head + length, deadline, result))
    return FALSE;
  *first_byte = (guint8) in->str[0];
  if ((*first_byte & 0x70) != 0)
    g_error ("a frame came with reserved bits: extensions were not negotiated");
  for (guint64 i = 0; !socket->client && i < length; i++)
    in->str[head + i] ^= in->str[head - 4 + i % 4];
  g_string_append_len (out, in->str + head, (gssize) length);
  g_string_erase (in, 0, (gssize) (head + length));
  return TRUE;
}

static void
note_close (MrtWebsocket *socket, GString *payload)
{
  const guint8 *bytes = (const guint8 *) payload->str;

  socket->close_code = payload->len >= 2 ? (guint) (bytes[0] << 8 | bytes[1]) : 1005;
  g_free (socket->close_reason);
  socket->close_reason = g_strdup (payload->len > 2 ? payload->str + 2 : "");
  mrt_websocket_send_frame (socket, MRT_FRAME_FIN | MRT_FRAME_CLOSE, payload->str, MIN (payload->len, 2));
}

MrtMessage
mrt_websocket_receive (MrtWebsocket *socket, GString *out, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;
  guint8 first_byte;
  MrtMessage result;

  if (socket->close_code != 0)
    return MRT_MESSAGE_CLOSED;
  while (TRUE) {
    g_string_truncate (out, 0);
    if (!take_frame (socket, out, &first_byte, deadline, &result))
      return result;
    if ((first_byte & MRT_FRAME_FIN) == 0)
      g_error ("a fragmented message came; nobody here sends such");
    switch (first_byte & 0x0f) {
    case MRT_FRAME_TEXT:
      return MRT_MESSAGE_TEXT;
    case MRT_FRAME_BINARY:
      return MRT_MESSAGE_BINARY;
    case MRT_FRAME_PONG:
      return MRT_MESSAGE_PONG;
    case MRT_FRAME_CLOSE:
      note_close (socket, out);
      return MRT_MESSAGE_CLOSED;
    case MRT_FRAME_PING:
      mrt_websocket_send_frame (socket, MRT_FRAME_FIN | MRT_FRAME_PONG, out->str, out->len);
      break;
    default:
      g_error ("a frame came with opcode %u", first_byte & 0x0f);
    }
  }
}

JsonObject *
mrt_websocket_next (MrtWebsocket *socket, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;
  g_autoptr (GString) text = g_string_new (NULL);

  while (TRUE) {
    MrtMessage result = mrt_websocket_receive (socket, text, (int) MAX (0, deadline - mrt_now_ms ()));
    g_autoptr (JsonObject) message = NULL;
    const char *type;

    if (result == MRT_MESSAGE_CLOSED || result == MRT_MESSAGE_TIMEOUT)
      return NULL;
    if (result != MRT_MESSAGE_TEXT)
      g_error ("a binary message or an unasked pong came");
    message = mrt_json_parse (text->str);
    type = mrt_json_string (message, "type");
    if (type == NULL)
      g_error ("a message without type came: %s", text->str);
    if (strcmp (type, "ping") != 0 && strcmp (type, "pong") != 0)
      return g_steal_pointer (&message);
    if (strcmp (type, "ping") == 0 && !socket->mute)
      mrt_websocket_send (socket, "{\"type\":\"pong\",\"current_load\":%u}", socket->load);
  }
}

JsonObject *
mrt_websocket_expect (MrtWebsocket *socket, const char *type)
{
  JsonObject *message = mrt_websocket_next (socket, MRT_WAIT_MS);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  if (message == NULL)
    g_error ("expected %s, but %s (close code %u, reason \"%s\")", type,
             socket->close_code != 0 ? "the link closed" : "nothing came", socket->close_code,
             socket->close_reason != NULL ? socket->close_reason : "");
  if (strcmp (mrt_json_string (message, "type"), type) != 0) {
    json_node_set_object (node, message);
    text = json_to_string (node, FALSE);
    g_error ("expected %s, got %.2000s", type, text);
  }
  return message;
}

gboolean
mrt_websocket_is_quiet (MrtWebsocket *socket, int timeout_ms)
{
  g_autoptr (JsonObject) message = mrt_websocket_next (socket, timeout_ms);

  return message == NULL && socket->close_code == 0;
}

static gboolean
is_protocol_ping (const GString *text)
{
  g_autoptr (JsonObject) message = mrt_json_parse (text->str);

  return g_strcmp0 (mrt_json_string (message, "type"), "ping") == 0;
}

void
mrt_websocket_sync (MrtWebsocket *socket)
{
  g_autoptr (GString) text = g_string_new (NULL);
  MrtMessage result;

  mrt_websocket_send_frame (socket, MRT_FRAME_FIN | MRT_FRAME_PING, "sync", 4);
  do
    result = mrt_websocket_receive (socket, text, MRT_WAIT_MS);
  while (result == MRT_MESSAGE_TEXT && is_protocol_ping (text));
  if (result != MRT_MESSAGE_PONG)
    g_error ("expected the answer to a WebSocket ping, got \"%s\"", text->str);
}

void
mrt_websocket_expect_close (MrtWebsocket *socket, guint code, const char *reason)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  g_autoptr (GString) text = g_string_new (NULL);

  while (socket->close_code == 0 && mrt_now_ms () < deadline)
    mrt_websocket_receive (socket, text, (int) MAX (0, deadline - mrt_now_ms ()));
  /* The other side need not wait for us any longer. */
  mrt_stream_half_close (socket->stream);
  g_assert_cmpuint (socket->close_code, ==, code);
  if (reason != NULL)
    g_assert_cmpstr (socket->close_reason, ==, reason);
}
