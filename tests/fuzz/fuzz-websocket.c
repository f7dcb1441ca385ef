/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket frame parser in both roles: a stream gives the same messages in one piece and in any pieces, and each
 * message survives being framed again for the other side.
 *
 *   input: role and cap (bit 0, bit 1), pieces (fuzz.h), stream
 */
#include "error.h"
#include "fuzz.h"
#include "websocket.h"

#include <string.h>

#define SMALL_CAP 40
#define LARGE_CAP (1024 * 1024)

static void
check_message (const MrWebsocketMessage *message, gsize cap)
{
  gboolean control = message->opcode >= MR_WEBSOCKET_CLOSE;

  g_assert (message->opcode != MR_WEBSOCKET_CONTINUATION && message->opcode <= MR_WEBSOCKET_PONG);
  g_assert (message->length <= (control ? 125 : cap));
  g_assert ((message->close_code != 0) == (message->opcode == MR_WEBSOCKET_CLOSE));
  if (message->opcode == MR_WEBSOCKET_TEXT && memchr (message->data, '\0', message->length) == NULL)
    g_assert (g_utf8_validate_len (message->data, message->length, NULL));
}

/* Frames @message as its sender did, by our own hand, and reads it back. */
static void
check_frame (MrWebsocketRole role, const MrWebsocketMessage *message, guint32 mask)
{
  MrWebsocketRole sender = role == MR_WEBSOCKET_SERVER ? MR_WEBSOCKET_CLIENT : MR_WEBSOCKET_SERVER;
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (role, LARGE_CAP);
  g_autofree guint8 *payload = (guint8 *) fuzz_dup (message->data, message->length);
  MrWebsocketMessage back;
  guint8 header[14];

  mr_websocket_parser_feed (parser, header,
                            mr_websocket_frame_header (header, sender, message->opcode, message->length, mask));
  if (sender == MR_WEBSOCKET_CLIENT)
    mr_websocket_mask (payload, message->length, mask);
  mr_websocket_parser_feed (parser, payload, message->length);
  g_assert (mr_websocket_parser_next (parser, &back, NULL) == MR_WEBSOCKET_MESSAGE);
  g_assert (back.opcode == message->opcode && back.length == message->length);
  g_assert (back.length == 0 || memcmp (back.data, message->data, back.length) == 0);
}

/* Takes what is to be had into the log. Returns: FALSE after a failure */
static gboolean
take_all (MrWebsocketParser *parser, MrWebsocketRole role, gsize cap, GString *log)
{
  for (;;) {
    MrWebsocketMessage message;
    g_autoptr (GError) error = NULL;
    MrWebsocketResult result = mr_websocket_parser_next (parser, &message, &error);

    g_assert ((result == MR_WEBSOCKET_FAILED) == (error != NULL));
    if (result == MR_WEBSOCKET_NEED_MORE)
      return TRUE;
    if (result == MR_WEBSOCKET_FAILED) {
      g_assert (error->domain == MR_ERROR && error->code == MR_ERROR_PROTOCOL);
      g_string_append_printf (log, "failed %u: %s", mr_websocket_parser_get_close_code (parser), error->message);
      return FALSE;
    }
    check_message (&message, cap);
    if (message.opcode != MR_WEBSOCKET_CLOSE)
      check_frame (role, &message, (guint32) log->len * 0x9e3779b9u);
    g_string_append_printf (log, "%d %u %" G_GSIZE_FORMAT ":", message.opcode, message.close_code, message.length);
    g_string_append_len (log, message.data, message.length);
  }
}

static GString *
parse (MrWebsocketRole role, gsize cap, FuzzPieces pieces, const guint8 *data, gsize length)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (role, cap);
  GString *log = g_string_new (NULL);
  gboolean alive = TRUE;

  while (alive && length > 0) {
    gsize size = fuzz_pieces_next (&pieces, length);

    mr_websocket_parser_feed (parser, data, size);
    alive = take_all (parser, role, cap, log);
    data += size;
    length -= size;
  }
  if (!alive) {
    MrWebsocketMessage message;

    mr_websocket_parser_feed (parser, "\x89", 1);
    g_assert (mr_websocket_parser_next (parser, &message, NULL) == MR_WEBSOCKET_FAILED);
  }
  return log;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  guint8 choice = fuzz_take_byte (&data, &length);
  MrWebsocketRole role = choice & 1 ? MR_WEBSOCKET_CLIENT : MR_WEBSOCKET_SERVER;
  gsize cap = choice & 2 ? LARGE_CAP : SMALL_CAP;
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  g_autoptr (GString) in_pieces = parse (role, cap, pieces, data, length);
  g_autoptr (GString) whole = parse (role, cap, (FuzzPieces){ NULL }, data, length);

  g_assert (g_string_equal (in_pieces, whole));
  return 0;
}
