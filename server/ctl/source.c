/* SPDX-License-Identifier: MIT */
/* What both sources have in common. See source.h. */
#include "source.h"

MrSource *
mr_source_new (const MrCtlOptions *options, GError **error)
{
  if (options->url != NULL)
    return mr_source_http_new (options->url, options->ca_file, options->token, error);
  return mr_source_dbus_new ((MrCtlBus) options->bus, error);
}

void
mr_source_free (MrSource *source)
{
  if (source == NULL)
    return;
  g_free (source->place);
  source->class->free (source);
}

void
mr_source_ask_async (MrSource *source, const MrQuestion *question, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, data);

  g_task_set_source_tag (task, mr_source_ask_async);
  source->class->ask (source, question, task);
}

JsonNode *
mr_source_ask_finish (MrSource *source, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_answer (GObject *object, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

JsonNode *
mr_source_ask (MrSource *source, const MrQuestion *question, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mr_source_ask_async (source, question, NULL, on_answer, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return mr_source_ask_finish (source, result, error);
}

JsonNode *
mr_source_list (MrSource *source, MrQuestionKind kind, GError **error)
{
  const MrQuestion question = { .kind = kind };

  return mr_source_ask (source, &question, error);
}

const char *
mr_source_list_name (MrQuestionKind kind)
{
  static const char *const names[MR_N_QUESTIONS] = {
    [MR_ASK_WORKERS] = "workers", [MR_ASK_MODELS] = "models", [MR_ASK_REQUESTS] = "requests",
    [MR_ASK_KEYS] = "keys",       [MR_ASK_USAGE] = "usage",
  };

  return names[kind];
}
