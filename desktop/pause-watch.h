/* SPDX-License-Identifier: MIT */
/*
 * The pause rules of the settings, applied to what the machine is doing, as time goes by. The rules themselves are
 * pause-rules.h's.
 */
#pragma once

#include "conditions.h"
#include "pause-rules.h"

#include <gio/gio.h>

typedef struct _MrPauseWatch MrPauseWatch;

/**
 * mr_pause_watch_new:
 * @settings: a reference is taken; who changes them calls mr_pause_watch_decide()
 * @conditions: a reference is taken
 * @changed: the verdict may be another one
 */
MrPauseWatch *mr_pause_watch_new (GSettings *settings, MrConditions *conditions, void (*changed) (gpointer data),
                                  gpointer data);
void mr_pause_watch_free (MrPauseWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrPauseWatch, mr_pause_watch_free)

/** mr_pause_watch_decide: anew. @watching: whether anybody wants to know what the machine is doing */
void mr_pause_watch_decide (MrPauseWatch *watch, gboolean watching);

/** mr_pause_watch_get_verdict: (transfer none) */
const MrPauseVerdict *mr_pause_watch_get_verdict (MrPauseWatch *watch);

/** mr_pause_watch_describe: (transfer full) (nullable): see mr_pause_describe(). */
char *mr_pause_watch_describe (MrPauseWatch *watch);
