/* SPDX-License-Identifier: MIT */
/*
 * Shows one window of settings or assistant in a given state, to be looked at or photographed; ends when it is closed.
 *   prefs-gallery (relays|server|rules|general|assistant|models|trial) (good|bad) [WIDTH HEIGHT [TEXT-SCALE]]
 * LANGUAGE=de with LC_ALL=C.UTF-8 makes it German.
 */
#include "prefs-stage.h"

#include "assistant.h"
#include "model-choice.h"
#include "preferences.h"
#include "server-card.h"
#include "test-line.h"
#include "trial.h"

#include <libintl.h>

static void
set_up (GSettings *settings, MrSecrets *secrets)
{
  static const char *const relays[] = { "https://relay.example.org", NULL };
  static const char *const programs[] = { "blender", "factorio", NULL };
  g_settings_set_strv (settings, "relays", relays);
  g_settings_set_strv (settings, "pause-for-programs", programs);
  g_settings_set_boolean (settings, "scheduled", TRUE);
  mr_secrets_store_async (secrets, relays[0], "correct-horse", NULL, NULL, NULL);
}

static void
show_bad (GtkWidget *window, const char *page)
{
  if (g_str_equal (page, "relays") || g_str_equal (page, "assistant")) {
    prefs_stage_type (window, "url", "relay.example.org");
    prefs_stage_type (window, "secret", "");
  } else if (g_str_equal (page, "server")) {
    GtkWidget *card = prefs_stage_find (window, "card");
    prefs_stage_type (card, "url", "http://127.0.0.1:9");
    prefs_stage_click (card, "button");
    prefs_stage_type (window, "poll", "0");
  } else if (g_str_equal (page, "rules")) {
    prefs_stage_type (window, "from", "25:00");
    prefs_stage_type (window, "name", "/usr/bin/blender");
  } else if (g_str_equal (page, "general")) {
    g_autofree char *long_name = g_strnfill (200, 'x');
    prefs_stage_type (window, "worker_name", long_name);
  }
}

static void
show_assistant (GtkWidget *window, const char *page)
{
  static const char *const models[] = { "llama-3.1-8b-instruct-q4_k_m", "qwen2.5-coder:32b", NULL };
  if (g_str_equal (page, "models")) {
    gtk_stack_set_visible_child_name (GTK_STACK (prefs_stage_find (window, "stack")), "server");
    mr_model_choice_set_models (MR_MODEL_CHOICE (prefs_stage_find (window, "models")), models, NULL);
    gtk_widget_set_visible (prefs_stage_find (window, "models"), TRUE);
  } else if (g_str_equal (page, "trial")) {
    gtk_stack_set_visible_child_name (GTK_STACK (prefs_stage_find (window, "stack")), "trial");
    GtkWidget *trial = prefs_stage_find (window, "trial");
    mr_trial_set_target (MR_TRIAL (trial), "https://relay.example.org", models);
    mr_test_line_end (mr_trial_get_test (MR_TRIAL (trial)), TRUE,
                      "It works: the first text came after 0.4 seconds, 12 tokens in all.");
    gtk_label_set_label (GTK_LABEL (prefs_stage_find (trial, "answer")), "Hello, and welcome to the team!");
    gtk_widget_set_visible (prefs_stage_find (trial, "answer_box"), TRUE);
  }
}

int
main (int argc, char **argv)
{
  if (argc < 3) {
    g_printerr ("Which window, and good or bad?\n");
    return 2;
  }
  bindtextdomain (GETTEXT_PACKAGE, MR_LOCALE_DIR);
  textdomain (GETTEXT_PACKAGE);
  gtk_init ();
  MrApplication *application = prefs_stage_new ();
  set_up (mr_application_get_settings (application), mr_application_get_secrets (application));
  gboolean settings = g_strv_contains ((const char *const[]){ "relays", "server", "rules", "general", NULL }, argv[1]);
  GtkWindow *window = settings ? mr_preferences_new (application, argv[1]) : mr_assistant_new (application);

  g_object_add_weak_pointer (G_OBJECT (window), (gpointer *) &window);
  if (argc > 4) {
    gtk_window_set_default_size (window, atoi (argv[3]), atoi (argv[4]));
  }
  if (argc > 5) {
    g_object_set (gtk_settings_get_default (), "gtk-xft-dpi", (int) (96 * 1024 * g_ascii_strtod (argv[5], NULL)), NULL);
  }
  gtk_window_present (window);
  prefs_stage_turn ();
  show_assistant (GTK_WIDGET (window), argv[1]);
  if (g_str_equal (argv[2], "bad")) {
    show_bad (GTK_WIDGET (window), argv[1]);
  }
  while (window != NULL) {
    g_main_context_iteration (NULL, TRUE);
  }
  prefs_stage_free (application);
  return 0;
}
