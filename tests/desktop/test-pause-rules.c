/* SPDX-License-Identifier: MIT */
/*
 * When sharing pauses, and what is said of it: tables, and the schedule against a model that knows nothing but the
 * clock on the wall, minute by minute through the nights in which it is set.
 */
#include "pause-rules.h"

#define MINUTE 60
#define WEEKS 2
#define MINUTES (WEEKS * 7 * 24 * 60)

static const char *const blender[] = { "blender", NULL };

static GTimeZone *
new_berlin (void)
{
  GTimeZone *zone = g_time_zone_new_identifier ("Europe/Berlin");

  g_assert_nonnull (zone);
  return zone;
}

/* "2026-11-21 04:10" in Berlin. */
static GDateTime *
at (const char *text)
{
  g_autoptr (GTimeZone) zone = new_berlin ();
  g_autofree char *iso = g_strdup_printf ("%.10sT%s:00", text, text + 11);
  GDateTime *result = g_date_time_new_from_iso8601 (iso, zone);

  g_assert_nonnull (result);
  return result;
}

static gint64
unix_at (const char *text)
{
  g_autoptr (GDateTime) date_time = at (text);

  return g_date_time_to_unix (date_time);
}

static MrPauseFacts
facts_at (GDateTime *local)
{
  return (MrPauseFacts){ .now_unix = g_date_time_to_unix (local), .local = local, .idle_known = TRUE, .idle = TRUE };
}

/* --- one rule at a time, and which comes first --- */

typedef struct {
  const char *name;
  MrPauseRules rules;
  gboolean on_battery;
  gboolean in_use;
  gboolean idle_unknown;
  const char *program;
  MrPauseReason reason;
  const char *text;
} Case;

static const Case cases[] = {
  { "nothing", { 0 }, TRUE, TRUE, FALSE, NULL, MR_PAUSE_NONE, NULL },
  { "owner", { .paused_until_unix = -1 }, FALSE, FALSE, FALSE, NULL, MR_PAUSE_BY_OWNER, "Paused until you resume" },
  { "owner-over", { .paused_until_unix = 1 }, FALSE, FALSE, FALSE, NULL, MR_PAUSE_NONE, NULL },
  { "owner-beyond-the-calendar",
    { .paused_until_unix = G_MAXINT64 },
    FALSE,
    FALSE,
    FALSE,
    NULL,
    MR_PAUSE_BY_OWNER,
    "Paused until you resume" },
  { "battery",
    { .not_on_battery = TRUE },
    TRUE,
    FALSE,
    FALSE,
    NULL,
    MR_PAUSE_ON_BATTERY,
    "Paused: the machine runs on battery" },
  { "plugged-in", { .not_on_battery = TRUE }, FALSE, FALSE, FALSE, NULL, MR_PAUSE_NONE, NULL },
  { "program",
    { .programs = blender },
    FALSE,
    FALSE,
    FALSE,
    "blender",
    MR_PAUSE_FOR_PROGRAM,
    "Paused: “blender” is running" },
  { "no-program-any-more", { 0 }, FALSE, FALSE, FALSE, "blender", MR_PAUSE_NONE, NULL },
  { "in-use",
    { .only_when_idle = TRUE, .idle_minutes = 5 },
    FALSE,
    TRUE,
    FALSE,
    NULL,
    MR_PAUSE_NOT_IDLE,
    "Paused: the machine is in use (shares after 5 minutes without input)" },
  { "in-use-for-one-minute",
    { .only_when_idle = TRUE, .idle_minutes = 1 },
    FALSE,
    TRUE,
    FALSE,
    NULL,
    MR_PAUSE_NOT_IDLE,
    "Paused: the machine is in use (shares after 1 minute without input)" },
  { "idle", { .only_when_idle = TRUE, .idle_minutes = 5 }, FALSE, FALSE, FALSE, NULL, MR_PAUSE_NONE, NULL },
  { "idle-unknown", { .only_when_idle = TRUE, .idle_minutes = 5 }, FALSE, TRUE, TRUE, NULL, MR_PAUSE_NONE, NULL },
  { "no-days",
    { .scheduled = TRUE, .schedule_from = 0, .schedule_until = 60 },
    FALSE,
    FALSE,
    FALSE,
    NULL,
    MR_PAUSE_OUT_OF_SCHEDULE,
    "Paused: the schedule has no times" },
  { "owner-first",
    { .paused_until_unix = -1, .not_on_battery = TRUE, .only_when_idle = TRUE, .scheduled = TRUE, .programs = blender },
    TRUE,
    TRUE,
    FALSE,
    "blender",
    MR_PAUSE_BY_OWNER,
    "Paused until you resume" },
  { "battery-before-program",
    { .not_on_battery = TRUE, .only_when_idle = TRUE, .scheduled = TRUE, .programs = blender },
    TRUE,
    TRUE,
    FALSE,
    "blender",
    MR_PAUSE_ON_BATTERY,
    "Paused: the machine runs on battery" },
  { "program-before-use",
    { .only_when_idle = TRUE, .scheduled = TRUE, .programs = blender },
    FALSE,
    TRUE,
    FALSE,
    "blender",
    MR_PAUSE_FOR_PROGRAM,
    "Paused: “blender” is running" },
  { "use-before-schedule",
    { .only_when_idle = TRUE, .idle_minutes = 2, .scheduled = TRUE },
    FALSE,
    TRUE,
    FALSE,
    NULL,
    MR_PAUSE_NOT_IDLE,
    "Paused: the machine is in use (shares after 2 minutes without input)" },
};

static void
test_reasons (void)
{
  g_autoptr (GDateTime) local = at ("2026-11-21 12:00");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *row = &cases[i];
    MrPauseFacts facts = facts_at (local);
    facts.on_battery = row->on_battery;
    facts.idle = !row->in_use;
    facts.idle_known = !row->idle_unknown;
    facts.running_program = row->program;
    MrPauseVerdict verdict = mr_pause_decide (&row->rules, &facts);
    g_autofree char *text = mr_pause_describe (&verdict, &row->rules, &facts);
    g_test_message ("%s", row->name);
    g_assert_cmpint (verdict.reason, ==, row->reason);
    g_assert_cmpstr (text, ==, row->text);
  }
}

/* --- times in words --- */

static const struct {
  const char *now;
  const char *until;
  const char *text;
} pauses[] = {
  { "2026-11-21 14:00", "2026-11-21 14:30", "Paused until 14:30" },
  { "2026-11-21 23:59", "2026-11-22 00:00", "Paused until tomorrow, 00:00" },
  { "2026-11-21 14:00", "2026-11-22 06:00", "Paused until tomorrow, 06:00" },
  { "2026-12-31 14:00", "2027-01-01 06:00", "Paused until tomorrow, 06:00" },
  { "2026-11-21 14:00", "2026-11-27 06:00", "Paused until Friday, 06:00" },
  { "2026-11-21 14:00", "2026-11-28 06:00", "Paused until 28 November 2026, 06:00" },
  { "2026-11-21 14:00", "2027-02-01 06:05", "Paused until 1 February 2027, 06:05" },
};

static void
test_pause_in_words (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (pauses); i++) {
    g_autoptr (GDateTime) local = at (pauses[i].now);
    const MrPauseRules rules = { .paused_until_unix = unix_at (pauses[i].until) };
    MrPauseFacts facts = facts_at (local);
    MrPauseVerdict verdict = mr_pause_decide (&rules, &facts);
    g_autofree char *text = mr_pause_describe (&verdict, &rules, &facts);
    g_assert_cmpstr (text, ==, pauses[i].text);
    g_assert_cmpint (verdict.until_unix, ==, rules.paused_until_unix);
    g_assert_cmpint (verdict.recheck_unix, ==, rules.paused_until_unix);
  }
}

#define EVERY_DAY 127
#define WEEKEND 96
#define MONDAY 1

/* 2026-11-21 is a Saturday. */
static const struct {
  const char *now;
  guint days;
  guint from;
  guint until;
  const char *text;    /* NULL while shared */
  const char *recheck; /* NULL for never */
} schedules[] = {
  { "2026-11-21 19:59", EVERY_DAY, 1200, 480, "Paused: outside the schedule, next at 20:00", "2026-11-21 20:00" },
  { "2026-11-21 20:00", EVERY_DAY, 1200, 480, NULL, "2026-11-22 08:00" },
  { "2026-11-21 07:59", EVERY_DAY, 1200, 480, NULL, "2026-11-21 08:00" },
  { "2026-11-21 08:00", EVERY_DAY, 1200, 480, "Paused: outside the schedule, next at 20:00", "2026-11-21 20:00" },
  { "2026-11-21 12:00", EVERY_DAY, 540, 660, "Paused: outside the schedule, next tomorrow at 09:00",
    "2026-11-22 09:00" },
  { "2026-11-21 12:00", MONDAY, 540, 660, "Paused: outside the schedule, next on Monday at 09:00", "2026-11-23 09:00" },
  { "2026-11-23 12:00", MONDAY, 540, 660, "Paused: outside the schedule, next on 30 November 2026 at 09:00",
    "2026-11-30 09:00" },
  { "2026-11-23 07:00", WEEKEND, 1200, 480, NULL, "2026-11-23 08:00" }, /* Sunday's time */
  { "2026-11-24 07:00", WEEKEND, 1200, 480, "Paused: outside the schedule, next on Saturday at 20:00",
    "2026-11-28 20:00" },
  { "2026-11-21 12:00", EVERY_DAY, 720, 720, NULL, "2026-11-22 12:00" }, /* a whole day */
  { "2026-11-21 12:00", 0, 720, 720, "Paused: the schedule has no times", NULL },
};

static void
test_schedule_in_words (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (schedules); i++) {
    g_autoptr (GDateTime) local = at (schedules[i].now);
    const MrPauseRules rules = { .scheduled = TRUE,
                                 .schedule_days = schedules[i].days,
                                 .schedule_from = schedules[i].from,
                                 .schedule_until = schedules[i].until };
    MrPauseFacts facts = facts_at (local);
    MrPauseVerdict verdict = mr_pause_decide (&rules, &facts);
    g_autofree char *text = mr_pause_describe (&verdict, &rules, &facts);
    g_assert_cmpstr (text, ==, schedules[i].text);
    g_assert_cmpint (verdict.recheck_unix, ==, schedules[i].recheck != NULL ? unix_at (schedules[i].recheck) : 0);
  }
}

static void
test_tomorrow (void)
{
  static const struct {
    const char *now;
    const char *morning;
  } mornings[] = {
    { "2026-11-21 12:00", "2026-11-22 06:00" }, { "2026-11-21 05:59", "2026-11-21 06:00" },
    { "2026-11-21 06:00", "2026-11-22 06:00" }, { "2026-12-31 23:59", "2027-01-01 06:00" },
    { "2026-03-28 12:00", "2026-03-29 06:00" }, /* the night is an hour shorter */
    { "2026-10-24 12:00", "2026-10-25 06:00" }, /* and longer */
  };

  for (guint i = 0; i < G_N_ELEMENTS (mornings); i++) {
    g_autoptr (GDateTime) local = at (mornings[i].now);
    g_assert_cmpint (mr_pause_tomorrow (local), ==, unix_at (mornings[i].morning));
  }
}

/* --- against the model --- */

/* What the clock on the wall has shown so far, at most: minutes of the calendar. Where it is set back it shows nothing
 * new for an hour, and a time that it jumps over is there when it has jumped. */
typedef struct {
  gint64 start_unix;
  gint64 shown[MINUTES];
  guint weekday[MINUTES]; /* of the day of `shown`; 0 is Monday */
} Wall;

static Wall *
wall_new (const char *start)
{
  Wall *wall = g_new0 (Wall, 1);
  g_autoptr (GTimeZone) berlin = new_berlin ();
  gint64 before = 0;

  wall->start_unix = unix_at (start);
  for (guint i = 0; i < MINUTES; i++) {
    g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (wall->start_unix + (gint64) i * MINUTE);
    g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, berlin);
    gint64 shown = (g_date_time_to_unix (utc) + g_date_time_get_utc_offset (local) / G_USEC_PER_SEC) / MINUTE;
    wall->shown[i] = MAX (before, shown);
    wall->weekday[i] = (guint) ((wall->shown[i] / (24 * 60) + 3) % 7); /* 1970 began on a Thursday */
    before = wall->shown[i];
  }
  return wall;
}

static gboolean
model_shares (const Wall *wall, guint i, const MrPauseRules *rules)
{
  guint minute = (guint) (wall->shown[i] % (24 * 60));
  gboolean today = (rules->schedule_days >> wall->weekday[i] & 1) != 0;
  gboolean yesterday = (rules->schedule_days >> (wall->weekday[i] + 6) % 7 & 1) != 0;

  if (rules->schedule_from < rules->schedule_until) {
    return today && minute >= rules->schedule_from && minute < rules->schedule_until;
  }
  return (today && minute >= rules->schedule_from) || (yesterday && minute < rules->schedule_until);
}

/* Goes backwards, so that the next change is known. */
static void
check_all_minutes (const Wall *wall, const MrPauseRules *rules)
{
  g_autoptr (GTimeZone) berlin = new_berlin ();
  gint64 next_change = 0;

  for (guint i = MINUTES; i-- > 0;) {
    g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (wall->start_unix + (gint64) i * MINUTE);
    g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, berlin);
    MrPauseFacts facts = facts_at (local);
    MrPauseVerdict verdict = mr_pause_decide (rules, &facts);
    gboolean shares = model_shares (wall, i, rules);

    if (i + 1 < MINUTES && shares != model_shares (wall, i + 1, rules)) {
      next_change = facts.now_unix + MINUTE;
    }
    if ((verdict.reason == MR_PAUSE_NONE) != shares) {
      g_autofree char *text = g_date_time_format_iso8601 (local);
      g_error ("days %x from %u until %u: wrong at %s", rules->schedule_days, rules->schedule_from,
               rules->schedule_until, text);
    }
    if (next_change != 0 && verdict.recheck_unix != next_change) {
      /* Two times without a pause between them: looking again is harmless. */
      g_assert_true (shares);
      g_assert_cmpint (verdict.recheck_unix, >, facts.now_unix);
      g_assert_cmpint (verdict.recheck_unix, <, next_change);
    }
    g_assert_cmpint (verdict.until_unix, ==, shares ? 0 : verdict.recheck_unix);
  }
}

static void
test_against_model (void)
{
  static const char *const starts[] = { "2026-03-20 00:00", "2026-10-16 00:00" };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    g_autofree Wall *wall = wall_new (starts[i]);
    for (guint round = 0; round < 24; round++) {
      /* Half of the times begin or end in the hour that is skipped or shown twice. */
      guint hour = 2 * 60 + (guint) g_test_rand_int_range (0, 60);
      const MrPauseRules rules = {
        .scheduled = TRUE,
        .schedule_days = (guint) g_test_rand_int_range (1, 128) | (round < 2 ? EVERY_DAY : 0),
        .schedule_from = round % 2 == 0 ? hour : (guint) g_test_rand_int_range (0, 1440),
        .schedule_until =
            round % 3 == 0 ? hour + (guint) g_test_rand_int_range (0, 30) : (guint) g_test_rand_int_range (0, 1440),
      };
      check_all_minutes (wall, &rules);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/desktop/pause-rules/reasons", test_reasons);
  g_test_add_func ("/desktop/pause-rules/pause-in-words", test_pause_in_words);
  g_test_add_func ("/desktop/pause-rules/schedule-in-words", test_schedule_in_words);
  g_test_add_func ("/desktop/pause-rules/tomorrow", test_tomorrow);
  g_test_add_func ("/desktop/pause-rules/against-model", test_against_model);
  return g_test_run ();
}
