/* SPDX-License-Identifier: MIT */
/*
 * The main window in each state: what it shows, what its buttons do, that it works without a mouse and in little room.
 */
#include "window-stage.h"

#include <string.h>

static MrApplication *application;

/* --- Finding widgets --- */

typedef gboolean (*Match) (GtkWidget *widget, const char *text);

/* (nullable): the first one, depth first, that is of @type and visible and that @match likes */
static GtkWidget *
find (GtkWidget *widget, GType type, Match match, const char *text)
{
  if (G_TYPE_CHECK_INSTANCE_TYPE (widget, type) && match (widget, text))
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    GtkWidget *found =
        gtk_widget_get_child_visible (child) && gtk_widget_get_visible (child) ? find (child, type, match, text) : NULL;

    if (found != NULL)
      return found;
  }
  return NULL;
}

static gboolean
has_label (GtkWidget *widget, const char *text)
{
  const char *label =
      GTK_IS_LABEL (widget) ? gtk_label_get_label (GTK_LABEL (widget)) : gtk_button_get_label (GTK_BUTTON (widget));

  return label != NULL && strstr (label, text) != NULL;
}

static gboolean
any (GtkWidget *widget, const char *text)
{
  return TRUE;
}

static gboolean
has_tooltip (GtkWidget *widget, const char *text)
{
  return g_strcmp0 (gtk_widget_get_tooltip_text (widget), text) == 0;
}

static gboolean
shows (GtkWindow *window, const char *text)
{
  return find (GTK_WIDGET (window), GTK_TYPE_LABEL, has_label, text) != NULL;
}

static GtkWidget *
find_button (GtkWindow *window, const char *text)
{
  return find (GTK_WIDGET (window), GTK_TYPE_BUTTON, has_label, text);
}

static void
click (GtkWidget *button)
{
  g_assert_true (GTK_IS_BUTTON (button) && gtk_widget_is_sensitive (button));
  g_signal_emit_by_name (button, "clicked");
}

/* --- The window --- */

static GtkWindow *
open_window (void)
{
  GtkWindow *window = mr_window_new (application);

  gtk_window_present (window);
  while (!gtk_widget_get_mapped (GTK_WIDGET (window)))
    g_main_context_iteration (NULL, TRUE);
  window_stage_changed ();
  return window;
}

static void
close_window (GtkWindow *window)
{
  gtk_window_destroy (window);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- State --- */

static void
check_help (GtkWindow *window, const char *label, const char *action, const char *target)
{
  GtkWidget *button = find_button (window, label);
  GVariant *value;

  g_assert_nonnull (button);
  g_assert_cmpstr (gtk_actionable_get_action_name (GTK_ACTIONABLE (button)), ==, action);
  value = gtk_actionable_get_action_target_value (GTK_ACTIONABLE (button));
  g_assert_cmpstr (value != NULL ? g_variant_get_string (value, NULL) : NULL, ==, target);
}

static void
test_help (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window = open_window ();
  g_assert_true (shows (window, "Not set up yet"));
  check_help (window, "Set _up…", "app.assistant", NULL);

  window_stage_serve ("m", NULL);
  window_stage.wanted = FALSE;
  window_stage_changed ();
  check_help (window, "_Connect", "app.connect", NULL);

  window_stage_serve ("m", NULL);
  window_stage_changed ();
  check_help (window, "_Pause", "app.pause", NULL);
  g_assert_true (shows (window, "Connected"));
  g_assert_true (shows (window, "https://relay.example"));

  window_stage.state = MR_SHARING_ERROR;
  window_stage_changed ();
  check_help (window, "_Fix…", "app.preferences-page", "relays");
  window_stage.backend_is_up = FALSE;
  window_stage_changed ();
  check_help (window, "_Fix…", "app.preferences-page", "server");

  window_stage.state = MR_SHARING_PAUSED;
  window_stage.pause.reason = MR_PAUSE_ON_BATTERY;
  window_stage_changed ();
  check_help (window, "_Rules…", "app.preferences-page", "rules");

  window_stage.config_problem = "No worker secret for https://relay.example";
  window_stage_changed ();
  check_help (window, "_Fix…", "app.preferences-page", "relays");
  close_window (window);
}

static void
test_pause (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window = open_window ();
  click (find_button (window, "_Pause"));
  g_assert_cmpstr (window_stage.last_order, ==, "pause");
  g_assert_cmpint (window_stage.pause.until_unix, ==, MR_PAUSED_UNTIL_RESUMED);
  window_stage_changed ();
  click (find_button (window, "_Resume"));
  g_assert_cmpstr (window_stage.last_order, ==, "resume");
  window_stage_changed ();

  g_action_group_activate_action (G_ACTION_GROUP (application), "pause-hour", NULL);
  g_assert_cmpint (window_stage.pause.until_unix, >=, g_get_real_time () / G_USEC_PER_SEC + 3598);
  g_assert_cmpint (window_stage.pause.until_unix, <=, g_get_real_time () / G_USEC_PER_SEC + 3600);
  window_stage_changed ();
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (application), "pause"));
  g_action_group_activate_action (G_ACTION_GROUP (application), "toggle-pause", NULL);
  g_assert_cmpstr (window_stage.last_order, ==, "resume");
  close_window (window);
}

/* Clearly to be seen while something runs, and not at all otherwise. */
static void
test_stop (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window = open_window ();
  g_assert_null (find_button (window, "_Stop at once"));
  g_assert_false (g_action_group_get_action_enabled (G_ACTION_GROUP (application), "hand-back"));
  window_stage_run ("m", "https://relay.example", 5, 10);
  window_stage_changed ();
  g_assert_nonnull (find_button (window, "_Stop at once"));
  click (find_button (window, "_Stop at once"));
  g_assert_cmpstr (window_stage.last_order, ==, "hand-back");
  close_window (window);
}

/* --- Models --- */

static guint
count_switches (GtkWidget *widget)
{
  guint n = GTK_IS_SWITCH (widget) ? 1 : 0;

  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    n += count_switches (child);
  return n;
}

static void
test_models (void)
{
  GtkWindow *window;
  GtkWidget *first;
  GtkWidget *row;

  window_stage_reset ();
  window_stage_serve ("alpha", "beta", "gamma", NULL);
  g_hash_table_add (window_stage.hidden, g_strdup ("beta"));
  window = open_window ();
  g_assert_cmpuint (count_switches (GTK_WIDGET (window)), ==, 3);
  g_assert_true (shows (window, "2 of 3 shared"));
  first = find (GTK_WIDGET (window), GTK_TYPE_SWITCH, any, NULL);
  g_assert_true (gtk_switch_get_active (GTK_SWITCH (first)));

  gtk_switch_set_active (GTK_SWITCH (first), FALSE);
  g_assert_cmpstr (window_stage.last_order, ==, "set-model-shared");
  g_assert_true (g_hash_table_contains (window_stage.hidden, "alpha"));
  row = gtk_widget_get_ancestor (first, GTK_TYPE_LIST_BOX_ROW);
  g_assert_true (gtk_widget_activate (row));
  g_assert_false (g_hash_table_contains (window_stage.hidden, "alpha"));

  /* Changed elsewhere: the switch follows, and gives no order of its own. */
  g_hash_table_add (window_stage.hidden, g_strdup ("alpha"));
  g_clear_pointer (&window_stage.last_order, g_free);
  window_stage_changed ();
  g_assert_false (gtk_switch_get_active (GTK_SWITCH (first)));
  g_assert_null (window_stage.last_order);

  window_stage_run ("gamma", "https://relay.example", 5, 10);
  window_stage_changed ();
  g_assert_true (shows (window, "1 request"));

  window_stage.models[1] = NULL;
  window_stage_changed ();
  g_assert_cmpuint (count_switches (GTK_WIDGET (window)), ==, 1);
  g_assert_false (shows (window, "beta"));
  close_window (window);
}

static void
test_models_empty (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window = open_window ();
  g_assert_true (shows (window, "Once a relay and a model server are set"));
  window_stage_serve (NULL, NULL);
  window_stage_changed ();
  g_assert_true (shows (window, "The model server has no models."));

  window_stage_serve ("alpha", NULL);
  window_stage_changed ();
  window_stage.backend_is_up = FALSE;
  window_stage.state = MR_SHARING_PAUSED;
  window_stage.models[0] = NULL;
  window_stage_changed ();
  /* Not asked while paused: the switches stay. */
  g_assert_true (shows (window, "alpha"));
  window_stage.state = MR_SHARING_ERROR;
  window_stage_changed ();
  g_assert_false (shows (window, "alpha"));
  g_assert_true (shows (window, "The model server does not answer."));
  close_window (window);
}

/* --- Requests and figures --- */

static void
test_requests (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window = open_window ();
  g_assert_true (shows (window, "None at the moment."));
  window_stage_run ("big-model", "https://relay.example:8443/", 75, 1234);
  window_stage_run ("small-model", "https://other.example", 3, 0);
  window_stage_changed ();
  g_assert_true (shows (window, "big-model"));
  g_assert_true (shows (window, "1 min 15 s · about 1234 tokens · for relay.example:8443"));
  g_assert_true (shows (window, "3 s · for other.example"));
  window_stage.n_requests = 1;
  window_stage_changed ();
  g_assert_false (shows (window, "small-model"));
  window_stage.n_requests = 0;
  window_stage_changed ();
  g_assert_true (shows (window, "None at the moment."));
  close_window (window);
}

static void
test_figures (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window_stage.today = (MrSharingToday){ 7, 2, 0, 345, 7260 };
  window = open_window ();
  g_assert_true (shows (window, "345"));
  g_assert_true (shows (window, "2 h 1 min"));
  /* Unknown, rather than none. */
  g_assert_true (shows (window, "–"));
  g_assert_false (shows (window, "tokens a second"));
  window_stage.history[MR_SHARING_HISTORY_SECONDS - 1] = 50;
  window_stage.rate = 41.4;
  window_stage_changed ();
  g_assert_true (shows (window, "about 41 tokens a second"));
  close_window (window);
}

/* --- Banners --- */

static void
test_keyring (void)
{
  GtkWindow *window;
  GtkWidget *button;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window_stage.secrets = MR_SECRETS_LOCKED;
  window_stage.keyring_problem = "The keyring is locked.";
  window = open_window ();
  g_assert_true (shows (window, "The keyring is locked."));
  button = find_button (window, "Unlock");
  click (button);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (window_stage.last_order, ==, "connect");
  g_assert_false (gtk_revealer_get_reveal_child (GTK_REVEALER (gtk_widget_get_ancestor (button, GTK_TYPE_REVEALER))));
  close_window (window);
}

/* Contract L6: without a tray the window says so. */
static void
test_no_tray (void)
{
  GtkWindow *window;
  GtkWidget *close;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window_stage.tray_problem = "There is no tray.";
  window = open_window ();
  g_assert_true (shows (window, "There is no tray."));
  close = find (GTK_WIDGET (window), GTK_TYPE_BUTTON, has_tooltip, "Hide this message");
  click (close);
  g_assert_false (gtk_revealer_get_reveal_child (GTK_REVEALER (gtk_widget_get_ancestor (close, GTK_TYPE_REVEALER))));
  close_window (window);
}

/* --- For everybody --- */

/* What can be operated says what it is. */
static void
check_names (GtkWidget *widget)
{
  gboolean icon_only = GTK_IS_BUTTON (widget) && gtk_button_get_label (GTK_BUTTON (widget)) == NULL &&
                       !GTK_IS_TOGGLE_BUTTON (widget) &&
                       gtk_widget_get_ancestor (widget, GTK_TYPE_WINDOW_CONTROLS) == NULL;

  if (icon_only || GTK_IS_SWITCH (widget) || GTK_IS_MENU_BUTTON (widget))
    if (!gtk_test_accessible_has_property (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_PROPERTY_LABEL))
      g_error ("%s (icon %s) in %s has no name", G_OBJECT_TYPE_NAME (widget),
               GTK_IS_BUTTON (widget) ? gtk_button_get_icon_name (GTK_BUTTON (widget)) : "none",
               G_OBJECT_TYPE_NAME (gtk_widget_get_parent (widget)));
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    check_names (child);
}

static int
least_width (GtkWindow *window)
{
  int width;

  gtk_widget_measure (GTK_WIDGET (window), GTK_ORIENTATION_HORIZONTAL, -1, &width, NULL, NULL, NULL);
  return width;
}

static void
test_narrow (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("some-publisher/a-model-with-a-very-long-name-and-more-of-it-instruct-q4_k_m.gguf", NULL);
  window_stage_run (window_stage.models[0], "https://relay-with-a-long-name.department.company.example:8443", 4, 5);
  window_stage.details = "Connected to https://relay-with-a-long-name.department.company.example:8443.";
  window_stage.keyring_problem = "The keyring is locked. Unlock it so that the worker secrets can be read.";
  window_stage.tray_problem = "There is no tray to show the icon.";
  window = open_window ();
  g_assert_cmpint (least_width (window), <=, 360);
  close_window (window);
}

/* Nothing is drawn, and nothing is asked, for a window that nobody sees. */
static void
test_unseen (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("m", NULL);
  window = open_window ();
  gtk_widget_set_visible (GTK_WIDGET (window), FALSE);
  window_stage.headline = "Changed";
  window_stage_changed ();
  g_assert_false (shows (window, "Changed"));
  gtk_window_present (window);
  g_assert_true (shows (window, "Changed"));
  close_window (window);
}

static void
test_size (void)
{
  GSettings *settings = mr_application_get_settings (application);
  GtkWindow *window;
  int width;
  int height;

  window_stage_reset ();
  g_settings_set_int (settings, "window-width", 433);
  g_settings_set_int (settings, "window-height", 511);
  window = open_window ();
  gtk_window_get_default_size (window, &width, &height);
  g_assert_cmpint (width, ==, 433);
  g_assert_cmpint (height, ==, 511);
  gtk_window_set_default_size (window, 444, 522);
  close_window (window);
  g_assert_cmpint (g_settings_get_int (settings, "window-width"), ==, 444);
  g_assert_cmpint (g_settings_get_int (settings, "window-height"), ==, 522);
}

static void
test_names (void)
{
  GtkWindow *window;

  window_stage_reset ();
  window_stage_serve ("alpha", NULL);
  window = open_window ();
  check_names (GTK_WIDGET (window));
  close_window (window);
}

int
main (int argc, char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  application = window_stage_new ();
  /* What slides in is there at once. */
  g_object_set (gtk_settings_get_default (), "gtk-enable-animations", FALSE, NULL);
  g_test_add_func ("/contract/L1/window/help", test_help);
  g_test_add_func ("/window/pause", test_pause);
  g_test_add_func ("/window/stop", test_stop);
  g_test_add_func ("/window/models", test_models);
  g_test_add_func ("/window/models/empty", test_models_empty);
  g_test_add_func ("/window/requests", test_requests);
  g_test_add_func ("/window/figures", test_figures);
  g_test_add_func ("/window/keyring", test_keyring);
  g_test_add_func ("/contract/L6/window/no-tray", test_no_tray);
  g_test_add_func ("/window/names", test_names);
  g_test_add_func ("/window/narrow", test_narrow);
  g_test_add_func ("/window/unseen", test_unseen);
  g_test_add_func ("/window/size", test_size);
  status = g_test_run ();
  g_object_unref (application);
  return status;
}
