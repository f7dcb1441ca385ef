/* SPDX-License-Identifier: MIT */
/*
 * The machine's owner comes first: whether sharing is to pause now, and why. Pure: what the machine is doing comes from
 * conditions.h, the rules from the settings.
 */
#pragma once

#include <glib.h>

#define MR_PAUSED_UNTIL_RESUMED G_GINT64_CONSTANT (-1)

/** MrPauseRules: what the owner wants. Strings are borrowed. */
typedef struct {
  gint64 paused_until_unix; /* seconds; 0 for not paused, %MR_PAUSED_UNTIL_RESUMED without an end */
  gboolean not_on_battery;
  gboolean only_when_idle;
  guint idle_minutes;          /* without input before the session counts as idle */
  gboolean scheduled;          /* sharing only at the times below */
  guint schedule_days;         /* bit 0 is Monday: days on which a time begins */
  guint schedule_from;         /* minutes after midnight */
  guint schedule_until;        /* likewise; not after `from`: it ends on the next day */
  const char *const *programs; /* (nullable): names of programs during which sharing pauses */
} MrPauseRules;

/** MrPauseFacts: how it is now. */
typedef struct {
  gint64 now_unix;  /* seconds */
  GDateTime *local; /* the same in the owner's time zone */
  gboolean on_battery;
  gboolean idle_known;         /* %FALSE where the desktop does not tell */
  gboolean idle;               /* for at least the rule's minutes */
  const char *running_program; /* (nullable): the first of the rule's programs that runs */
} MrPauseFacts;

/** MrPauseReason: in the order of precedence: what the owner said counts before any rule. */
typedef enum {
  MR_PAUSE_NONE,
  MR_PAUSE_BY_OWNER,
  MR_PAUSE_ON_BATTERY,
  MR_PAUSE_FOR_PROGRAM,
  MR_PAUSE_NOT_IDLE,
  MR_PAUSE_OUT_OF_SCHEDULE,
} MrPauseReason;

typedef struct {
  MrPauseReason reason;
  gint64 until_unix;   /* when it ends by itself; 0 when that is not known */
  gint64 recheck_unix; /* when the clock alone may change the verdict; 0 for never */
} MrPauseVerdict;

/** mr_pause_decide: an idle rule without a known idle time pauses nothing: the app says so where the rule is set. */
MrPauseVerdict mr_pause_decide (const MrPauseRules *rules, const MrPauseFacts *facts);

/** mr_pause_describe: (transfer full): a translated sentence, e.g. "Paused until 14:30"; %NULL without a pause. */
char *mr_pause_describe (const MrPauseVerdict *verdict, const MrPauseRules *rules, const MrPauseFacts *facts);

/** mr_pause_tomorrow: (transfer none): the next morning at 6:00 of @local's time zone, in Unix seconds. */
gint64 mr_pause_tomorrow (GDateTime *local);
