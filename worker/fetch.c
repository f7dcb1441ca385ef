/* SPDX-License-Identifier: MIT */
/*
 * A request through SoupSession, and its body up to a limit. See fetch.h.
 */
#include "fetch.h"

#include "limits.h"

/* Of a silent socket. A local model server answers in milliseconds. */
#define FETCH_TIMEOUT_SECS 5

SoupSession *
mr_fetch_session_new (void)
{
  /* libsoup's defaults would send requests for 127.0.0.1 to http_proxy, and wait for a minute. */
  SoupSession *session = soup_session_new_with_options ("proxy-resolver", NULL, "timeout", FETCH_TIMEOUT_SECS, NULL);

  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  return session;
}

static void
on_body (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  char *text = g_task_get_task_data (task);
  GError *error = NULL;
  gsize length = 0;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &length, &error)) {
    g_task_return_error (task, error);
  } else if (length == MR_LIMIT_DISCOVERY_BYTES) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "its answer is too long");
  } else {
    g_task_return_pointer (task, g_bytes_new (text, length), (GDestroyNotify) g_bytes_unref);
  }
}

static void
on_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  char *text;

  if (stream == NULL) {
    g_task_return_error (task, error);
    return;
  }
  text = g_malloc (MR_LIMIT_DISCOVERY_BYTES);
  g_task_set_task_data (task, text, g_free);
  g_input_stream_read_all_async (stream, text, MR_LIMIT_DISCOVERY_BYTES, G_PRIORITY_DEFAULT,
                                 g_task_get_cancellable (task), on_body, g_object_ref (task));
}

void
mr_fetch_async (SoupSession *session, SoupMessage *message, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer user_data)
{
  GTask *task = g_task_new (session, cancellable, callback, user_data);

  g_task_set_source_tag (task, mr_fetch_async);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_session_send_async (session, message, G_PRIORITY_DEFAULT, cancellable, on_head, task);
}

GBytes *
mr_fetch_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
