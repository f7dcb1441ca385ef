/* SPDX-License-Identifier: MIT */
/*
 * What a connection asks of its bare descriptor: options, the peer's address, the pending error. Reading and writing
 * are not here.
 */
#pragma once

#include <glib.h>

/** mr_socket_set_options: TCP_NODELAY and TCP_NOTSENT_LOWAT where it is TCP. */
void mr_socket_set_options (int fd);

/** mr_socket_dup_remote_address: (transfer full): the peer's numeric address without port, "unix" for AF_UNIX,
 * "unknown" when it has none any more. */
char *mr_socket_dup_remote_address (int fd);

/** mr_socket_get_error: the pending error as an errno; it is cleared. */
int mr_socket_get_error (int fd);
