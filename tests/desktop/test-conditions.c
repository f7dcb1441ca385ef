/* SPDX-License-Identifier: MIT */
/*
 * Battery, input and programs, with services of our own on a private bus (with-session) and a real X server.
 */
#include "conditions.h"
#include "idle-x11.h"
#include "wait.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>

/* --- the stage: one bus for both, and a service with a connection of its own --- */

static const char introspection[] =
    "<node>"
    "  <interface name='org.freedesktop.UPower'><property name='OnBattery' type='b' access='read'/></interface>"
    "  <interface name='org.gnome.Mutter.IdleMonitor'>"
    "    <method name='GetIdletime'><arg type='t' direction='out'/></method>"
    "    <method name='AddIdleWatch'><arg type='t' direction='in'/><arg type='u' direction='out'/></method>"
    "    <method name='AddUserActiveWatch'><arg type='u' direction='out'/></method>"
    "    <method name='RemoveWatch'><arg type='u' direction='in'/></method>"
    "    <signal name='WatchFired'><arg type='u'/></signal>"
    "  </interface>"
    "  <interface name='org.freedesktop.ScreenSaver'>"
    "    <method name='GetSessionIdleTime'><arg type='u' direction='out'/></method>"
    "  </interface>"
    "</node>";

typedef struct {
  GDBusConnection *bus; /* Owned: of the services */
  GDBusConnection *app; /* Owned: the one that an application keeps as long as it runs */
  GDBusNodeInfo *node;  /* Owned */
  gboolean on_battery;
  guint64 idle_ms;
  guint64 interval_ms; /* of the idle watch */
  guint next_watch;
  guint idle_watch;
  guint active_watch;
  guint removed; /* watches */
  guint asked;   /* calls to Mutter or the screen saver */
  gboolean fails;

  MrConditions *conditions;
  guint changed;
} Stage;

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  Stage *stage = data;
  GVariant *reply = NULL;

  stage->asked++;
  if (stage->fails) {
    g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.DBus.Error.NotSupported", "no");
    return;
  }
  if (g_str_equal (method, "GetIdletime")) {
    reply = g_variant_new ("(t)", stage->idle_ms);
  } else if (g_str_equal (method, "GetSessionIdleTime")) {
    reply = g_variant_new ("(u)", (guint32) stage->idle_ms);
  } else if (g_str_equal (method, "AddIdleWatch")) {
    g_variant_get (parameters, "(t)", &stage->interval_ms);
    stage->idle_watch = ++stage->next_watch;
    reply = g_variant_new ("(u)", stage->idle_watch);
  } else if (g_str_equal (method, "AddUserActiveWatch")) {
    stage->active_watch = ++stage->next_watch;
    reply = g_variant_new ("(u)", stage->active_watch);
  } else {
    stage->removed++;
  }
  g_dbus_method_invocation_return_value (invocation, reply);
}

static GVariant *
on_get (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name,
        GError **error, gpointer data)
{
  Stage *stage = data;

  return g_variant_new_boolean (stage->on_battery);
}

static void
on_changed (MrConditions *conditions, gpointer data)
{
  Stage *stage = data;

  stage->changed++;
}

static void export(Stage *stage, const char *interface, const char *path)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (stage->bus, path, g_dbus_node_info_lookup_interface (stage->node, interface),
                                     &vtable, stage, NULL, &error);
  g_assert_no_error (error);
}

static Stage *
stage_new (void)
{
  const GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  Stage *stage = g_new0 (Stage, 1);
  g_autoptr (GError) error = NULL;

  stage->bus =
      g_dbus_connection_new_for_address_sync (g_getenv ("DBUS_SESSION_BUS_ADDRESS"), flags, NULL, NULL, &error);
  g_assert_no_error (error);
  stage->app = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  g_assert_no_error (error);
  stage->node = g_dbus_node_info_new_for_xml (introspection, &error);
  g_assert_no_error (error);
  export(stage, "org.freedesktop.UPower", "/org/freedesktop/UPower");
  export(stage, "org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core");
  export(stage, "org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver");
  stage->conditions = mr_conditions_new ();
  g_signal_connect (stage->conditions, "changed", G_CALLBACK (on_changed), stage);
  return stage;
}

static void
stage_free (Stage *stage)
{
  g_assert_finalize_object (stage->conditions);
  g_object_unref (stage->app);
  g_dbus_connection_close_sync (stage->bus, NULL, NULL);
  g_object_unref (stage->bus);
  g_dbus_node_info_unref (stage->node);
  while (g_main_context_iteration (NULL, FALSE)) {
    continue; /* cancelled calls come back */
  }
  g_free (stage);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stage, stage_free)

/* Takes or gives back a well-known name; 1 is success for both. */
static void
call_for_name (Stage *stage, const char *method, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_sync (stage->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   method, arguments, G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  guint32 result;

  g_assert_no_error (error);
  g_variant_get (reply, "(u)", &result);
  g_assert_cmpuint (result, ==, 1);
}

static void
own (Stage *stage, const char *name)
{
  call_for_name (stage, "RequestName", g_variant_new ("(su)", name, 4u));
}

static void
disown (Stage *stage, const char *name)
{
  call_for_name (stage, "ReleaseName", g_variant_new ("(s)", name));
}

static gboolean
is_known (Stage *stage)
{
  gboolean known;

  mr_conditions_get_idle (stage->conditions, &known);
  return known;
}

static gboolean
is_idle (Stage *stage)
{
  gboolean known;

  return mr_conditions_get_idle (stage->conditions, &known);
}

/* --- battery --- */

static void
tell_battery (Stage *stage, gboolean on_battery)
{
  GVariantBuilder changed;
  GVariantBuilder invalidated;

  stage->on_battery = on_battery;
  g_variant_builder_init (&changed, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&changed, "{sv}", "OnBattery", g_variant_new_boolean (on_battery));
  g_variant_builder_init (&invalidated, G_VARIANT_TYPE ("as"));
  g_dbus_connection_emit_signal (stage->bus, NULL, "/org/freedesktop/UPower", "org.freedesktop.DBus.Properties",
                                 "PropertiesChanged",
                                 g_variant_new ("(sa{sv}as)", "org.freedesktop.UPower", &changed, &invalidated), NULL);
}

static void
test_battery (void)
{
  g_autoptr (Stage) stage = stage_new ();

  stage->on_battery = TRUE;
  own (stage, "org.freedesktop.UPower");
  g_assert_false (mr_conditions_get_on_battery (stage->conditions));
  mr_conditions_watch_battery (stage->conditions, TRUE);
  wait_until (mr_conditions_get_on_battery (stage->conditions));
  g_assert_cmpuint (stage->changed, ==, 1);

  tell_battery (stage, FALSE);
  wait_until (!mr_conditions_get_on_battery (stage->conditions));
  tell_battery (stage, TRUE);
  wait_until (mr_conditions_get_on_battery (stage->conditions));
  disown (stage, "org.freedesktop.UPower");
  wait_until (!mr_conditions_get_on_battery (stage->conditions));
  own (stage, "org.freedesktop.UPower");
  wait_until (mr_conditions_get_on_battery (stage->conditions));

  mr_conditions_watch_battery (stage->conditions, FALSE);
  g_assert_false (mr_conditions_get_on_battery (stage->conditions));
  disown (stage, "org.freedesktop.UPower");
}

/* --- input --- */

static void
fire (Stage *stage, guint watch)
{
  g_dbus_connection_emit_signal (stage->bus, NULL, "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor",
                                 "WatchFired", g_variant_new ("(u)", watch), NULL);
}

static void
test_mutter (void)
{
  g_autoptr (Stage) stage = stage_new ();

  own (stage, "org.gnome.Mutter.IdleMonitor");
  mr_conditions_watch_idle (stage->conditions, 7);
  g_assert_true (is_known (stage)); /* nobody was asked yet: in use, to be safe */
  g_assert_false (is_idle (stage));
  wait_until (stage->asked == 2);
  g_assert_cmpuint (stage->interval_ms, ==, 7 * 60 * 1000);

  fire (stage, stage->idle_watch);
  wait_until (is_idle (stage) && stage->active_watch != 0);
  fire (stage, 4711); /* somebody else's */
  fire (stage, stage->active_watch);
  wait_until (!is_idle (stage));
  stage->active_watch = 0;
  fire (stage, stage->idle_watch);
  wait_until (is_idle (stage) && stage->active_watch != 0);
  g_assert_cmpuint (stage->changed, ==, 3);
  g_assert_cmpuint (stage->asked, ==, 4); /* nothing is polled */

  mr_conditions_watch_idle (stage->conditions, 0);
  wait_until (stage->removed >= 1); /* the other one goes off at the next input */
  g_assert_false (is_known (stage));
  disown (stage, "org.gnome.Mutter.IdleMonitor");
}

/* The shell is started again while the session is idle: its watches are new, and so are its numbers. */
static void
test_mutter_again (void)
{
  g_autoptr (Stage) stage = stage_new ();

  stage->idle_ms = 3 * 60 * 1000;
  own (stage, "org.gnome.Mutter.IdleMonitor");
  mr_conditions_watch_idle (stage->conditions, 3);
  wait_until (is_idle (stage) && stage->active_watch != 0);

  stage->active_watch = 0;
  disown (stage, "org.gnome.Mutter.IdleMonitor");
  wait_until (!is_known (stage));
  own (stage, "org.gnome.Mutter.IdleMonitor");
  wait_until (is_known (stage) && is_idle (stage) && stage->active_watch != 0);
  fire (stage, stage->active_watch);
  wait_until (!is_idle (stage));
  disown (stage, "org.gnome.Mutter.IdleMonitor");
}

static void
test_mutter_fails (void)
{
  g_autoptr (Stage) stage = stage_new ();

  stage->fails = TRUE;
  own (stage, "org.gnome.Mutter.IdleMonitor");
  own (stage, "org.freedesktop.ScreenSaver");
  mr_conditions_watch_idle (stage->conditions, 3);
  wait_until (!is_known (stage)); /* both were asked */
  g_assert_cmpuint (stage->asked, ==, 3);
  disown (stage, "org.gnome.Mutter.IdleMonitor");
  disown (stage, "org.freedesktop.ScreenSaver");
}

static void
test_nobody_tells (void)
{
  g_autoptr (Stage) stage = stage_new ();

  mr_conditions_watch_idle (stage->conditions, 3);
  wait_until (!is_known (stage));
  stage->idle_ms = 180001;
  own (stage, "org.freedesktop.ScreenSaver"); /* it was started after us */
  wait_until (is_known (stage) && is_idle (stage));
  disown (stage, "org.freedesktop.ScreenSaver");
  wait_until (!is_known (stage) && !is_idle (stage));
}

static void
on_idle_time (GObject *source, GAsyncResult *result, gpointer data)
{
  gint64 *idle_ms = data;
  g_autoptr (GError) error = NULL;

  *idle_ms = mr_idle_x11_query_finish (result, &error);
  if (error != NULL) {
    g_test_message ("%s", error->message);
  }
}

static gint64
ask_x11 (void)
{
  gint64 idle_ms = -2;

  mr_idle_x11_query_async (NULL, on_idle_time, &idle_ms);
  wait_until (idle_ms != -2);
  return idle_ms;
}

static void
wait_x11_above (gint64 idle_ms)
{
  gint64 deadline_us = g_get_monotonic_time () + WAIT_SECONDS * G_USEC_PER_SEC;

  while (ask_x11 () <= idle_ms) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
  }
}

static void
run (const char *command)
{
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

static void
test_x11 (gconstpointer display)
{
  g_autoptr (Stage) stage = stage_new ();
  static const char *const broken[] = { "", "127.0.0.1:4711", ":", ":4711", "no colon" };

  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_setenv ("DISPLAY", broken[i], TRUE);
    g_assert_cmpint (ask_x11 (), ==, -1);
  }
  g_setenv ("DISPLAY", display, TRUE);
  run ("xdotool mousemove 10 10 mousemove 20 20");
  gint64 first_ms = ask_x11 ();
  g_assert_cmpint (first_ms, >=, 0);
  g_assert_cmpint (first_ms, <, 10000);
  wait_x11_above (first_ms + 20);

  mr_conditions_watch_idle (stage->conditions, 1);
  wait_x11_above (first_ms + 40); /* it has been asked by now */
  g_assert_true (is_known (stage));
  g_assert_false (is_idle (stage));
  g_unsetenv ("DISPLAY");
}

static void
test_x11_session (void)
{
  static const struct {
    const char *const envp[4];
    gboolean is_session;
  } sessions[] = {
    { { "DISPLAY=:0", NULL }, TRUE },
    { { "DISPLAY=:0", "XDG_SESSION_TYPE=x11", NULL }, TRUE },
    { { "DISPLAY=:0", "WAYLAND_DISPLAY=wayland-0", NULL }, FALSE },
    { { "DISPLAY=:0", "XDG_SESSION_TYPE=wayland", NULL }, FALSE },
    { { NULL }, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sessions); i++) {
    g_assert_cmpint (mr_idle_x11_is_session (sessions[i].envp), ==, sessions[i].is_session);
  }
}

/* --- programs --- */

/* (transfer full): a program of this name, which runs until it is killed. */
static GSubprocess *
start_program (const char *directory, const char *name, char **path)
{
  g_autoptr (GFile) sleep = g_file_new_for_path ("/bin/sleep");
  g_autoptr (GFile) copy = NULL;
  g_autoptr (GError) error = NULL;

  *path = g_build_filename (directory, name, NULL);
  copy = g_file_new_for_path (*path);
  g_file_copy (sleep, copy, G_FILE_COPY_OVERWRITE, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  GSubprocess *process = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, *path, "300", NULL);
  g_assert_no_error (error);
  return process;
}

static void
stop_program (GSubprocess *process, const char *path)
{
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, NULL);
  g_object_unref (process);
  g_unlink (path);
}

/* Each is looked for at once when the names are new. */
static void
test_programs (void)
{
  static const char *const names[] = { "mr-no-such-program", "mr-test-short", "mr-test-with-a-long-name", "mr) (test",
                                       NULL };
  static const char *const other_names[] = { "mr-test-with-a-long-nam", "mr-test-shor", NULL };
  static const char *const no_names[] = { NULL };
  g_autoptr (Stage) stage = stage_new ();
  g_autofree char *directory = g_dir_make_tmp ("mr-programs-XXXXXX", NULL);

  mr_conditions_watch_programs (stage->conditions, names);
  g_assert_null (mr_conditions_get_running_program (stage->conditions));
  for (guint i = 1; names[i] != NULL; i++) {
    g_autofree char *path = NULL;
    GSubprocess *process = start_program (directory, names[i], &path);
    mr_conditions_watch_programs (stage->conditions, other_names);
    g_assert_cmpstr (mr_conditions_get_running_program (stage->conditions), ==, NULL);
    mr_conditions_watch_programs (stage->conditions, names);
    g_assert_cmpstr (mr_conditions_get_running_program (stage->conditions), ==, names[i]);
    g_unlink (path); /* it was updated, and runs on */
    mr_conditions_watch_programs (stage->conditions, NULL);
    g_assert_null (mr_conditions_get_running_program (stage->conditions));
    mr_conditions_watch_programs (stage->conditions, names);
    g_assert_cmpstr (mr_conditions_get_running_program (stage->conditions), ==, names[i]);
    mr_conditions_watch_programs (stage->conditions, no_names);
    g_assert_null (mr_conditions_get_running_program (stage->conditions));
    stop_program (process, path);
  }
  g_rmdir (directory);
}

/* What has died and was not buried by its parent does not run. */
static void
test_dead_program (void)
{
  static const char *const names[] = { "mr-test-zombie", NULL };
  g_autoptr (Stage) stage = stage_new ();
  g_autofree char *directory = g_dir_make_tmp ("mr-programs-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, names[0], NULL);
  g_autofree char *copy = g_strdup_printf ("cp /bin/sleep %s", path);
  char *const argv[] = { path, (char *) "0", NULL };
  g_autoptr (GError) error = NULL;
  siginfo_t info;
  GPid pid;

  run (copy);
  g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  g_assert_cmpint (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), ==, 0);
  mr_conditions_watch_programs (stage->conditions, names);
  g_assert_null (mr_conditions_get_running_program (stage->conditions));
  g_assert_cmpint (waitid (P_PID, (id_t) pid, &info, WEXITED), ==, 0);
  g_unlink (path);
  g_rmdir (directory);
}

/* --- what is asked again and again: in one test, because it takes its time --- */

static void
test_polling (void)
{
  static const char *const names[] = { "mr-test-polled", NULL };
  g_autoptr (Stage) stage = stage_new ();
  g_autofree char *directory = g_dir_make_tmp ("mr-programs-XXXXXX", NULL);
  g_autofree char *path = NULL;

  stage->idle_ms = 60 * 1000;
  own (stage, "org.freedesktop.ScreenSaver");
  mr_conditions_watch_programs (stage->conditions, names);
  mr_conditions_watch_idle (stage->conditions, 1);
  wait_until (is_idle (stage));
  gint64 idle_us = g_get_monotonic_time ();
  GSubprocess *process = start_program (directory, names[0], &path);
  wait_until (mr_conditions_get_running_program (stage->conditions) != NULL);
  g_assert_cmpint (g_get_monotonic_time () - idle_us, <, 7 * G_USEC_PER_SEC);

  stage->idle_ms = 0; /* the owner is back */
  wait_until (!is_idle (stage));
  g_assert_cmpint (g_get_monotonic_time () - idle_us, >, 9 * G_USEC_PER_SEC);
  g_assert_cmpuint (stage->asked, ==, 2);
  stop_program (process, path);
  g_rmdir (directory);
  disown (stage, "org.freedesktop.ScreenSaver");
}

int
main (int argc, char **argv)
{
  g_autofree char *display = g_strdup (g_getenv ("DISPLAY"));

  g_test_init (&argc, &argv, NULL);
  g_assert_nonnull (display);
  g_unsetenv ("DISPLAY"); /* what is tested on the bus comes after the X server */
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", g_getenv ("DBUS_SESSION_BUS_ADDRESS"), TRUE);
  g_test_add_func ("/desktop/conditions/battery", test_battery);
  g_test_add_func ("/desktop/conditions/mutter", test_mutter);
  g_test_add_func ("/desktop/conditions/mutter-again", test_mutter_again);
  g_test_add_func ("/desktop/conditions/mutter-fails", test_mutter_fails);
  g_test_add_func ("/desktop/conditions/nobody-tells", test_nobody_tells);
  g_test_add_data_func ("/desktop/conditions/x11", display, test_x11);
  g_test_add_func ("/desktop/conditions/x11-session", test_x11_session);
  g_test_add_func ("/desktop/conditions/programs", test_programs);
  g_test_add_func ("/desktop/conditions/dead-program", test_dead_program);
  g_test_add_func ("/desktop/conditions/polling", test_polling);
  return g_test_run ();
}
