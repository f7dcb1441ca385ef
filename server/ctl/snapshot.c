/* SPDX-License-Identifier: MIT */
/* Several questions asked at once. See snapshot.h. */
#include "snapshot.h"

#include "ctl-error.h"

typedef struct {
  MrSource *source; /* Borrowed: outlives its questions */
  MrSnapshot *snapshot;
  guint n_waiting;
  GError *error; /* the first */
} Fetch;

/* One of the questions. */
typedef struct {
  GTask *task; /* Owned */
  MrQuestionKind kind;
  MrQuestion question;
} Part;

void
mr_snapshot_free (MrSnapshot *snapshot)
{
  if (snapshot == NULL)
    return;
  for (guint i = 0; i < MR_N_QUESTIONS; i++)
    g_clear_pointer (&snapshot->answers[i], json_node_unref);
  g_free (snapshot);
}

static void
fetch_free (gpointer data)
{
  Fetch *fetch = data;

  mr_snapshot_free (fetch->snapshot);
  g_clear_error (&fetch->error);
  g_free (fetch);
}

static void
on_answer (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autofree Part *part = data;
  g_autoptr (GTask) task = part->task;
  Fetch *fetch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  fetch->snapshot->answers[part->kind] = mr_source_ask_finish (fetch->source, result, &error);
  if (error != NULL && fetch->error == NULL &&
      !(part->kind == MR_ASK_REQUESTS && g_error_matches (error, MR_CTL_ERROR, MR_CTL_NOT_ALLOWED)))
    fetch->error = g_steal_pointer (&error);
  if (--fetch->n_waiting > 0)
    return;
  if (fetch->error != NULL)
    g_task_return_error (task, g_steal_pointer (&fetch->error));
  else
    g_task_return_pointer (task, g_steal_pointer (&fetch->snapshot), (GDestroyNotify) mr_snapshot_free);
}

void
mr_snapshot_fetch_async (MrSource *source, guint kinds, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, data);
  Fetch *fetch = g_new0 (Fetch, 1);

  g_task_set_source_tag (task, mr_snapshot_fetch_async);
  g_task_set_task_data (task, fetch, fetch_free);
  fetch->source = source;
  fetch->snapshot = g_new0 (MrSnapshot, 1);
  for (guint kind = 0; kind < MR_N_QUESTIONS; kind++) {
    Part *part;

    if ((kinds & 1u << kind) == 0)
      continue;
    part = g_new0 (Part, 1);
    part->task = g_object_ref (task);
    part->kind = (MrQuestionKind) kind;
    part->question.kind = part->kind;
    fetch->n_waiting++;
    mr_source_ask_async (source, &part->question, cancellable, on_answer, part);
  }
}

MrSnapshot *
mr_snapshot_fetch_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_fetched (GObject *object, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

MrSnapshot *
mr_snapshot_fetch (MrSource *source, guint kinds, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mr_snapshot_fetch_async (source, kinds, NULL, on_fetched, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return mr_snapshot_fetch_finish (result, error);
}
