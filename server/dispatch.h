/* SPDX-License-Identifier: MIT */
/*
 * Which worker takes a request (contract C1, C2). Pure: plain data in, a choice out.
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

/** MrDispatchNeed: what a request asks of its worker. Borrowed. */
typedef struct {
  const char *model;
  gboolean binary; /* its body is no text */
} MrDispatchNeed;

/** mr_dispatch_serves: %TRUE when it lists the model or "*", can carry the body, and is not draining. */
gboolean mr_dispatch_serves (const MrDispatchWorker *worker, const MrDispatchNeed *need);

/**
 * mr_dispatch_choose:
 * @workers: (array length=n): candidates
 *
 * Among the workers that serve @need and have a free slot the one with the lowest load relative to its
 * capacity; of equals the one that was chosen longest ago.
 *
 * Returns: its index, or -1 when none can take it now
 */
int mr_dispatch_choose (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need);
