/* SPDX-License-Identifier: MIT */
/*
 * Who waits, and who is next. See job-queue.h.
 *
 *   need (model, text or not) -> band -> lanes in the order of their keys' turns
 *   lane: one key's jobs with one need, in the order of arrival
 *
 * A lane stands where its first job belongs: that one has waited longest, so no other is in a higher band. The next job
 * of a need is then the head of the first lane in its highest band, and the next of all the best of those, without a
 * look at any other: a find asks each need once. What makes a lane wait elsewhere is looked up, never scanned for:
 *
 *   - lanes that will rise stand in one sequence by the time of their next rise, and a find moves those that are due
 *     (at most twice for a job), so that ageing needs no timer;
 *   - a key at its max_concurrent is parked: its lanes stand in no band. Only the relay counts what runs, so each find
 *     looks at the keys that wait (not at their jobs) and parks or returns those that changed.
 *
 * Pushing and removing cost O(log lanes); serving a job moves the other lanes of its key as well. A returning job looks
 * for its place from the head of its lane, where it belongs. A key remembers its turn when none of its jobs wait.
 */
#include "job-queue.h"

#include "limits.h"

typedef struct {
  MrDispatchNeed need;               /* @name is owned; without models */
  GSequence *bands[MR_N_PRIORITIES]; /* Borrowed Lane, the next at the beginning */
  guint n_lanes;
} Need;

/* A key, or all that have none. */
typedef struct {
  MrKey *key;        /* Owned, nullable */
  GHashTable *lanes; /* Need -> Lane, owned */
  guint64 turn;      /* number of its last turn; 0 before its first */
  gboolean parked;
  GList link; /* in MrJobQueue.waiting or .idle */
} Party;

typedef struct {
  Need *need;
  Party *party;
  GQueue jobs;          /* Borrowed MrJob, linked through MrJob.queue_link */
  MrPriority band;      /* where it stands now */
  gint64 rises_at;      /* when its first job belongs one band higher */
  GSequenceIter *place; /* in its need's band; NULL while parked */
  GSequenceIter *rise;  /* in MrJobQueue.rising; NULL while parked or in the highest band */
} Lane;

struct _MrJobQueue {
  GHashTable *needs;   /* set of Need, owned */
  GHashTable *parties; /* MrKey -> Party, owned */
  GQueue waiting;      /* Parties that have jobs */
  GQueue idle;         /* Parties that have none and had a turn; the one of longest ago at the head */
  GSequence *rising;   /* Borrowed Lane by rises_at */
  guint64 turns;
  gint64 now_us; /* of the last find */
  guint length;
  guint max_length;
};

static guint
need_hash (gconstpointer key)
{
  const Need *need = key;

  return g_str_hash (need->need.name) ^ (guint) need->need.binary;
}

static gboolean
need_equal (gconstpointer a, gconstpointer b)
{
  const Need *left = a;
  const Need *right = b;

  return left->need.binary == right->need.binary && g_str_equal (left->need.name, right->need.name);
}

static void
need_free (gpointer data)
{
  Need *need = data;

  for (guint i = 0; i < MR_N_PRIORITIES; i++)
    g_sequence_free (need->bands[i]);
  g_free ((char *) need->need.name);
  g_free (need);
}

static void
party_free (gpointer data)
{
  Party *party = data;

  g_hash_table_unref (party->lanes);
  g_clear_pointer (&party->key, mr_key_unref);
  g_free (party);
}

static MrJob *
lane_head (const Lane *lane)
{
  return lane->jobs.head->data;
}

/* Of one band: whose key's turn was longest ago; of keys that had none who came first. */
static int
compare_turns (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Lane *left = a;
  const Lane *right = b;
  guint64 left_order = left->party->turn;
  guint64 right_order = right->party->turn;

  if (left_order == right_order) {
    left_order = lane_head (left)->number;
    right_order = lane_head (right)->number;
  }
  return (left_order > right_order) - (left_order < right_order);
}

static int
compare_rises (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Lane *left = a;
  const Lane *right = b;

  return (left->rises_at > right->rises_at) - (left->rises_at < right->rises_at);
}

/* Before its first job or its key's turn changes. */
static void
lane_leave (Lane *lane)
{
  g_clear_pointer (&lane->place, g_sequence_remove);
  g_clear_pointer (&lane->rise, g_sequence_remove);
}

static void
lane_enter (MrJobQueue *queue, Lane *lane)
{
  const MrKey *key = lane->party->key;
  gint64 arrived_us = lane_head (lane)->arrived_us;
  gint64 rises = MAX (queue->now_us - arrived_us, 0) / MR_LIMIT_AGING_USEC;
  MrPriority priority = key != NULL ? key->spec.priority : MR_PRIORITY_NORMAL;

  if (lane->party->parked)
    return;
  lane->band = (MrPriority) MAX ((gint64) priority - rises, 0);
  lane->place = g_sequence_insert_sorted (lane->need->bands[lane->band], lane, compare_turns, NULL);
  if (lane->band == 0)
    return;
  lane->rises_at = arrived_us + (rises + 1) * MR_LIMIT_AGING_USEC;
  lane->rise = g_sequence_insert_sorted (queue->rising, lane, compare_rises, NULL);
}

static void
party_leave (Party *party)
{
  GHashTableIter iter;
  gpointer lane;

  g_hash_table_iter_init (&iter, party->lanes);
  while (g_hash_table_iter_next (&iter, NULL, &lane))
    lane_leave (lane);
}

static void
party_enter (MrJobQueue *queue, Party *party)
{
  GHashTableIter iter;
  gpointer lane;

  g_hash_table_iter_init (&iter, party->lanes);
  while (g_hash_table_iter_next (&iter, NULL, &lane))
    lane_enter (queue, lane);
}

MrJobQueue *
mr_job_queue_new (void)
{
  MrJobQueue *queue = g_new0 (MrJobQueue, 1);

  queue->needs = g_hash_table_new_full (need_hash, need_equal, need_free, NULL);
  queue->parties = g_hash_table_new_full (NULL, NULL, NULL, party_free);
  queue->rising = g_sequence_new (NULL);
  return queue;
}

void
mr_job_queue_free (MrJobQueue *queue)
{
  if (queue == NULL)
    return;
  g_sequence_free (queue->rising);
  g_hash_table_unref (queue->parties);
  g_hash_table_unref (queue->needs);
  g_free (queue);
}

void
mr_job_queue_set_max_length (MrJobQueue *queue, guint max_length)
{
  queue->max_length = max_length;
}

static Need *
find_need (MrJobQueue *queue, const MrJob *job)
{
  const Need wanted = { .need = mr_job_need (job) };

  return g_hash_table_lookup (queue->needs, &wanted);
}

static Need *
add_need (MrJobQueue *queue, const MrJob *job)
{
  const MrDispatchNeed wanted = mr_job_need (job);
  Need *need = g_new0 (Need, 1);

  need->need = (MrDispatchNeed){ .name = g_strdup (wanted.name), .binary = wanted.binary };
  for (guint i = 0; i < MR_N_PRIORITIES; i++)
    need->bands[i] = g_sequence_new (NULL);
  g_hash_table_add (queue->needs, need);
  return need;
}

static Party *
add_party (MrJobQueue *queue, MrKey *key)
{
  Party *party = g_new0 (Party, 1);

  party->key = key != NULL ? mr_key_ref (key) : NULL;
  party->lanes = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  party->link.data = party;
  g_queue_push_tail_link (&queue->idle, &party->link);
  g_hash_table_insert (queue->parties, key, party);
  return party;
}

static Lane *
add_lane (MrJobQueue *queue, Party *party, Need *need)
{
  Lane *lane = g_new0 (Lane, 1);

  lane->need = need;
  lane->party = party;
  need->n_lanes++;
  if (g_hash_table_size (party->lanes) == 0) {
    g_queue_unlink (&queue->idle, &party->link);
    g_queue_push_tail_link (&queue->waiting, &party->link);
  }
  g_hash_table_insert (party->lanes, need, lane);
  return lane;
}

static void
forget_party (MrJobQueue *queue, Party *party)
{
  g_queue_unlink (&queue->idle, &party->link);
  g_hash_table_remove (queue->parties, party->key);
}

static void
remove_lane (MrJobQueue *queue, Lane *lane)
{
  Party *party = lane->party;
  Need *need = lane->need;

  g_hash_table_remove (party->lanes, need);
  if (--need->n_lanes == 0)
    g_hash_table_remove (queue->needs, need);
  if (g_hash_table_size (party->lanes) > 0)
    return;
  party->parked = FALSE;
  g_queue_unlink (&queue->waiting, &party->link);
  g_queue_push_tail_link (&queue->idle, &party->link);
  if (party->turn == 0)
    forget_party (queue, party);
  else if (queue->idle.length > MR_LIMIT_QUEUE_TURNS)
    forget_party (queue, queue->idle.head->data);
}

gboolean
mr_job_queue_push (MrJobQueue *queue, MrJob *job, gboolean returning)
{
  Need *need;
  Party *party;
  Lane *lane;
  GList *after;

  if (!returning && queue->max_length > 0 && queue->length >= queue->max_length)
    return FALSE;
  if ((need = find_need (queue, job)) == NULL)
    need = add_need (queue, job);
  if ((party = g_hash_table_lookup (queue->parties, job->key)) == NULL)
    party = add_party (queue, job->key);
  if ((lane = g_hash_table_lookup (party->lanes, need)) == NULL)
    lane = add_lane (queue, party, need);
  queue->length++;

  /* A new job goes to the end at once; only a returning one looks for its place, near the head. */
  after = lane->jobs.head;
  if (lane->jobs.tail != NULL && ((MrJob *) lane->jobs.tail->data)->number < job->number)
    after = NULL;
  while (after != NULL && ((MrJob *) after->data)->number < job->number)
    after = after->next;
  if (after != NULL)
    g_queue_insert_before_link (&lane->jobs, after, &job->queue_link);
  else
    g_queue_push_tail_link (&lane->jobs, &job->queue_link);

  if (lane_head (lane) == job) {
    lane_leave (lane);
    lane_enter (queue, lane);
  }
  return TRUE;
}

void
mr_job_queue_remove (MrJobQueue *queue, MrJob *job)
{
  Party *party = g_hash_table_lookup (queue->parties, job->key);
  Lane *lane = g_hash_table_lookup (party->lanes, find_need (queue, job));
  gboolean was_first = lane_head (lane) == job;

  if (was_first)
    lane_leave (lane);
  g_queue_unlink (&lane->jobs, &job->queue_link);
  queue->length--;
  if (lane->jobs.length == 0)
    remove_lane (queue, lane);
  else if (was_first)
    lane_enter (queue, lane);
}

void
mr_job_queue_remove_served (MrJobQueue *queue, MrJob *job)
{
  Party *party = g_hash_table_lookup (queue->parties, job->key);

  party_leave (party);
  party->turn = ++queue->turns;
  party_enter (queue, party);
  mr_job_queue_remove (queue, job);
}

static void
raise_due (MrJobQueue *queue)
{
  while (!g_sequence_is_empty (queue->rising)) {
    Lane *lane = g_sequence_get (g_sequence_get_begin_iter (queue->rising));

    if (lane->rises_at > queue->now_us)
      return;
    lane_leave (lane);
    lane_enter (queue, lane);
  }
}

static void
park_and_return (MrJobQueue *queue)
{
  for (GList *link = queue->waiting.head; link != NULL; link = link->next) {
    Party *party = link->data;
    const MrKey *key = party->key;
    gboolean full = key != NULL && key->spec.max_concurrent > 0 && key->limit.running >= key->spec.max_concurrent;

    if (full == party->parked)
      continue;
    party->parked = full;
    party_leave (party);
    party_enter (queue, party);
  }
}

static Lane *
need_first (const Need *need)
{
  for (guint i = 0; i < MR_N_PRIORITIES; i++)
    if (!g_sequence_is_empty (need->bands[i]))
      return g_sequence_get (g_sequence_get_begin_iter (need->bands[i]));
  return NULL;
}

static gboolean
is_before (const Lane *a, const Lane *b)
{
  return a->band != b->band ? a->band < b->band : compare_turns (a, b, NULL) < 0;
}

MrJob *
mr_job_queue_find (MrJobQueue *queue, MrJobQueuePredicate predicate, gpointer user_data, gint64 now_us)
{
  GHashTableIter iter;
  gpointer need;
  Lane *first = NULL;

  queue->now_us = now_us;
  raise_due (queue);
  park_and_return (queue);
  g_hash_table_iter_init (&iter, queue->needs);
  while (g_hash_table_iter_next (&iter, &need, NULL)) {
    Lane *lane = need_first (need);

    if (lane != NULL && (first == NULL || is_before (lane, first))) {
      const MrDispatchNeed asked = mr_job_need (lane_head (lane));

      if (predicate (&asked, user_data))
        first = lane;
    }
  }
  return first != NULL ? lane_head (first) : NULL;
}

guint
mr_job_queue_get_length (MrJobQueue *queue)
{
  return queue->length;
}
