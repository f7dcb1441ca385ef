/* SPDX-License-Identifier: MIT */
/*
 * One small answer of a model server, whole: what discovery asks with. What is asked and what the answer means is
 * backend.c's and backend-finder.c's; the requests of clients do not pass here.
 */
#pragma once

#include <libsoup/soup.h>

/** mr_fetch_session_new: (transfer full): without proxy, content decoder or long waits. */
SoupSession *mr_fetch_session_new (void);

/**
 * mr_fetch_async:
 * @session: of mr_fetch_session_new()
 * @message: not sent yet; redirects are not followed
 */
void mr_fetch_async (SoupSession *session, SoupMessage *message, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_fetch_finish:
 *
 * Returns: (transfer full): the body, whatever the status; %NULL with a #GError when there is no answer, or one of
 *   %MR_LIMIT_DISCOVERY_BYTES or more (%G_IO_ERROR_INVALID_DATA)
 */
GBytes *mr_fetch_finish (GAsyncResult *result, GError **error);
