/* SPDX-License-Identifier: MIT */
/*
 * The chunked coding: any pieces decode to the same, and a text that is coded with the sizes of the pieces decodes to
 * itself.
 *
 *   input: pieces (fuzz.h), coded bytes (or the text)
 */
#include "fuzz.h"
#include "http-chunked.h"

#include <string.h>

typedef struct {
  GString *text;
  gsize used;
  gboolean complete;
  gboolean broken;
} Decoded;

static Decoded
decode (FuzzPieces pieces, const guint8 *data, gsize length)
{
  Decoded decoded = { .text = g_string_new (NULL) };
  MrChunked chunked = { 0 };

  while (length > 0 && !decoded.complete && !decoded.broken) {
    gsize size = fuzz_pieces_next (&pieces, length);
    g_autofree char *piece = fuzz_dup (data, size);
    gsize used = G_MAXSIZE;
    gsize n = mr_chunked_decode (&chunked, piece, size, &used);

    g_assert (n <= used && used <= size);
    g_string_append_len (decoded.text, piece, n);
    decoded.used += used;
    decoded.complete = mr_chunked_is_complete (&chunked);
    decoded.broken = mr_chunked_is_broken (&chunked);
    g_assert (used == size || decoded.complete || decoded.broken);
    data += size;
    length -= size;
  }
  return decoded;
}

static GString *
encode (FuzzPieces pieces, const guint8 *data, gsize length)
{
  GString *coded = g_string_new (NULL);

  while (length > 0) {
    gsize size = fuzz_pieces_next (&pieces, length);

    g_string_append_printf (coded, "%" G_GSIZE_MODIFIER "x\r\n", size);
    g_string_append_len (coded, (const char *) data, size);
    g_string_append (coded, "\r\n");
    data += size;
    length -= size;
  }
  g_string_append (coded, "0\r\n\r\n");
  return coded;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  Decoded in_pieces = decode (pieces, data, length);
  Decoded whole = decode ((FuzzPieces){ NULL }, data, length);
  g_autoptr (GString) coded = encode (pieces, data, length);
  Decoded back = decode ((FuzzPieces){ NULL }, (const guint8 *) coded->str, coded->len);

  g_assert (g_string_equal (in_pieces.text, whole.text) && in_pieces.used == whole.used);
  g_assert (in_pieces.complete == whole.complete && in_pieces.broken == whole.broken);
  g_assert (back.complete && back.used == coded->len && back.text->len == length);
  g_assert (length == 0 || memcmp (back.text->str, data, length) == 0);

  g_string_free (in_pieces.text, TRUE);
  g_string_free (whole.text, TRUE);
  g_string_free (back.text, TRUE);
  return 0;
}
