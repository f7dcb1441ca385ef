/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: the entry that libFuzzer and replay.c call, and cutting the input into pieces as the
 * input itself says. What holds for the product's code is in each target.
 */
#pragma once

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize length);

/**
 * FuzzPieces: how a stream is cut. The input starts with a byte whose low four bits say how many sizes follow; each
 * following byte plus one is the size of a piece, over and over. Without sizes the stream is one piece.
 */
typedef struct {
  const guint8 *sizes; /* Borrowed from the input */
  gsize n_sizes;
  gsize next;
} FuzzPieces;

/** fuzz_take_byte: the first byte of the input, which is then shorter; 0 at its end. */
guint8 fuzz_take_byte (const guint8 **data, gsize *length);

/** fuzz_take_pieces: takes the sizes off the start of the input; the rest is the stream. */
FuzzPieces fuzz_take_pieces (const guint8 **data, gsize *length);

/** fuzz_pieces_next: size of the next piece of a stream of which @left bytes, at least one, are left. */
gsize fuzz_pieces_next (FuzzPieces *pieces, gsize left);

/**
 * fuzz_dup:
 *
 * Returns: (transfer full): a copy that ends where its memory ends, so that ASan sees a read beyond it; never %NULL
 */
char *fuzz_dup (const void *data, gsize length);
