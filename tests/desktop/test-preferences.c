/* SPDX-License-Identifier: MIT */
/*
 * The settings window, used as a person would: what is typed, what is kept of it, what is said. Each test has a relay
 * of its own, because they share the keyring.
 */
#include "preferences.h"

#include "prefs-stage.h"

#include <string.h>

typedef struct {
  MrApplication *application;
  GSettings *settings;
  GtkWidget *window;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer page)
{
  fixture->application = prefs_stage_new ();
  fixture->settings = mr_application_get_settings (fixture->application);
  fixture->window = GTK_WIDGET (mr_preferences_new (fixture->application, page));
  gtk_window_present (GTK_WINDOW (fixture->window));
  prefs_stage_turn ();
}

static void
tear_down (Fixture *fixture, gconstpointer page)
{
  g_object_add_weak_pointer (G_OBJECT (fixture->window), (gpointer *) &fixture->window);
  gtk_window_destroy (GTK_WINDOW (fixture->window));
  prefs_stage_turn ();
  g_assert_null (fixture->window);
  prefs_stage_free (fixture->application);
}

/* A field that was typed into, and what is to stand under it. */
static void
check_problem (GtkWidget *root, const char *id, const char *about)
{
  g_autofree char *label_id = g_strconcat (id, "_problem", NULL);
  GtkWidget *field = prefs_stage_find (root, id);
  GtkWidget *label = prefs_stage_find (root, label_id);
  g_assert_cmpint (gtk_widget_get_visible (label), ==, about != NULL);
  g_assert_cmpint (gtk_widget_has_css_class (field, "error"), ==, about != NULL);
  if (about != NULL) {
    g_assert_nonnull (strstr (gtk_label_get_label (GTK_LABEL (label)), about));
    gtk_test_accessible_assert_state (GTK_ACCESSIBLE (field), GTK_ACCESSIBLE_STATE_INVALID,
                                      GTK_ACCESSIBLE_INVALID_TRUE);
    gtk_test_accessible_assert_property (GTK_ACCESSIBLE (field), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                         gtk_label_get_label (GTK_LABEL (label)));
  } else {
    g_assert_false (gtk_test_accessible_has_property (GTK_ACCESSIBLE (field), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION));
  }
}

/* --- relays --- */

static gboolean
has_relay (gpointer data)
{
  g_auto (GStrv) relays = g_settings_get_strv (((Fixture *) data)->settings, "relays");
  return *relays != NULL;
}

static void
test_relay (Fixture *fixture, gconstpointer page)
{
  MrSecrets *secrets = mr_application_get_secrets (fixture->application);
  prefs_stage_type (fixture->window, "secret", "sesame-4711");
  prefs_stage_type (fixture->window, "url", "relay.invalid:80");
  check_problem (fixture->window, "url", "begin with");
  prefs_stage_turn ();
  g_assert_false (has_relay (fixture));

  prefs_stage_type (fixture->window, "url", " http://relay.invalid:80 ");
  check_problem (fixture->window, "url", NULL);
  g_assert_false (has_relay (fixture));
  prefs_stage_wait (has_relay, fixture);
  g_auto (GStrv) relays = g_settings_get_strv (fixture->settings, "relays");
  g_assert_cmpstr (relays[0], ==, "http://relay.invalid:80");
  g_assert_null (relays[1]);
  g_assert_cmpstr (mr_secrets_peek (secrets, relays[0]), ==, "sesame-4711");
  prefs_stage_type (fixture->window, "secret", "");
  check_problem (fixture->window, "secret", "worker secret");
  g_assert_cmpstr (mr_secrets_peek (secrets, relays[0]), ==, "sesame-4711");
}

static gboolean
has_moved (gpointer data)
{
  g_auto (GStrv) relays = g_settings_get_strv (((Fixture *) data)->settings, "relays");
  return g_strcmp0 (relays[0], "http://moving.invalid") != 0;
}

/* The secret goes along when the address changes. */
static void
test_relay_moves (Fixture *fixture, gconstpointer page)
{
  static const char *const relays[] = { "http://moving.invalid", NULL };
  MrSecrets *secrets = mr_application_get_secrets (fixture->application);
  mr_secrets_store_async (secrets, relays[0], "sesame-4711", NULL, NULL, NULL);
  prefs_stage_settle_secrets (fixture->application);
  g_settings_set_strv (fixture->settings, "relays", relays);
  prefs_stage_turn ();
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (prefs_stage_find (fixture->window, "secret"))), ==,
                   "sesame-4711");
  prefs_stage_type (fixture->window, "url", "http://other.invalid");
  prefs_stage_wait (has_moved, fixture);
  g_assert_null (mr_secrets_peek (secrets, "http://moving.invalid"));
  g_assert_cmpstr (mr_secrets_peek (secrets, "http://other.invalid"), ==, "sesame-4711");
}

static void
test_relay_twice (Fixture *fixture, gconstpointer page)
{
  static const char *const relays[] = { "http://twice.invalid", NULL };
  g_settings_set_strv (fixture->settings, "relays", relays);
  prefs_stage_click (fixture->window, "add");
  GtkWidget *cards = prefs_stage_find (fixture->window, "cards");
  GtkWidget *second = gtk_widget_get_last_child (cards);
  g_assert_true (second != gtk_widget_get_first_child (cards));
  prefs_stage_type (second, "url", "http://twice.invalid");
  check_problem (second, "url", "already");
}

static GtkWidget *
find_dialog (void)
{
  g_autoptr (GList) windows = gtk_window_list_toplevels ();
  for (GList *at = windows; at != NULL; at = at->next) {
    if (GTK_IS_MESSAGE_DIALOG (at->data)) {
      return at->data;
    }
  }
  return NULL;
}

static GtkWidget *
find_remove (GtkWidget *window)
{
  GtkWidget *cards = prefs_stage_find (window, "cards");
  return gtk_widget_get_last_child (gtk_widget_get_first_child (gtk_widget_get_first_child (cards)));
}

static void
test_relay_removed (Fixture *fixture, gconstpointer page)
{
  static const char *const relays[] = { "http://leaving.invalid", NULL };
  MrSecrets *secrets = mr_application_get_secrets (fixture->application);
  mr_secrets_store_async (secrets, relays[0], "sesame-4711", NULL, NULL, NULL);
  prefs_stage_settle_secrets (fixture->application);
  g_settings_set_strv (fixture->settings, "relays", relays);

  g_signal_emit_by_name (find_remove (fixture->window), "clicked");
  gtk_dialog_response (GTK_DIALOG (find_dialog ()), GTK_RESPONSE_CANCEL);
  g_assert_true (has_relay (fixture));
  prefs_stage_turn ();
  g_signal_emit_by_name (find_remove (fixture->window), "clicked");
  gtk_dialog_response (GTK_DIALOG (find_dialog ()), GTK_RESPONSE_ACCEPT);
  g_assert_false (has_relay (fixture));
  g_assert_null (mr_secrets_peek (secrets, relays[0]));
  /* There is always a place to enter one. */
  prefs_stage_type (fixture->window, "url", "relay");
  check_problem (fixture->window, "url", "begin with");
}

static gboolean
is_tested (gpointer data)
{
  GtkWidget *spinner = prefs_stage_find (data, "spinner");
  return !gtk_spinner_get_spinning (GTK_SPINNER (spinner));
}

static void
test_relay_test (Fixture *fixture, gconstpointer page)
{
  GtkWidget *sentence = prefs_stage_find (fixture->window, "sentence");
  prefs_stage_click (fixture->window, "button");
  check_problem (fixture->window, "url", "Enter an address");
  check_problem (fixture->window, "secret", "Enter the worker secret");
  g_assert_true (is_tested (fixture->window));

  prefs_stage_type (fixture->window, "url", "http://127.0.0.1:9");
  prefs_stage_type (fixture->window, "secret", "sesame-4711");
  prefs_stage_click (fixture->window, "button");
  g_assert_false (is_tested (fixture->window));
  prefs_stage_wait (is_tested, fixture->window);
  g_assert_nonnull (strstr (gtk_label_get_label (GTK_LABEL (sentence)), "Nothing answers at http://127.0.0.1:9"));
  prefs_stage_type (fixture->window, "url", "http://127.0.0.1:10");
  g_assert_cmpstr (gtk_label_get_label (GTK_LABEL (sentence)), ==, "");

  prefs_stage_click (fixture->window, "button");
  prefs_stage_click (fixture->window, "button");
  g_assert_true (is_tested (fixture->window));
  g_assert_cmpstr (gtk_label_get_label (GTK_LABEL (sentence)), ==, "");
}

/* --- the other pages --- */

static gboolean
has_server (gpointer data)
{
  g_autofree char *url = g_settings_get_string (((Fixture *) data)->settings, "backend-url");
  return g_str_equal (url, "http://127.0.0.1:9");
}

static void
test_server (Fixture *fixture, gconstpointer page)
{
  GtkWidget *automatic = prefs_stage_find (fixture->window, "automatic");
  GtkWidget *concurrency = prefs_stage_find (fixture->window, "concurrency");
  prefs_stage_type (fixture->window, "poll", "0");
  check_problem (fixture->window, "poll", "from 1 to 86400");
  g_assert_true (gtk_switch_get_active (GTK_SWITCH (automatic)));
  g_assert_false (gtk_widget_is_sensitive (concurrency));
  gtk_switch_set_active (GTK_SWITCH (automatic), FALSE);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "max-concurrency"), ==, 1);
  prefs_stage_type (fixture->window, "concurrency", "3");
  prefs_stage_type (prefs_stage_find (fixture->window, "card"), "url", "http://127.0.0.1:9");
  /* A field that is not seen any more takes effect. */
  gtk_stack_set_visible_child_name (GTK_STACK (prefs_stage_find (fixture->window, "stack")), "general");
  prefs_stage_wait (has_server, fixture);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "max-concurrency"), ==, 3);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "poll-interval"), ==, 30);
  gtk_switch_set_active (GTK_SWITCH (automatic), TRUE);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "max-concurrency"), ==, 0);
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (concurrency)), ==, "3");
}

static gboolean
has_until (gpointer data)
{
  return g_settings_get_int (((Fixture *) data)->settings, "schedule-until") == 23 * 60;
}

static void
test_rules (Fixture *fixture, gconstpointer page)
{
  GtkWidget *schedule = prefs_stage_find (fixture->window, "schedule");
  GtkWidget *day = gtk_widget_get_first_child (prefs_stage_find (schedule, "days"));
  gtk_switch_set_active (GTK_SWITCH (prefs_stage_find (fixture->window, "battery")), FALSE);
  g_assert_false (g_settings_get_boolean (fixture->settings, "not-on-battery"));
  g_assert_false (gtk_widget_is_sensitive (prefs_stage_find (schedule, "from")));
  gtk_switch_set_active (GTK_SWITCH (prefs_stage_find (schedule, "enabled")), TRUE);
  g_assert_true (g_settings_get_boolean (fixture->settings, "scheduled"));
  gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (gtk_flow_box_child_get_child (GTK_FLOW_BOX_CHILD (day))), FALSE);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "schedule-days"), ==, 126);
  g_assert_true (gtk_widget_get_visible (prefs_stage_find (schedule, "next_day")));
  prefs_stage_type (schedule, "from", "25:00");
  check_problem (schedule, "from", "20:00");
  prefs_stage_type (schedule, "until", "11 pm");
  check_problem (schedule, "until", NULL);
  prefs_stage_wait (has_until, fixture);
  g_assert_cmpint (g_settings_get_int (fixture->settings, "schedule-from"), ==, 1200);
  g_assert_false (gtk_widget_get_visible (prefs_stage_find (schedule, "next_day")));
}

static void
test_programs (Fixture *fixture, gconstpointer page)
{
  GtkWidget *programs = prefs_stage_find (fixture->window, "programs");
  prefs_stage_type (programs, "name", "/usr/bin/blender");
  check_problem (programs, "name", "without its folder");
  prefs_stage_click (programs, "add");
  prefs_stage_type (programs, "name", "blender");
  prefs_stage_click (programs, "add");
  g_auto (GStrv) added = g_settings_get_strv (fixture->settings, "pause-for-programs");
  g_assert_cmpstr (added[0], ==, "blender");
  g_assert_null (added[1]);
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (prefs_stage_find (programs, "name"))), ==, "");
  prefs_stage_type (programs, "name", "blender");
  check_problem (programs, "name", "already");
  GtkWidget *row = gtk_widget_get_first_child (prefs_stage_find (programs, "rows"));
  g_signal_emit_by_name (gtk_widget_get_last_child (row), "clicked");
  g_auto (GStrv) left = g_settings_get_strv (fixture->settings, "pause-for-programs");
  g_assert_null (left[0]);
}

/* A popover has no place beyond the end of the screen. */
static gboolean
is_in_sight (gpointer widget)
{
  GtkWidget *window = GTK_WIDGET (gtk_widget_get_root (widget));
  graphene_rect_t bounds;
  return gtk_widget_compute_bounds (widget, window, &bounds) &&
         bounds.origin.y + bounds.size.height <= (float) gtk_widget_get_height (window);
}

/* The X server, the bus and the keyring run, at least. */
static void
test_running_programs (Fixture *fixture, gconstpointer page)
{
  GtkWidget *programs = prefs_stage_find (fixture->window, "programs");
  GtkWidget *choose = prefs_stage_find (programs, "choose");
  GtkScrolledWindow *scrolled = GTK_SCROLLED_WINDOW (gtk_widget_get_ancestor (choose, GTK_TYPE_SCROLLED_WINDOW));
  GtkAdjustment *position = gtk_scrolled_window_get_vadjustment (scrolled);
  gtk_adjustment_set_value (position, gtk_adjustment_get_upper (position));
  prefs_stage_wait (is_in_sight, choose);
  gtk_menu_button_popup (GTK_MENU_BUTTON (prefs_stage_find (programs, "choose")));
  prefs_stage_turn ();
  GtkListBox *running = GTK_LIST_BOX (prefs_stage_find (programs, "running"));
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (running, 0);
  g_assert_nonnull (row);
  g_autofree char *name = g_strdup (gtk_widget_get_name (GTK_WIDGET (row)));
  g_signal_emit_by_name (running, "row-activated", row);
  g_auto (GStrv) added = g_settings_get_strv (fixture->settings, "pause-for-programs");
  g_assert_cmpstr (added[0], ==, name);
}

static gboolean
has_name (gpointer data)
{
  g_autofree char *name = g_settings_get_string (((Fixture *) data)->settings, "worker-name");
  return g_str_equal (name, "Küche");
}

static gboolean
starts_at_login (gpointer data)
{
  return g_settings_get_boolean (((Fixture *) data)->settings, "start-at-login");
}

static void
test_general (Fixture *fixture, gconstpointer page)
{
  g_autofree char *long_name = g_strnfill (200, 'x');
  GtkWidget *login = prefs_stage_find (fixture->window, "login");
  prefs_stage_type (fixture->window, "worker_name", long_name);
  check_problem (fixture->window, "worker_name", "too long");
  prefs_stage_type (fixture->window, "worker_name", "Küche");
  prefs_stage_wait (has_name, fixture);
  gtk_widget_activate (login);
  prefs_stage_wait (starts_at_login, fixture);
  g_assert_true (gtk_switch_get_state (GTK_SWITCH (login)));
  gtk_switch_set_active (GTK_SWITCH (prefs_stage_find (fixture->window, "notifications")), FALSE);
  g_assert_false (g_settings_get_boolean (fixture->settings, "notifications"));
}

/* --- for everybody --- */

static void
test_names (Fixture *fixture, gconstpointer page)
{
  prefs_stage_check_names (fixture->window);
}

/* Every control can be reached with the Tab key. */
static void
test_keyboard (Fixture *fixture, gconstpointer page)
{
  static const struct {
    const char *page;
    const char *ids[7];
  } pages[] = {
    { "relays", { "url", "secret", "button", "add", "provider", "ca_choose" } },
    { "server", { "url", "button", "refresh", "automatic", "poll" } },
    { "rules", { "battery", "enabled", "name", "add", "choose" } },
    { "general", { "worker_name", "login", "connect", "notifications" } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (pages); i++) {
    g_autoptr (GHashTable) reached = g_hash_table_new (NULL, NULL);
    GtkStack *stack = GTK_STACK (prefs_stage_find (fixture->window, "stack"));
    gtk_widget_activate_action (fixture->window, "win.page", "s", pages[i].page);
    g_assert_cmpstr (gtk_stack_get_visible_child_name (stack), ==, pages[i].page);
    prefs_stage_turn ();
    gtk_window_set_focus (GTK_WINDOW (fixture->window), NULL);
    for (guint tab = 0; tab < 60; tab++) {
      gtk_widget_child_focus (fixture->window, GTK_DIR_TAB_FORWARD);
      for (GtkWidget *at = gtk_window_get_focus (GTK_WINDOW (fixture->window)); at != NULL;
           at = gtk_widget_get_parent (at)) {
        g_hash_table_add (reached, at);
      }
    }
    GtkWidget *child = gtk_stack_get_visible_child (stack);
    for (guint j = 0; pages[i].ids[j] != NULL; j++) {
      if (!g_hash_table_contains (reached, prefs_stage_find (child, pages[i].ids[j]))) {
        g_error ("%s cannot be reached", pages[i].ids[j]);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_setenv ("GTK_A11Y", "test", TRUE);
  gtk_test_init (&argc, &argv, NULL);
  static const struct {
    const char *path;
    const char *page;
    void (*test) (Fixture *fixture, gconstpointer page);
  } tests[] = {
    { "/contract/L2/relay", "relays", test_relay },
    { "/contract/L2/relay-moves", "relays", test_relay_moves },
    { "/contract/L2/relay-twice", "relays", test_relay_twice },
    { "/contract/L2/relay-removed", "relays", test_relay_removed },
    { "/contract/L2/relay-test", "relays", test_relay_test },
    { "/contract/L2/server", "server", test_server },
    { "/contract/L2/rules", "rules", test_rules },
    { "/contract/L2/programs", "rules", test_programs },
    { "/contract/L2/running-programs", "rules", test_running_programs },
    { "/contract/L2/general", "general", test_general },
    { "/contract/L2/names", NULL, test_names },
    { "/contract/L2/keyboard", NULL, test_keyboard },
  };
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_test_add (tests[i].path, Fixture, tests[i].page, set_up, tests[i].test, tear_down);
  }
  return g_test_run ();
}
