/* SPDX-License-Identifier: MIT */
/*
 * Whether to pause. A time of the schedule is an interval between two instants; each is the first at which the clock
 * on the wall shows that time, or is beyond it where the clock is put forward over it. In words: pause-text.c.
 */
#include "pause-rules.h"

#define MINUTE 60
#define DAY_MINUTES (24 * 60)
#define WEEK_DAYS 7

/* When the clock shows @minutes after midnight of the day that is @days after that of @local. */
static gint64
instant_of (GDateTime *local, int days, guint minutes)
{
  GTimeZone *zone = g_date_time_get_timezone (local);
  g_autoptr (GDateTime) midnight = g_date_time_new_utc (g_date_time_get_year (local), g_date_time_get_month (local),
                                                        g_date_time_get_day_of_month (local), 0, 0, 0);
  gint64 shown = g_date_time_to_unix (midnight) + ((gint64) days * DAY_MINUTES + minutes) * MINUTE;
  /* Where it is shown twice, the first one is in summer time. */
  int interval = g_time_zone_adjust_time (zone, G_TIME_TYPE_DAYLIGHT, &shown);

  return shown - g_time_zone_get_offset (zone, interval);
}

static gboolean
begins_on (const MrPauseRules *rules, GDateTime *local, int days)
{
  int weekday = (g_date_time_get_day_of_week (local) - 1 + days + WEEK_DAYS) % WEEK_DAYS;

  return (rules->schedule_days & (1u << weekday)) != 0;
}

/* Looks from yesterday's time, which may reach into today, to the same weekday of the next week. */
static MrPauseVerdict
decide_schedule (const MrPauseRules *rules, const MrPauseFacts *facts)
{
  int overnight = rules->schedule_until <= rules->schedule_from ? 1 : 0;
  MrPauseVerdict verdict = { .reason = MR_PAUSE_OUT_OF_SCHEDULE };

  for (int day = -1; day <= WEEK_DAYS && verdict.until_unix == 0; day++) {
    if (!begins_on (rules, facts->local, day)) {
      continue;
    }
    gint64 begin = instant_of (facts->local, day, rules->schedule_from);
    gint64 end = instant_of (facts->local, day + overnight, rules->schedule_until);
    if (end <= begin || end <= facts->now_unix) {
      continue;
    }
    if (begin <= facts->now_unix) {
      return (MrPauseVerdict){ .reason = MR_PAUSE_NONE, .recheck_unix = end };
    }
    verdict.until_unix = begin;
    verdict.recheck_unix = begin;
  }
  return verdict;
}

static gboolean
is_paused_by_owner (const MrPauseRules *rules, const MrPauseFacts *facts)
{
  return rules->paused_until_unix == MR_PAUSED_UNTIL_RESUMED || rules->paused_until_unix > facts->now_unix;
}

MrPauseVerdict
mr_pause_decide (const MrPauseRules *rules, const MrPauseFacts *facts)
{
  if (is_paused_by_owner (rules, facts)) {
    gint64 until = MAX (rules->paused_until_unix, 0);
    return (MrPauseVerdict){ .reason = MR_PAUSE_BY_OWNER, .until_unix = until, .recheck_unix = until };
  }
  if (rules->not_on_battery && facts->on_battery) {
    return (MrPauseVerdict){ .reason = MR_PAUSE_ON_BATTERY };
  }
  if (rules->programs != NULL && *rules->programs != NULL && facts->running_program != NULL) {
    return (MrPauseVerdict){ .reason = MR_PAUSE_FOR_PROGRAM };
  }
  if (rules->only_when_idle && facts->idle_known && !facts->idle) {
    return (MrPauseVerdict){ .reason = MR_PAUSE_NOT_IDLE };
  }
  return rules->scheduled ? decide_schedule (rules, facts) : (MrPauseVerdict){ .reason = MR_PAUSE_NONE };
}

gint64
mr_pause_tomorrow (GDateTime *local)
{
  const guint morning = 6 * 60;
  gint64 today = instant_of (local, 0, morning);

  return today > g_date_time_to_unix (local) ? today : instant_of (local, 1, morning);
}
