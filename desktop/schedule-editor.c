/* SPDX-License-Identifier: MIT */
/*
 * Days and times of sharing. See schedule-editor.h.
 */
#include "schedule-editor.h"

#include "field-check.h"
#include "field.h"

#include <glib/gi18n-lib.h>

#define DAYS_PER_WEEK 7

/* A Monday: only the names of the days that follow it are of interest. */
#define SOME_MONDAY 2000, 1, 3

struct _MrScheduleEditor {
  GtkBox parent_instance;

  GtkSwitch *enabled;
  GtkLabel *effect;
  GtkFlowBox *days;
  GtkWidget *days_row;
  GtkEditable *from;
  GtkLabel *from_problem;
  GtkWidget *from_row;
  GtkEditable *until;
  GtkLabel *until_problem;
  GtkWidget *until_row;
  GtkWidget *next_day;
  GtkToggleButton *day_buttons[DAYS_PER_WEEK]; /* Borrowed: in @days, Monday first */
  GSettings *settings;
  gboolean showing; /* the buttons follow the settings, not the owner */
};

G_DEFINE_FINAL_TYPE (MrScheduleEditor, mr_schedule_editor, GTK_TYPE_BOX)

/* --- days --- */

static void
on_day_toggled (MrScheduleEditor *self)
{
  int days = 0;
  if (self->showing) {
    return;
  }
  for (int i = 0; i < DAYS_PER_WEEK; i++) {
    days |= gtk_toggle_button_get_active (self->day_buttons[i]) ? 1 << i : 0;
  }
  g_settings_set_int (self->settings, "schedule-days", days);
}

static void
add_day (MrScheduleEditor *self, int i)
{
  g_autoptr (GDateTime) monday = g_date_time_new_utc (SOME_MONDAY, 0, 0, 0);
  g_autoptr (GDateTime) day = g_date_time_add_days (monday, i);
  g_autofree char *name = g_date_time_format (day, "%a");
  g_autofree char *full_name = g_date_time_format (day, "%A");
  GtkWidget *button = gtk_toggle_button_new_with_label (name);

  gtk_widget_set_tooltip_text (button, full_name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, full_name, -1);
  g_signal_connect_swapped (button, "toggled", G_CALLBACK (on_day_toggled), self);
  gtk_flow_box_append (self->days, button);
  /* The button is what takes the focus, not its place in the box. */
  gtk_widget_set_focusable (gtk_widget_get_parent (button), FALSE);
  self->day_buttons[i] = GTK_TOGGLE_BUTTON (button);
}

/* --- times --- */

static char *
check_time (const char *text, gpointer data)
{
  return mr_field_check_time (text);
}

static void
apply_time (MrScheduleEditor *self, const char *key, const char *text)
{
  guint minutes;
  if (mr_field_parse_time (text, &minutes)) {
    g_settings_set_int (self->settings, key, (int) minutes);
  }
}

static void
apply_from (const char *text, gpointer data)
{
  apply_time (data, "schedule-from", text);
}

static void
apply_until (const char *text, gpointer data)
{
  apply_time (data, "schedule-until", text);
}

static const MrFieldFuncs from_funcs = { check_time, apply_from, NULL };
static const MrFieldFuncs until_funcs = { check_time, apply_until, NULL };

/* Leaves a field alone that says the same in other words. */
static void
show_time (GtkEditable *field, int minutes)
{
  guint shown;
  if (!mr_field_parse_time (gtk_editable_get_text (field), &shown) || (int) shown != minutes) {
    g_autofree char *text = mr_field_format_time ((guint) minutes);
    mr_field_set_text (field, text);
  }
}

static void
show_schedule (MrScheduleEditor *self)
{
  gboolean enabled = g_settings_get_boolean (self->settings, "scheduled");
  int days = g_settings_get_int (self->settings, "schedule-days");
  int from = g_settings_get_int (self->settings, "schedule-from");
  int until = g_settings_get_int (self->settings, "schedule-until");

  self->showing = TRUE;
  for (int i = 0; i < DAYS_PER_WEEK; i++) {
    gtk_toggle_button_set_active (self->day_buttons[i], (days & (1 << i)) != 0);
  }
  self->showing = FALSE;
  show_time (self->from, from);
  show_time (self->until, until);
  gtk_widget_set_visible (self->next_day, until <= from);
  gtk_widget_set_sensitive (self->days_row, enabled);
  gtk_widget_set_sensitive (self->from_row, enabled);
  gtk_widget_set_sensitive (self->until_row, enabled);
}

/* --- the object --- */

void
mr_schedule_editor_set_effect (MrScheduleEditor *self, const char *effect)
{
  gtk_label_set_label (self->effect, effect);
}

void
mr_schedule_editor_set_up (MrScheduleEditor *self, GSettings *settings)
{
  static const char *const changes[] = { "changed::scheduled", "changed::schedule-days", "changed::schedule-from",
                                         "changed::schedule-until" };
  self->settings = g_object_ref (settings);
  mr_field_attach (self->from, self->from_problem, &from_funcs, self);
  mr_field_attach (self->until, self->until_problem, &until_funcs, self);
  g_settings_bind (settings, "scheduled", self->enabled, "active", G_SETTINGS_BIND_DEFAULT);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_signal_connect_object (settings, changes[i], G_CALLBACK (show_schedule), self, G_CONNECT_SWAPPED);
  }
  show_schedule (self);
}

static void
mr_schedule_editor_dispose (GObject *object)
{
  MrScheduleEditor *self = MR_SCHEDULE_EDITOR (object);
  g_clear_object (&self->settings);
  G_OBJECT_CLASS (mr_schedule_editor_parent_class)->dispose (object);
}

static void
mr_schedule_editor_class_init (MrScheduleEditorClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_schedule_editor_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/schedule-editor.ui");
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, enabled);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, effect);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, days);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, days_row);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, from);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, from_problem);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, from_row);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, until);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, until_problem);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, until_row);
  gtk_widget_class_bind_template_child (widget_class, MrScheduleEditor, next_day);
}

static void
mr_schedule_editor_init (MrScheduleEditor *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  for (int i = 0; i < DAYS_PER_WEEK; i++) {
    add_day (self, i);
  }
}
