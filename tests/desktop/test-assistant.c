/* SPDX-License-Identifier: MIT */
/*
 * The first run, from the relay's address to the answer that streams in, against a real relay and a demonstration
 * backend.
 *   test-assistant RELAY BACKEND
 */
#include "assistant.h"

#include "prefs-stage.h"
#include "relay-stage.h"

#include <string.h>

static const char *relay_path;
static const char *backend_path;

typedef struct {
  MrApplication *application;
  GSettings *settings;
  GtkWidget *window; /* NULL once it is closed */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->application = prefs_stage_new ();
  fixture->settings = mr_application_get_settings (fixture->application);
  fixture->window = GTK_WIDGET (mr_assistant_new (fixture->application));
  g_object_add_weak_pointer (G_OBJECT (fixture->window), (gpointer *) &fixture->window);
  gtk_window_present (GTK_WINDOW (fixture->window));
  prefs_stage_turn ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  if (fixture->window != NULL) {
    gtk_window_close (GTK_WINDOW (fixture->window));
  }
  prefs_stage_turn ();
  g_assert_null (fixture->window);
  prefs_stage_free (fixture->application);
}

static const char *
present_step (Fixture *fixture)
{
  return gtk_stack_get_visible_child_name (GTK_STACK (prefs_stage_find (fixture->window, "stack")));
}

static gboolean
is_at_server (gpointer data)
{
  return g_str_equal (present_step (data), "server");
}

static gboolean
is_visible (gpointer widget)
{
  return gtk_widget_get_visible (widget);
}

/* A test of this part of the window is over: its sentence is not the one of a running test. */
static gboolean
has_result (gpointer part)
{
  return gtk_widget_get_visible (prefs_stage_find (part, "icon"));
}

static const char *
result_of (GtkWidget *part)
{
  return gtk_label_get_label (GTK_LABEL (prefs_stage_find (part, "sentence")));
}

static void
test_first_run (Fixture *fixture, gconstpointer data)
{
  g_autoptr (RelayStageProgram) relay = relay_stage_relay (relay_path, NULL);
  g_autoptr (RelayStageProgram) backend = relay_stage_backend (backend_path);
  GtkWidget *relay_card = prefs_stage_find (fixture->window, "relay");
  GtkWidget *server_card = prefs_stage_find (fixture->window, "server");
  GtkWidget *trial = prefs_stage_find (fixture->window, "trial");

  prefs_stage_type (relay_card, "url", relay->url);
  prefs_stage_type (relay_card, "secret", RELAY_STAGE_SECRET);
  prefs_stage_click (fixture->window, "next");
  prefs_stage_wait (is_at_server, fixture);
  g_auto (GStrv) relays = g_settings_get_strv (fixture->settings, "relays");
  g_assert_cmpstr (relays[0], ==, relay->url);

  prefs_stage_type (server_card, "url", backend->url);
  prefs_stage_click (server_card, "button");
  prefs_stage_wait (is_visible, prefs_stage_find (fixture->window, "models"));
  prefs_stage_wait (has_result, server_card);
  prefs_stage_click (fixture->window, "next");
  g_assert_cmpstr (present_step (fixture), ==, "trial");

  prefs_stage_click (prefs_stage_find (trial, "test"), "button");
  prefs_stage_wait (has_result, trial);
  g_assert_nonnull (strstr (result_of (trial), "It works"));
  g_assert_cmpuint (strlen (gtk_label_get_label (GTK_LABEL (prefs_stage_find (trial, "answer")))), >, 5);
  prefs_stage_click (fixture->window, "next");
  g_assert_true (g_settings_get_boolean (fixture->settings, "first-run-done"));
  g_assert_true (mr_sharing_is_wanted (mr_application_get_sharing (fixture->application)));
}

static void
test_go_on_anyway (Fixture *fixture, gconstpointer data)
{
  GtkWidget *relay_card = prefs_stage_find (fixture->window, "relay");
  GtkWidget *server_card = prefs_stage_find (fixture->window, "server");
  prefs_stage_type (relay_card, "url", "http://127.0.0.1:9");
  prefs_stage_click (fixture->window, "next");
  g_assert_cmpstr (present_step (fixture), ==, "relay");
  g_assert_false (gtk_widget_get_visible (prefs_stage_find (fixture->window, "relay_anyway")));

  prefs_stage_type (relay_card, "secret", "sesame-4711");
  prefs_stage_click (fixture->window, "next");
  prefs_stage_wait (is_visible, prefs_stage_find (fixture->window, "relay_anyway"));
  g_assert_cmpstr (present_step (fixture), ==, "relay");
  g_assert_nonnull (strstr (result_of (relay_card), "Nothing answers"));
  g_auto (GStrv) before = g_settings_get_strv (fixture->settings, "relays");
  g_assert_null (before[0]);
  prefs_stage_click (fixture->window, "relay_anyway");
  g_assert_cmpstr (present_step (fixture), ==, "server");

  prefs_stage_type (server_card, "url", "http://127.0.0.1:9");
  prefs_stage_click (fixture->window, "back");
  g_assert_cmpstr (present_step (fixture), ==, "relay");
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (prefs_stage_find (relay_card, "url"))), ==,
                   "http://127.0.0.1:9");
  prefs_stage_click (fixture->window, "relay_anyway");
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (prefs_stage_find (server_card, "url"))), ==,
                   "http://127.0.0.1:9");
}

static void
test_later (Fixture *fixture, gconstpointer data)
{
  prefs_stage_type (prefs_stage_find (fixture->window, "relay"), "url", "http://127.0.0.1:9");
  prefs_stage_click (fixture->window, "back");
  prefs_stage_turn ();
  g_assert_null (fixture->window);
  g_auto (GStrv) relays = g_settings_get_strv (fixture->settings, "relays");
  g_assert_null (relays[0]);
  g_assert_true (g_settings_get_boolean (fixture->settings, "first-run-done"));
  g_assert_false (mr_sharing_is_wanted (mr_application_get_sharing (fixture->application)));
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  prefs_stage_check_names (fixture->window);
}

int
main (int argc, char **argv)
{
  g_setenv ("GTK_A11Y", "test", TRUE);
  gtk_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  relay_path = argv[1];
  backend_path = argv[2];
  g_test_add ("/contract/L2/first-run", Fixture, NULL, set_up, test_first_run, tear_down);
  g_test_add ("/contract/L2/first-run-anyway", Fixture, NULL, set_up, test_go_on_anyway, tear_down);
  g_test_add ("/contract/L2/first-run-later", Fixture, NULL, set_up, test_later, tear_down);
  g_test_add ("/contract/L2/first-run-names", Fixture, NULL, set_up, test_names, tear_down);
  return g_test_run ();
}
