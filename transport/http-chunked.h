/* SPDX-License-Identifier: MIT */
/*
 * The chunked transfer coding (RFC 9112 7.1), decoded in place and incrementally. Pure: bytes in, bytes out.
 *
 *   1a;extension CRLF  26 bytes CRLF  ...  0 CRLF  trailer lines  CRLF
 */
#pragma once

#include <glib.h>

/** MrChunkedState: where in the coding the next byte stands. */
typedef enum {
  MR_CHUNKED_SIZE_FIRST, /* the size must have a digit */
  MR_CHUNKED_SIZE,
  MR_CHUNKED_EXTENSION,
  MR_CHUNKED_SIZE_LF,
  MR_CHUNKED_DATA,
  MR_CHUNKED_DATA_CR,
  MR_CHUNKED_DATA_LF,
  MR_CHUNKED_LINE_START, /* of a trailer line, or of the empty line that ends all */
  MR_CHUNKED_TRAILER,
  MR_CHUNKED_TRAILER_LF,
  MR_CHUNKED_END_LF,
  MR_CHUNKED_COMPLETE,
  MR_CHUNKED_BROKEN,
} MrChunkedState;

/** MrChunked: one body being decoded. Plain data; zeroed memory is the start of a body. */
typedef struct {
  /*< private >*/
  MrChunkedState state;
  guint64 left;     /* of the size line: the size so far; of the data: what is still to come */
  gsize line_bytes; /* extension of this chunk, or all trailers, so far */
} MrChunked;

/**
 * mr_chunked_decode:
 * @data: (inout): coded bytes; the decoded ones are moved together at its start
 * @length: their number
 * @used: (out): how many were consumed: all, unless the body is complete or broken
 *
 * Extensions and trailers are dropped; more than %MR_LIMIT_HEAD_BYTES of them, a size that is not plain
 * hexadecimal or does not fit, or a line that does not end with CR LF breaks the body for good. What was decoded
 * before that is still returned.
 *
 * Returns: the number of decoded bytes
 */
gsize mr_chunked_decode (MrChunked *chunked, char *data, gsize length, gsize *used);

/** mr_chunked_is_complete: the last chunk and the trailers have passed. */
gboolean mr_chunked_is_complete (const MrChunked *chunked);

gboolean mr_chunked_is_broken (const MrChunked *chunked);
