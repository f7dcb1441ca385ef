/* SPDX-License-Identifier: MIT */
/* Questions to a bare descriptor. See socket.h. */
#include "socket.h"

#include "limits.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void
mr_socket_set_options (int fd)
{
  int one = 1;
  int lowat = MR_LIMIT_NOTSENT_LOWAT_BYTES;

  /* Both fail on a socket that is not TCP, where neither is needed. */
  (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  (void) setsockopt (fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

char *
mr_socket_dup_remote_address (int fd)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  g_autoptr (GSocketAddress) address = NULL;

  if (getpeername (fd, (struct sockaddr *) &storage, &length) == 0)
    address = g_socket_address_new_from_native (&storage, length);
  if (address != NULL && G_IS_INET_SOCKET_ADDRESS (address))
    return g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  return g_strdup (address != NULL ? "unix" : "unknown");
}

int
mr_socket_get_error (int fd)
{
  int error = 0;
  socklen_t length = sizeof error;

  if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
    return errno;
  return error;
}
