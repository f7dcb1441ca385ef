/* SPDX-License-Identifier: MIT */
/*
 * The decoder of the chunked coding: framing byte by byte, data in whole runs. See http-chunked.h.
 */
#include "http-chunked.h"

#include "limits.h"

#include <string.h>

static MrChunkedState
add_digit (MrChunked *chunked, int digit)
{
  if (chunked->left >> 60 != 0)
    return MR_CHUNKED_BROKEN;
  chunked->left = chunked->left << 4 | (guint64) digit;
  return MR_CHUNKED_SIZE;
}

static MrChunkedState
after_size_line (MrChunked *chunked)
{
  chunked->line_bytes = 0;
  return chunked->left > 0 ? MR_CHUNKED_DATA : MR_CHUNKED_LINE_START;
}

/* A byte of a line whose content is dropped. */
static MrChunkedState
skip_byte (MrChunked *chunked, char byte, MrChunkedState same_line, MrChunkedState at_cr)
{
  if (byte == '\r')
    return at_cr;
  return byte != '\n' && ++chunked->line_bytes <= MR_LIMIT_HEAD_BYTES ? same_line : MR_CHUNKED_BROKEN;
}

static MrChunkedState
expect (char byte, char expected, MrChunkedState next)
{
  return byte == expected ? next : MR_CHUNKED_BROKEN;
}

/* The state after one byte of the framing. */
static MrChunkedState
next_state (MrChunked *chunked, char byte)
{
  int digit = g_ascii_xdigit_value (byte);

  switch (chunked->state) {
  case MR_CHUNKED_SIZE_FIRST:
    return digit >= 0 ? add_digit (chunked, digit) : MR_CHUNKED_BROKEN;
  case MR_CHUNKED_SIZE:
    if (digit >= 0)
      return add_digit (chunked, digit);
    if (byte == ';' || byte == ' ' || byte == '\t')
      return MR_CHUNKED_EXTENSION;
    return expect (byte, '\r', MR_CHUNKED_SIZE_LF);
  case MR_CHUNKED_EXTENSION:
    return skip_byte (chunked, byte, MR_CHUNKED_EXTENSION, MR_CHUNKED_SIZE_LF);
  case MR_CHUNKED_SIZE_LF:
    return byte == '\n' ? after_size_line (chunked) : MR_CHUNKED_BROKEN;
  case MR_CHUNKED_DATA_CR:
    return expect (byte, '\r', MR_CHUNKED_DATA_LF);
  case MR_CHUNKED_DATA_LF:
    return expect (byte, '\n', MR_CHUNKED_SIZE_FIRST);
  case MR_CHUNKED_LINE_START:
    return skip_byte (chunked, byte, MR_CHUNKED_TRAILER, MR_CHUNKED_END_LF);
  case MR_CHUNKED_TRAILER:
    return skip_byte (chunked, byte, MR_CHUNKED_TRAILER, MR_CHUNKED_TRAILER_LF);
  case MR_CHUNKED_TRAILER_LF:
    return expect (byte, '\n', MR_CHUNKED_LINE_START);
  case MR_CHUNKED_END_LF:
    return expect (byte, '\n', MR_CHUNKED_COMPLETE);
  case MR_CHUNKED_DATA:
  case MR_CHUNKED_COMPLETE:
  case MR_CHUNKED_BROKEN:
  default:
    g_return_val_if_reached (MR_CHUNKED_BROKEN);
  }
}

gsize
mr_chunked_decode (MrChunked *chunked, char *data, gsize length, gsize *used)
{
  gsize decoded = 0;
  gsize at = 0;

  while (at < length && chunked->state != MR_CHUNKED_COMPLETE && chunked->state != MR_CHUNKED_BROKEN) {
    if (chunked->state == MR_CHUNKED_DATA) {
      gsize run = MIN (chunked->left, length - at);

      memmove (data + decoded, data + at, run);
      decoded += run;
      at += run;
      chunked->left -= run;
      if (chunked->left == 0)
        chunked->state = MR_CHUNKED_DATA_CR;
    } else {
      chunked->state = next_state (chunked, data[at++]);
    }
  }
  *used = at;
  return decoded;
}

gboolean
mr_chunked_is_complete (const MrChunked *chunked)
{
  return chunked->state == MR_CHUNKED_COMPLETE;
}

gboolean
mr_chunked_is_broken (const MrChunked *chunked)
{
  return chunked->state == MR_CHUNKED_BROKEN;
}
