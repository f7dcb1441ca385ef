/* SPDX-License-Identifier: MIT */
/*
 * The three watches, each there while it is wanted. See conditions.h.
 */
#include "conditions.h"

#include "battery-watch.h"
#include "idle-watch.h"
#include "program-watch.h"

struct _MrConditions {
  GObject parent_instance;

  /* Owned; NULL while not watched */
  MrBatteryWatch *battery;
  MrIdleWatch *idle;
  MrProgramWatch *programs;
};

G_DEFINE_FINAL_TYPE (MrConditions, mr_conditions, G_TYPE_OBJECT)

static guint changed_signal;

static void
on_changed (gpointer data)
{
  g_signal_emit (data, changed_signal, 0);
}

void
mr_conditions_watch_battery (MrConditions *self, gboolean watch)
{
  g_return_if_fail (MR_IS_CONDITIONS (self));
  if (!watch) {
    g_clear_pointer (&self->battery, mr_battery_watch_free);
  } else if (self->battery == NULL) {
    self->battery = mr_battery_watch_new (on_changed, self);
  }
}

void
mr_conditions_watch_idle (MrConditions *self, guint minutes)
{
  g_return_if_fail (MR_IS_CONDITIONS (self));
  if (self->idle != NULL && mr_idle_watch_get_minutes (self->idle) != minutes) {
    g_clear_pointer (&self->idle, mr_idle_watch_free);
  }
  if (self->idle == NULL && minutes > 0) {
    self->idle = mr_idle_watch_new (minutes, on_changed, self);
  }
}

void
mr_conditions_watch_programs (MrConditions *self, const char *const *names)
{
  static const char *const none[] = { NULL };
  const char *const *wanted = names != NULL ? names : none;

  g_return_if_fail (MR_IS_CONDITIONS (self));
  if (self->programs != NULL && !g_strv_equal (wanted, mr_program_watch_get_names (self->programs))) {
    g_clear_pointer (&self->programs, mr_program_watch_free);
  }
  if (self->programs == NULL && *wanted != NULL) {
    self->programs = mr_program_watch_new (wanted, on_changed, self);
  }
}

gboolean
mr_conditions_get_on_battery (MrConditions *self)
{
  g_return_val_if_fail (MR_IS_CONDITIONS (self), FALSE);
  return self->battery != NULL && mr_battery_watch_get (self->battery);
}

gboolean
mr_conditions_get_idle (MrConditions *self, gboolean *known)
{
  g_return_val_if_fail (MR_IS_CONDITIONS (self), FALSE);
  *known = FALSE;
  return self->idle != NULL && mr_idle_watch_get (self->idle, known);
}

const char *
mr_conditions_get_running_program (MrConditions *self)
{
  g_return_val_if_fail (MR_IS_CONDITIONS (self), NULL);
  return self->programs != NULL ? mr_program_watch_get (self->programs) : NULL;
}

static void
mr_conditions_finalize (GObject *object)
{
  MrConditions *self = MR_CONDITIONS (object);

  mr_battery_watch_free (self->battery);
  mr_idle_watch_free (self->idle);
  mr_program_watch_free (self->programs);
  G_OBJECT_CLASS (mr_conditions_parent_class)->finalize (object);
}

static void
mr_conditions_class_init (MrConditionsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mr_conditions_finalize;
  changed_signal = g_signal_new ("changed", MR_TYPE_CONDITIONS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mr_conditions_init (MrConditions *self)
{
}

MrConditions *
mr_conditions_new (void)
{
  return g_object_new (MR_TYPE_CONDITIONS, NULL);
}
