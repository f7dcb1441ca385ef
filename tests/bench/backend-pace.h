/* SPDX-License-Identifier: MIT */
/*
 * When each paced stream of the fake backend is due: one binary heap. No sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
  uint64_t due_ns;
  size_t place; /* in the heap, from 1; 0 = not in it */
} Pace;

void pace_add (Pace *pace, uint64_t due_ns);
void pace_move (Pace *pace, uint64_t due_ns);

/** pace_remove: does nothing where it is not in the heap. */
void pace_remove (Pace *pace);

/** pace_due: the first that is due at @now_ns, left in the heap, or NULL. */
Pace *pace_due (uint64_t now_ns);

/** pace_wait: how long until the first is due. Returns: false when nothing will be. */
bool pace_wait (uint64_t now_ns, struct timespec *wait);
