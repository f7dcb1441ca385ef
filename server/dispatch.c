/* SPDX-License-Identifier: MIT */
/*
 * Which worker takes a request. See dispatch.h.
 */
#include "dispatch.h"

#define MIN_SHARE 0.3    /* of the prefix; below it a warm cache saves too little to be worth a wait */
#define EXTRA_REQUESTS 2 /* that a worker may have above the least loaded one, for the sake of its cache */

guint
mr_dispatch_load (const MrDispatchWorker *worker)
{
  return MAX (worker->reported_load, worker->in_flight);
}

/* The need's names one by one; %NULL after the last. */
static const char *
need_name (const MrDispatchNeed *need, guint i)
{
  if (need->models != NULL)
    return need->models[i];
  return i == 0 ? need->name : NULL;
}

static gboolean
can_carry (const MrDispatchWorker *worker, const MrDispatchNeed *need)
{
  return !worker->draining && (worker->takes_binary || !need->binary);
}

static gboolean
lists (const MrDispatchWorker *worker, const char *model)
{
  return g_hash_table_contains (worker->models, model) || g_hash_table_contains (worker->models, MR_MODEL_ANY);
}

gboolean
mr_dispatch_serves (const MrDispatchWorker *worker, const MrDispatchNeed *need)
{
  const char *model;

  if (!can_carry (worker, need))
    return FALSE;
  for (guint i = 0; (model = need_name (need, i)) != NULL; i++)
    if (lists (worker, model))
      return TRUE;
  return FALSE;
}

static gboolean
can_take (const MrDispatchWorker *worker, const MrDispatchNeed *need, const char *model)
{
  return mr_dispatch_load (worker) < worker->max_concurrent && can_carry (worker, need) && lists (worker, model);
}

/* a's share of its capacity below b's, without division: loads and capacities are small. */
static gboolean
is_better (const MrDispatchWorker *a, const MrDispatchWorker *b)
{
  guint64 left = (guint64) mr_dispatch_load (a) * b->max_concurrent;
  guint64 right = (guint64) mr_dispatch_load (b) * a->max_concurrent;

  return left != right ? left < right : a->last_chosen < b->last_chosen;
}

/* Both loads times @least's capacity, so that nothing is rounded. */
static gboolean
is_too_busy (const MrDispatchWorker *worker, const MrDispatchWorker *least)
{
  guint64 load = (guint64) mr_dispatch_load (worker) * least->max_concurrent;
  guint64 scaled = (guint64) mr_dispatch_load (least) * worker->max_concurrent;

  return load > scaled + (guint64) EXTRA_REQUESTS * least->max_concurrent && 2 * load > 3 * scaled;
}

static int
find_least (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need, const char *model)
{
  int least = -1;

  for (guint i = 0; i < n; i++)
    if (can_take (workers[i], need, model) && (least < 0 || is_better (workers[i], workers[least])))
      least = (int) i;
  return least;
}

static int
find_holder (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need, MrDispatchChoice least,
             MrDispatchShare share, gpointer user_data)
{
  int holder = -1;
  double most = MIN_SHARE;

  for (guint i = 0; i < n; i++) {
    double held;

    if (!can_take (workers[i], need, least.model) || is_too_busy (workers[i], workers[least.worker]))
      continue;
    held = share (i, user_data);
    if (held < most || (held == most && holder >= 0 && !is_better (workers[i], workers[holder])))
      continue;
    holder = (int) i;
    most = held;
  }
  return holder;
}

MrDispatchChoice
mr_dispatch_choose (MrDispatchWorker *const *workers, guint n, const MrDispatchNeed *need, MrDispatchShare share,
                    gpointer user_data)
{
  MrDispatchChoice choice = { -1, NULL };
  const char *model;

  for (guint i = 0; choice.worker < 0 && (model = need_name (need, i)) != NULL; i++)
    choice = (MrDispatchChoice){ find_least (workers, n, need, model), model };
  if (choice.worker < 0)
    return (MrDispatchChoice){ -1, NULL };
  if (share != NULL) {
    int holder = find_holder (workers, n, need, choice, share, user_data);

    if (holder >= 0)
      choice.worker = holder;
  }
  return choice;
}
