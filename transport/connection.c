/* SPDX-License-Identifier: MIT */
/*
 * A socket in the reactor with joined output and notice of a gone peer. See connection.h.
 *
 *   OPEN -> (peer gone, reported once) -> CLOSED
 *   OPEN -> FINISHING (send the rest, FIN, read and drop) -> CLOSED
 */
#include "connection.h"

#include "limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An empty output buffer up to this size is kept for the next write, a larger one is given back. */
#define KEPT_OUTPUT_BYTES 4096

struct _MrConnection {
  guint references;
  MrReactor *reactor; /* Borrowed: outlives every connection */
  MrWatch watch;
  MrFlush flush;
  MrTimer timer;   /* deadline of FINISHING; else a call at once that has no socket event behind it */
  MrLinger linger; /* while FINISHING */
  int fd;          /* Owned; -1 once closed */
  const MrConnectionEvents *events;
  gpointer data;
  char *remote_address;
  MrConnectionClosed closed; /* nullable */
  gpointer closed_data;

  guint8 *output; /* Owned; [output_start, output_end) is unsent */
  gsize output_start;
  gsize output_end;
  gsize output_size;
  gsize high_bytes;
  gsize low_bytes;

  GByteArray *unread; /* Owned, nullable: bytes that come before the socket's */
  gsize turn_bytes;   /* what may still be read in this turn */
  gsize dropped_bytes;
  gint64 patience_us; /* of FINISHING */
  gsize last_unsent;  /* when FINISHING was last looked at */
  int broken;         /* errno of the failure that ended it, 0 for none */

  gboolean reading : 1;
  gboolean patient : 1;
  gboolean above_high : 1;
  gboolean ended : 1;    /* the peer's end or a failure was seen */
  gboolean reported : 1; /* ... and told to the owner */
  gboolean finishing : 1;
  gboolean sent_end : 1;
};

static void on_events (MrWatch *watch, guint32 events);
static void on_flush (MrFlush *flush);
static void on_timer (MrTimer *timer);

static void
set_socket_options (int fd)
{
  int one = 1;
  int lowat = MR_LIMIT_NOTSENT_LOWAT_BYTES;

  /* Both fail on a socket that is not TCP, where neither is needed. */
  (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  (void) setsockopt (fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

MrConnection *
mr_connection_new (MrReactor *reactor, int fd)
{
  MrConnection *connection = g_new0 (MrConnection, 1);

  set_socket_options (fd);
  connection->references = 1;
  connection->reactor = reactor;
  connection->fd = fd;
  connection->high_bytes = 256 * 1024;
  connection->low_bytes = 64 * 1024;
  connection->flush.func = on_flush;
  mr_timer_init (&connection->timer, reactor, on_timer);
  mr_watch_add (&connection->watch, reactor, fd, EPOLLRDHUP, on_events);
  return connection;
}

MrConnection *
mr_connection_ref (MrConnection *connection)
{
  connection->references++;
  return connection;
}

void
mr_connection_unref (MrConnection *connection)
{
  if (connection == NULL || --connection->references > 0)
    return;
  mr_connection_close (connection);
  g_free (connection->remote_address);
  g_free (connection);
}

MrReactor *
mr_connection_get_reactor (MrConnection *connection)
{
  return connection->reactor;
}

const char *
mr_connection_get_remote_address (MrConnection *connection)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  g_autoptr (GSocketAddress) address = NULL;

  if (connection->remote_address != NULL)
    return connection->remote_address;
  if (getpeername (connection->fd, (struct sockaddr *) &storage, &length) == 0)
    address = g_socket_address_new_from_native (&storage, length);
  if (address != NULL && G_IS_INET_SOCKET_ADDRESS (address))
    connection->remote_address =
        g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  else
    connection->remote_address = g_strdup (address != NULL ? "unix" : "unknown");
  return connection->remote_address;
}

gboolean
mr_connection_is_open (MrConnection *connection)
{
  return connection->fd >= 0 && !connection->ended && !connection->finishing;
}

/* --- what the reactor waits for --- */

static gboolean
wants_input (MrConnection *connection)
{
  return connection->reading || connection->finishing;
}

/* Input stays armed when reading goes off, until it comes: mostly reading is on again before. */
static void
update_watch (MrConnection *connection)
{
  guint32 events = EPOLLRDHUP | (connection->watch.events & EPOLLIN);

  if (connection->watch.reactor == NULL)
    return;
  if (wants_input (connection))
    events |= EPOLLIN;
  if (connection->output_end > connection->output_start && !connection->flush.queued)
    events |= EPOLLOUT;
  mr_watch_modify (&connection->watch, events);
}

static void
call_soon (MrConnection *connection)
{
  mr_timer_set (&connection->timer, mr_reactor_now (connection->reactor));
}

static void
drop_output (MrConnection *connection)
{
  g_clear_pointer (&connection->output, g_free);
  connection->output_start = connection->output_end = connection->output_size = 0;
}

/* The socket is of no more use; the owner is told from the reactor's next call, never from here. */
static void
note_end (MrConnection *connection, int error)
{
  if (connection->ended)
    return;
  connection->ended = TRUE;
  connection->broken = error;
  mr_watch_remove (&connection->watch);
  mr_flush_unqueue (connection->reactor, &connection->flush);
  drop_output (connection);
}

static void
report_end (MrConnection *connection)
{
  g_autoptr (GError) error = NULL;

  if (!connection->ended || connection->reported || connection->events == NULL)
    return;
  connection->reported = TRUE;
  if (connection->broken != 0)
    g_set_error_literal (&error, G_IO_ERROR, g_io_error_from_errno (connection->broken),
                         g_strerror (connection->broken));
  connection->events->gone (connection, error, connection->data);
}

void
mr_connection_set_events (MrConnection *connection, const MrConnectionEvents *events, gpointer data)
{
  connection->events = events;
  connection->data = data;
  if (events != NULL && connection->ended && !connection->reported)
    call_soon (connection);
}

/* --- reading --- */

void
mr_connection_set_reading (MrConnection *connection, gboolean reading)
{
  connection->reading = reading;
  if (reading && connection->fd >= 0 && !connection->ended && connection->watch.reactor == NULL)
    mr_watch_add (&connection->watch, connection->reactor, connection->fd, EPOLLRDHUP, on_events);
  update_watch (connection);
  if (reading && connection->unread != NULL)
    call_soon (connection);
}

void
mr_connection_set_patient (MrConnection *connection, gboolean patient)
{
  connection->patient = patient;
}

void
mr_connection_unread (MrConnection *connection, const void *data, gsize length)
{
  if (length == 0)
    return;
  if (connection->unread == NULL)
    connection->unread = g_byte_array_new ();
  g_byte_array_prepend (connection->unread, data, (guint) length);
  if (connection->reading)
    call_soon (connection);
}

static gssize
read_unread (MrConnection *connection, void *buffer, gsize length)
{
  gsize n = MIN (length, connection->unread->len);

  memcpy (buffer, connection->unread->data, n);
  g_byte_array_remove_range (connection->unread, 0, (guint) n);
  if (connection->unread->len == 0)
    g_clear_pointer (&connection->unread, g_byte_array_unref);
  return (gssize) n;
}

gssize
mr_connection_read (MrConnection *connection, void *buffer, gsize length)
{
  gssize n;

  if (connection->unread != NULL)
    return read_unread (connection, buffer, length);
  if (connection->fd < 0 || connection->ended) {
    errno = connection->broken;
    return connection->broken != 0 ? -1 : 0;
  }
  if (connection->turn_bytes == 0) {
    errno = EAGAIN;
    return -1;
  }
  do
    n = recv (connection->fd, buffer, MIN (length, connection->turn_bytes), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    connection->turn_bytes -= (gsize) n;
  } else if (n == 0) {
    note_end (connection, 0);
  } else if (errno == EWOULDBLOCK || errno == EAGAIN) {
    errno = EAGAIN;
  } else {
    note_end (connection, errno);
    errno = connection->broken;
  }
  return n;
}

/* --- writing --- */

static void
make_room (MrConnection *connection, gsize length)
{
  gsize unsent = connection->output_end - connection->output_start;

  if (connection->output_size - connection->output_end >= length)
    return;
  if (connection->output_start > 0) {
    memmove (connection->output, connection->output + connection->output_start, unsent);
    connection->output_start = 0;
    connection->output_end = unsent;
  }
  if (connection->output_size - unsent < length) {
    gsize size = MAX (connection->output_size, 512);

    while (size - unsent < length)
      size *= 2;
    connection->output = g_realloc (connection->output, size);
    connection->output_size = size;
  }
}

guint8 *
mr_connection_append (MrConnection *connection, gsize length)
{
  guint8 *room;

  if (!mr_connection_is_open (connection))
    return NULL;
  make_room (connection, length);
  room = connection->output + connection->output_end;
  connection->output_end += length;
  if (connection->output_end - connection->output_start > connection->high_bytes)
    connection->above_high = TRUE;
  /* While the kernel's buffer is full EPOLLOUT goes on with it. */
  if ((connection->watch.events & EPOLLOUT) == 0)
    mr_flush_queue (connection->reactor, &connection->flush);
  return room;
}

void
mr_connection_write (MrConnection *connection, const void *data, gsize length)
{
  guint8 *room = length > 0 ? mr_connection_append (connection, length) : NULL;

  if (room != NULL)
    memcpy (room, data, length);
}

static void
send_output (MrConnection *connection)
{
  while (connection->output_end > connection->output_start) {
    gssize n = send (connection->fd, connection->output + connection->output_start,
                     connection->output_end - connection->output_start, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      /* What the peer sent before it broke off is still read, if its owner reads; the read will meet the end too. */
      if ((connection->reading || connection->patient) && !connection->finishing)
        drop_output (connection);
      else
        note_end (connection, errno);
      return;
    }
    if (n < 0)
      break;
    connection->output_start += (gsize) n;
  }
  if (connection->output_end == connection->output_start) {
    connection->output_start = connection->output_end = 0;
    if (connection->output_size > KEPT_OUTPUT_BYTES)
      drop_output (connection);
  }
  update_watch (connection);
}

static gboolean
is_drained (MrConnection *connection)
{
  return connection->above_high && mr_connection_get_unsent (connection) <= connection->low_bytes;
}

void
mr_connection_flush (MrConnection *connection)
{
  if (connection->fd < 0 || connection->ended)
    return;
  mr_flush_unqueue (connection->reactor, &connection->flush);
  send_output (connection);
  if (connection->ended)
    call_soon (connection);
  else if (is_drained (connection))
    mr_flush_queue (connection->reactor, &connection->flush);
}

gsize
mr_connection_get_unsent (MrConnection *connection)
{
  return connection->output_end - connection->output_start;
}

void
mr_connection_set_water (MrConnection *connection, gsize high_bytes, gsize low_bytes)
{
  connection->high_bytes = high_bytes;
  connection->low_bytes = low_bytes;
}

/* --- ending --- */

void
mr_connection_close (MrConnection *connection)
{
  connection->events = NULL;
  if (connection->fd < 0)
    return;
  mr_watch_remove (&connection->watch);
  mr_flush_unqueue (connection->reactor, &connection->flush);
  mr_timer_clear (&connection->timer);
  drop_output (connection);
  g_clear_pointer (&connection->unread, g_byte_array_unref);
  (void) mr_connection_get_remote_address (connection); /* for a log line after the end */
  close (connection->fd);
  connection->fd = -1;
  if (connection->closed != NULL)
    connection->closed (connection, connection->closed_data);
}

void
mr_connection_set_closed (MrConnection *connection, MrConnectionClosed closed, gpointer user_data)
{
  connection->closed = closed;
  connection->closed_data = user_data;
}

static void
stop_finishing (MrConnection *connection)
{
  mr_connection_close (connection);
  mr_linger_remove (connection->reactor, &connection->linger);
  mr_connection_unref (connection);
}

static void
on_linger_dropped (MrLinger *linger)
{
  stop_finishing (MR_OWNER_OF (linger, MrConnection, linger));
}

/* Sends our end once everything is out, drops what comes, and closes at the peer's end. At the cap it stops reading,
 * and the timer closes: to close with bytes unread is a reset, which could overtake our last words. */
static void
go_on_finishing (MrConnection *connection)
{
  char scratch[4096];
  gboolean enough;
  gssize n = -1;

  if (!connection->ended && !connection->sent_end && mr_connection_get_unsent (connection) == 0) {
    connection->sent_end = TRUE;
    (void) shutdown (connection->fd, SHUT_WR);
    mr_linger_sent (connection->reactor, &connection->linger);
    mr_timer_set (&connection->timer, mr_reactor_now (connection->reactor) + MR_LIMIT_DRAIN_USEC);
  }
  while (!connection->ended && connection->dropped_bytes < MR_LIMIT_DRAIN_BYTES &&
         (n = mr_connection_read (connection, scratch, sizeof scratch)) > 0)
    connection->dropped_bytes += (gsize) n;
  enough = connection->dropped_bytes >= MR_LIMIT_DRAIN_BYTES;
  if (connection->ended || (enough && !connection->sent_end))
    stop_finishing (connection);
  else if (enough)
    mr_watch_remove (&connection->watch);
}

void
mr_connection_finish (MrConnection *connection, gint64 patience_us)
{
  connection->events = NULL;
  if (connection->fd < 0 || connection->finishing)
    return;
  if (connection->ended) {
    mr_connection_close (connection);
    return;
  }
  g_clear_pointer (&connection->unread, g_byte_array_unref);
  mr_connection_ref (connection);
  mr_linger_add (connection->reactor, &connection->linger, on_linger_dropped);
  connection->finishing = TRUE;
  connection->patience_us = patience_us;
  connection->last_unsent = mr_connection_get_unsent (connection);
  mr_timer_set (&connection->timer, mr_reactor_now (connection->reactor) + patience_us);
  mr_flush_queue (connection->reactor, &connection->flush);
}

/* --- calls of the reactor --- */

static void
after_output (MrConnection *connection)
{
  if (connection->finishing) {
    go_on_finishing (connection);
    return;
  }
  report_end (connection);
  if (connection->events != NULL && is_drained (connection)) {
    connection->above_high = FALSE;
    if (connection->events->drained != NULL)
      connection->events->drained (connection, connection->data);
  }
}

static void
on_flush (MrFlush *flush)
{
  g_autoptr (MrConnection) connection = mr_connection_ref (MR_OWNER_OF (flush, MrConnection, flush));

  connection->turn_bytes = MR_LIMIT_TURN_BYTES;
  send_output (connection);
  after_output (connection);
}

static void
let_owner_read (MrConnection *connection)
{
  if (connection->reading && connection->events != NULL && !connection->reported) {
    connection->turn_bytes = MR_LIMIT_TURN_BYTES;
    connection->events->readable (connection, connection->data);
  }
  /* Bytes that its owner did not want yet come before the end. */
  if (connection->unread == NULL || !connection->reading)
    report_end (connection);
}

static void
on_timer (MrTimer *timer)
{
  g_autoptr (MrConnection) connection = mr_connection_ref (MR_OWNER_OF (timer, MrConnection, timer));

  if (!connection->finishing) {
    let_owner_read (connection);
  } else if (mr_connection_get_unsent (connection) < connection->last_unsent) {
    connection->last_unsent = mr_connection_get_unsent (connection);
    mr_timer_set (timer, mr_reactor_now (connection->reactor) + connection->patience_us);
  } else {
    stop_finishing (connection);
  }
}

static int
socket_error (int fd)
{
  int error = 0;
  socklen_t length = sizeof error;

  if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
    return errno;
  return error;
}

static void
on_events (MrWatch *watch, guint32 events)
{
  g_autoptr (MrConnection) connection = mr_connection_ref (MR_OWNER_OF (watch, MrConnection, watch));

  if ((events & EPOLLOUT) != 0) {
    send_output (connection);
    connection->turn_bytes = MR_LIMIT_TURN_BYTES;
    after_output (connection);
    if (connection->fd < 0 || connection->ended)
      return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
    return;
  if (connection->finishing) {
    connection->turn_bytes = MR_LIMIT_TURN_BYTES;
    go_on_finishing (connection);
    return;
  }
  if (!connection->reading)
    mr_watch_modify (watch, watch->events & ~(guint32) EPOLLIN);
  if (!connection->reading && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    if (connection->patient) {
      /* The event would come again on every turn; reading on adds the watch again. */
      mr_watch_remove (&connection->watch);
      return;
    }
    note_end (connection, (events & EPOLLERR) != 0 ? socket_error (connection->fd) : 0);
  }
  let_owner_read (connection);
}
