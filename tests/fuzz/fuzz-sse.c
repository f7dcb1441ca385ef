/* SPDX-License-Identifier: MIT */
/*
 * The scanner of event streams: any pieces give the same ends and counts, the ends are those of the format, and the
 * ends do not depend on whether counts are wanted.
 *
 *   input: pieces (fuzz.h), stream
 */
#include "fuzz.h"
#include "sse.h"

#include <string.h>

typedef struct {
  gboolean at_boundary;
  MrUsage usage;
} Result;

static Result
scan (FuzzPieces pieces, const guint8 *data, gsize length, gboolean want_usage)
{
  MrSseScanner scanner;
  Result result;

  mr_sse_scanner_init (&scanner, want_usage);
  g_assert (mr_sse_scanner_at_boundary (&scanner));
  while (length > 0) {
    gsize size = fuzz_pieces_next (&pieces, length);
    g_autofree char *piece = fuzz_dup (data, size);

    mr_sse_scanner_feed (&scanner, piece, size);
    data += size;
    length -= size;
  }
  mr_sse_scanner_feed (&scanner, NULL, 0);
  result = (Result){ mr_sse_scanner_at_boundary (&scanner), mr_sse_scanner_get_usage (&scanner) };
  mr_sse_scanner_clear (&scanner);
  return result;
}

static gboolean
same_usage (const MrUsage *a, const MrUsage *b)
{
  return a->prompt_tokens == b->prompt_tokens && a->completion_tokens == b->completion_tokens &&
         a->total_tokens == b->total_tokens;
}

/* Every line end as one LF, as the format's own text does it; empty lines in front of an event are nothing. */
static gboolean
ends_with_event (const guint8 *data, gsize length)
{
  g_autoptr (GString) lines = g_string_new ("\n\n");

  for (gsize i = 0; i < length; i++) {
    if (data[i] == '\n' && i > 0 && data[i - 1] == '\r')
      continue;
    g_string_append_c (lines, data[i] == '\r' ? '\n' : (char) data[i]);
  }
  return lines->str[lines->len - 1] == '\n' && lines->str[lines->len - 2] == '\n';
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  Result in_pieces = scan (pieces, data, length, TRUE);
  Result whole = scan ((FuzzPieces){ NULL }, data, length, TRUE);
  Result ends_only = scan (pieces, data, length, FALSE);
  MrUsage usage = MR_USAGE_UNKNOWN;

  g_assert (in_pieces.at_boundary == whole.at_boundary && ends_only.at_boundary == whole.at_boundary);
  g_assert (whole.at_boundary == ends_with_event (data, length));
  g_assert (same_usage (&in_pieces.usage, &whole.usage));
  g_assert (!mr_usage_is_known (&ends_only.usage));

  mr_usage_update_from_json (&usage, (const char *) data, length);
  g_assert (usage.prompt_tokens >= -1 && usage.completion_tokens >= -1 && usage.total_tokens >= -1);
  return 0;
}
