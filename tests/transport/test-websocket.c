/* SPDX-License-Identifier: MIT */
/*
 * The frame layer against frames that this file builds itself: every rule of RFC 6455 that the parser keeps, and
 * random streams in random pieces. Foreign implementations are in tests/npm.
 */
#include "error.h"
#include "websocket.h"

#include <string.h>

#define MASK_BYTES "\x12\x34\x56\x78"
#define FINAL 0x80

/* --- an encoder and a recorder of our own --- */

static void
append_frame (GByteArray *stream, guint8 first_byte, gboolean masked, const char *payload, gsize length)
{
  static const guint8 mask[] = MASK_BYTES;
  guint8 mask_bit = masked ? 0x80 : 0;

  g_byte_array_append (stream, &first_byte, 1);
  if (length < 126) {
    g_byte_array_append (stream, (guint8[]){ mask_bit | length }, 1);
  } else if (length < 65536) {
    g_byte_array_append (stream, (guint8[]){ mask_bit | 126, length >> 8, length & 0xff }, 3);
  } else {
    g_byte_array_append (stream, (guint8[]){ mask_bit | 127, 0, 0, 0, 0 }, 5);
    g_byte_array_append (stream, (guint8[]){ length >> 24, length >> 16, length >> 8, length }, 4);
  }
  if (masked) {
    g_byte_array_append (stream, mask, 4);
  }
  for (gsize i = 0; i < length; i++) {
    guint8 byte = masked ? payload[i] ^ mask[i % 4] : payload[i];

    g_byte_array_append (stream, &byte, 1);
  }
}

static void
append_text (GByteArray *stream, guint8 first_byte, const char *text)
{
  append_frame (stream, first_byte, TRUE, text, strlen (text));
}

static void
record (GString *log, const MrWebsocketMessage *message)
{
  g_autofree char *sum =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) message->data, message->length);

  g_string_append_printf (log, "%d:%" G_GSIZE_FORMAT ":%u:%s\n", message->opcode, message->length, message->close_code,
                          sum);
}

/* Everything that is to be had now goes into the log; a failure's code is its last line. FALSE after one. */
static gboolean
take_all (MrWebsocketParser *parser, GString *log)
{
  for (;;) {
    MrWebsocketMessage message;
    g_autoptr (GError) error = NULL;

    switch (mr_websocket_parser_next (parser, &message, &error)) {
    case MR_WEBSOCKET_NEED_MORE:
      return TRUE;
    case MR_WEBSOCKET_MESSAGE:
      record (log, &message);
      break;
    case MR_WEBSOCKET_FAILED:
      g_assert_error (error, MR_ERROR, MR_ERROR_PROTOCOL);
      g_string_append_printf (log, "failed %u\n", mr_websocket_parser_get_close_code (parser));
      return FALSE;
    }
  }
}

static void
assert_message (MrWebsocketParser *parser, MrWebsocketOpcode opcode, const char *data, gsize length)
{
  MrWebsocketMessage message;
  g_autoptr (GError) error = NULL;
  MrWebsocketResult result = mr_websocket_parser_next (parser, &message, &error);

  g_assert_no_error (error);
  g_assert_cmpint (result, ==, MR_WEBSOCKET_MESSAGE);
  g_assert_cmpint (message.opcode, ==, opcode);
  g_assert_cmpmem (message.data, message.length, data, length);
}

static void
assert_needs_more (MrWebsocketParser *parser)
{
  MrWebsocketMessage message;

  g_assert_cmpint (mr_websocket_parser_next (parser, &message, NULL), ==, MR_WEBSOCKET_NEED_MORE);
}

static void
assert_fails (MrWebsocketRole role, gsize max, const guint8 *bytes, gsize length, guint16 code)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (role, max);

  mr_websocket_parser_feed (parser, bytes, length);
  for (int again = 0; again < 2; again++) {
    MrWebsocketMessage message;
    g_autoptr (GError) error = NULL;
    MrWebsocketResult result = mr_websocket_parser_next (parser, &message, &error);

    while (result == MR_WEBSOCKET_MESSAGE) {
      result = mr_websocket_parser_next (parser, &message, &error);
    }
    g_assert_cmpint (result, ==, MR_WEBSOCKET_FAILED);
    g_assert_error (error, MR_ERROR, MR_ERROR_PROTOCOL);
    g_assert_cmpint (mr_websocket_parser_get_close_code (parser), ==, code);
    mr_websocket_parser_feed (parser, "\x81\x80" MASK_BYTES, 6);
  }
}

/* --- whole messages --- */

static void
test_lengths (void)
{
  static const gsize lengths[] = { 0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 1000000 };
  g_autofree char *payload = g_malloc (1000000);

  memset (payload, 'x', 1000000);
  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    for (int masked = 0; masked < 2; masked++) {
      MrWebsocketRole role = masked ? MR_WEBSOCKET_SERVER : MR_WEBSOCKET_CLIENT;
      g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (role, 1000000);
      g_autoptr (GByteArray) stream = g_byte_array_new ();

      append_frame (stream, FINAL | MR_WEBSOCKET_TEXT, masked, payload, lengths[i]);
      append_frame (stream, FINAL | MR_WEBSOCKET_BINARY, masked, payload, lengths[i]);
      mr_websocket_parser_feed (parser, stream->data, stream->len - 1);
      assert_message (parser, MR_WEBSOCKET_TEXT, payload, lengths[i]);
      assert_needs_more (parser);
      mr_websocket_parser_feed (parser, stream->data + stream->len - 1, 1);
      assert_message (parser, MR_WEBSOCKET_BINARY, payload, lengths[i]);
      assert_needs_more (parser);
    }
  }
}

static void
test_byte_by_byte (void)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_SERVER, 1 << 20);
  g_autoptr (GByteArray) stream = g_byte_array_new ();
  g_autofree char *payload = g_strnfill (1 << 20, 'y');

  append_frame (stream, FINAL | MR_WEBSOCKET_TEXT, TRUE, payload, 1 << 20);
  for (guint i = 0; i < stream->len; i++) {
    assert_needs_more (parser);
    mr_websocket_parser_feed (parser, stream->data + i, 1);
  }
  assert_message (parser, MR_WEBSOCKET_TEXT, payload, 1 << 20);
}

static void
test_fragments (void)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_SERVER, 100);
  g_autoptr (GByteArray) stream = g_byte_array_new ();

  append_text (stream, MR_WEBSOCKET_TEXT, "gr\xc3");
  append_text (stream, FINAL | MR_WEBSOCKET_PING, "are you there?");
  append_text (stream, MR_WEBSOCKET_CONTINUATION, "");
  append_text (stream, MR_WEBSOCKET_CONTINUATION, "\xbc\xc3\x9f \xf0\x9f\x92");
  append_text (stream, FINAL | MR_WEBSOCKET_PONG, "");
  append_text (stream, FINAL | MR_WEBSOCKET_CONTINUATION, "\xa9");
  append_text (stream, MR_WEBSOCKET_BINARY, "\xff");
  append_text (stream, FINAL | MR_WEBSOCKET_CONTINUATION, "\xfe");
  append_text (stream, MR_WEBSOCKET_TEXT, "");
  append_text (stream, FINAL | MR_WEBSOCKET_CONTINUATION, "");
  mr_websocket_parser_feed (parser, stream->data, stream->len);

  assert_message (parser, MR_WEBSOCKET_PING, "are you there?", 14);
  assert_message (parser, MR_WEBSOCKET_PONG, "", 0);
  assert_message (parser, MR_WEBSOCKET_TEXT, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x92\xa9", 11);
  assert_message (parser, MR_WEBSOCKET_BINARY, "\xff\xfe", 2);
  assert_message (parser, MR_WEBSOCKET_TEXT, "", 0);
  assert_needs_more (parser);
}

static void
test_nul_is_text (void)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_CLIENT, 100);

  mr_websocket_parser_feed (parser,
                            "\x81\x03"
                            "a\0b",
                            5);
  assert_message (parser, MR_WEBSOCKET_TEXT, "a\0b", 3);
}

/* --- closing --- */

static void
test_close (void)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_CLIENT, 100);
  MrWebsocketMessage message;

  mr_websocket_parser_feed (parser,
                            "\x88\x00\x88\x02\x03\xe8\x88\x06\x0f\xa1"
                            "oops",
                            14);
  g_assert_cmpint (mr_websocket_parser_next (parser, &message, NULL), ==, MR_WEBSOCKET_MESSAGE);
  g_assert_cmpint (message.opcode, ==, MR_WEBSOCKET_CLOSE);
  g_assert_cmpint (message.close_code, ==, MR_CLOSE_NO_STATUS);
  g_assert_cmpint (message.length, ==, 0);
  g_assert_cmpint (mr_websocket_parser_next (parser, &message, NULL), ==, MR_WEBSOCKET_MESSAGE);
  g_assert_cmpint (message.close_code, ==, 1000);
  g_assert_cmpint (message.length, ==, 0);
  g_assert_cmpint (mr_websocket_parser_next (parser, &message, NULL), ==, MR_WEBSOCKET_MESSAGE);
  g_assert_cmpint (message.close_code, ==, 4001);
  g_assert_cmpmem (message.data, message.length, "oops", 4);
}

static void
test_close_codes (void)
{
  for (guint code = 0; code <= 0xffff; code++) {
    gboolean allowed =
        (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_CLIENT, 100);
    MrWebsocketMessage message;
    MrWebsocketResult result;

    mr_websocket_parser_feed (parser, (guint8[]){ 0x88, 2, code >> 8, code & 0xff }, 4);
    result = mr_websocket_parser_next (parser, &message, NULL);
    g_assert_cmpint (result, ==, allowed ? MR_WEBSOCKET_MESSAGE : MR_WEBSOCKET_FAILED);
    g_assert_cmpint (mr_websocket_parser_get_close_code (parser), ==, allowed ? 0 : MR_CLOSE_PROTOCOL_ERROR);
  }
}

/* --- what is refused --- */

typedef struct {
  const char *path;
  MrWebsocketRole role;
  guint16 code;
  gsize length;
  const char *bytes;
} Refused;

#define REFUSED(path, role, code, bytes)                                                                               \
  {                                                                                                                    \
    "/transport/websocket/refused/" path, role, code, sizeof (bytes) - 1, bytes                                        \
  }

static const Refused refused[] = {
  REFUSED ("unmasked-from-client", MR_WEBSOCKET_SERVER, 1002, "\x81\x01x"),
  REFUSED ("masked-from-server", MR_WEBSOCKET_CLIENT, 1002, "\x81\x81" MASK_BYTES "x"),
  REFUSED ("reserved-bit-1", MR_WEBSOCKET_CLIENT, 1002, "\xc1\x01x"),
  REFUSED ("reserved-bit-2", MR_WEBSOCKET_CLIENT, 1002, "\xa1\x01x"),
  REFUSED ("reserved-bit-3", MR_WEBSOCKET_CLIENT, 1002, "\x91\x01x"),
  REFUSED ("reserved-opcode-3", MR_WEBSOCKET_CLIENT, 1002, "\x83\x00"),
  REFUSED ("reserved-opcode-7", MR_WEBSOCKET_CLIENT, 1002, "\x87\x00"),
  REFUSED ("reserved-opcode-11", MR_WEBSOCKET_CLIENT, 1002, "\x8b\x00"),
  REFUSED ("reserved-opcode-15", MR_WEBSOCKET_CLIENT, 1002, "\x8f\x00"),
  REFUSED ("long-16-bit-length", MR_WEBSOCKET_CLIENT, 1002, "\x82\x7e\x00\x7d"),
  REFUSED ("long-64-bit-length", MR_WEBSOCKET_CLIENT, 1002, "\x82\x7f\0\0\0\0\0\0\xff\xff"),
  REFUSED ("fragmented-ping", MR_WEBSOCKET_CLIENT, 1002, "\x09\x00"),
  REFUSED ("fragmented-close", MR_WEBSOCKET_CLIENT, 1002, "\x08\x00"),
  REFUSED ("long-ping", MR_WEBSOCKET_CLIENT, 1002, "\x89\x7e\x00\x7e"),
  REFUSED ("continuation-of-nothing", MR_WEBSOCKET_CLIENT, 1002, "\x80\x01x"),
  REFUSED ("continuation-after-end", MR_WEBSOCKET_CLIENT, 1002, "\x01\x01x\x80\x01x\x80\x01x"),
  REFUSED ("message-inside-message", MR_WEBSOCKET_CLIENT, 1002, "\x01\x01x\x81\x01x"),
  REFUSED ("half-a-close-code", MR_WEBSOCKET_CLIENT, 1002, "\x88\x01\x03"),
  REFUSED ("close-reason-not-utf8", MR_WEBSOCKET_CLIENT, 1007, "\x88\x03\x03\xe8\xff"),
  REFUSED ("close-reason-cut", MR_WEBSOCKET_CLIENT, 1007, "\x88\x03\x03\xe8\xc3"),
  REFUSED ("text-not-utf8", MR_WEBSOCKET_CLIENT, 1007, "\x81\x02x\xff"),
  REFUSED ("text-ends-in-character", MR_WEBSOCKET_CLIENT, 1007, "\x81\x02x\xc3"),
  REFUSED ("text-surrogate", MR_WEBSOCKET_CLIENT, 1007, "\x81\x03\xed\xa0\x80"),
  REFUSED ("text-overlong", MR_WEBSOCKET_CLIENT, 1007, "\x81\x02\xc0\x80"),
  REFUSED ("text-beyond-unicode", MR_WEBSOCKET_CLIENT, 1007, "\x81\x04\xf4\x90\x80\x80"),
  REFUSED ("fragments-end-in-character", MR_WEBSOCKET_CLIENT, 1007, "\x01\x01\xc3\x80\x00"),
  REFUSED ("first-fragment-not-utf8", MR_WEBSOCKET_CLIENT, 1007, "\x01\x01\xff"),
  REFUSED ("character-broken-over-fragments", MR_WEBSOCKET_CLIENT, 1007, "\x01\x01\xc3\x00\x01\xc3"),
  REFUSED ("announced-too-big", MR_WEBSOCKET_CLIENT, 1009, "\x82\x7e\x03\xe9"),
  REFUSED ("announced-2-to-the-63", MR_WEBSOCKET_CLIENT, 1009, "\x82\x7f\x80\0\0\0\0\0\0\0"),
  REFUSED ("fragments-too-big", MR_WEBSOCKET_CLIENT, 1009, "\x02\x01x\x80\x7e\x03\xe8"),
};

static void
test_refused (gconstpointer data)
{
  const Refused *row = data;

  assert_fails (row->role, 1000, (const guint8 *) row->bytes, row->length, row->code);
}

static void
test_cap_can_change (void)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_CLIENT, 3);
  MrWebsocketMessage message;

  mr_websocket_parser_feed (parser,
                            "\x81\x03"
                            "abc",
                            5);
  assert_message (parser, MR_WEBSOCKET_TEXT, "abc", 3);
  mr_websocket_parser_set_max (parser, 4);
  mr_websocket_parser_feed (parser,
                            "\x81\x04"
                            "abcd",
                            6);
  assert_message (parser, MR_WEBSOCKET_TEXT, "abcd", 4);
  mr_websocket_parser_feed (parser, "\x81\x05", 2);
  g_assert_cmpint (mr_websocket_parser_next (parser, &message, NULL), ==, MR_WEBSOCKET_FAILED);
  g_assert_cmpint (mr_websocket_parser_get_close_code (parser), ==, MR_CLOSE_TOO_BIG);
}

/* --- helpers of the sending side --- */

static void
test_mask (void)
{
  static const guint8 mask[] = MASK_BYTES;
  guint32 word;
  guint8 data[64 + 8];

  memcpy (&word, mask, sizeof word);
  for (gsize offset = 0; offset < 8; offset++) {
    for (gsize length = 0; length <= 64; length++) {
      memset (data, 0x5a, sizeof data);
      mr_websocket_mask (data + offset, length, word);
      for (gsize i = 0; i < sizeof data; i++) {
        gboolean inside = i >= offset && i < offset + length;

        g_assert_cmpint (data[i], ==, inside ? 0x5a ^ mask[(i - offset) % 4] : 0x5a);
      }
    }
  }
}

static void
test_header (void)
{
  static const guint64 lengths[] = { 0, 125, 126, 65535, 65536, 1000000 };
  guint32 mask;

  memcpy (&mask, MASK_BYTES, sizeof mask);
  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    for (int masked = 0; masked < 2; masked++) {
      g_autoptr (GByteArray) stream = g_byte_array_new ();
      g_autofree char *payload = g_malloc0 (1000000);
      guint8 header[14];
      gsize length = mr_websocket_frame_header (header, masked ? MR_WEBSOCKET_CLIENT : MR_WEBSOCKET_SERVER,
                                                MR_WEBSOCKET_TEXT, lengths[i], mask);

      append_frame (stream, FINAL | MR_WEBSOCKET_TEXT, masked, payload, lengths[i]);
      g_assert_cmpmem (header, length, stream->data, stream->len - lengths[i]);
    }
  }
}

static void
test_accept_key (void)
{
  g_autofree char *accept = mr_websocket_accept_key ("dGhlIHNhbXBsZSBub25jZQ==");

  g_assert_cmpstr (accept, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* --- random streams --- */

static GRand *
new_random (void)
{
  guint32 seed = (guint32) g_test_rand_int ();

  g_test_message ("seed %u", seed);
  return g_rand_new_with_seed (seed);
}

static void
append_random_control (GByteArray *stream, GRand *random, GString *log)
{
  MrWebsocketMessage message = { .opcode = g_rand_boolean (random) ? MR_WEBSOCKET_PING : MR_WEBSOCKET_PONG };
  char payload[125];

  message.length = (gsize) g_rand_int_range (random, 0, 126);
  message.data = payload;
  memset (payload, g_rand_int_range (random, 0, 256), sizeof payload);
  append_frame (stream, FINAL | message.opcode, TRUE, payload, message.length);
  record (log, &message);
}

static void
append_random_message (GByteArray *stream, GRand *random, GString *log)
{
  static const char *const characters[] = { "a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x92\xa9" };
  g_autoptr (GString) text = g_string_new (NULL);
  MrWebsocketMessage message = { .opcode = g_rand_boolean (random) ? MR_WEBSOCKET_TEXT : MR_WEBSOCKET_BINARY };
  gsize wanted = (gsize) g_rand_int_range (random, 0, g_rand_int_range (random, 0, 10) == 0 ? 70000 : 300);
  gsize at = 0;
  guint8 opcode = message.opcode;

  while (text->len < wanted) {
    g_string_append (text, characters[g_rand_int_range (random, 0, 4)]);
  }
  while (g_rand_int_range (random, 0, 3) == 0) {
    gsize length = (gsize) g_rand_int_range (random, 0, (gint32) (text->len - at) + 1);

    append_frame (stream, opcode, TRUE, text->str + at, length);
    at += length;
    opcode = MR_WEBSOCKET_CONTINUATION;
    if (g_rand_boolean (random)) {
      append_random_control (stream, random, log);
    }
  }
  append_frame (stream, FINAL | opcode, TRUE, text->str + at, text->len - at);
  message.data = text->str;
  message.length = text->len;
  record (log, &message);
}

static void
parse_in_pieces (GByteArray *stream, GRand *random, gint32 largest, GString *log)
{
  g_autoptr (MrWebsocketParser) parser = mr_websocket_parser_new (MR_WEBSOCKET_SERVER, 100000);
  gsize at = 0;

  while (at < stream->len) {
    gsize length = (gsize) g_rand_int_range (random, 1, largest + 1);

    length = MIN (length, stream->len - at);
    mr_websocket_parser_feed (parser, stream->data + at, length);
    at += length;
    if (!take_all (parser, log)) {
      return;
    }
  }
}

static void
test_random_pieces (void)
{
  g_autoptr (GRand) random = new_random ();

  for (int round = 0; round < 60; round++) {
    g_autoptr (GByteArray) stream = g_byte_array_new ();
    g_autoptr (GString) expected = g_string_new (NULL);
    g_autoptr (GString) got = g_string_new (NULL);

    for (int i = 0; i < 30; i++) {
      append_random_message (stream, random, expected);
    }
    parse_in_pieces (stream, random, 1 << g_rand_int_range (random, 0, 17), got);
    g_assert_cmpstr (got->str, ==, expected->str);
  }
}

/* Broken streams: how they come in pieces must not change what is made of them, and nothing is read out of bounds. */
static void
test_random_damage (void)
{
  g_autoptr (GRand) random = new_random ();
  guint failed = 0;

  for (int round = 0; round < 2000; round++) {
    g_autoptr (GByteArray) stream = g_byte_array_new ();
    g_autoptr (GString) ignored = g_string_new (NULL);
    g_autoptr (GString) whole = g_string_new (NULL);
    g_autoptr (GString) pieces = g_string_new (NULL);

    if (round % 2 == 0) {
      append_random_message (stream, random, ignored);
      append_random_message (stream, random, ignored);
      stream->data[g_rand_int_range (random, 0, (gint32) MIN (stream->len, 40))] ^= 1
                                                                                    << g_rand_int_range (random, 0, 8);
    } else {
      for (int i = 0; i < 200; i++) {
        g_byte_array_append (stream, (guint8[]){ g_rand_int_range (random, 0, 256) }, 1);
      }
    }
    parse_in_pieces (stream, random, 1 << 20, whole);
    parse_in_pieces (stream, random, 7, pieces);
    g_assert_cmpstr (whole->str, ==, pieces->str);
    failed += strstr (whole->str, "failed") != NULL;
  }
  g_assert_cmpint (failed, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transport/websocket/lengths", test_lengths);
  g_test_add_func ("/transport/websocket/byte-by-byte", test_byte_by_byte);
  g_test_add_func ("/transport/websocket/fragments", test_fragments);
  g_test_add_func ("/transport/websocket/nul-is-text", test_nul_is_text);
  g_test_add_func ("/transport/websocket/close", test_close);
  g_test_add_func ("/transport/websocket/close-codes", test_close_codes);
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_test_add_data_func (refused[i].path, &refused[i], test_refused);
  }
  g_test_add_func ("/transport/websocket/cap-can-change", test_cap_can_change);
  g_test_add_func ("/transport/websocket/mask", test_mask);
  g_test_add_func ("/transport/websocket/header", test_header);
  g_test_add_func ("/transport/websocket/accept-key", test_accept_key);
  g_test_add_func ("/transport/websocket/random-pieces", test_random_pieces);
  g_test_add_func ("/transport/websocket/random-damage", test_random_damage);
  return g_test_run ();
}
