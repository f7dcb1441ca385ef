/* SPDX-License-Identifier: MIT */
/*
 * The autostart entry and the portal's request. Both know the entry by the application's id.
 *
 * The entry is made of what the desktop entry specification allows: a program that PATH does not find is named by its
 * path, quoted.
 */
#include "autostart-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <libportal/portal.h>
#include <string.h>

#define PROGRAM "modelrelay-desktop"
#define ENTRY "org.modelrelay.Desktop.desktop"

gboolean
mr_autostart_is_portal (void)
{
  return xdp_portal_running_under_flatpak ();
}

static gboolean
is_enabling (GTask *task)
{
  return GPOINTER_TO_INT (g_task_get_task_data (task));
}

/* --- the entry --- */

static char *
entry_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "autostart", ENTRY, NULL);
}

/* An argument of Exec; "%%" is a percent sign. */
static char *
quote_argument (const char *text)
{
  g_autoptr (GString) quoted = g_string_new ("\"");

  for (const char *at = text; *at != '\0'; at++) {
    if (strchr ("\"`$\\", *at) != NULL) {
      g_string_append_c (quoted, '\\');
    }
    if (*at == '%') {
      g_string_append_c (quoted, '%');
    }
    g_string_append_c (quoted, *at);
  }
  g_string_append_c (quoted, '"');
  return g_string_free (g_steal_pointer (&quoted), FALSE);
}

char *
mr_autostart_make_entry (const char *program)
{
  g_autoptr (GKeyFile) entry = g_key_file_new ();
  g_autofree char *quoted = program != NULL ? quote_argument (program) : g_strdup (PROGRAM);
  g_autofree char *command = g_strconcat (quoted, " --background", NULL);

  g_key_file_set_string (entry, G_KEY_FILE_DESKTOP_GROUP, "Type", "Application");
  g_key_file_set_string (entry, G_KEY_FILE_DESKTOP_GROUP, "Name", "ModelRelay");
  g_key_file_set_string (entry, G_KEY_FILE_DESKTOP_GROUP, "Icon", "org.modelrelay.Desktop");
  g_key_file_set_string (entry, G_KEY_FILE_DESKTOP_GROUP, "Exec", command);
  g_key_file_set_boolean (entry, G_KEY_FILE_DESKTOP_GROUP, "X-GNOME-Autostart-enabled", TRUE);
  return g_key_file_to_data (entry, NULL, NULL);
}

gboolean
mr_autostart_is_enabled (gboolean wanted)
{
  g_autofree char *path = entry_path ();
  g_autoptr (GKeyFile) entry = g_key_file_new ();

  if (mr_autostart_is_portal ()) {
    return wanted;
  }
  if (!g_key_file_load_from_file (entry, path, G_KEY_FILE_NONE, NULL)) {
    return FALSE;
  }
  return !g_key_file_get_boolean (entry, G_KEY_FILE_DESKTOP_GROUP, "Hidden", NULL) &&
         (!g_key_file_has_key (entry, G_KEY_FILE_DESKTOP_GROUP, "X-GNOME-Autostart-enabled", NULL) ||
          g_key_file_get_boolean (entry, G_KEY_FILE_DESKTOP_GROUP, "X-GNOME-Autostart-enabled", NULL));
}

static gboolean
write_entry (const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *found = g_find_program_in_path (PROGRAM);
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  /* A program that was updated while it runs has no path any more. */
  gboolean by_path = found == NULL && self != NULL && g_file_test (self, G_FILE_TEST_EXISTS);
  g_autofree char *text = mr_autostart_make_entry (by_path ? self : NULL);
  g_autoptr (GError) cause = NULL;

  g_mkdir_with_parents (directory, 0700); /* what is wrong with it, writing will tell */
  if (!g_file_set_contents (path, text, -1, &cause)) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_file_error (cause->code),
                 _ ("The autostart entry cannot be written: %s"), cause->message);
    return FALSE;
  }
  return TRUE;
}

static gboolean
remove_entry (const char *path, GError **error)
{
  if (g_unlink (path) != 0 && errno != ENOENT) {
    int saved_errno = errno;
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                 _ ("The autostart entry cannot be removed: %s"), g_strerror (saved_errno));
    return FALSE;
  }
  return TRUE;
}

/* In the writer's thread. */
static void
set_entry (gpointer data, gpointer unused)
{
  g_autoptr (GTask) task = data;
  g_autofree char *path = entry_path ();
  GError *error = NULL;

  if (is_enabling (task) ? write_entry (path, &error) : remove_entry (path, &error)) {
    g_task_return_boolean (task, TRUE);
  } else {
    g_task_return_error (task, error);
  }
}

/* One thread, so that the last of several calls has the last word. */
static GThreadPool *
get_writer (void)
{
  static GThreadPool *writer = NULL;

  if (writer == NULL) {
    writer = g_thread_pool_new (set_entry, NULL, 1, FALSE, NULL);
  }
  return writer;
}

/* --- the portal --- */

static void
on_portal_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;

  if (xdp_portal_request_background_finish (XDP_PORTAL (source), result, &error)) {
    g_task_return_boolean (task, TRUE);
  } else if (g_task_return_error_if_cancelled (task)) {
    return;
  } else if (error != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("The desktop could not be asked: %s"),
                             error->message);
  } else if (is_enabling (task)) {
    /* To the portal's library a "no" is a cancelled request. */
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "%s",
                             _ ("The desktop did not allow ModelRelay to start at login."));
  } else {
    g_task_return_boolean (task, TRUE); /* what is not allowed is off as well */
  }
}

static void
ask_portal (GTask *task)
{
  g_autoptr (XdpPortal) portal = xdp_portal_new ();
  g_autoptr (GPtrArray) command = g_ptr_array_new ();

  g_ptr_array_add (command, (gpointer) PROGRAM);
  g_ptr_array_add (command, (gpointer) "--background");
  xdp_portal_request_background (portal, NULL, (char *) _ ("Share this machine’s models when you log in"), command,
                                 is_enabling (task) ? XDP_BACKGROUND_FLAG_AUTOSTART : XDP_BACKGROUND_FLAG_NONE,
                                 g_task_get_cancellable (task), on_portal_answered, g_object_ref (task));
}

/* --- both --- */

void
mr_autostart_set_by_async (gboolean portal, gboolean enabled, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, mr_autostart_set_async);
  g_task_set_task_data (task, GINT_TO_POINTER (enabled), NULL);
  if (portal) {
    ask_portal (task);
  } else {
    g_thread_pool_push (get_writer (), g_object_ref (task), NULL);
  }
}

void
mr_autostart_set_async (gboolean enabled, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  mr_autostart_set_by_async (mr_autostart_is_portal (), enabled, cancellable, callback, user_data);
}

gboolean
mr_autostart_set_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mr_autostart_set_async), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
