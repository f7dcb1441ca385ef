/* SPDX-License-Identifier: MIT */
/*
 * Sharing with a real keyring: locked when it is asked, and unlocked later. Needs a session bus of its own
 * (with-session).
 */
#include "sharing-stage.h"

static void
run (const char *command)
{
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

#define SERVICE "org.freedesktop.secrets"
#define SERVICE_PATH "/org/freedesktop/secrets"
#define COLLECTION "/org/freedesktop/secrets/collection/login"
#define PASSWORD "\n"

/* (transfer full): the keyring's service, which reads its password to the end of its input. */
static GSubprocess *
run_keyring (void)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
      "gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground", NULL);
  GOutputStream *input;

  g_assert_no_error (error);
  input = g_subprocess_get_stdin_pipe (process);
  g_assert_true (g_output_stream_write_all (input, PASSWORD, sizeof PASSWORD - 1, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (input, NULL, NULL));
  return process;
}

/* (transfer full): the answer */
static GVariant *
call (const char *interface, const char *method, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  GVariant *reply;

  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (bus, SERVICE, SERVICE_PATH, interface, method, arguments, NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
  return reply;
}

static void
lock (void)
{
  const char *const collections[] = { COLLECTION, NULL };

  g_variant_unref (call ("org.freedesktop.Secret.Service", "Lock", g_variant_new ("(^ao)", collections)));
}

/* What a login does, without a dialog. */
static void
unlock (void)
{
  g_autoptr (GVariant) session = call ("org.freedesktop.Secret.Service", "OpenSession",
                                       g_variant_new ("(sv)", "plain", g_variant_new_string ("")));
  const char *path;
  GVariant *password = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, PASSWORD, sizeof PASSWORD - 1, 1);
  GVariant *nothing = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1);

  g_variant_get (session, "(v&o)", NULL, &path);
  g_variant_unref (call ("org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface", "UnlockWithMasterPassword",
                         g_variant_new ("(o(o@ay@ays))", COLLECTION, path, nothing, password, "text/plain")));
}

static void
test_locked (void)
{
  g_autoptr (GSubprocess) keyring = run_keyring ();
  g_autoptr (Stage) stage = NULL;

  run ("gdbus wait --session --timeout 20 org.freedesktop.secrets");
  stage = stage_new ();
  stage_set_relay (stage, stage->url);
  stage_store_secret (stage, stage->url, STAGE_SECRET);
  stage_wait_until (stage, mr_secrets_get_state (stage->secrets) == MR_SECRETS_AVAILABLE);

  /* Another start of the app, which does not know the secret any more. */
  stage_stop_sharing (stage);
  g_object_unref (stage->secrets);
  lock ();
  stage->secrets = mr_secrets_new ();
  stage_start_sharing (stage);
  g_assert_false (stage_details_have (stage, "No worker secret")); /* nobody was asked yet */
  mr_sharing_connect (stage->sharing);
  stage_wait_until (stage, stage_details_have (stage, "The keyring is locked"));
  g_assert_true (stage_details_have (stage, "No worker secret for http://127.0.0.1:"));
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_DISCONNECTED);

  unlock ();
  stage_wait_state (stage, CONNECTED);
  g_subprocess_force_exit (keyring);
  g_assert_true (g_subprocess_wait (keyring, NULL, NULL));
}

int
main (int argc, char **argv)
{
  g_autofree char *bus = g_strdup (g_getenv ("DBUS_SESSION_BUS_ADDRESS"));

  stage_init (argc, argv);
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", bus, TRUE);
  g_test_add_func ("/contract/L3/keyring-locked", test_locked);
  return g_test_run ();
}
