/* SPDX-License-Identifier: MIT */
/*
 * One listening socket in the reactor: address, bind, a bounded accept loop, and a rest when the process is out of
 * descriptors (EMFILE), so that it neither spins nor stops listening for good.
 */
#pragma once

#include "reactor.h"

typedef struct _MrListener MrListener;

/** MrListenerFunc: @fd: (transfer full): an accepted socket, non-blocking and close-on-exec. */
typedef void (*MrListenerFunc) (int fd, gpointer user_data);

/** mr_listener_check_address: %FALSE with %MR_ERROR_CONFIG when mr_listener_new() would find @address malformed. */
gboolean mr_listener_check_address (const char *address, GError **error);

/**
 * mr_listener_new:
 * @address: `HOST:PORT` (numeric or `localhost`), `[IPv6]:PORT`, or `unix:PATH`; port 0 takes a free one. A socket file
 *   that nobody listens on any more is replaced
 *
 * Returns: (transfer full): a listening socket, or %NULL with %MR_ERROR_CONFIG (malformed) or a %G_IO_ERROR (not to be
 * had); both name the address
 */
MrListener *mr_listener_new (MrReactor *reactor, const char *address, MrListenerFunc func, gpointer user_data,
                             GError **error);

/** mr_listener_count_passed: how many sockets a service manager has passed to this process (sd_listen_fds(3)). */
guint mr_listener_count_passed (void);

/**
 * mr_listener_new_passed:
 * @number: from 0, less than mr_listener_count_passed(); each once
 *
 * Returns: (transfer full): that socket, which is closed with the listener; or %NULL with %MR_ERROR_CONFIG when it is
 * none that connections can be accepted from
 */
MrListener *mr_listener_new_passed (MrReactor *reactor, guint number, MrListenerFunc func, gpointer user_data,
                                    GError **error);

/** mr_listener_free: closes; a socket file that mr_listener_new() made is removed. */
void mr_listener_free (MrListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrListener, mr_listener_free)

/** mr_listener_get_address: (transfer none): `127.0.0.1:8080`, `[::1]:8080` or `unix:PATH`, with the real port. */
const char *mr_listener_get_address (MrListener *listener);
