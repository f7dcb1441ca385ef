/* SPDX-License-Identifier: MIT */
/*
 * The fields of one relay. See relay-card.h.
 */
#include "relay-card.h"

#include "connection-test.h"
#include "field-check.h"
#include "field.h"

#include <glib/gi18n-lib.h>

struct _MrRelayCard {
  GtkBox parent_instance;

  GtkEditable *url;
  GtkLabel *url_problem;
  GtkEditable *secret;
  GtkLabel *secret_problem;
  MrTestLine *test;
  MrReactor *reactor; /* Borrowed: outlives the card */
  GSettings *settings;
  MrRelayCardTaken taken;
  gpointer taken_data;
};

G_DEFINE_FINAL_TYPE (MrRelayCard, mr_relay_card, GTK_TYPE_BOX)

enum { URL_APPLIED, SECRET_APPLIED, CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* --- the fields --- */

static char *
check_url (const char *text, gpointer data)
{
  MrRelayCard *self = data;
  char *problem = mr_field_check_relay_url (text);
  if (problem == NULL && self->taken != NULL && self->taken (self, text, self->taken_data)) {
    problem = g_strdup (_ ("This relay is in the list already."));
  }
  return problem;
}

static char *
check_secret (const char *text, gpointer data)
{
  return mr_field_check_secret (text);
}

static void
apply_url (const char *text, gpointer data)
{
  g_signal_emit (data, signals[URL_APPLIED], 0, text);
}

static void
apply_secret (const char *text, gpointer data)
{
  g_signal_emit (data, signals[SECRET_APPLIED], 0, text);
}

/* How a test of other values went says nothing any more. */
static void
on_typed (gpointer data)
{
  MrRelayCard *self = data;
  mr_test_line_reset (self->test);
  g_signal_emit (self, signals[CHANGED], 0);
}

static const MrFieldFuncs url_funcs = { check_url, apply_url, on_typed };
static const MrFieldFuncs secret_funcs = { check_secret, apply_secret, on_typed };

/* --- the test --- */

static void
on_tested (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrRelayCard) self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *sentence = mr_test_relay_finish (result, &error);
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    mr_test_line_end (self->test, sentence != NULL, sentence != NULL ? sentence : error->message);
  }
}

static void
on_start (MrRelayCard *self)
{
  if (!mr_relay_card_settle (self)) {
    return;
  }
  g_autofree char *url = mr_relay_card_get_url (self);
  g_autofree char *secret = mr_relay_card_get_secret (self);
  g_autofree char *provider = g_settings_get_string (self->settings, "provider");
  g_autofree char *ca_file = g_settings_get_string (self->settings, "ca-file");
  g_autofree char *worker_name = g_settings_get_string (self->settings, "worker-name");
  const MrRelayTest test = { url, secret, provider, ca_file, worker_name };
  g_autoptr (GCancellable) cancellable = mr_test_line_begin (self->test);
  mr_test_relay_async (self->reactor, &test, cancellable, on_tested, g_object_ref (self));
}

/* --- outside --- */

void
mr_relay_card_set_up (MrRelayCard *self, MrReactor *reactor, GSettings *settings, MrRelayCardTaken taken, gpointer data)
{
  self->reactor = reactor;
  g_set_object (&self->settings, settings);
  self->taken = taken;
  self->taken_data = data;
}

void
mr_relay_card_set_url (MrRelayCard *self, const char *url)
{
  mr_field_set_text (self->url, url);
}

void
mr_relay_card_set_secret (MrRelayCard *self, const char *secret, const char *hint)
{
  mr_field_set_text (self->secret, secret != NULL ? secret : "");
  g_object_set (self->secret, "placeholder-text", hint, NULL);
}

char *
mr_relay_card_get_url (MrRelayCard *self)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (self->url)));
}

char *
mr_relay_card_get_secret (MrRelayCard *self)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (self->secret)));
}

gboolean
mr_relay_card_settle (MrRelayCard *self)
{
  gboolean url_is_good = mr_field_settle (self->url, TRUE);
  gboolean secret_is_good = mr_field_settle (self->secret, TRUE);
  if (!url_is_good || !secret_is_good) {
    gtk_widget_grab_focus (GTK_WIDGET (url_is_good ? self->secret : self->url));
  }
  return url_is_good && secret_is_good;
}

MrTestLine *
mr_relay_card_get_test (MrRelayCard *self)
{
  return self->test;
}

/* --- the object --- */

static gboolean
mr_relay_card_grab_focus (GtkWidget *widget)
{
  return gtk_widget_grab_focus (GTK_WIDGET (MR_RELAY_CARD (widget)->url));
}

static void
mr_relay_card_dispose (GObject *object)
{
  MrRelayCard *self = MR_RELAY_CARD (object);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (mr_relay_card_parent_class)->dispose (object);
}

static void
mr_relay_card_class_init (MrRelayCardClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);
  GType type = MR_TYPE_RELAY_CARD;

  G_OBJECT_CLASS (klass)->dispose = mr_relay_card_dispose;
  widget_class->grab_focus = mr_relay_card_grab_focus;
  signals[URL_APPLIED] =
      g_signal_new ("url-applied", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SECRET_APPLIED] =
      g_signal_new ("secret-applied", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[CHANGED] = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  g_type_ensure (MR_TYPE_TEST_LINE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/relay-card.ui");
  gtk_widget_class_bind_template_child (widget_class, MrRelayCard, url);
  gtk_widget_class_bind_template_child (widget_class, MrRelayCard, url_problem);
  gtk_widget_class_bind_template_child (widget_class, MrRelayCard, secret);
  gtk_widget_class_bind_template_child (widget_class, MrRelayCard, secret_problem);
  gtk_widget_class_bind_template_child (widget_class, MrRelayCard, test);
  gtk_widget_class_bind_template_callback (widget_class, on_start);
}

static void
mr_relay_card_init (MrRelayCard *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  mr_field_attach (self->url, self->url_problem, &url_funcs, self);
  mr_field_attach (self->secret, self->secret_problem, &secret_funcs, self);
}
