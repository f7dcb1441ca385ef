/* SPDX-License-Identifier: MIT */
/*
 * Several questions asked at once: what `status` and `top` show.
 */
#pragma once

#include "source.h"

/** MrSnapshot: the answers, each by its question; %NULL for what was not asked or may not be seen. */
typedef struct {
  JsonNode *answers[MR_N_QUESTIONS]; /* Owned */
} MrSnapshot;

void mr_snapshot_free (MrSnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrSnapshot, mr_snapshot_free)

/** mr_snapshot_fetch_async: the questions in the bits of @kinds, all at once. A list of requests that this user may not
 * see is left out; anything else that fails is an error. */
void mr_snapshot_fetch_async (MrSource *source, guint kinds, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer data);

/** mr_snapshot_fetch_finish: (transfer full) */
MrSnapshot *mr_snapshot_fetch_finish (GAsyncResult *result, GError **error);

/** mr_snapshot_fetch: the same, waiting for it. */
MrSnapshot *mr_snapshot_fetch (MrSource *source, guint kinds, GError **error);
