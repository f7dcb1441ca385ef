/* SPDX-License-Identifier: MIT */
/*
 * The heap of backend-pace.h.
 */
#include "backend-pace.h"

#include "bench-tool.h"

#define PACE_MAX 32768

/* Borrowed: each belongs to its stream, which takes it out before it goes. */
static Pace *heap[PACE_MAX + 1];
static size_t length;

static void
put (size_t place, Pace *pace)
{
  heap[place] = pace;
  pace->place = place;
}

static void
settle (Pace *pace)
{
  size_t place = pace->place;

  while (place > 1 && heap[place / 2]->due_ns > pace->due_ns) {
    put (place, heap[place / 2]);
    place /= 2;
  }
  for (size_t child = place * 2; child <= length; child = place * 2) {
    if (child < length && heap[child + 1]->due_ns < heap[child]->due_ns) {
      child++;
    }
    if (heap[child]->due_ns >= pace->due_ns) {
      break;
    }
    put (place, heap[child]);
    place = child;
  }
  put (place, pace);
}

void
pace_add (Pace *pace, uint64_t due_ns)
{
  if (length == PACE_MAX) {
    bench_die ("too many paced streams");
  }
  pace->due_ns = due_ns;
  put (++length, pace);
  settle (pace);
}

void
pace_move (Pace *pace, uint64_t due_ns)
{
  pace->due_ns = due_ns;
  settle (pace);
}

void
pace_remove (Pace *pace)
{
  size_t place = pace->place;
  Pace *moved;

  if (place == 0) {
    return;
  }
  moved = heap[length--];
  pace->place = 0;
  if (moved != pace) {
    put (place, moved);
    settle (moved);
  }
}

Pace *
pace_due (uint64_t now_ns)
{
  return length > 0 && heap[1]->due_ns <= now_ns ? heap[1] : NULL;
}

bool
pace_wait (uint64_t now_ns, struct timespec *wait)
{
  uint64_t left;

  if (length == 0) {
    return false;
  }
  left = heap[1]->due_ns > now_ns ? heap[1]->due_ns - now_ns : 0;
  wait->tv_sec = (time_t) (left / BENCH_NS_PER_SEC);
  wait->tv_nsec = (long) (left % BENCH_NS_PER_SEC);
  return true;
}
