/* SPDX-License-Identifier: MIT */
/*
 * The worker's way to a link: resolve, connect (system proxies included), upgrade (RFC 6455 4.1). The errors tell
 * the steps apart so that a person can be told which one failed.
 */
#pragma once

#include "link.h"

#include <gio/gio.h>

/**
 * mr_link_connect_async:
 * @uri: `http://host[:port][/prefix]` (or `ws:`) of the relay; `/v1/worker/connect?provider=` is appended
 * @provider: provider name, percent-encoded here
 * @secret: sent in `X-Worker-Secret`
 * @cancellable: (nullable):
 *
 * Gives up after %MR_LIMIT_CONNECT_USEC per step.
 */
void mr_link_connect_async (MrReactor *reactor, GUri *uri, const char *provider, const char *secret,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_link_connect_finish:
 *
 * Returns: (transfer full): the upgraded connection for mr_link_new(), with bytes that came after the head unread;
 * %NULL with a %G_RESOLVER_ERROR or %G_IO_ERROR (name, TCP), or %MR_ERROR_PROTOCOL (it answered, but is no relay: the
 * message has its status)
 */
MrConnection *mr_link_connect_finish (GAsyncResult *result, GError **error);
