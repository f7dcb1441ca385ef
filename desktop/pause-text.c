/* SPDX-License-Identifier: MIT */
/*
 * A verdict of pause-rules.c in a sentence.
 */
#include "pause-rules.h"

#include <glib/gi18n-lib.h>

/* One sentence by how far away the day is, each a format of g_date_time_format(). */
typedef struct {
  const char *today;
  const char *tomorrow;
  const char *this_week;
  const char *later;
} Sentences;

static const Sentences paused = {
  .today = N_ ("Paused until %H:%M"),
  .tomorrow = N_ ("Paused until tomorrow, %H:%M"),
  .this_week = N_ ("Paused until %A, %H:%M"),
  .later = N_ ("Paused until %-e %B %Y, %H:%M"),
};

static const Sentences out_of_schedule = {
  .today = N_ ("Paused: outside the schedule, next at %H:%M"),
  .tomorrow = N_ ("Paused: outside the schedule, next tomorrow at %H:%M"),
  .this_week = N_ ("Paused: outside the schedule, next on %A at %H:%M"),
  .later = N_ ("Paused: outside the schedule, next on %-e %B %Y at %H:%M"),
};

static int
day_number (GDateTime *date_time)
{
  GDate date;

  g_date_clear (&date, 1);
  g_date_set_dmy (&date, (GDateDay) g_date_time_get_day_of_month (date_time),
                  (GDateMonth) g_date_time_get_month (date_time), (GDateYear) g_date_time_get_year (date_time));
  return (int) g_date_get_julian (&date);
}

static char *
describe_time (const Sentences *sentences, gint64 at_unix, GDateTime *local)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (at_unix);
  g_autoptr (GDateTime) at = utc != NULL ? g_date_time_to_timezone (utc, g_date_time_get_timezone (local)) : NULL;

  if (at == NULL) {
    return NULL;
  }
  int days = day_number (at) - day_number (local);
  const char *sentence = days <= 0   ? sentences->today
                         : days == 1 ? sentences->tomorrow
                         : days < 7  ? sentences->this_week
                                     : sentences->later;
  return g_date_time_format (at, _ (sentence));
}

static char *
describe_owners_pause (const MrPauseVerdict *verdict, const MrPauseFacts *facts)
{
  /* A time beyond the calendar's end comes from a broken setting; it has no end that can be named. */
  char *text = verdict->until_unix > 0 ? describe_time (&paused, verdict->until_unix, facts->local) : NULL;

  return text != NULL ? text : g_strdup (_ ("Paused until you resume"));
}

static char *
describe_schedule (const MrPauseVerdict *verdict, const MrPauseFacts *facts)
{
  if (verdict->until_unix == 0) {
    return g_strdup (_ ("Paused: the schedule has no times"));
  }
  return describe_time (&out_of_schedule, verdict->until_unix, facts->local);
}

char *
mr_pause_describe (const MrPauseVerdict *verdict, const MrPauseRules *rules, const MrPauseFacts *facts)
{
  switch (verdict->reason) {
  case MR_PAUSE_BY_OWNER:
    return describe_owners_pause (verdict, facts);
  case MR_PAUSE_ON_BATTERY:
    return g_strdup (_ ("Paused: the machine runs on battery"));
  case MR_PAUSE_FOR_PROGRAM:
    return g_strdup_printf (_ ("Paused: “%s” is running"), facts->running_program);
  case MR_PAUSE_NOT_IDLE:
    return g_strdup_printf (ngettext ("Paused: the machine is in use (shares after %u minute without input)",
                                      "Paused: the machine is in use (shares after %u minutes without input)",
                                      rules->idle_minutes),
                            rules->idle_minutes);
  case MR_PAUSE_OUT_OF_SCHEDULE:
    return describe_schedule (verdict, facts);
  case MR_PAUSE_NONE:
  default:
    return NULL;
  }
}
