/* SPDX-License-Identifier: MIT */
/*
 * Which worker takes a request. See dispatch.h.
 */
#include "dispatch.h"

guint
mr_dispatch_load (const MrDispatchWorker *worker)
{
  return MAX (worker->reported_load, worker->in_flight);
}

gboolean
mr_dispatch_serves (const MrDispatchWorker *worker, const MrDispatchNeed *need)
{
  return !worker->draining && (worker->takes_binary || !need->binary) &&
         (g_hash_table_contains (worker->models, need->model) || g_hash_table_contains (worker->models, MR_MODEL_ANY));
}

/* a's share of its capacity below b's, without division: loads and capacities are small. */
static gboolean
is_better (const MrDispatchWorker *a, const MrDispatchWorker *b)
{
  guint64 left = (guint64) mr_dispatch_load (a) * b->max_concurrent;
  guint64 right = (guint64) mr_dispatch_load (b) * a->max_concurrent;

  return left != right ? left < right : a->last_chosen < b->last_chosen;
}

int
mr_dispatch_choose (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need)
{
  int best = -1;

  for (guint i = 0; i < n; i++) {
    if (mr_dispatch_load (workers[i]) >= workers[i]->max_concurrent || !mr_dispatch_serves (workers[i], need))
      continue;
    if (best < 0 || is_better (workers[i], workers[best]))
      best = (int) i;
  }
  return best;
}
