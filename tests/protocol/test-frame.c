/* SPDX-License-Identifier: MIT */
/* Layout of binary messages: protocol/frame.c. */
#include "error.h"
#include "frame.h"
#include "limits.h"

#include <string.h>

static void
test_round_trip (void)
{
  static const struct {
    MrFrameKind kind;
    MrMessageSender sender;
  } kinds[] = {
    { MR_FRAME_REQUEST_BODY, MR_SENDER_SERVER },
    { MR_FRAME_RESPONSE_CHUNK, MR_SENDER_WORKER },
    { MR_FRAME_RESPONSE_BODY, MR_SENDER_WORKER },
  };
  static const char payload[] = "a\0b\xff";

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    for (int last = 0; last < 2; last++) {
      const MrFrame frame = { kinds[i].kind, last, MR_SPAN_LITERAL ("request-1"), { payload, sizeof payload - 1 } };
      gsize head = mr_frame_header_length (&frame);
      g_autofree guint8 *bytes = g_malloc (head + frame.payload.length);
      g_autoptr (GError) error = NULL;
      MrFrame decoded;

      mr_frame_write_header (&frame, bytes);
      memcpy (bytes + head, frame.payload.data, frame.payload.length);
      g_assert_true (mr_frame_decode ((char *) bytes, head + frame.payload.length, kinds[i].sender, &decoded, &error));
      g_assert_no_error (error);
      g_assert_cmpint (decoded.kind, ==, frame.kind);
      g_assert_cmpint (decoded.last, ==, last);
      g_assert_cmpmem (decoded.request_id.data, decoded.request_id.length, "request-1", 9);
      g_assert_cmpmem (decoded.payload.data, decoded.payload.length, payload, sizeof payload - 1);
    }
  }
}

static void
test_layout (void)
{
  const MrFrame frame = { MR_FRAME_RESPONSE_CHUNK, TRUE, MR_SPAN_LITERAL ("ab"), { NULL, 0 } };
  guint8 bytes[6];

  g_assert_cmpuint (mr_frame_header_length (&frame), ==, sizeof bytes);
  mr_frame_write_header (&frame, bytes);
  g_assert_cmpmem (bytes, sizeof bytes,
                   "\x02\x01\x00\x02"
                   "ab",
                   6);
}

static void
check_refused (const char *bytes, gsize length, MrMessageSender sender)
{
  g_autofree char *copy = g_memdup2 (bytes, length);
  g_autoptr (GError) error = NULL;
  MrFrame frame = { .kind = 77 };

  g_assert_false (mr_frame_decode (copy, length, sender, &frame, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_PROTOCOL);
  g_assert_cmpint ((int) frame.kind, ==, 77);
}

static void
test_refused (void)
{
  static const char good[] = "\x02\x00\x00\x03"
                             "abc";
  g_autoptr (GString) long_id = g_string_new ("\x02");

  for (gsize length = 0; length < sizeof good - 1; length++)
    check_refused (good, length, MR_SENDER_WORKER);
  check_refused (good, sizeof good - 1, MR_SENDER_SERVER);
  check_refused ("\x01\x00\x00\x01"
                 "a",
                 5, MR_SENDER_WORKER);
  check_refused ("\x04\x00\x00\x01"
                 "a",
                 5, MR_SENDER_WORKER);
  check_refused ("\x00\x00\x00\x01"
                 "a",
                 5, MR_SENDER_WORKER);
  check_refused ("\x02\x02\x00\x01"
                 "a",
                 5, MR_SENDER_WORKER); /* a flag that is not known */
  check_refused ("\x02\x00\x00\x00"
                 "a",
                 5, MR_SENDER_WORKER); /* no id */
  g_string_append_c (long_id, 0);
  g_string_append_c (long_id, (MR_LIMIT_REQUEST_ID_BYTES + 1) >> 8);
  g_string_append_c (long_id, (char) (MR_LIMIT_REQUEST_ID_BYTES + 1));
  for (int i = 0; i <= MR_LIMIT_REQUEST_ID_BYTES; i++)
    g_string_append_c (long_id, 'x');
  check_refused (long_id->str, long_id->len, MR_SENDER_WORKER);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame/round-trip", test_round_trip);
  g_test_add_func ("/frame/layout", test_layout);
  g_test_add_func ("/frame/refused", test_refused);
  return g_test_run ();
}
