/* SPDX-License-Identifier: MIT */
/*
 * The figures that the owner sees: the day's sums, the rate, its history. Samples once a second while requests run and
 * until the rate is zero again; otherwise it sleeps. Who counts requests is worker.h.
 */
#pragma once

#include "rate.h"
#include "today.h"

typedef struct _MrTally MrTally;

/**
 * MrTallyLook:
 *
 * Adds whatever is not added yet.
 *
 * Returns: how many requests run
 */
typedef guint (*MrTallyLook) (gpointer data);

/** mr_tally_new: @look: called once a second while it samples */
MrTally *mr_tally_new (const char *state_dir, MrTallyLook look, gpointer data);

/** mr_tally_free: writes the day's sums. */
void mr_tally_free (MrTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTally, mr_tally_free)

/** mr_tally_wake: requests run: samples from now on. Harmless when it does. */
void mr_tally_wake (MrTally *tally);

/** mr_tally_add: @more: to the day's sums; @events: of streams, to the rate. Wakes it. */
void mr_tally_add (MrTally *tally, const MrSharingToday *more, guint64 events);

/** mr_tally_save: writes the day's sums now. */
void mr_tally_save (MrTally *tally);

void mr_tally_get_today (MrTally *tally, MrSharingToday *today);

/** mr_tally_get_rate: (transfer none) */
const MrRate *mr_tally_get_rate (MrTally *tally);
