/* SPDX-License-Identifier: MIT */
/*
 * What the owner is told of relays, over a scripted sharing and a notification server of our own, with short times.
 * That nothing is shown is seen by what is shown after it.
 */
#include "notifier-private.h"
#include "wait.h"

#define LONG_MS 600000
#define ONE "https://one.example.org"
#define TWO "https://two.example.org"

/* --- sharing, in place of the real one --- */

struct _MrSharing {
  GObject parent_instance;
  MrSharingState state;
};

G_DEFINE_FINAL_TYPE (MrSharing, mr_sharing, G_TYPE_OBJECT)

static void
mr_sharing_class_init (MrSharingClass *klass)
{
  g_signal_new ("changed", MR_TYPE_SHARING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("relay-event", MR_TYPE_SHARING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT,
                G_TYPE_STRING);
}

static void
mr_sharing_init (MrSharing *sharing)
{
  sharing->state = MR_SHARING_CONNECTED;
}

MrSharingState
mr_sharing_get_state (MrSharing *sharing)
{
  return sharing->state;
}

/* --- the stage --- */

typedef struct {
  GDBusConnection *bus; /* Owned: of the notification server */
  guint registration;
  guint next_id;
  guint shown;       /* Notify calls */
  guint closed;      /* CloseNotification calls */
  guint last_id;     /* of the last call of both */
  guint replaces;    /* of the last Notify */
  char *summary;     /* Owned */
  char *body;        /* Owned */
  char **actions;    /* Owned: keys and labels */
  gint64 shown_us;   /* when */
  const char *acted; /* the action of the application that was called last */

  GApplication *application;
  GSettings *settings;
  MrSharing *sharing;
  MrNotifier *notifier;
} Stage;

static void
take_notify (Stage *stage, GVariant *parameters)
{
  g_clear_pointer (&stage->summary, g_free);
  g_clear_pointer (&stage->body, g_free);
  g_clear_pointer (&stage->actions, g_strfreev);
  g_variant_get (parameters, "(su&sss^asa{sv}i)", NULL, &stage->replaces, NULL, &stage->summary, &stage->body,
                 &stage->actions, NULL, NULL);
  stage->last_id = stage->replaces != 0 ? stage->replaces : ++stage->next_id;
  stage->shown_us = g_get_monotonic_time ();
  stage->shown++;
}

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  Stage *stage = data;
  GVariant *reply = NULL;

  if (g_str_equal (method, "Notify")) {
    take_notify (stage, parameters);
    reply = g_variant_new ("(u)", stage->last_id);
  } else if (g_str_equal (method, "CloseNotification")) {
    g_variant_get (parameters, "(u)", &stage->last_id);
    stage->closed++;
  } else {
    reply = g_variant_new ("(ssss)", "test", "test", "1", "1.2");
  }
  g_dbus_method_invocation_return_value (invocation, reply);
}

static void
serve (Stage *stage)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  static const char introspection[] =
      "<node><interface name='org.freedesktop.Notifications'>"
      "<method name='Notify'><arg type='s' direction='in'/><arg type='u' direction='in'/><arg type='s' direction='in'/>"
      "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='as' direction='in'/>"
      "<arg type='a{sv}' direction='in'/><arg type='i' direction='in'/><arg type='u' direction='out'/></method>"
      "<method name='CloseNotification'><arg type='u' direction='in'/></method>"
      "<method name='GetServerInformation'><arg type='s' direction='out'/><arg type='s' direction='out'/>"
      "<arg type='s' direction='out'/><arg type='s' direction='out'/></method>"
      "</interface></node>";
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, &error);
  g_autoptr (GVariant) reply = NULL;

  g_assert_no_error (error);
  stage->registration = g_dbus_connection_register_object (stage->bus, "/org/freedesktop/Notifications",
                                                           node->interfaces[0], &vtable, stage, NULL, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (
      stage->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
      g_variant_new ("(su)", "org.freedesktop.Notifications", 4u), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

/* The application stays the same one: a program has one. */
static Stage stage;

static void
on_action (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  stage.acted = g_action_get_name (G_ACTION (action));
}

static void
stage_set_up (void)
{
  static const GActionEntry actions[] = { { "open", on_action }, { "preferences", on_action } };
  const GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_autoptr (GError) error = NULL;

  stage.bus = g_dbus_connection_new_for_address_sync (g_getenv ("DBUS_SESSION_BUS_ADDRESS"), flags, NULL, NULL, &error);
  g_assert_no_error (error);
  serve (&stage);
  stage.application = g_application_new ("org.modelrelay.Desktop", G_APPLICATION_DEFAULT_FLAGS);
  g_action_map_add_action_entries (G_ACTION_MAP (stage.application), actions, G_N_ELEMENTS (actions), NULL);
  g_application_register (stage.application, NULL, &error);
  g_assert_no_error (error);
  stage.settings = g_settings_new ("org.modelrelay.Desktop");
}

static void
ask_bus (GDBusConnection *bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "GetId", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  g_assert_no_error (error);
}

/* What was sent between application and server, either way, has arrived. */
static void
settle (void)
{
  ask_bus (stage.bus);
  ask_bus (g_application_get_dbus_connection (stage.application));
  ask_bus (stage.bus);
  while (g_main_context_iteration (NULL, FALSE)) {
    continue;
  }
}

static void
begin (guint grace_ms, guint quiet_ms)
{
  static const char *const relays[] = { ONE, TWO, NULL };

  g_settings_set_strv (stage.settings, "relays", relays);
  g_settings_set_boolean (stage.settings, "notifications", TRUE);
  stage.sharing = g_object_new (MR_TYPE_SHARING, NULL);
  stage.notifier = mr_notifier_new_timed (stage.application, stage.sharing, stage.settings, grace_ms, quiet_ms);
  stage.shown = 0;
  stage.closed = 0;
}

static void
end (void)
{
  mr_notifier_free (stage.notifier);
  g_assert_finalize_object (stage.sharing);
  settle ();
}

static void
tell (MrSharingEvent event, const char *url)
{
  g_signal_emit_by_name (stage.sharing, "relay-event", (guint) event, url);
}

static void
set_state (MrSharingState state)
{
  stage.sharing->state = state;
  g_signal_emit_by_name (stage.sharing, "changed");
}

static void
assert_shown (guint count, const char *summary, const char *url)
{
  wait_until (stage.shown >= count);
  g_assert_cmpuint (stage.shown, ==, count);
  g_assert_cmpstr (stage.summary, ==, summary);
  g_assert_nonnull (strstr (stage.body, url));
  g_assert_true (g_str_has_suffix (stage.body, ".")); /* a whole sentence */
  settle ();
}

static void
click (const char *key)
{
  g_autoptr (GError) error = NULL;

  stage.acted = NULL;
  g_dbus_connection_emit_signal (stage.bus, NULL, "/org/freedesktop/Notifications", "org.freedesktop.Notifications",
                                 "ActionInvoked", g_variant_new ("(us)", stage.last_id, key), &error);
  g_assert_no_error (error);
  wait_until (stage.acted != NULL);
}

/* --- tests --- */

static void
test_lost_and_restored (void)
{
  begin (50, LONG_MS);
  gint64 start_us = g_get_monotonic_time ();
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (1, "Connection to the relay lost", ONE);
  g_assert_cmpint (stage.shown_us - start_us, >=, 50000);
  g_assert_cmpuint (stage.replaces, ==, 0);
  guint id = stage.last_id;
  click ("default");
  g_assert_cmpstr (stage.acted, ==, "open");

  tell (MR_SHARING_EVENT_LOST, TWO); /* a story of its own */
  assert_shown (2, "Connection to the relay lost", TWO);
  g_assert_cmpuint (stage.last_id, !=, id);
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  assert_shown (3, "Connected again", ONE);
  g_assert_cmpuint (stage.closed, ==, 0);
  end ();
}

static void
test_replaces (void)
{
  begin (10, LONG_MS);
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (1, "Connection to the relay lost", ONE);
  guint id = stage.last_id;
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  assert_shown (2, "Connected again", ONE);
  g_assert_cmpuint (stage.replaces, ==, id);
  g_assert_cmpuint (g_strv_length (stage.actions), ==, 2);
  end ();
}

static void
test_mends_itself (void)
{
  begin (50, LONG_MS);
  tell (MR_SHARING_EVENT_LOST, ONE);
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  tell (MR_SHARING_EVENT_LOST, TWO);
  assert_shown (1, "Connection to the relay lost", TWO);
  g_assert_cmpuint (stage.closed, ==, 0);
  end ();
}

static void
test_refused (void)
{
  begin (LONG_MS, 0);
  tell (MR_SHARING_EVENT_LOST, ONE);
  tell (MR_SHARING_EVENT_REFUSED, ONE); /* at once */
  assert_shown (1, "The relay refuses this machine", ONE);
  g_assert_cmpuint (g_strv_length (stage.actions), ==, 4);
  click ("default");
  g_assert_cmpstr (stage.acted, ==, "preferences");
  tell (MR_SHARING_EVENT_REFUSED, ONE); /* the one that was clicked is gone */
  assert_shown (2, "The relay refuses this machine", ONE);
  const char *const *actions = (const char *const *) stage.actions;
  guint button = g_str_equal (actions[0], "default") ? 2 : 0;
  g_assert_cmpstr (actions[button + 1], ==, "Settings");
  click (actions[button]);
  g_assert_cmpstr (stage.acted, ==, "preferences");
  end ();
}

/* Lost again within the quiet time: told at its end, if it still is lost. */
static void
test_rate_limit (void)
{
  begin (10, 400);
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (1, "Connection to the relay lost", ONE);
  gint64 first_us = stage.shown_us;
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  assert_shown (2, "Connected again", ONE);
  for (guint i = 0; i < 10; i++) {
    tell (MR_SHARING_EVENT_LOST, ONE);
    tell (MR_SHARING_EVENT_RESTORED, ONE);
  }
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (3, "Connection to the relay lost", ONE);
  g_assert_cmpint (stage.shown_us - first_us, >=, 390000);
  end ();
}

/* The "back" is not told again so soon, but the bad news go. */
static void
test_withdrawn_when_quiet (void)
{
  begin (10, LONG_MS);
  tell (MR_SHARING_EVENT_REFUSED, ONE);
  assert_shown (1, "The relay refuses this machine", ONE);
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  assert_shown (2, "Connected again", ONE);
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (3, "Connection to the relay lost", ONE);
  guint id = stage.last_id;
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  wait_until (stage.closed == 1);
  g_assert_cmpuint (stage.last_id, ==, id);
  tell (MR_SHARING_EVENT_LOST, TWO);
  assert_shown (4, "Connection to the relay lost", TWO);
  end ();
}

static void
test_switched_off (void)
{
  begin (10, LONG_MS);
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (1, "Connection to the relay lost", ONE);
  g_settings_set_boolean (stage.settings, "notifications", FALSE);
  wait_until (stage.closed == 1);
  tell (MR_SHARING_EVENT_RESTORED, ONE);
  tell (MR_SHARING_EVENT_REFUSED, ONE);
  settle ();
  g_settings_set_boolean (stage.settings, "notifications", TRUE);
  tell (MR_SHARING_EVENT_LOST, TWO);
  assert_shown (2, "Connection to the relay lost", TWO);
  g_assert_cmpuint (stage.closed, ==, 1);
  end ();
}

/* What the owner, or a rule, has ended is no news, and was none. */
static void
test_at_rest (void)
{
  static const MrSharingState rests[] = { MR_SHARING_DISCONNECTED, MR_SHARING_PAUSED };

  for (guint i = 0; i < G_N_ELEMENTS (rests); i++) {
    begin (10, LONG_MS);
    tell (MR_SHARING_EVENT_REFUSED, ONE);
    assert_shown (1, "The relay refuses this machine", ONE);
    tell (MR_SHARING_EVENT_LOST, TWO);
    set_state (MR_SHARING_ERROR);
    set_state (rests[i]);
    wait_until (stage.closed == 1);
    set_state (MR_SHARING_CONNECTED);
    tell (MR_SHARING_EVENT_RESTORED, ONE);
    tell (MR_SHARING_EVENT_RESTORED, TWO);
    tell (MR_SHARING_EVENT_LOST, ONE);
    assert_shown (2, "Connection to the relay lost", ONE);
    end ();
    g_assert_cmpuint (stage.closed, ==, 2); /* nobody keeps trying after the end */
  }
}

static void
test_relay_removed (void)
{
  static const char *const left[] = { TWO, NULL };

  begin (10, LONG_MS);
  tell (MR_SHARING_EVENT_LOST, ONE);
  assert_shown (1, "Connection to the relay lost", ONE);
  tell (MR_SHARING_EVENT_LOST, TWO);
  g_settings_set_strv (stage.settings, "relays", left);
  set_state (MR_SHARING_ERROR);
  wait_until (stage.closed == 1);
  assert_shown (2, "Connection to the relay lost", TWO);
  end ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  stage_set_up ();
  g_test_add_func ("/contract/L4/notifier/lost-and-restored", test_lost_and_restored);
  g_test_add_func ("/contract/L4/notifier/refused", test_refused);
  g_test_add_func ("/contract/L4/notifier/rate-limit", test_rate_limit);
  g_test_add_func ("/desktop/notifier/replaces", test_replaces);
  g_test_add_func ("/desktop/notifier/mends-itself", test_mends_itself);
  g_test_add_func ("/desktop/notifier/withdrawn-when-quiet", test_withdrawn_when_quiet);
  g_test_add_func ("/desktop/notifier/switched-off", test_switched_off);
  g_test_add_func ("/desktop/notifier/at-rest", test_at_rest);
  g_test_add_func ("/desktop/notifier/relay-removed", test_relay_removed);
  return g_test_run ();
}
