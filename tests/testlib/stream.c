/* SPDX-License-Identifier: MIT */
/*
 * Sockets with deadlines, for tests. Framing and protocols live in the files above this one.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

gint64
mrt_now_ms (void)
{
  return g_get_monotonic_time () / 1000;
}

static struct sockaddr_in
loopback (guint16 port)
{
  return (struct sockaddr_in){ .sin_family = AF_INET,
                               .sin_port = htons (port),
                               .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
}

static MrtStream *
stream_new (int fd)
{
  MrtStream *stream = g_new0 (MrtStream, 1);
  int yes = 1;

  /* Fragments that a script writes apart must travel apart. */
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  stream->fd = fd;
  stream->in = g_string_new (NULL);
  return stream;
}

int
mrt_listen (guint16 *port)
{
  struct sockaddr_in address = loopback (0);
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) != 0 || listen (fd, 128) != 0 ||
      getsockname (fd, (struct sockaddr *) &address, &length) != 0)
    g_error ("cannot listen on 127.0.0.1: %s", g_strerror (errno));
  *port = ntohs (address.sin_port);
  return fd;
}

MrtStream *
mrt_accept (int fd, int timeout_ms)
{
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  int accepted;

  if (poll (&wait, 1, timeout_ms) <= 0)
    return NULL;
  accepted = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return accepted >= 0 ? stream_new (accepted) : NULL;
}

static int
connect_loopback (guint16 port)
{
  struct sockaddr_in address = loopback (port);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

MrtStream *
mrt_stream_connect (guint16 port)
{
  int fd = connect_loopback (port);

  if (fd < 0)
    g_error ("cannot connect to 127.0.0.1:%u", port);
  return stream_new (fd);
}

gboolean
mrt_stream_connects (guint16 port)
{
  int fd = connect_loopback (port);

  if (fd < 0)
    return FALSE;
  close (fd);
  return TRUE;
}

void
mrt_stream_free (MrtStream *stream)
{
  if (stream == NULL)
    return;
  if (stream->fd >= 0)
    close (stream->fd);
  g_string_free (stream->in, TRUE);
  g_free (stream);
}

gboolean
mrt_stream_write (MrtStream *stream, const void *data, gsize length)
{
  const char *at = data;
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (length > 0) {
    gssize sent = send (stream->fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    struct pollfd wait = { .fd = stream->fd, .events = POLLOUT };

    if (sent > 0) {
      at += sent;
      length -= (gsize) sent;
    } else if (errno != EAGAIN && errno != EINTR) {
      return FALSE;
    } else if (poll (&wait, 1, (int) MAX (0, deadline - mrt_now_ms ())) == 0) {
      g_error ("the peer does not read: %" G_GSIZE_FORMAT " bytes are left", length);
    }
  }
  return TRUE;
}

gboolean
mrt_stream_write_text (MrtStream *stream, const char *text)
{
  return mrt_stream_write (stream, text, strlen (text));
}

MrtRead
mrt_stream_fill (MrtStream *stream, int timeout_ms)
{
  struct pollfd wait = { .fd = stream->fd, .events = POLLIN };
  char buffer[65536];
  gssize got;

  if (poll (&wait, 1, timeout_ms) == 0)
    return MRT_READ_TIMEOUT;
  got = recv (stream->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got > 0) {
    g_string_append_len (stream->in, buffer, got);
    return MRT_READ_DATA;
  }
  return got == 0 ? MRT_READ_END : MRT_READ_RESET;
}

char *
mrt_stream_take_until (MrtStream *stream, const char *end, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;

  while (TRUE) {
    const char *found = g_strstr_len (stream->in->str, (gssize) stream->in->len, end);
    MrtRead result;

    if (found != NULL) {
      gsize length = (gsize) (found - stream->in->str) + strlen (end);
      char *taken = g_strndup (stream->in->str, length);

      g_string_erase (stream->in, 0, (gssize) length);
      return taken;
    }
    result = mrt_stream_fill (stream, timeout_ms < 0 ? -1 : (int) MAX (0, deadline - mrt_now_ms ()));
    if (result == MRT_READ_TIMEOUT)
      g_error ("waited %d ms for \"%s\", got: \"%s\"", timeout_ms, end, stream->in->str);
    if (result != MRT_READ_DATA)
      return NULL;
  }
}

gboolean
mrt_stream_wait_end (MrtStream *stream, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;

  while (TRUE) {
    MrtRead result = mrt_stream_fill (stream, (int) MAX (0, deadline - mrt_now_ms ()));

    if (result == MRT_READ_TIMEOUT)
      return FALSE;
    if (result != MRT_READ_DATA)
      return TRUE;
  }
}

gboolean
mrt_stream_is_quiet (MrtStream *stream, int timeout_ms)
{
  return stream->in->len == 0 && mrt_stream_fill (stream, timeout_ms) == MRT_READ_TIMEOUT;
}

void
mrt_stream_half_close (MrtStream *stream)
{
  shutdown (stream->fd, SHUT_WR);
}

void
mrt_stream_reset (MrtStream *stream)
{
  struct linger linger = { .l_onoff = 1, .l_linger = 0 };

  setsockopt (stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close (stream->fd);
  stream->fd = -1;
}
