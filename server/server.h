/* SPDX-License-Identifier: MIT */
/*
 * The composition root of the relay: puts intake, relay and gate together, routes requests by path and method, and
 * drains. A program makes one, starts it and runs the main loop.
 */
#pragma once

#include "server-config.h"

#include "reactor.h"

typedef struct _MrServer MrServer;

/** MrServerDrained: everything is sent and closed; the program may end. */
typedef void (*MrServerDrained) (gpointer user_data);

/** mr_server_new: @config was checked by mr_server_config_check(); borrowed, as @reactor, until mr_server_free(). */
MrServer *mr_server_new (MrReactor *reactor, const MrServerConfig *config);
void mr_server_free (MrServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrServer, mr_server_free)

/**
 * mr_server_start:
 *
 * Listens on every configured address, or on the sockets that a service manager has passed; then tells it so.
 *
 * Returns: %FALSE with an error that names the address
 */
gboolean mr_server_start (MrServer *server, GError **error);

/**
 * mr_server_reload:
 * @config: the one that mr_server_new() was given
 * @fresh: a checked one; afterwards it holds what is to be cleared
 *
 * Takes over every option but the addresses, without dropping a connection, and logs what needs a restart. Workers that
 * are connected keep their heartbeat.
 */
void mr_server_reload (MrServer *server, MrServerConfig *config, MrServerConfig *fresh);

/** mr_server_drain: contract F5; calls @drained at the end. Harmless a second time. */
void mr_server_drain (MrServer *server, MrServerDrained drained, gpointer user_data);
