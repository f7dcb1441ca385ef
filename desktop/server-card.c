/* SPDX-License-Identifier: MIT */
/*
 * The address of the model server, and which there are on this machine. See server-card.h.
 */
#include "server-card.h"

#include "backend-finder.h"
#include "connection-test.h"
#include "field-check.h"
#include "field.h"

#include <glib/gi18n-lib.h>

#define URL_KEY "modelrelay-url"

struct _MrServerCard {
  GtkBox parent_instance;

  GtkEditable *url;
  GtkLabel *url_problem;
  MrTestLine *test;
  GtkListBox *found;
  GtkLabel *found_status;
  GtkSpinner *spinner;
  GtkButton *refresh;
  MrReactor *reactor;   /* Borrowed: outlives the card */
  GCancellable *search; /* Owned: of the search that runs, else NULL */
  gboolean searched;
};

G_DEFINE_FINAL_TYPE (MrServerCard, mr_server_card, GTK_TYPE_BOX)

enum { URL_APPLIED, MODELS, CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* --- the field --- */

static char *
check_url (const char *text, gpointer data)
{
  return mr_field_check_backend_url (text);
}

static void
apply_url (const char *text, gpointer data)
{
  g_signal_emit (data, signals[URL_APPLIED], 0, text);
}

static void
on_typed (gpointer data)
{
  MrServerCard *self = data;
  mr_test_line_reset (self->test);
  g_signal_emit (self, signals[CHANGED], 0);
}

static const MrFieldFuncs url_funcs = { check_url, apply_url, on_typed };

/* --- the test --- */

static void
on_tested (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrServerCard) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) models = NULL;
  g_autofree char *sentence = mr_test_backend_finish (result, &models, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    return;
  }
  if (models != NULL) {
    g_signal_emit (self, signals[MODELS], 0, models);
  }
  mr_test_line_end (self->test, sentence != NULL, sentence != NULL ? sentence : error->message);
}

static void
on_start (MrServerCard *self)
{
  if (!mr_server_card_settle (self)) {
    return;
  }
  g_autofree char *url = mr_server_card_get_url (self);
  g_autoptr (GCancellable) cancellable = mr_test_line_begin (self->test);
  mr_test_backend_async (self->reactor, url, cancellable, on_tested, g_object_ref (self));
}

/* --- what is found --- */

static GtkLabel *
add_label (GtkBox *box, const char *text, const char *css_class)
{
  GtkLabel *label = GTK_LABEL (gtk_label_new (text));
  gtk_label_set_xalign (label, 0);
  gtk_label_set_ellipsize (label, PANGO_ELLIPSIZE_END);
  gtk_widget_set_tooltip_text (GTK_WIDGET (label), text);
  if (css_class != NULL) {
    gtk_widget_add_css_class (GTK_WIDGET (label), css_class);
  }
  gtk_box_append (box, GTK_WIDGET (label));
  return label;
}

static char *
describe_models (char **models)
{
  guint n = models != NULL ? g_strv_length (models) : 0;
  return n == 0 ? g_strdup (_ ("No models")) : g_strjoinv (", ", models);
}

static void
add_found (MrServerCard *self, const MrFoundBackend *found)
{
  GtkBox *box = GTK_BOX (gtk_box_new (GTK_ORIENTATION_VERTICAL, 3));
  g_autofree char *models = describe_models (found->models);
  /* Translators: a kind of model server and its address, e.g. Ollama at http://127.0.0.1:11434 */
  g_autofree char *title = g_strdup_printf (_ ("%s at %s"), found->kind, found->url);
  GtkWidget *row = gtk_list_box_row_new ();

  add_label (box, title, NULL);
  add_label (box, models, "dim-label");
  gtk_widget_add_css_class (GTK_WIDGET (box), "found");
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (row), GTK_WIDGET (box));
  gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_LABEL, title,
                                  GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, models, -1);
  g_object_set_data_full (G_OBJECT (row), URL_KEY, g_strdup (found->url), g_free);
  gtk_list_box_append (self->found, row);
}

static void
show_search (MrServerCard *self, gboolean running, const char *status)
{
  gtk_spinner_set_spinning (self->spinner, running);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), running);
  gtk_widget_set_sensitive (GTK_WIDGET (self->refresh), !running);
  gtk_label_set_label (self->found_status, status != NULL ? status : "");
  gtk_widget_set_visible (GTK_WIDGET (self->found_status), status != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->found), status == NULL);
}

static void
clear_found (MrServerCard *self)
{
  GtkListBoxRow *row;
  while ((row = gtk_list_box_get_row_at_index (self->found, 0)) != NULL) {
    gtk_list_box_remove (self->found, GTK_WIDGET (row));
  }
}

static void
on_searched (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrServerCard) self = data;
  g_autoptr (GPtrArray) all = mr_find_backends_finish (result, NULL);
  if (all == NULL) {
    return;
  }
  g_clear_object (&self->search);
  clear_found (self);
  for (guint i = 0; i < all->len; i++) {
    add_found (self, g_ptr_array_index (all, i));
  }
  show_search (self, FALSE, all->len == 0 ? _ ("No model server is running on this machine.") : NULL);
}

void
mr_server_card_search (MrServerCard *self)
{
  g_cancellable_cancel (self->search);
  g_clear_object (&self->search);
  self->searched = TRUE;
  self->search = g_cancellable_new ();
  show_search (self, TRUE, _ ("Looking for model servers…"));
  mr_find_backends_async (self->reactor, NULL, self->search, on_searched, g_object_ref (self));
}

static void
on_row_activated (MrServerCard *self, GtkListBoxRow *row)
{
  gtk_editable_set_text (self->url, g_object_get_data (G_OBJECT (row), URL_KEY));
  mr_field_settle (self->url, TRUE);
  mr_test_line_start (self->test);
}

static void
on_map (MrServerCard *self)
{
  if (!self->searched) {
    mr_server_card_search (self);
  }
}

/* --- outside --- */

void
mr_server_card_set_up (MrServerCard *self, MrReactor *reactor)
{
  self->reactor = reactor;
}

void
mr_server_card_set_url (MrServerCard *self, const char *url)
{
  mr_field_set_text (self->url, url);
}

char *
mr_server_card_get_url (MrServerCard *self)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (self->url)));
}

gboolean
mr_server_card_settle (MrServerCard *self)
{
  gboolean good = mr_field_settle (self->url, TRUE);
  if (!good) {
    gtk_widget_grab_focus (GTK_WIDGET (self->url));
  }
  return good;
}

MrTestLine *
mr_server_card_get_test (MrServerCard *self)
{
  return self->test;
}

/* --- the object --- */

static gboolean
mr_server_card_grab_focus (GtkWidget *widget)
{
  return gtk_widget_grab_focus (GTK_WIDGET (MR_SERVER_CARD (widget)->url));
}

/* The window is closing: the search, which keeps the card alive, ends. */
static void
mr_server_card_unroot (GtkWidget *widget)
{
  MrServerCard *self = MR_SERVER_CARD (widget);
  g_cancellable_cancel (self->search);
  g_clear_object (&self->search);
  GTK_WIDGET_CLASS (mr_server_card_parent_class)->unroot (widget);
}

static void
mr_server_card_class_init (MrServerCardClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);
  GType type = MR_TYPE_SERVER_CARD;

  widget_class->unroot = mr_server_card_unroot;
  widget_class->grab_focus = mr_server_card_grab_focus;
  signals[URL_APPLIED] =
      g_signal_new ("url-applied", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[MODELS] = g_signal_new ("models", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRV);
  signals[CHANGED] = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  g_type_ensure (MR_TYPE_TEST_LINE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/server-card.ui");
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, url);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, url_problem);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, test);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, found);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, found_status);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, spinner);
  gtk_widget_class_bind_template_child (widget_class, MrServerCard, refresh);
  gtk_widget_class_bind_template_callback (widget_class, on_start);
  gtk_widget_class_bind_template_callback (widget_class, on_map);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
  gtk_widget_class_bind_template_callback (widget_class, mr_server_card_search);
}

static void
mr_server_card_init (MrServerCard *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  mr_field_attach (self->url, self->url_problem, &url_funcs, self);
}
