/* SPDX-License-Identifier: MIT */
/*
 * Binary messages from either side: what is accepted is made of spans of the message that together are all of it, and
 * is written back as it came.
 */
#include "error.h"
#include "frame.h"
#include "fuzz.h"

#include <string.h>

static void
check_sender (const char *data, gsize length, MrMessageSender sender)
{
  g_autoptr (GError) error = NULL;
  MrFrame frame = { .payload.length = 1 };

  if (!mr_frame_decode (data, length, sender, &frame, &error)) {
    g_assert (error != NULL && error->domain == MR_ERROR && error->code == MR_ERROR_PROTOCOL);
    g_assert (frame.payload.length == 1 && frame.request_id.data == NULL);
    return;
  }
  g_assert (error == NULL && frame.request_id.length > 0);
  g_assert (frame.request_id.data + frame.request_id.length == frame.payload.data);
  g_assert (frame.payload.data + frame.payload.length == data + length);

  gsize header_length = mr_frame_header_length (&frame);
  g_autofree guint8 *header = g_malloc (header_length);
  mr_frame_write_header (&frame, header);
  g_assert (frame.payload.data == data + header_length && memcmp (header, data, header_length) == 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  check_sender ((const char *) data, length, MR_SENDER_SERVER);
  check_sender ((const char *) data, length, MR_SENDER_WORKER);
  return 0;
}
