/* SPDX-License-Identifier: MIT */
/*
 * Bytes that wait, in one piece of memory: appended at the end, taken from the beginning. Pure; how many may wait is
 * the owner's business.
 */
#pragma once

#include <glib.h>

/** MrByteQueue: zeroed memory is an empty one. [start, end) waits. */
typedef struct {
  guint8 *data; /* Owned */
  gsize start;
  gsize end;
  gsize size;
} MrByteQueue;

/** mr_byte_queue_append: room for @length bytes at the end, to be filled before any other call. */
guint8 *mr_byte_queue_append (MrByteQueue *queue, gsize length);

/** mr_byte_queue_take: the first @length bytes are done with. An empty queue keeps a small piece of memory, no large
 * one.
 */
void mr_byte_queue_take (MrByteQueue *queue, gsize length);

/** mr_byte_queue_clear: gives everything back. */
void mr_byte_queue_clear (MrByteQueue *queue);
