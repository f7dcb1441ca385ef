/* SPDX-License-Identifier: MIT */
/*
 * Start at login: the entry in a home of our own, and the real xdg-desktop-portal with a backend of our own, which says
 * yes or no in place of the owner.
 *   test-autostart PORTAL-DIRECTORY
 */
#include "autostart-private.h"
#include "wait.h"

#include <gio/gdesktopappinfo.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signal.h>

#define PORTAL "/usr/libexec/xdg-desktop-portal"
#define BACKEND "org.freedesktop.impl.portal.desktop.test"

typedef struct {
  gboolean done;
  GError *error;
} Answer;

static void
on_set (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  g_assert_cmpint (mr_autostart_set_finish (result, &answer->error), ==, answer->error == NULL);
  answer->done = TRUE;
}

/* Returns: (transfer full) (nullable): the error's sentence */
static char *
set_by (gboolean portal, gboolean enabled, int code)
{
  Answer answer = { 0 };
  char *sentence = NULL;

  mr_autostart_set_by_async (portal, enabled, NULL, on_set, &answer);
  wait_until (answer.done);
  if (code < 0) {
    g_assert_no_error (answer.error);
  } else {
    g_assert_error (answer.error, G_IO_ERROR, code);
    sentence = g_strdup (answer.error->message);
  }
  g_clear_error (&answer.error);
  return sentence;
}

/* --- the entry --- */

static char *
entry_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "autostart", "org.modelrelay.Desktop.desktop", NULL);
}

static void
validate (const char *path)
{
  g_autoptr (GError) error = NULL;
  const char *const argv[] = { "desktop-file-validate", path, NULL };
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_autofree char *output = NULL;

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (output, ==, "");
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
}

static void
test_entry (void)
{
  g_autofree char *path = entry_path ();
  g_autofree char *text = NULL;

  g_assert_false (mr_autostart_is_portal ());
  g_assert_false (mr_autostart_is_enabled (TRUE));
  g_free (set_by (FALSE, TRUE, -1));
  g_assert_true (mr_autostart_is_enabled (FALSE));
  validate (path);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, " --background\n"));
  g_free (set_by (FALSE, TRUE, -1)); /* again */
  g_assert_true (mr_autostart_is_enabled (FALSE));
  g_free (set_by (FALSE, FALSE, -1));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_false (mr_autostart_is_enabled (TRUE));
  g_free (set_by (FALSE, FALSE, -1)); /* again */
}

/* Switched off by the desktop's own settings, and on again by ours. */
static void
test_switched_off_elsewhere (void)
{
  static const char *const lines[] = { "Hidden=true\n", "X-GNOME-Autostart-enabled=false\n" };
  g_autofree char *path = entry_path ();

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *text =
        g_strconcat ("[Desktop Entry]\nType=Application\nName=ModelRelay\nExec=x\n", lines[i], NULL);
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    g_assert_false (mr_autostart_is_enabled (TRUE));
    g_free (set_by (FALSE, TRUE, -1));
    g_assert_true (mr_autostart_is_enabled (FALSE));
  }
  g_assert_true (g_file_set_contents (path, "not an entry", -1, NULL));
  g_assert_false (mr_autostart_is_enabled (TRUE));
  g_free (set_by (FALSE, FALSE, -1));
}

static void
test_not_writable (void)
{
  g_autofree char *path = entry_path ();
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *cannot_write = NULL;
  g_autofree char *cannot_remove = NULL;

  g_assert_cmpint (g_rmdir (directory), ==, 0);
  g_assert_true (g_file_set_contents (directory, "in the way", -1, NULL));
  cannot_write = set_by (FALSE, TRUE, G_IO_ERROR_NOT_DIRECTORY);
  g_assert_true (g_str_has_prefix (cannot_write, "The autostart entry cannot be written: "));
  g_assert_false (mr_autostart_is_enabled (TRUE));
  g_assert_cmpint (g_unlink (directory), ==, 0);

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
  cannot_remove = set_by (FALSE, FALSE, G_IO_ERROR_IS_DIRECTORY);
  g_assert_true (g_str_has_prefix (cannot_remove, "The autostart entry cannot be removed: "));
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

/* The last call has the last word. */
static void
test_order (void)
{
  enum { N = 50 };
  Answer answers[N] = { 0 };

  for (guint i = 0; i < N; i++) {
    mr_autostart_set_by_async (FALSE, i % 3 != 0, NULL, on_set, &answers[i]);
  }
  for (guint i = 0; i < N; i++) {
    wait_until (answers[i].done);
    g_assert_no_error (answers[i].error);
  }
  g_assert_cmpint (mr_autostart_is_enabled (FALSE), ==, (N - 1) % 3 != 0);
  g_free (set_by (FALSE, FALSE, -1));
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Answer answer = { 0 };

  g_cancellable_cancel (cancellable);
  mr_autostart_set_async (FALSE, cancellable, on_set, &answer);
  wait_until (answer.done);
  g_assert_error (answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&answer.error);
}

/* Whether GLib starts the program of the entry, and with the right arguments. */
static void
launch (const char *entry, const char *mark)
{
  g_autoptr (GDesktopAppInfo) info = g_desktop_app_info_new_from_filename (entry);
  g_autofree char *arguments = NULL;
  g_autoptr (GError) error = NULL;
  gint64 deadline_us = g_get_monotonic_time () + WAIT_SECONDS * G_USEC_PER_SEC;

  g_assert_nonnull (info);
  g_app_info_launch (G_APP_INFO (info), NULL, NULL, &error);
  g_assert_no_error (error);
  while (!g_file_get_contents (mark, &arguments, NULL, NULL)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_usleep (2000);
  }
  g_assert_cmpstr (arguments, ==, "--background\n");
  g_unlink (mark);
}

/* What was quoted is read back. */
static void
test_quoting (void)
{
  static const char *const names[] = {
    "plain", "with space", "a \"quoted\" one", "it's", "$HOME", "`id`", "back\\slash", "\\\\n", "~&|;", "#", "ümläut",
  };
  g_autofree char *directory = g_dir_make_tmp ("mr-autostart-XXXXXX", NULL);
  g_autofree char *entry = g_build_filename (directory, "org.modelrelay.Desktop.desktop", NULL);
  g_autofree char *mark = g_build_filename (directory, "ran", NULL);
  g_autofree char *script = g_strdup_printf ("#!/bin/sh\necho \"$@\" > '%s.new'\nmv '%s.new' '%s'\n", mark, mark, mark);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *program = g_build_filename (directory, names[i], NULL);
    g_autofree char *text = mr_autostart_make_entry (program);

    g_assert_true (g_file_set_contents_full (program, script, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    g_assert_true (g_file_set_contents (entry, text, -1, NULL));
    validate (entry);
    launch (entry, mark);
    g_unlink (program);
  }
  g_unlink (entry);
  g_rmdir (directory);
}

/* As the specification says; GLib 2.74 itself does not find a program with a percent sign in its path. */
static void
test_percent (void)
{
  g_autofree char *text = mr_autostart_make_entry ("/opt/100%f/a b");
  g_autofree char *path = g_build_filename (g_get_home_dir (), "percent.desktop", NULL);

  g_assert_nonnull (strstr (text, "\nExec=\"/opt/100%%f/a b\" --background\n"));
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  validate (path);
  g_unlink (path);
}

/* --- the portal --- */

typedef struct {
  GDBusConnection *bus; /* Owned: of the backend */
  GSubprocess *portal;  /* Owned */
  gboolean is_there;
  gboolean allowed;
  guint asked;
  gboolean autostart; /* of the last EnableAutostart() */
  char **command;     /* Owned: likewise */
} Portal;

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  Portal *portal = data;
  GVariant *reply = NULL;

  if (g_str_equal (method, "EnableAutostart")) {
    g_strfreev (portal->command);
    g_variant_get (parameters, "(sb^asu)", NULL, &portal->autostart, &portal->command, NULL);
    portal->asked++;
    reply = g_variant_new ("(b)", portal->autostart && portal->allowed);
  } else if (g_str_equal (method, "AccessDialog")) {
    reply = g_variant_new ("(ua{sv})", portal->allowed ? 0 : 1, NULL);
  } else {
    reply = g_variant_new ("(a{sv})", NULL);
  }
  g_dbus_method_invocation_return_value (invocation, reply);
}

static void
on_portal_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  ((Portal *) data)->is_there = TRUE;
}

static void
set_up_child (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
serve (Portal *portal)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  static const char introspection[] =
      "<node><interface name='org.freedesktop.impl.portal.Background'>"
      "<method name='GetAppState'><arg type='a{sv}' direction='out'/></method>"
      "<method name='EnableAutostart'><arg type='s' direction='in'/><arg type='b' direction='in'/>"
      "<arg type='as' direction='in'/><arg type='u' direction='in'/><arg type='b' direction='out'/></method>"
      "<signal name='RunningApplicationsChanged'/>"
      "</interface><interface name='org.freedesktop.impl.portal.Access'>"
      "<method name='AccessDialog'><arg type='o' direction='in'/><arg type='s' direction='in'/>"
      "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>"
      "<arg type='s' direction='in'/><arg type='a{sv}' direction='in'/>"
      "<arg type='u' direction='out'/><arg type='a{sv}' direction='out'/></method>"
      "</interface></node>";
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, &error);
  g_autoptr (GVariant) reply = NULL;

  g_assert_no_error (error);
  for (guint i = 0; node->interfaces[i] != NULL; i++) {
    g_dbus_connection_register_object (portal->bus, "/org/freedesktop/portal/desktop", node->interfaces[i], &vtable,
                                       portal, NULL, &error);
    g_assert_no_error (error);
  }
  reply = g_dbus_connection_call_sync (portal->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "RequestName", g_variant_new ("(su)", BACKEND, 4u), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

static Portal *
portal_new (const char *directory)
{
  const GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  Portal *portal = g_new0 (Portal, 1);
  g_autoptr (GError) error = NULL;

  portal->bus =
      g_dbus_connection_new_for_address_sync (g_getenv ("DBUS_SESSION_BUS_ADDRESS"), flags, NULL, NULL, &error);
  g_assert_no_error (error);
  serve (portal);
  g_subprocess_launcher_setenv (launcher, "XDG_DESKTOP_PORTAL_DIR", directory, TRUE);
  g_subprocess_launcher_setenv (launcher, "G_DEBUG", "", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, set_up_child, NULL, NULL);
  portal->portal = g_subprocess_launcher_spawn (launcher, &error, PORTAL, NULL);
  g_assert_no_error (error);
  g_bus_watch_name_on_connection (portal->bus, "org.freedesktop.portal.Desktop", G_BUS_NAME_WATCHER_FLAGS_NONE,
                                  on_portal_appeared, NULL, portal, NULL);
  wait_until (portal->is_there);
  return portal;
}

static void
portal_free (Portal *portal)
{
  g_subprocess_force_exit (portal->portal);
  g_subprocess_wait (portal->portal, NULL, NULL);
  g_object_unref (portal->portal);
  g_dbus_connection_close_sync (portal->bus, NULL, NULL);
  g_object_unref (portal->bus);
  g_strfreev (portal->command);
  g_free (portal);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Portal, portal_free)

static void
test_portal (gconstpointer directory)
{
  g_autoptr (Portal) portal = portal_new (directory);
  g_autofree char *refused = NULL;

  portal->allowed = TRUE;
  g_free (set_by (TRUE, TRUE, -1));
  g_assert_cmpuint (portal->asked, ==, 1);
  g_assert_true (portal->autostart);
  g_assert_cmpuint (g_strv_length (portal->command), ==, 2);
  g_assert_cmpstr (portal->command[0], ==, "modelrelay-desktop");
  g_assert_cmpstr (portal->command[1], ==, "--background");
  g_free (set_by (TRUE, FALSE, -1));
  g_assert_cmpuint (portal->asked, ==, 2);
  g_assert_false (portal->autostart);

  portal->allowed = FALSE;
  refused = set_by (TRUE, TRUE, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_cmpstr (refused, ==, "The desktop did not allow ModelRelay to start at login.");
  g_free (set_by (TRUE, FALSE, -1));
  g_assert_cmpuint (portal->asked, ==, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  g_test_add_func ("/contract/L5/autostart/entry", test_entry);
  g_test_add_data_func ("/contract/L5/autostart/portal", argv[1], test_portal);
  g_test_add_func ("/desktop/autostart/switched-off-elsewhere", test_switched_off_elsewhere);
  g_test_add_func ("/desktop/autostart/not-writable", test_not_writable);
  g_test_add_func ("/desktop/autostart/order", test_order);
  g_test_add_func ("/desktop/autostart/cancelled", test_cancelled);
  g_test_add_func ("/desktop/autostart/quoting", test_quoting);
  g_test_add_func ("/desktop/autostart/percent", test_percent);
  return g_test_run ();
}
