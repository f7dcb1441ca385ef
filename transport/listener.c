/* SPDX-License-Identifier: MIT */
/*
 * One listening socket in the reactor. See listener.h. What is spoken on the accepted sockets is http-intake's
 * business.
 */
#include "listener.h"

#include "error.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where passed descriptors begin: SD_LISTEN_FDS_START. */
#define FIRST_PASSED_FD 3

struct _MrListener {
  MrReactor *reactor; /* Borrowed */
  MrWatch watch;
  MrTimer rest; /* set while accepting rests for want of descriptors */
  int fd;       /* Owned */
  char *address;
  char *socket_file; /* of AF_UNIX, nullable */
  MrListenerFunc func;
  gpointer user_data;
};

static gboolean
is_out_of_resources (int error)
{
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void
on_incoming (MrWatch *watch, guint32 events)
{
  MrListener *self = MR_OWNER_OF (watch, MrListener, watch);

  for (guint i = 0; i < MR_LIMIT_ACCEPTS_PER_TURN; i++) {
    int fd = accept4 (self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
      self->func (fd, self->user_data);
    } else if (is_out_of_resources (errno)) {
      mr_watch_modify (&self->watch, 0);
      mr_timer_set (&self->rest, mr_reactor_now (self->reactor) + MR_LIMIT_ACCEPT_BACKOFF_USEC);
      return;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    }
    /* Anything else concerns that one connection (accept(2), "Error handling"): go on with the next. */
  }
}

static void
on_rested (MrTimer *timer)
{
  MrListener *self = MR_OWNER_OF (timer, MrListener, rest);

  mr_watch_modify (&self->watch, EPOLLIN);
}

static GSocketAddress *
parse_address (const char *text, GError **error)
{
  g_autoptr (GSocketConnectable) connectable = NULL;
  g_autofree char *host = NULL;
  const char *port;
  GSocketAddress *address;

  if (g_str_has_prefix (text, "unix:") && strlen (text) > 5)
    return g_unix_socket_address_new (text + 5);
  port = strrchr (text, ':');
  if (port != NULL && port[1] != '\0' && strspn (port + 1, "0123456789") == strlen (port + 1))
    connectable = g_network_address_parse (text, 0, NULL);
  if (connectable == NULL) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
                 "\"%s\" is no address to listen on: HOST:PORT, [IPv6]:PORT or unix:PATH is allowed", text);
    return NULL;
  }
  host = g_strdup (g_network_address_get_hostname (G_NETWORK_ADDRESS (connectable)));
  address = g_inet_socket_address_new_from_string (g_str_equal (host, "localhost") ? "127.0.0.1" : host,
                                                   g_network_address_get_port (G_NETWORK_ADDRESS (connectable)));
  if (address == NULL)
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
                 "\"%s\" is no address to listen on: the host must be a numeric address or localhost", text);
  return address;
}

gboolean
mr_listener_check_address (const char *address, GError **error)
{
  g_autoptr (GSocketAddress) parsed = parse_address (address, error);

  return parsed != NULL;
}

/* A socket file stays behind when its process is killed. */
static void
remove_dead_socket_file (GSocketAddress *address)
{
  const char *path = g_unix_socket_address_get_path (G_UNIX_SOCKET_ADDRESS (address));
  g_autoptr (GSocket) probe =
      g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GError) error = NULL;

  if (probe != NULL && !g_socket_connect (probe, address, NULL, &error) &&
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    (void) unlink (path);
}

static int
open_socket (GSocketAddress *address, GError **error)
{
  struct sockaddr_storage native;
  gssize length = g_socket_address_get_native_size (address);
  int one = 1;
  int zero = 0;
  int fd = socket (g_socket_address_get_family (address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd >= 0) {
    (void) setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (g_socket_address_get_family (address) == G_SOCKET_FAMILY_IPV6)
      (void) setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (g_socket_address_to_native (address, &native, sizeof native, NULL) &&
        bind (fd, (struct sockaddr *) &native, (socklen_t) length) == 0 && listen (fd, MR_LIMIT_BACKLOG) == 0)
      return fd;
  }
  g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static char *
real_address (int fd)
{
  struct sockaddr_storage native;
  socklen_t length = sizeof native;
  g_autoptr (GSocketAddress) address = NULL;

  if (getsockname (fd, (struct sockaddr *) &native, &length) != 0)
    return NULL;
  address = g_socket_address_new_from_native (&native, length);
  if (G_IS_UNIX_SOCKET_ADDRESS (address))
    return g_strconcat ("unix:", g_unix_socket_address_get_path (G_UNIX_SOCKET_ADDRESS (address)), NULL);
  return address != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)) : NULL;
}

/* @fd: (transfer full): listening */
static MrListener *
listener_on (MrReactor *reactor, int fd, MrListenerFunc func, gpointer user_data)
{
  MrListener *self = g_new0 (MrListener, 1);

  self->reactor = reactor;
  self->func = func;
  self->user_data = user_data;
  self->fd = fd;
  self->address = real_address (fd);
  mr_timer_init (&self->rest, reactor, on_rested);
  mr_watch_add (&self->watch, reactor, fd, EPOLLIN, on_incoming);
  return self;
}

MrListener *
mr_listener_new (MrReactor *reactor, const char *address, MrListenerFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GSocketAddress) parsed = parse_address (address, error);
  MrListener *self;
  int fd;

  if (parsed == NULL)
    return NULL;
  if (G_IS_UNIX_SOCKET_ADDRESS (parsed))
    remove_dead_socket_file (parsed);
  fd = open_socket (parsed, error);
  if (fd < 0) {
    g_prefix_error (error, "cannot listen on %s: ", address);
    return NULL;
  }
  self = listener_on (reactor, fd, func, user_data);
  if (G_IS_UNIX_SOCKET_ADDRESS (parsed))
    self->socket_file = g_strdup (address + strlen ("unix:"));
  return self;
}

guint
mr_listener_count_passed (void)
{
  const char *pid = g_getenv ("LISTEN_PID");
  const char *n_text = g_getenv ("LISTEN_FDS");
  guint64 n;

  if (pid == NULL || g_ascii_strtoll (pid, NULL, 10) != getpid () || n_text == NULL)
    return 0;
  return g_ascii_string_to_unsigned (n_text, 10, 0, G_MAXINT - FIRST_PASSED_FD, &n, NULL) ? (guint) n : 0;
}

MrListener *
mr_listener_new_passed (MrReactor *reactor, guint number, MrListenerFunc func, gpointer user_data, GError **error)
{
  int fd = FIRST_PASSED_FD + (int) number;
  int type = 0;
  int listening = 0;
  socklen_t length = sizeof type;

  if (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM ||
      getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
                 "the descriptor %d that was passed to us is no listening stream socket: in a .socket unit only "
                 "ListenStream= is allowed",
                 fd);
    return NULL;
  }
  (void) fcntl (fd, F_SETFD, FD_CLOEXEC);
  (void) fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  return listener_on (reactor, fd, func, user_data);
}

void
mr_listener_free (MrListener *self)
{
  if (self == NULL)
    return;
  mr_timer_clear (&self->rest);
  mr_watch_remove (&self->watch);
  if (self->fd >= 0)
    close (self->fd);
  if (self->socket_file != NULL)
    (void) unlink (self->socket_file);
  g_free (self->socket_file);
  g_free (self->address);
  g_free (self);
}

const char *
mr_listener_get_address (MrListener *self)
{
  return self->address;
}
