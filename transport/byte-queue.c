/* SPDX-License-Identifier: MIT */
/* Bytes that wait in one piece of memory. See byte-queue.h. */
#include "byte-queue.h"

#include <string.h>

#define FIRST_BYTES 512

/* Empty memory up to this size is kept for the next bytes. */
#define KEPT_BYTES 4096

static void
make_room (MrByteQueue *queue, gsize length)
{
  gsize waiting = queue->end - queue->start;

  if (queue->size - queue->end >= length)
    return;
  if (queue->start > 0) {
    memmove (queue->data, queue->data + queue->start, waiting);
    queue->start = 0;
    queue->end = waiting;
  }
  if (queue->size - waiting < length) {
    gsize size = MAX (queue->size, FIRST_BYTES);

    while (size - waiting < length)
      size *= 2;
    queue->data = g_realloc (queue->data, size);
    queue->size = size;
  }
}

guint8 *
mr_byte_queue_append (MrByteQueue *queue, gsize length)
{
  guint8 *room;

  make_room (queue, length);
  room = queue->data + queue->end;
  queue->end += length;
  return room;
}

void
mr_byte_queue_take (MrByteQueue *queue, gsize length)
{
  queue->start += length;
  if (queue->start < queue->end)
    return;
  queue->start = queue->end = 0;
  if (queue->size > KEPT_BYTES)
    mr_byte_queue_clear (queue);
}

void
mr_byte_queue_clear (MrByteQueue *queue)
{
  g_free (queue->data);
  *queue = (MrByteQueue){ NULL };
}
