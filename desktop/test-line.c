/* SPDX-License-Identifier: MIT */
/*
 * A Test button and what came of it. See test-line.h.
 */
#include "test-line.h"

#include <glib/gi18n-lib.h>

struct _MrTestLine {
  GtkBox parent_instance;

  GtkButton *button;
  GtkSpinner *spinner;
  GtkImage *icon;
  GtkLabel *sentence;
  MrTestState state;
  GCancellable *cancellable; /* Owned: of the test that runs, else NULL */
};

G_DEFINE_FINAL_TYPE (MrTestLine, mr_test_line, GTK_TYPE_BOX)

enum { PROP_STATE = 1, N_PROPERTIES };
static GParamSpec *properties[N_PROPERTIES];
static guint start_signal;

static void
set_state (MrTestLine *self, MrTestState state, const char *sentence)
{
  gboolean running = state == MR_TEST_RUNNING;
  gboolean over = state == MR_TEST_PASSED || state == MR_TEST_FAILED;
  self->state = state;
  gtk_button_set_label (self->button, running ? _ ("_Cancel") : _ ("_Test"));
  gtk_spinner_set_spinning (self->spinner, running);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), running);
  gtk_widget_set_visible (GTK_WIDGET (self->icon), over);
  gtk_image_set_from_icon_name (self->icon, state == MR_TEST_PASSED ? "emblem-ok-symbolic" : "dialog-warning-symbolic");
  gtk_label_set_label (self->sentence, sentence);
  gtk_widget_remove_css_class (GTK_WIDGET (self), "success");
  gtk_widget_remove_css_class (GTK_WIDGET (self), "error");
  if (over) {
    gtk_widget_add_css_class (GTK_WIDGET (self), state == MR_TEST_PASSED ? "success" : "error");
  }
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

static void
cancel (MrTestLine *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
}

GCancellable *
mr_test_line_begin (MrTestLine *self)
{
  cancel (self);
  self->cancellable = g_cancellable_new ();
  set_state (self, MR_TEST_RUNNING, _ ("Testing…"));
  return g_object_ref (self->cancellable);
}

void
mr_test_line_end (MrTestLine *self, gboolean passed, const char *sentence)
{
  g_clear_object (&self->cancellable);
  set_state (self, passed ? MR_TEST_PASSED : MR_TEST_FAILED, sentence);
}

void
mr_test_line_reset (MrTestLine *self)
{
  cancel (self);
  if (self->state != MR_TEST_IDLE) {
    set_state (self, MR_TEST_IDLE, "");
  }
}

void
mr_test_line_start (MrTestLine *self)
{
  if (self->state != MR_TEST_RUNNING) {
    g_signal_emit (self, start_signal, 0);
  }
}

MrTestState
mr_test_line_get_state (MrTestLine *self)
{
  return self->state;
}

const char *
mr_test_line_get_sentence (MrTestLine *self)
{
  return gtk_label_get_label (self->sentence);
}

static void
on_clicked (MrTestLine *self)
{
  if (self->state == MR_TEST_RUNNING) {
    mr_test_line_reset (self);
  } else {
    mr_test_line_start (self);
  }
}

static void
mr_test_line_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  g_value_set_uint (value, MR_TEST_LINE (object)->state);
}

/* The window is closing: a test whose outcome nobody sees ends, although it keeps the owner of the line alive. */
static void
mr_test_line_unroot (GtkWidget *widget)
{
  cancel (MR_TEST_LINE (widget));
  GTK_WIDGET_CLASS (mr_test_line_parent_class)->unroot (widget);
}

static void
mr_test_line_dispose (GObject *object)
{
  cancel (MR_TEST_LINE (object));
  G_OBJECT_CLASS (mr_test_line_parent_class)->dispose (object);
}

static void
mr_test_line_class_init (MrTestLineClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = mr_test_line_dispose;
  object_class->get_property = mr_test_line_get_property;
  widget_class->unroot = mr_test_line_unroot;
  properties[PROP_STATE] = g_param_spec_uint ("state", NULL, NULL, 0, MR_TEST_FAILED, MR_TEST_IDLE,
                                              G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
  start_signal = g_signal_new ("start", MR_TYPE_TEST_LINE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/test-line.ui");
  gtk_widget_class_bind_template_child (widget_class, MrTestLine, button);
  gtk_widget_class_bind_template_child (widget_class, MrTestLine, spinner);
  gtk_widget_class_bind_template_child (widget_class, MrTestLine, icon);
  gtk_widget_class_bind_template_child (widget_class, MrTestLine, sentence);
  gtk_widget_class_bind_template_callback (widget_class, on_clicked);
}

static void
mr_test_line_init (MrTestLine *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
