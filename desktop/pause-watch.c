/* SPDX-License-Identifier: MIT */
/*
 * Settings, conditions and the clock. See pause-watch.h.
 */
#include "pause-watch.h"

#include "wall-timer.h"

struct _MrPauseWatch {
  GSettings *settings;      /* Owned */
  MrConditions *conditions; /* Owned */
  void (*changed) (gpointer data);
  gpointer data;
  MrPauseRules rules;
  char **programs; /* Owned: of the rules */
  MrPauseVerdict verdict;
  MrWallTimer *timer; /* Owned: the clock alone may change the verdict */
};

static void
read_rules (MrPauseWatch *self)
{
  GSettings *settings = self->settings;

  g_strfreev (self->programs);
  self->programs = g_settings_get_strv (settings, "pause-for-programs");
  self->rules = (MrPauseRules){
    .paused_until_unix = g_settings_get_int64 (settings, "paused-until"),
    .not_on_battery = g_settings_get_boolean (settings, "not-on-battery"),
    .only_when_idle = g_settings_get_boolean (settings, "only-when-idle"),
    .idle_minutes = (guint) g_settings_get_int (settings, "idle-minutes"),
    .scheduled = g_settings_get_boolean (settings, "scheduled"),
    .schedule_days = (guint) g_settings_get_int (settings, "schedule-days"),
    .schedule_from = (guint) g_settings_get_int (settings, "schedule-from"),
    .schedule_until = (guint) g_settings_get_int (settings, "schedule-until"),
    .programs = (const char *const *) self->programs,
  };
}

static MrPauseFacts
look_around (MrPauseWatch *self, GDateTime *local)
{
  MrPauseFacts facts = {
    .now_unix = g_date_time_to_unix (local),
    .local = local,
    .on_battery = mr_conditions_get_on_battery (self->conditions),
    .running_program = mr_conditions_get_running_program (self->conditions),
  };
  facts.idle = mr_conditions_get_idle (self->conditions, &facts.idle_known);
  return facts;
}

void
mr_pause_watch_decide (MrPauseWatch *self, gboolean watching)
{
  g_autoptr (GDateTime) local = g_date_time_new_now_local ();

  read_rules (self);
  mr_conditions_watch_battery (self->conditions, watching && self->rules.not_on_battery);
  mr_conditions_watch_idle (self->conditions, watching && self->rules.only_when_idle ? self->rules.idle_minutes : 0);
  mr_conditions_watch_programs (self->conditions, watching ? self->rules.programs : NULL);
  MrPauseFacts facts = look_around (self, local);
  self->verdict = mr_pause_decide (&self->rules, &facts);
  mr_wall_timer_set (self->timer, self->verdict.recheck_unix);
}

const MrPauseVerdict *
mr_pause_watch_get_verdict (MrPauseWatch *self)
{
  return &self->verdict;
}

char *
mr_pause_watch_describe (MrPauseWatch *self)
{
  g_autoptr (GDateTime) local = g_date_time_new_now_local ();
  MrPauseFacts facts = look_around (self, local);

  return mr_pause_describe (&self->verdict, &self->rules, &facts);
}

static void
on_time (gpointer data)
{
  MrPauseWatch *self = data;

  self->changed (self->data);
}

static void
on_conditions_changed (MrConditions *conditions, gpointer data)
{
  on_time (data);
}

MrPauseWatch *
mr_pause_watch_new (GSettings *settings, MrConditions *conditions, void (*changed) (gpointer data), gpointer data)
{
  MrPauseWatch *self = g_new0 (MrPauseWatch, 1);

  self->settings = g_object_ref (settings);
  self->conditions = g_object_ref (conditions);
  self->changed = changed;
  self->data = data;
  self->timer = mr_wall_timer_new (on_time, self);
  g_signal_connect (conditions, "changed", G_CALLBACK (on_conditions_changed), self);
  return self;
}

void
mr_pause_watch_free (MrPauseWatch *self)
{
  if (self == NULL) {
    return;
  }
  g_signal_handlers_disconnect_by_data (self->conditions, self);
  mr_wall_timer_free (self->timer);
  g_strfreev (self->programs);
  g_object_unref (self->conditions);
  g_object_unref (self->settings);
  g_free (self);
}
