/* SPDX-License-Identifier: MIT */
/*
 * The worker's way to a link: resolve, connect (system proxies included), TLS, upgrade (RFC 6455 4.1). The
 * errors tell the steps apart so that a person can be told which one failed.
 */
#pragma once

#include "link.h"

#include <gio/gio.h>

/** mr_link_connect_needs_tls: whether a relay at @uri is reached by TLS. */
gboolean mr_link_connect_needs_tls (GUri *uri);

/**
 * mr_link_connect_async:
 * @uri: `http://host[:port][/prefix]` (or `ws:`) of the relay, `https:` or `wss:` for TLS;
 *   `/v1/worker/connect?provider=` is appended
 * @trust: (nullable): which relays to believe; needed for TLS only
 * @provider: provider name, percent-encoded here
 * @secret: sent in `X-Worker-Secret`
 * @cancellable: (nullable):
 *
 * Gives up after %MR_LIMIT_CONNECT_USEC per step.
 */
void mr_link_connect_async (MrReactor *reactor, GUri *uri, MrTlsTrust *trust, const char *provider, const char *secret,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_link_connect_finish:
 *
 * Returns: (transfer full): the upgraded connection for mr_link_new(), with bytes that came after the head unread;
 * %NULL with a %G_RESOLVER_ERROR (name), a %G_IO_ERROR (TCP), a %G_TLS_ERROR (handshake or certificate) or
 * %MR_ERROR_PROTOCOL (it answered, but is no relay: the message has its status)
 */
MrConnection *mr_link_connect_finish (GAsyncResult *result, GError **error);
