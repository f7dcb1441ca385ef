/* SPDX-License-Identifier: MIT */
/*
 * When to share. Under each rule stands what it does now: the verdict of that rule alone. See preferences-rules.h.
 */
#include "preferences-rules.h"

#include "autostart.h"
#include "number-field.h"
#include "program-list.h"
#include "schedule-editor.h"

#include <glib/gi18n-lib.h>

struct _MrRulesPage {
  GtkBox parent_instance;

  GtkSwitch *battery;
  GtkLabel *battery_effect;
  GtkSwitch *idle;
  GtkLabel *idle_effect;
  GtkSpinButton *minutes;
  GtkLabel *minutes_problem;
  MrScheduleEditor *schedule;
  MrProgramList *programs;
  GSettings *settings;
  MrConditions *conditions;
  MrSharing *sharing;
  guint recheck; /* source: when the clock may change a sentence; 0 while not seen */
};

G_DEFINE_FINAL_TYPE (MrRulesPage, mr_rules_page, GTK_TYPE_BOX)

/* --- what the rules do now --- */

/* Facts and the strings that they borrow. */
typedef struct {
  MrPauseFacts facts;
  GDateTime *local;
} Now;

static void
now_init (MrRulesPage *self, Now *now)
{
  now->local = g_date_time_new_now_local ();
  now->facts = (MrPauseFacts){ .now_unix = g_date_time_to_unix (now->local), .local = now->local };
  now->facts.on_battery = mr_conditions_get_on_battery (self->conditions);
  now->facts.idle = mr_conditions_get_idle (self->conditions, &now->facts.idle_known);
  now->facts.running_program = mr_conditions_get_running_program (self->conditions);
}

/* (transfer full): what @rules, of which one is set, do now. @recheck_unix: (inout): brought forward */
static char *
describe (const MrPauseRules *rules, const Now *now, gint64 *recheck_unix)
{
  MrPauseVerdict verdict = mr_pause_decide (rules, &now->facts);
  if (verdict.recheck_unix != 0 && (*recheck_unix == 0 || verdict.recheck_unix < *recheck_unix)) {
    *recheck_unix = verdict.recheck_unix;
  }
  char *sentence = mr_pause_describe (&verdict, rules, &now->facts);
  return sentence != NULL ? sentence : g_strdup (_ ("Does not hold anything back now."));
}

static void
show_battery (MrRulesPage *self, const Now *now, gint64 *recheck_unix)
{
  MrPauseRules rules = { .not_on_battery = g_settings_get_boolean (self->settings, "not-on-battery") };
  g_autofree char *effect =
      rules.not_on_battery ? describe (&rules, now, recheck_unix) : g_strdup (_ ("Off: shared on battery as well."));
  gtk_label_set_label (self->battery_effect, effect);
}

static void
show_idle (MrRulesPage *self, const Now *now, gint64 *recheck_unix)
{
  MrPauseRules rules = { .only_when_idle = g_settings_get_boolean (self->settings, "only-when-idle"),
                         .idle_minutes = (guint) g_settings_get_int (self->settings, "idle-minutes") };
  g_autofree char *effect = NULL;
  gboolean known = now->facts.idle_known;
  if (!known) {
    effect = g_strdup (_ ("This desktop does not tell when the machine is not in use, so this rule cannot work here."));
  } else if (!rules.only_when_idle) {
    effect = g_strdup (_ ("Off: shared while you work as well."));
  } else {
    effect = describe (&rules, now, recheck_unix);
  }
  gtk_label_set_label (self->idle_effect, effect);
  /* Switching it off is always possible. */
  gtk_widget_set_sensitive (GTK_WIDGET (self->idle), known || rules.only_when_idle);
  gtk_widget_set_sensitive (GTK_WIDGET (self->minutes), known && rules.only_when_idle);
}

static void
show_schedule (MrRulesPage *self, const Now *now, gint64 *recheck_unix)
{
  MrPauseRules rules = { .scheduled = g_settings_get_boolean (self->settings, "scheduled"),
                         .schedule_days = (guint) g_settings_get_int (self->settings, "schedule-days"),
                         .schedule_from = (guint) g_settings_get_int (self->settings, "schedule-from"),
                         .schedule_until = (guint) g_settings_get_int (self->settings, "schedule-until") };
  g_autofree char *effect =
      rules.scheduled ? describe (&rules, now, recheck_unix) : g_strdup (_ ("Off: shared around the clock."));
  mr_schedule_editor_set_effect (self->schedule, effect);
}

static void
show_programs (MrRulesPage *self, const Now *now, gint64 *recheck_unix)
{
  g_auto (GStrv) names = g_settings_get_strv (self->settings, "pause-for-programs");
  MrPauseRules rules = { .programs = (const char *const *) names };
  g_autofree char *effect = NULL;

  if (mr_autostart_is_portal ()) {
    effect = g_strdup (_ ("Inside the Flatpak sandbox other programs cannot be seen: this rule does nothing there."));
  } else if (*names != NULL) {
    effect = describe (&rules, now, recheck_unix);
  } else {
    effect = g_strdup (_ ("For example a game that needs the GPU."));
  }
  mr_program_list_set_effect (self->programs, effect);
}

static void show_effects (MrRulesPage *self);

static gboolean
on_recheck (gpointer data)
{
  MrRulesPage *self = data;
  self->recheck = 0;
  show_effects (self);
  return G_SOURCE_REMOVE;
}

static void
show_effects (MrRulesPage *self)
{
  Now now;
  gint64 recheck_unix = 0;
  g_clear_handle_id (&self->recheck, g_source_remove);
  if (!gtk_widget_get_mapped (GTK_WIDGET (self))) {
    return;
  }
  now_init (self, &now);
  show_battery (self, &now, &recheck_unix);
  show_idle (self, &now, &recheck_unix);
  show_schedule (self, &now, &recheck_unix);
  show_programs (self, &now, &recheck_unix);
  if (recheck_unix != 0) {
    gint64 seconds = CLAMP (recheck_unix - now.facts.now_unix, 1, G_TIME_SPAN_DAY / G_TIME_SPAN_SECOND);
    self->recheck = g_timeout_add_seconds ((guint) seconds, on_recheck, self);
  }
  g_date_time_unref (now.local);
}

/* Whether the desktop tells idle times is only known while somebody asks: sharing, when the rule is set, else we. */
static void
watch_idle (MrRulesPage *self)
{
  if (!g_settings_get_boolean (self->settings, "only-when-idle")) {
    gboolean seen = gtk_widget_get_mapped (GTK_WIDGET (self));
    mr_conditions_watch_idle (self->conditions, seen ? (guint) g_settings_get_int (self->settings, "idle-minutes") : 0);
  }
}

static void
on_map_changed (MrRulesPage *self)
{
  if (self->settings != NULL) {
    watch_idle (self);
    show_effects (self);
  }
}

/* After sharing, which sets the watches by its rules. */
static gboolean
on_settled (gpointer data)
{
  on_map_changed (data);
  return G_SOURCE_REMOVE;
}

static void
on_setting_changed (MrRulesPage *self)
{
  g_idle_add_full (G_PRIORITY_LOW, on_settled, g_object_ref (self), g_object_unref);
}

/* --- the object --- */

void
mr_rules_page_set_up (MrRulesPage *self, GSettings *settings, MrConditions *conditions, MrSharing *sharing)
{
  self->settings = g_object_ref (settings);
  self->conditions = g_object_ref (conditions);
  self->sharing = g_object_ref (sharing);
  g_settings_bind (settings, "not-on-battery", self->battery, "active", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (settings, "only-when-idle", self->idle, "active",
                   G_SETTINGS_BIND_DEFAULT | G_SETTINGS_BIND_NO_SENSITIVITY);
  mr_number_field_bind (self->minutes, self->minutes_problem, settings, "idle-minutes");
  mr_schedule_editor_set_up (self->schedule, settings);
  mr_program_list_set_up (self->programs, settings);
  g_signal_connect_object (settings, "changed", G_CALLBACK (on_setting_changed), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (conditions, "changed", G_CALLBACK (show_effects), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (sharing, "changed", G_CALLBACK (show_effects), self, G_CONNECT_SWAPPED);
}

static void
mr_rules_page_dispose (GObject *object)
{
  MrRulesPage *self = MR_RULES_PAGE (object);
  g_clear_handle_id (&self->recheck, g_source_remove);
  g_clear_object (&self->settings);
  g_clear_object (&self->conditions);
  g_clear_object (&self->sharing);
  G_OBJECT_CLASS (mr_rules_page_parent_class)->dispose (object);
}

static void
mr_rules_page_class_init (MrRulesPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_rules_page_dispose;
  g_type_ensure (MR_TYPE_SCHEDULE_EDITOR);
  g_type_ensure (MR_TYPE_PROGRAM_LIST);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/preferences-rules.ui");
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, battery);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, battery_effect);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, idle);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, idle_effect);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, minutes);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, minutes_problem);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, schedule);
  gtk_widget_class_bind_template_child (widget_class, MrRulesPage, programs);
}

static void
mr_rules_page_init (MrRulesPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect_after (self, "map", G_CALLBACK (on_map_changed), NULL);
  g_signal_connect_after (self, "unmap", G_CALLBACK (on_map_changed), NULL);
}
