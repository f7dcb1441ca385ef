/* SPDX-License-Identifier: MIT */
/*
 * One question to the X server's screen saver extension, over a connection of its own (XCB), in a thread: XCB waits for
 * its answers.
 */
#include "idle-x11.h"

#include <stdlib.h>
#include <xcb/screensaver.h>

gboolean
mr_idle_x11_is_session (const char *const *envp)
{
  const char *type = g_environ_getenv ((char **) envp, "XDG_SESSION_TYPE");

  return g_environ_getenv ((char **) envp, "DISPLAY") != NULL &&
         g_environ_getenv ((char **) envp, "WAYLAND_DISPLAY") == NULL && g_strcmp0 (type, "wayland") != 0;
}

/* -1: the server does not tell, or went away. */
static gint64
query_idle (xcb_connection_t *connection)
{
  xcb_screen_t *screen = xcb_setup_roots_iterator (xcb_get_setup (connection)).data;
  const xcb_query_extension_reply_t *extension = xcb_get_extension_data (connection, &xcb_screensaver_id);
  xcb_screensaver_query_info_reply_t *info;
  gint64 idle_ms;

  if (screen == NULL || extension == NULL || !extension->present) {
    return -1;
  }
  info = xcb_screensaver_query_info_reply (connection, xcb_screensaver_query_info (connection, screen->root), NULL);
  idle_ms = info != NULL ? (gint64) info->ms_since_user_input : -1;
  free (info);
  return idle_ms;
}

static void
query (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  xcb_connection_t *connection = xcb_connect (NULL, NULL);
  gint64 idle_ms = xcb_connection_has_error (connection) == 0 ? query_idle (connection) : -1;

  xcb_disconnect (connection);
  if (idle_ms < 0) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "the X server does not tell idle times");
  } else {
    g_task_return_int (task, idle_ms);
  }
}

void
mr_idle_x11_query_async (GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, mr_idle_x11_query_async);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, query);
}

gint64
mr_idle_x11_query_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), -1);
  return g_task_propagate_int (G_TASK (result), error);
}
