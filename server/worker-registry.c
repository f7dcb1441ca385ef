/* SPDX-License-Identifier: MIT */
/*
 * Registered workers and seen models. See worker-registry.h.
 */
#include "worker-registry.h"

#include "limits.h"

typedef struct {
  char *name;
  gint64 first_seen; /* seconds since 1970 */
  GList link;        /* in MrWorkerRegistry.seen_order */
} SeenModel;

struct _MrWorkerRegistry {
  GPtrArray *sessions; /* Borrowed MrWorkerSession */
  GPtrArray *dispatch; /* their MrDispatchWorker, same order */
  guint64 assignments;
  GHashTable *seen;     /* name -> SeenModel, owned */
  GQueue seen_order;    /* the one first seen longest ago at the head */
  MrAffinity *affinity; /* Owned */
};

/* Who holds a request's prefix, while its worker is chosen. */
typedef struct {
  MrWorkerRegistry *registry;
  MrAffinityHolder holders[MR_AFFINITY_MAX_HOLDERS];
  guint n_holders;
} Holders;

static void
seen_model_free (gpointer data)
{
  SeenModel *model = data;

  g_free (model->name);
  g_free (model);
}

MrWorkerRegistry *
mr_worker_registry_new (void)
{
  MrWorkerRegistry *registry = g_new0 (MrWorkerRegistry, 1);

  registry->sessions = g_ptr_array_new ();
  registry->dispatch = g_ptr_array_new ();
  registry->seen = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, seen_model_free);
  registry->affinity = mr_affinity_new ();
  return registry;
}

void
mr_worker_registry_free (MrWorkerRegistry *registry)
{
  if (registry == NULL)
    return;
  g_ptr_array_unref (registry->sessions);
  g_ptr_array_unref (registry->dispatch);
  g_hash_table_unref (registry->seen);
  mr_affinity_free (registry->affinity);
  g_free (registry);
}

void
mr_worker_registry_add (MrWorkerRegistry *registry, MrWorkerSession *session)
{
  g_ptr_array_add (registry->sessions, session);
  g_ptr_array_add (registry->dispatch, &session->dispatch);
  mr_worker_registry_note_models (registry, session);
}

void
mr_worker_registry_remove (MrWorkerRegistry *registry, MrWorkerSession *session)
{
  g_ptr_array_remove (registry->sessions, session);
  g_ptr_array_remove (registry->dispatch, &session->dispatch);
  mr_affinity_forget_worker (registry->affinity, session->id);
}

static void
note_model (MrWorkerRegistry *registry, const char *name)
{
  SeenModel *model;

  if (g_str_equal (name, MR_MODEL_ANY) || g_hash_table_contains (registry->seen, name))
    return;
  if (registry->seen_order.length >= MR_LIMIT_SEEN_MODELS) {
    SeenModel *oldest = registry->seen_order.head->data;

    g_queue_unlink (&registry->seen_order, &oldest->link);
    g_hash_table_remove (registry->seen, oldest->name);
  }
  model = g_new0 (SeenModel, 1);
  model->name = g_strdup (name);
  model->first_seen = g_get_real_time () / MR_USEC_PER_SEC;
  model->link.data = model;
  g_queue_push_tail_link (&registry->seen_order, &model->link);
  g_hash_table_insert (registry->seen, model->name, model);
}

void
mr_worker_registry_note_models (MrWorkerRegistry *registry, MrWorkerSession *session)
{
  for (char **model = session->models; *model != NULL; model++)
    note_model (registry, *model);
}

guint
mr_worker_registry_get_length (MrWorkerRegistry *registry)
{
  return registry->sessions->len;
}

MrWorkerSession *
mr_worker_registry_index (MrWorkerRegistry *registry, guint i)
{
  return g_ptr_array_index (registry->sessions, i);
}

MrWorkerSums
mr_worker_registry_sum (MrWorkerRegistry *registry)
{
  MrWorkerSums sums = { .workers = mr_worker_registry_get_length (registry) };

  for (guint i = 0; i < sums.workers; i++) {
    const MrDispatchWorker *worker = &mr_worker_registry_index (registry, i)->dispatch;
    guint load = mr_dispatch_load (worker);

    sums.draining += worker->draining ? 1 : 0;
    sums.slots += worker->max_concurrent;
    sums.busy_slots += worker->in_flight;
    if (!worker->draining && load < worker->max_concurrent)
      sums.free_slots += worker->max_concurrent - load;
  }
  return sums;
}

static MrDispatchChoice
choose (MrWorkerRegistry *registry, const MrDispatchNeed *need, Holders *holders, MrDispatchShare share)
{
  return mr_dispatch_choose ((MrDispatchWorker *const *) registry->dispatch->pdata, registry->dispatch->len, need,
                             share, holders);
}

gboolean
mr_worker_registry_can_take (MrWorkerRegistry *registry, const MrDispatchNeed *need)
{
  return choose (registry, need, NULL, NULL).worker >= 0;
}

static double
share_of (guint i, gpointer user_data)
{
  const Holders *holders = user_data;
  const MrWorkerSession *session = g_ptr_array_index (holders->registry->sessions, i);

  for (guint k = 0; k < holders->n_holders; k++)
    if (g_str_equal (holders->holders[k].worker_id, session->id))
      return holders->holders[k].share;
  return 0;
}

MrWorkerSession *
mr_worker_registry_choose (MrWorkerRegistry *registry, const MrDispatchNeed *need, const MrAffinityKey *key,
                           gint64 now_us, const char **model)
{
  Holders holders = { .registry = registry };
  MrDispatchChoice chosen;
  MrWorkerSession *session;

  if (key != NULL)
    holders.n_holders = mr_affinity_find_holders (registry->affinity, key, now_us, holders.holders);
  chosen = choose (registry, need, &holders, holders.n_holders > 0 ? share_of : NULL);
  if (chosen.worker < 0)
    return NULL;
  session = g_ptr_array_index (registry->sessions, chosen.worker);
  session->dispatch.last_chosen = ++registry->assignments;
  note_model (registry, chosen.model); /* one that only `*` stands for is known from now on (contract C6) */
  if (key != NULL)
    mr_affinity_note (registry->affinity, key, session->id, now_us);
  *model = chosen.model;
  return session;
}

gboolean
mr_worker_registry_serves (MrWorkerRegistry *registry, const MrDispatchNeed *need)
{
  for (guint i = 0; i < registry->dispatch->len; i++)
    if (mr_dispatch_serves (g_ptr_array_index (registry->dispatch, i), need))
      return TRUE;
  return FALSE;
}

gboolean
mr_worker_registry_has_seen (MrWorkerRegistry *registry, const char *model)
{
  return g_hash_table_contains (registry->seen, model);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

char **
mr_worker_registry_dup_models (MrWorkerRegistry *registry)
{
  g_autoptr (GHashTable) unique = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < registry->sessions->len; i++) {
    MrWorkerSession *session = g_ptr_array_index (registry->sessions, i);

    for (char **model = session->models; !session->dispatch.draining && *model != NULL; model++)
      if (!g_str_equal (*model, MR_MODEL_ANY) && g_hash_table_add (unique, *model))
        g_ptr_array_add (names, g_strdup (*model));
  }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

gint64
mr_worker_registry_get_first_seen (MrWorkerRegistry *registry, const char *model)
{
  SeenModel *seen = g_hash_table_lookup (registry->seen, model);

  return seen != NULL ? seen->first_seen : 0;
}
