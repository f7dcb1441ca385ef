/* SPDX-License-Identifier: MIT */
/*
 * Three steps, each kept once it was checked. See assistant.h.
 *
 *   relay --test passed (or: go on anyway): URL and secret kept--> server --the same: URL and models kept--> trial
 *   trial --Start sharing--> connected, done;  closed anywhere: done for now, may be opened again
 */
#include "assistant.h"

#include "login-switch.h"
#include "model-choice.h"
#include "relay-card.h"
#include "server-card.h"
#include "trial.h"

#include <glib/gi18n-lib.h>

#define MR_TYPE_ASSISTANT (mr_assistant_get_type ())
G_DECLARE_FINAL_TYPE (MrAssistant, mr_assistant, MR, ASSISTANT, GtkWindow)

typedef enum { STEP_RELAY, STEP_SERVER, STEP_TRIAL, N_STEPS } Step;
static const char *const step_names[N_STEPS] = { "relay", "server", "trial" };

struct _MrAssistant {
  GtkWindow parent_instance;

  GtkButton *back;
  GtkButton *next;
  GtkLabel *step;
  GtkStack *stack;
  MrRelayCard *relay;
  GtkLabel *keyring;
  GtkWidget *relay_anyway;
  MrServerCard *server;
  MrModelChoice *models;
  GtkWidget *server_anyway;
  MrTrial *trial;
  GtkSwitch *login;
  GtkLabel *login_problem;
  GSettings *settings;
  MrSecrets *secrets;
  MrSharing *sharing;
  Step present;
  gboolean going_on; /* as soon as the test of the relay has passed */
};

G_DEFINE_FINAL_TYPE (MrAssistant, mr_assistant, GTK_TYPE_WINDOW)

/* --- keeping --- */

/* The first relay of the list is the one that the assistant is about. */
static void
keep_relay (MrAssistant *self)
{
  g_autofree char *url = mr_relay_card_get_url (self->relay);
  g_autofree char *secret = mr_relay_card_get_secret (self->relay);
  g_auto (GStrv) old = g_settings_get_strv (self->settings, "relays");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_strv_builder_add (builder, url);
  for (guint i = 1; i < g_strv_length (old); i++) {
    if (!g_str_equal (old[i], url)) {
      g_strv_builder_add (builder, old[i]);
    }
  }
  g_auto (GStrv) relays = g_strv_builder_end (builder);
  mr_secrets_store_async (self->secrets, url, secret, NULL, NULL, NULL);
  if (*old != NULL && !g_strv_contains ((const char *const *) relays, *old)) {
    mr_secrets_store_async (self->secrets, *old, NULL, NULL, NULL, NULL);
  }
  g_settings_set_strv (self->settings, "relays", (const char *const *) relays);
}

static void
keep_model (const char *model, gboolean shared, gpointer data)
{
  mr_sharing_set_model_shared (MR_ASSISTANT (data)->sharing, model, shared);
}

static void
keep_server (MrAssistant *self)
{
  g_autofree char *url = mr_server_card_get_url (self->server);
  g_settings_set_string (self->settings, "backend-url", url);
  mr_model_choice_foreach (self->models, keep_model, self);
}

/* --- steps --- */

static void
show_step (MrAssistant *self, Step step)
{
  /* Translators: the assistant's title has "Step 1 of 3" in it */
  g_autofree char *text = g_strdup_printf (_ ("Step %d of %d"), (int) step + 1, N_STEPS);
  self->present = step;
  self->going_on = FALSE;
  gtk_label_set_label (self->step, text);
  gtk_button_set_label (self->back, step == STEP_RELAY ? _ ("_Later") : _ ("_Back"));
  gtk_button_set_label (self->next, step == STEP_TRIAL ? _ ("_Start sharing") : _ ("_Next"));
  gtk_stack_set_visible_child_name (self->stack, step_names[step]);
  if (step == STEP_SERVER && mr_test_line_get_state (mr_server_card_get_test (self->server)) == MR_TEST_IDLE) {
    mr_test_line_start (mr_server_card_get_test (self->server));
  }
}

static void
go_on (MrAssistant *self)
{
  if (self->present == STEP_RELAY) {
    keep_relay (self);
    show_step (self, STEP_SERVER);
    return;
  }
  g_autofree char *url = mr_relay_card_get_url (self->relay);
  g_auto (GStrv) models = mr_model_choice_dup_shared (self->models);
  keep_server (self);
  mr_trial_set_target (self->trial, url, (const char *const *) models);
  show_step (self, STEP_TRIAL);
}

static void
finish (MrAssistant *self)
{
  mr_sharing_connect (self->sharing);
  g_settings_set_boolean (self->settings, "first-run-done", TRUE);
  gtk_window_destroy (GTK_WINDOW (self));
}

static void
on_next (MrAssistant *self)
{
  gboolean passed;
  switch (self->present) {
  case STEP_RELAY:
    self->going_on = TRUE;
    passed = mr_test_line_get_state (mr_relay_card_get_test (self->relay)) == MR_TEST_PASSED;
    if (passed) {
      go_on (self);
    } else {
      mr_test_line_start (mr_relay_card_get_test (self->relay));
    }
    break;
  case STEP_SERVER:
    passed = mr_test_line_get_state (mr_server_card_get_test (self->server)) == MR_TEST_PASSED;
    if (!passed) {
      mr_test_line_start (mr_server_card_get_test (self->server));
    } else if (mr_model_choice_check (self->models)) {
      go_on (self);
    }
    break;
  case STEP_TRIAL:
  case N_STEPS:
  default:
    finish (self);
  }
}

static void
on_back (MrAssistant *self)
{
  if (self->present == STEP_RELAY) {
    gtk_window_close (GTK_WINDOW (self));
  } else {
    show_step (self, self->present - 1);
  }
}

static void
on_anyway (MrAssistant *self)
{
  gboolean good =
      self->present == STEP_RELAY ? mr_relay_card_settle (self->relay) : mr_server_card_settle (self->server);
  if (good) {
    go_on (self);
  }
}

/* --- tests --- */

static void
on_relay_tested (MrAssistant *self)
{
  MrTestState state = mr_test_line_get_state (mr_relay_card_get_test (self->relay));
  gtk_widget_set_visible (self->relay_anyway, state == MR_TEST_FAILED);
  if (state == MR_TEST_PASSED && self->going_on && self->present == STEP_RELAY) {
    go_on (self);
  } else if (state != MR_TEST_RUNNING) {
    self->going_on = FALSE;
  }
}

static void
on_server_tested (MrAssistant *self)
{
  MrTestState state = mr_test_line_get_state (mr_server_card_get_test (self->server));
  gtk_widget_set_visible (self->server_anyway, state == MR_TEST_FAILED);
  if (state == MR_TEST_FAILED) {
    gtk_widget_set_visible (GTK_WIDGET (self->models), FALSE);
  }
}

static void
on_models (MrAssistant *self, char **models)
{
  g_auto (GStrv) hidden = g_settings_get_strv (self->settings, "hidden-models");
  mr_model_choice_set_models (self->models, (const char *const *) models, (const char *const *) hidden);
  gtk_widget_set_visible (GTK_WIDGET (self->models), TRUE);
}

static void
on_values_changed (MrAssistant *self)
{
  self->going_on = FALSE;
}

/* --- begin and end --- */

static void
show_secret (MrAssistant *self)
{
  g_auto (GStrv) relays = g_settings_get_strv (self->settings, "relays");
  g_autofree char *sentence = mr_secrets_describe_state (self->secrets);
  g_autofree char *typed = mr_relay_card_get_secret (self->relay);
  gtk_label_set_label (self->keyring, sentence != NULL ? sentence : "");
  gtk_widget_set_visible (GTK_WIDGET (self->keyring), sentence != NULL);
  if (*relays != NULL && *typed == '\0') {
    mr_relay_card_set_secret (self->relay, mr_secrets_peek (self->secrets, *relays), NULL);
  }
}

static void
show_settings (MrAssistant *self)
{
  g_auto (GStrv) relays = g_settings_get_strv (self->settings, "relays");
  g_autofree char *backend_url = g_settings_get_string (self->settings, "backend-url");
  if (*relays != NULL) {
    mr_relay_card_set_url (self->relay, *relays);
  }
  mr_server_card_set_url (self->server, backend_url);
  g_signal_connect_object (self->secrets, "changed", G_CALLBACK (show_secret), self, G_CONNECT_SWAPPED);
  show_secret (self);
  mr_secrets_load_async (self->secrets, (const char *const *) relays, FALSE, NULL, NULL, NULL);
}

/* Closed is "later": the assistant does not come by itself again. */
static gboolean
on_close_request (MrAssistant *self)
{
  mr_trial_stop (self->trial);
  g_settings_set_boolean (self->settings, "first-run-done", TRUE);
  return GDK_EVENT_PROPAGATE;
}

GtkWindow *
mr_assistant_new (MrApplication *application)
{
  MrAssistant *self = g_object_new (MR_TYPE_ASSISTANT, "application", application, NULL);
  MrReactor *reactor = mr_application_get_reactor (application);

  self->settings = g_object_ref (mr_application_get_settings (application));
  self->secrets = g_object_ref (mr_application_get_secrets (application));
  self->sharing = g_object_ref (mr_application_get_sharing (application));
  mr_relay_card_set_up (self->relay, reactor, self->settings, NULL, NULL);
  mr_server_card_set_up (self->server, reactor);
  mr_trial_set_up (self->trial, self->settings, self->sharing);
  mr_login_switch_bind (self->login, self->login_problem, self->settings);
  g_signal_connect_object (mr_relay_card_get_test (self->relay), "notify::state", G_CALLBACK (on_relay_tested), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (mr_server_card_get_test (self->server), "notify::state", G_CALLBACK (on_server_tested), self,
                           G_CONNECT_SWAPPED);
  show_settings (self);
  show_step (self, STEP_RELAY);
  gtk_widget_grab_focus (GTK_WIDGET (self->relay));
  return GTK_WINDOW (self);
}

static void
mr_assistant_dispose (GObject *object)
{
  MrAssistant *self = MR_ASSISTANT (object);
  if (self->secrets != NULL) {
    g_signal_handlers_disconnect_by_data (self->secrets, self);
  }
  g_clear_object (&self->settings);
  g_clear_object (&self->secrets);
  g_clear_object (&self->sharing);
  G_OBJECT_CLASS (mr_assistant_parent_class)->dispose (object);
}

static void
mr_assistant_class_init (MrAssistantClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_assistant_dispose;
  g_type_ensure (MR_TYPE_RELAY_CARD);
  g_type_ensure (MR_TYPE_SERVER_CARD);
  g_type_ensure (MR_TYPE_MODEL_CHOICE);
  g_type_ensure (MR_TYPE_TRIAL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/assistant.ui");
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, back);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, next);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, step);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, stack);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, relay);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, keyring);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, relay_anyway);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, server);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, models);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, server_anyway);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, trial);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, login);
  gtk_widget_class_bind_template_child (widget_class, MrAssistant, login_problem);
  gtk_widget_class_bind_template_callback (widget_class, on_back);
  gtk_widget_class_bind_template_callback (widget_class, on_next);
  gtk_widget_class_bind_template_callback (widget_class, on_anyway);
  gtk_widget_class_bind_template_callback (widget_class, on_models);
  gtk_widget_class_bind_template_callback (widget_class, on_values_changed);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void
mr_assistant_init (MrAssistant *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (self, "close-request", G_CALLBACK (on_close_request), NULL);
}
