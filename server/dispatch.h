/* SPDX-License-Identifier: MIT */
/*
 * Which worker takes a request (contract C1, C2, C8). Pure: plain data in, a choice out.
 */
#pragma once

#include <glib.h>

#define MR_MODEL_ANY "*"

/**
 * MrDispatchWorker: what the choice depends on; embedded in a worker's session, which keeps it up to date.
 */
typedef struct {
  GHashTable *models; /* set of char *; may contain "*" */
  guint max_concurrent;
  guint reported_load; /* what the worker last said */
  guint in_flight;     /* slots that we hold on it */
  gboolean draining;
  gboolean takes_binary; /* negotiated binary_frames: bodies that are no text can be carried */
  guint64 last_chosen;   /* number of its last assignment: ties go to the one that waited longest */
} MrDispatchWorker;

/** mr_dispatch_load: the greater of what it reports and what we count. */
guint mr_dispatch_load (const MrDispatchWorker *worker);

/**
 * MrDispatchNeed: what a request asks of its worker. Borrowed. Requests of the same @name and @binary have the same
 * @models.
 */
typedef struct {
  const char *name;          /* the model as the client calls it */
  const char *const *models; /* NULL-terminated: real names, the preferred first; NULL when @name is the real one */
  gboolean binary;           /* its body is no text */
} MrDispatchNeed;

/** mr_dispatch_serves: %TRUE when it lists one of the models or "*", can carry the body, and is not draining. */
gboolean mr_dispatch_serves (const MrDispatchWorker *worker, const MrDispatchNeed *need);

/** MrDispatchShare: how much of the request's prefix worker number @i holds, 0 to 1. */
typedef double (*MrDispatchShare) (guint i, gpointer user_data);

/** MrDispatchChoice: @worker: an index, or -1 when none can take it now; @model: the real name, borrowed. */
typedef struct {
  int worker;
  const char *model;
} MrDispatchChoice;

/**
 * mr_dispatch_choose:
 * @workers: (array length=n): candidates
 * @share: (nullable): for affinity
 *
 * The first of the need's models that some worker serves with a free slot. Of those workers that hold at least 0.3 of
 * the prefix and are not too busy the one that holds most; else the one with the lowest load relative to its capacity;
 * of equals the one that was chosen longest ago.
 *
 * Too busy is a worker with both more than 2 requests and more than 1.5 times above the least loaded one. Where
 * capacities differ, that one's load is first scaled to the capacity of the worker in question: 2 of 4 slots are 4
 * of 8.
 */
MrDispatchChoice mr_dispatch_choose (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need,
                                     MrDispatchShare share, gpointer user_data);
