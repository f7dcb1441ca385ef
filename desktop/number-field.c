/* SPDX-License-Identifier: MIT */
/*
 * A number of the settings in a spin button. See number-field.h.
 */
#include "number-field.h"

#include "field-check.h"
#include "field.h"

#define NUMBER_KEY "modelrelay-number"

typedef struct {
  GtkSpinButton *button; /* Borrowed: owns this */
  GSettings *settings;   /* Owned */
  const char *key;
  gulong changed;
} NumberField;

static void
number_field_free (gpointer data)
{
  NumberField *number = data;
  g_signal_handler_disconnect (number->settings, number->changed);
  g_object_unref (number->settings);
  g_free (number);
}

static char *
check_number (const char *text, gpointer data)
{
  NumberField *number = data;
  double min, max;
  gtk_spin_button_get_range (number->button, &min, &max);
  return mr_field_check_number (text, (guint) min, (guint) max);
}

static void
apply_number (const char *text, gpointer data)
{
  NumberField *number = data;
  g_settings_set_int (number->settings, number->key, (int) g_ascii_strtoll (text, NULL, 10));
}

static const MrFieldFuncs number_funcs = { check_number, apply_number, NULL };

/* A value below the range stands for something else than a number: the field keeps the last one that it had. */
static void
on_setting_changed (NumberField *number)
{
  int value = g_settings_get_int (number->settings, number->key);
  double min;
  gtk_spin_button_get_range (number->button, &min, NULL);
  gboolean empty = *gtk_editable_get_text (GTK_EDITABLE (number->button)) == '\0';
  if (value >= (int) min || empty) {
    g_autofree char *text = g_strdup_printf ("%d", MAX (value, (int) min));
    mr_field_set_text (GTK_EDITABLE (number->button), text);
    gtk_spin_button_update (number->button);
  }
}

void
mr_number_field_bind (GtkSpinButton *button, GtkLabel *problem, GSettings *settings, const char *key)
{
  NumberField *number = g_new0 (NumberField, 1);
  g_autofree char *signal = g_strconcat ("changed::", key, NULL);
  number->button = button;
  number->settings = g_object_ref (settings);
  number->key = key;
  g_object_set_data_full (G_OBJECT (button), NUMBER_KEY, number, number_field_free);
  gtk_editable_set_text (GTK_EDITABLE (button), "");
  mr_field_attach (GTK_EDITABLE (button), problem, &number_funcs, number);
  number->changed = g_signal_connect_swapped (settings, signal, G_CALLBACK (on_setting_changed), number);
  on_setting_changed (number);
}
