/* SPDX-License-Identifier: MIT */
/*
 * One list of waiting jobs per model, each in order of arrival. See job-queue.h.
 */
#include "job-queue.h"

struct _MrJobQueue {
  GHashTable *models; /* char * (the first job's) -> GQueue of MrJob, linked through MrJob.queue_link */
  guint length;
  guint max_length;
};

static void
free_list (gpointer data)
{
  g_free (data); /* its links are members of the jobs */
}

MrJobQueue *
mr_job_queue_new (void)
{
  MrJobQueue *queue = g_new0 (MrJobQueue, 1);

  queue->models = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_list);
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
  g_hash_table_unref (queue->models);
  g_free (queue);
}

gboolean
mr_job_queue_push (MrJobQueue *queue, MrJob *job, gboolean returning)
{
  GQueue *list = g_hash_table_lookup (queue->models, job->admission.model);
  GList *after;

  if (!returning && queue->max_length > 0 && queue->length >= queue->max_length)
    return FALSE;
  if (list == NULL) {
    list = g_new0 (GQueue, 1);
    g_hash_table_insert (queue->models, g_strdup (job->admission.model), list);
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
  GQueue *list = g_hash_table_lookup (queue->models, job->admission.model);

  g_queue_unlink (list, &job->queue_link);
  queue->length--;
  if (list->length == 0)
    g_hash_table_remove (queue->models, job->admission.model);
}

MrJob *
mr_job_queue_find (MrJobQueue *queue, MrJobQueuePredicate predicate, gpointer user_data)
{
  GHashTableIter iter;
  gpointer value;
  MrJob *first = NULL;

  g_hash_table_iter_init (&iter, queue->models);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    MrJob *head = ((GQueue *) value)->head->data;

    if ((first == NULL || head->number < first->number) && predicate (head->admission.model, user_data))
      first = head;
  }
  return first;
}

guint
mr_job_queue_get_length (MrJobQueue *queue)
{
  return queue->length;
}
