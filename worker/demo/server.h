/* SPDX-License-Identifier: MIT */
/* The demonstration backend's HTTP server: its sockets, its routes, and its answers that take no time. */
#pragma once

#include <gio/gio.h>

typedef struct _MrDemoServer MrDemoServer;

/**
 * mr_demo_server_new:
 * @models: names to list, at least one; the first answers requests without a name
 * @slots: answers written at the same time
 * @tokens_per_second: pace of each answer, 0 for as fast as the client reads
 */
MrDemoServer *mr_demo_server_new (const char *const *models, guint slots, double tokens_per_second);
void mr_demo_server_free (MrDemoServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrDemoServer, mr_demo_server_free)

/**
 * mr_demo_server_listen:
 * @address: where; port 0 for any free one
 * @error: return location
 *
 * Returns: (transfer full): the real address, or %NULL with a GIO error
 */
GSocketAddress *mr_demo_server_listen (MrDemoServer *server, GSocketAddress *address, GError **error);
