/* SPDX-License-Identifier: MIT */
/*
 * Bus, keyring and owner. See keyring-stage.h.
 */
#include "keyring-stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define NAME "org.freedesktop.secrets"
#define PROMPTER "org.gnome.keyring.SystemPrompter"

/* --- waiting --- */

/* --- the owner --- */

static char *
open_plain_session (GDBusConnection *desk)
{
  g_autoptr (GVariant) unused = NULL;
  char *path = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_sync (desk, NAME, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service",
                                   "OpenSession", g_variant_new ("(sv)", "plain", g_variant_new_string ("")),
                                   G_VARIANT_TYPE ("(vo)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  g_assert_no_error (error);
  g_variant_get (reply, "(vo)", &unused, &path);
  return path;
}

static GVariant *
plain_secret (const char *session, const char *text)
{
  GVariant *none = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "", 0, 1);
  GVariant *bytes = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1);
  GVariant *members[] = { g_variant_new_object_path (session), none, bytes, g_variant_new_string ("text/plain") };

  return g_variant_new_tuple (members, G_N_ELEMENTS (members));
}

/* What gnome-keyring offers to its own tools. Returns: (transfer full) */
static GVariant *
call_keyring (GDBusConnection *desk, const char *method, GVariant *first, const char *password)
{
  g_autofree char *session = open_plain_session (desk);
  GVariant *arguments[] = { first, plain_secret (session, password) };
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_sync (
      desk, NAME, "/org/freedesktop/secrets", "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface", method,
      g_variant_new_tuple (arguments, 2), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  g_assert_no_error (error);
  return reply;
}

void
session_unlock (GDBusConnection *desk, const char *password)
{
  GVariant *keyring = g_variant_new_object_path ("/org/freedesktop/secrets/collection/login");

  g_variant_unref (call_keyring (desk, "UnlockWithMasterPassword", keyring, password));
}

void
session_create (GDBusConnection *desk, const char *password)
{
  GVariantBuilder properties;
  g_autoptr (GVariant) created = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  const char *path;

  g_variant_builder_init (&properties, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&properties, "{sv}", "org.freedesktop.Secret.Collection.Label",
                         g_variant_new_string ("Login"));
  created = call_keyring (desk, "CreateWithMasterPassword", g_variant_builder_end (&properties), password);
  g_variant_get (created, "(&o)", &path);
  reply = g_dbus_connection_call_sync (desk, NAME, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service",
                                       "SetAlias", g_variant_new ("(so)", "default", path), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

/* The owner does it, or turns away; for the keyring the prompt fails either way. */
static void
on_prompt (GDBusConnection *desk, const char *sender, const char *path, const char *interface, const char *method,
           GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  Session *session = data;

  session->prompts++;
  if (session->at_prompt != NULL) {
    session->at_prompt (desk, PASSWORD);
  }
  g_dbus_method_invocation_return_dbus_error (invocation, "org.modelrelay.Test.NoDisplay", "no");
}

static void
stand_by_prompts (Session *session)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_prompt };
  static const char introspection[] = "<node><interface name='org.gnome.keyring.internal.Prompter'>"
                                      "<method name='BeginPrompting'><arg type='o' direction='in'/></method>"
                                      "</interface></node>";
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, &error);
  g_autoptr (GVariant) reply = NULL;

  g_assert_no_error (error);
  g_dbus_connection_register_object (session->desk, "/org/gnome/keyring/Prompter", node->interfaces[0], &vtable,
                                     session, NULL, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (session->desk, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "RequestName", g_variant_new ("(su)", PROMPTER, 4u),
                                       NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

/* --- the service --- */

static void
on_service_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  ((Session *) data)->has_service = TRUE;
}

static void
on_service_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  ((Session *) data)->has_service = FALSE;
}

static void
set_up_child (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* @password: (nullable): NULL: as after a login without one: what is there stays locked */
void
session_start_keyring (Session *session, const char *password)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autofree char *data_home = g_build_filename (session->home, "data", NULL);
  g_autofree char *run_dir = g_build_filename (session->home, "run", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (run_dir, 0700), ==, 0);
  g_subprocess_launcher_setenv (launcher, "HOME", session->home, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", data_home, TRUE);
  g_subprocess_launcher_setenv (launcher, "XDG_RUNTIME_DIR", run_dir, TRUE);
  g_subprocess_launcher_setenv (launcher, "G_DEBUG", "", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, set_up_child, NULL, NULL);
  session->daemon = g_subprocess_launcher_spawn (launcher, &error, "gnome-keyring-daemon", "--foreground",
                                                 "--components=secrets", password != NULL ? "--unlock" : NULL, NULL);
  g_assert_no_error (error);
  if (password != NULL) {
    g_output_stream_write_all (g_subprocess_get_stdin_pipe (session->daemon), password, strlen (password), NULL, NULL,
                               &error);
    g_assert_no_error (error);
  }
  g_output_stream_close (g_subprocess_get_stdin_pipe (session->daemon), NULL, &error);
  g_assert_no_error (error);
  wait_until (session->has_service);
}

static void
stop (GSubprocess **process)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_force_exit (*process);
  g_subprocess_wait (*process, NULL, &error);
  g_assert_no_error (error);
  g_clear_object (process);
}

void
session_stop_keyring (Session *session)
{
  stop (&session->daemon);
  wait_until (!session->has_service);
}

/* --- a session --- */

/* (transfer full): its address: a bus that starts no service by itself */
static char *
start_bus (Session *session)
{
  static const char config[] = "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>"
                               "<policy context='default'><allow send_destination='*' eavesdrop='true'/>"
                               "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>";
  g_autofree char *path = g_build_filename (session->home, "bus.conf", NULL);
  g_autofree char *argument = g_strconcat ("--config-file=", path, NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GDataInputStream) output = NULL;
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, config, -1, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_set_child_setup (launcher, set_up_child, NULL, NULL);
  session->bus =
      g_subprocess_launcher_spawn (launcher, &error, "dbus-daemon", argument, "--nofork", "--print-address=1", NULL);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (session->bus));
  char *address = g_data_input_stream_read_line (output, NULL, NULL, &error);
  g_assert_no_error (error);
  return address;
}

Session *
session_new (void)
{
  const GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  Session *session = g_new0 (Session, 1);
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;

  session->home = g_build_filename (g_get_home_dir (), "owner-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (session->home));
  address = start_bus (session);
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
  g_set_weak_pointer (&session->app, g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error));
  g_assert_no_error (error);
  session->desk = g_dbus_connection_new_for_address_sync (address, flags, NULL, NULL, &error);
  g_assert_no_error (error);
  g_bus_watch_name_on_connection (session->desk, NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_service_appeared,
                                  on_service_vanished, session, NULL);
  stand_by_prompts (session);
  session->secrets = mr_secrets_new ();
  g_object_unref (session->app);
  return session;
}

/* The secrets are nowhere in the home, the keyring's own files included. */
static void
assert_not_on_disk (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (directory)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    g_autofree char *text = NULL;
    gsize length;

    if (g_file_test (child, G_FILE_TEST_IS_DIR)) {
      assert_not_on_disk (child);
    } else if (g_file_test (child, G_FILE_TEST_IS_REGULAR)) {
      g_assert_true (g_file_get_contents (child, &text, &length, NULL));
      g_assert_null (g_strstr_len (text, (gssize) length, "swordfish"));
      g_assert_null (memmem (text, length, "swordfish", strlen ("swordfish")));
    }
  }
}

/* Its own jobs, for which nobody waits, keep it until they have ended. */
void
session_drop_secrets (Session *session)
{
  MrSecrets *weak = NULL;

  g_set_weak_pointer (&weak, session->secrets);
  g_clear_object (&session->secrets);
  wait_until (weak == NULL);
}

void
session_free (Session *session)
{
  session_drop_secrets (session);
  if (session->daemon != NULL) {
    session_stop_keyring (session);
  }
  assert_not_on_disk (g_get_home_dir ());
  g_dbus_connection_close_sync (session->desk, NULL, NULL);
  g_object_unref (session->desk);
  wait_until (session->app == NULL); /* nobody holds it: all operations have come back */
  stop (&session->bus);
  g_free (session->home);
  g_free (session);
}
