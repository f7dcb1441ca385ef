/* SPDX-License-Identifier: MIT */
/*
 * The day's sums, kept in a file over restarts. What is counted, and when it is worth writing, is sharing.c's.
 */
#pragma once

#include <glib.h>

/** MrSharingToday: sums since midnight, local time, kept over restarts. */
typedef struct {
  guint64 requests;
  guint64 failed;
  guint64 prompt_tokens;
  guint64 completion_tokens;
  guint64 busy_seconds; /* with at least one request running */
} MrSharingToday;

typedef struct _MrToday MrToday;

/**
 * mr_today_new:
 * @state_dir: made when it is missing
 *
 * Reads <state_dir>/today.json. A file that is none of ours is set aside as today.json.damaged.
 */
MrToday *mr_today_new (const char *state_dir);

/** mr_today_free: writes what is not written yet, and waits for that. */
void mr_today_free (MrToday *today);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrToday, mr_today_free)

/** mr_today_add: @local: now, in the owner's time zone; sums of any other date are forgotten. */
void mr_today_add (MrToday *today, GDateTime *local, const MrSharingToday *more);

/** mr_today_get: @sums: (out): zeros when nothing was added on the date of @local */
void mr_today_get (MrToday *today, GDateTime *local, MrSharingToday *sums);

/** mr_today_save: writes the file if there is something new, in a thread: a disk may be slow. */
void mr_today_save (MrToday *today);
