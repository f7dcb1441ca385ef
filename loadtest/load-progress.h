/* SPDX-License-Identifier: MIT */
/* The line that shows how a run goes on, on standard error while that is a terminal. Knows no request. */
#pragma once

#include "load-run.h"
#include "style.h"

typedef struct _MrLoadProgress MrLoadProgress;

/**
 * mr_load_progress_new:
 * @style: of standard error, with its width; must outlive it
 *
 * Draws now and five times a second.
 */
MrLoadProgress *mr_load_progress_new (MrReactor *reactor, MrLoadRun *run, const MrStyle *style);

/** mr_load_progress_free: (nullable): takes the line away. */
void mr_load_progress_free (MrLoadProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLoadProgress, mr_load_progress_free)

/** mr_load_progress_append: the line as it stands now, without a line end; at most as wide as @style. */
void mr_load_progress_append (GString *out, MrLoadRun *run, const MrStyle *style);
