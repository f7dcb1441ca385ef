/* SPDX-License-Identifier: MIT */
/*
 * A question to this machine, by way of the relay. See trial.h.
 *
 *   start -> connect -> wait until the model is offered -> request -> text, text, ... -> passed
 *                            |                                |
 *                            +-- no relay, paused, too long --+-- the relay's own sentence -> failed
 */
#include "trial.h"

#include "test-request.h"

#include <glib/gi18n-lib.h>

#define CONNECT_SECONDS 20

struct _MrTrial {
  GtkBox parent_instance;

  GtkDropDown *model;
  GtkWidget *key_row;
  GtkEditable *key;
  MrTestLine *test;
  GtkWidget *answer_box;
  GtkLabel *answer;
  GString *text; /* Owned: of the answer */
  GSettings *settings;
  MrSharing *sharing;
  char *relay_url;           /* Owned */
  GCancellable *cancellable; /* Owned: of the trial that waits for the connection; NULL otherwise */
  guint deadline;            /* source: of that wait */
  gboolean connected_for_it; /* this machine was not connected before */
};

G_DEFINE_FINAL_TYPE (MrTrial, mr_trial, GTK_TYPE_BOX)

/* --- the request --- */

static void
on_text (const char *text, gpointer data)
{
  MrTrial *self = data;
  g_string_append (self->text, text);
  gtk_label_set_label (self->answer, self->text->str);
  gtk_widget_set_visible (self->answer_box, TRUE);
}

/* (transfer full): how the trial went. */
static char *
describe_answer (const MrTestAnswer *answer)
{
  g_autofree char *first = g_strdup_printf ("%.1f", (double) answer->first_text_ms / 1000);
  if (answer->completion_tokens > 0) {
    guint tokens = (guint) answer->completion_tokens;
    /* Translators: %s is a number of seconds, e.g. 0.4 */
    return g_strdup_printf (ngettext ("It works: the first text came after %s seconds, %u token in all.",
                                      "It works: the first text came after %s seconds, %u tokens in all.", tokens),
                            first, tokens);
  }
  /* Translators: %s is a number of seconds, e.g. 0.4 */
  return g_strdup_printf (_ ("It works: the first text came after %s seconds."), first);
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrTrial) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (MrTestAnswer) answer = mr_test_request_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    return;
  }
  if (answer != NULL) {
    g_autofree char *sentence = describe_answer (answer);
    mr_test_line_end (self->test, TRUE, sentence);
    return;
  }
  mr_test_line_end (self->test, FALSE, error->message);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
    gtk_widget_set_visible (self->key_row, TRUE);
    gtk_widget_grab_focus (GTK_WIDGET (self->key));
  }
}

static const char *
get_model (MrTrial *self)
{
  GtkStringObject *item = gtk_drop_down_get_selected_item (self->model);
  return item != NULL ? gtk_string_object_get_string (item) : NULL;
}

static void
send_request (MrTrial *self)
{
  g_autoptr (GCancellable) cancellable = g_steal_pointer (&self->cancellable);
  g_autofree char *ca_file = g_settings_get_string (self->settings, "ca-file");
  const MrTestRequest request = {
    .relay_url = self->relay_url,
    .ca_file = ca_file,
    .api_key = gtk_editable_get_text (self->key),
    .model = get_model (self),
    .offered = mr_worker_get_models (mr_sharing_get_worker (self->sharing)),
  };
  g_clear_handle_id (&self->deadline, g_source_remove);
  mr_test_request_async (&request, on_text, cancellable, on_answered, g_object_ref (self));
}

/* --- the connection --- */

static gboolean
is_offered (MrTrial *self)
{
  MrWorker *worker = mr_sharing_get_worker (self->sharing);
  MrSharingState state = mr_sharing_get_state (self->sharing);
  const char *model = get_model (self);
  return worker != NULL && model != NULL && (state == MR_SHARING_CONNECTED || state == MR_SHARING_RELAYING) &&
         g_strv_contains (mr_worker_get_models (worker), model);
}

static void
give_up (MrTrial *self)
{
  g_autofree char *headline = mr_sharing_dup_headline (self->sharing);
  g_autofree char *details = mr_sharing_dup_details (self->sharing);
  g_autofree char *sentence = g_strdup_printf ("%s\n%s", headline, details);
  g_clear_handle_id (&self->deadline, g_source_remove);
  g_clear_object (&self->cancellable);
  mr_test_line_end (self->test, FALSE, sentence);
}

static gboolean
on_deadline (gpointer data)
{
  MrTrial *self = data;
  self->deadline = 0;
  give_up (self);
  return G_SOURCE_REMOVE;
}

static void
on_sharing_changed (MrTrial *self)
{
  MrSharingState state = mr_sharing_get_state (self->sharing);
  if (self->cancellable == NULL) {
    return;
  }
  if (g_cancellable_is_cancelled (self->cancellable)) {
    g_clear_object (&self->cancellable);
    g_clear_handle_id (&self->deadline, g_source_remove);
  } else if (is_offered (self)) {
    send_request (self);
  } else if (state == MR_SHARING_ERROR || state == MR_SHARING_PAUSED) {
    give_up (self);
  }
}

static void
on_start (MrTrial *self)
{
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->deadline, g_source_remove);
  g_string_truncate (self->text, 0);
  gtk_label_set_label (self->answer, "");
  gtk_widget_set_visible (self->answer_box, FALSE);
  self->cancellable = mr_test_line_begin (self->test);
  self->deadline = g_timeout_add_seconds (CONNECT_SECONDS, on_deadline, self);
  if (!mr_sharing_is_wanted (self->sharing)) {
    self->connected_for_it = TRUE;
    mr_sharing_connect (self->sharing);
  }
  on_sharing_changed (self);
}

static void
on_key_activated (MrTrial *self)
{
  mr_test_line_start (self->test);
}

/* --- the list of models --- */

/* A long name is cut in the list and is whole in its tooltip. */
static void
on_item_setup (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkWidget *label = gtk_label_new (NULL);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_list_item_set_child (item, label);
}

static void
on_item_bind (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkWidget *label = gtk_list_item_get_child (item);
  const char *name = gtk_string_object_get_string (gtk_list_item_get_item (item));
  gtk_label_set_label (GTK_LABEL (label), name);
  gtk_widget_set_tooltip_text (label, name);
}

static void
set_up_list (MrTrial *self)
{
  g_autoptr (GtkListItemFactory) factory = gtk_signal_list_item_factory_new ();
  g_signal_connect (factory, "setup", G_CALLBACK (on_item_setup), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (on_item_bind), NULL);
  gtk_drop_down_set_factory (self->model, factory);
}

/* --- outside --- */

void
mr_trial_set_target (MrTrial *self, const char *relay_url, const char *const *models)
{
  g_autoptr (GtkStringList) list = gtk_string_list_new (models);
  mr_test_line_reset (self->test);
  g_free (self->relay_url);
  self->relay_url = g_strdup (relay_url);
  gtk_drop_down_set_model (self->model, G_LIST_MODEL (list));
}

void
mr_trial_stop (MrTrial *self)
{
  mr_test_line_reset (self->test);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->deadline, g_source_remove);
  if (self->connected_for_it) {
    self->connected_for_it = FALSE;
    mr_sharing_disconnect (self->sharing);
  }
}

MrTestLine *
mr_trial_get_test (MrTrial *self)
{
  return self->test;
}

void
mr_trial_set_up (MrTrial *self, GSettings *settings, MrSharing *sharing)
{
  self->settings = g_object_ref (settings);
  self->sharing = g_object_ref (sharing);
  g_signal_connect_object (sharing, "changed", G_CALLBACK (on_sharing_changed), self, G_CONNECT_SWAPPED);
}

/* --- the object --- */

static void
mr_trial_dispose (GObject *object)
{
  MrTrial *self = MR_TRIAL (object);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->deadline, g_source_remove);
  g_clear_object (&self->settings);
  g_clear_object (&self->sharing);
  G_OBJECT_CLASS (mr_trial_parent_class)->dispose (object);
}

static void
mr_trial_finalize (GObject *object)
{
  MrTrial *self = MR_TRIAL (object);
  g_string_free (self->text, TRUE);
  g_free (self->relay_url);
  G_OBJECT_CLASS (mr_trial_parent_class)->finalize (object);
}

static void
mr_trial_class_init (MrTrialClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_trial_dispose;
  G_OBJECT_CLASS (klass)->finalize = mr_trial_finalize;
  g_type_ensure (MR_TYPE_TEST_LINE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/trial.ui");
  gtk_widget_class_bind_template_child (widget_class, MrTrial, model);
  gtk_widget_class_bind_template_child (widget_class, MrTrial, key_row);
  gtk_widget_class_bind_template_child (widget_class, MrTrial, key);
  gtk_widget_class_bind_template_child (widget_class, MrTrial, test);
  gtk_widget_class_bind_template_child (widget_class, MrTrial, answer_box);
  gtk_widget_class_bind_template_child (widget_class, MrTrial, answer);
  gtk_widget_class_bind_template_callback (widget_class, on_start);
  gtk_widget_class_bind_template_callback (widget_class, on_key_activated);
}

static void
mr_trial_init (MrTrial *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->text = g_string_new (NULL);
  set_up_list (self);
}
