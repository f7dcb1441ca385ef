/* SPDX-License-Identifier: MIT */
/*
 * One list of waiting jobs per need (model, and text or not), each in order of arrival. See job-queue.h.
 */
#include "job-queue.h"

struct _MrJobQueue {
  GHashTable *needs; /* MrDispatchNeed -> GQueue of MrJob, linked through MrJob.queue_link; both owned */
  guint length;
  guint max_length;
};

static guint
need_hash (gconstpointer key)
{
  const MrDispatchNeed *need = key;

  return g_str_hash (need->model) ^ (guint) need->binary;
}

static gboolean
need_equal (gconstpointer a, gconstpointer b)
{
  const MrDispatchNeed *left = a;
  const MrDispatchNeed *right = b;

  return left->binary == right->binary && g_str_equal (left->model, right->model);
}

static void
need_free (gpointer data)
{
  MrDispatchNeed *need = data;

  g_free ((char *) need->model);
  g_free (need);
}

static MrDispatchNeed *
need_copy (const MrDispatchNeed *need)
{
  MrDispatchNeed *copy = g_new (MrDispatchNeed, 1);

  *copy = (MrDispatchNeed){ .model = g_strdup (need->model), .binary = need->binary };
  return copy;
}

MrJobQueue *
mr_job_queue_new (void)
{
  MrJobQueue *queue = g_new0 (MrJobQueue, 1);

  queue->needs = g_hash_table_new_full (need_hash, need_equal, need_free, g_free); /* a list's links are the jobs' */
  return queue;
}

void
mr_job_queue_set_max_length (MrJobQueue *queue, guint max_length)
{
  queue->max_length = max_length;
}

void
mr_job_queue_free (MrJobQueue *queue)
{
  if (queue == NULL)
    return;
  g_hash_table_unref (queue->needs);
  g_free (queue);
}

gboolean
mr_job_queue_push (MrJobQueue *queue, MrJob *job, gboolean returning)
{
  const MrDispatchNeed need = mr_job_need (job);
  GQueue *list = g_hash_table_lookup (queue->needs, &need);
  GList *after;

  if (!returning && queue->max_length > 0 && queue->length >= queue->max_length)
    return FALSE;
  if (list == NULL) {
    list = g_new0 (GQueue, 1);
    g_hash_table_insert (queue->needs, need_copy (&need), list);
  }
  /* A new job goes to the end at once; only a returning one looks for its place, near the head. */
  after = list->head;
  if (list->tail != NULL && ((MrJob *) list->tail->data)->number < job->number)
    after = NULL;
  while (after != NULL && ((MrJob *) after->data)->number < job->number)
    after = after->next;
  if (after != NULL)
    g_queue_insert_before_link (list, after, &job->queue_link);
  else
    g_queue_push_tail_link (list, &job->queue_link);
  queue->length++;
  return TRUE;
}

void
mr_job_queue_remove (MrJobQueue *queue, MrJob *job)
{
  const MrDispatchNeed need = mr_job_need (job);
  GQueue *list = g_hash_table_lookup (queue->needs, &need);

  g_queue_unlink (list, &job->queue_link);
  queue->length--;
  if (list->length == 0)
    g_hash_table_remove (queue->needs, &need);
}

MrJob *
mr_job_queue_find (MrJobQueue *queue, MrJobQueuePredicate predicate, gpointer user_data)
{
  GHashTableIter iter;
  gpointer key;
  gpointer value;
  MrJob *first = NULL;

  g_hash_table_iter_init (&iter, queue->needs);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    MrJob *head = ((GQueue *) value)->head->data;

    if ((first == NULL || head->number < first->number) && predicate (key, user_data))
      first = head;
  }
  return first;
}

guint
mr_job_queue_get_length (MrJobQueue *queue)
{
  return queue->length;
}
