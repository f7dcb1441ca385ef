/* SPDX-License-Identifier: MIT */
/*
 * Taking the input of a fuzz target apart. See fuzz.h.
 */
#include "fuzz.h"

#include <string.h>

guint8
fuzz_take_byte (const guint8 **data, gsize *length)
{
  if (*length == 0)
    return 0;
  (*length)--;
  return *(*data)++;
}

FuzzPieces
fuzz_take_pieces (const guint8 **data, gsize *length)
{
  gsize wanted = fuzz_take_byte (data, length) & 0xf;
  gsize n_sizes = MIN (wanted, *length);
  FuzzPieces pieces = { *data, n_sizes, 0 };

  *data += n_sizes;
  *length -= n_sizes;
  return pieces;
}

gsize
fuzz_pieces_next (FuzzPieces *pieces, gsize left)
{
  if (pieces->n_sizes == 0)
    return left;

  gsize size = pieces->sizes[pieces->next++ % pieces->n_sizes] + 1u;
  return MIN (size, left);
}

char *
fuzz_dup (const void *data, gsize length)
{
  char *copy = g_malloc (MAX (length, 1));

  if (length > 0)
    memcpy (copy, data, length);
  return copy;
}
