/* SPDX-License-Identifier: MIT */
/*
 * A socket in the reactor with joined output and notice of a gone peer. See connection.h.
 *
 *   OPEN -> (peer gone, reported once) -> CLOSED
 *   OPEN -> FINISHING (send the rest, FIN, read and drop) -> CLOSED
 *
 * With TLS a handshake comes before OPEN: bytes that are written meanwhile wait, none can be read. Then TLS is between
 * the output and the socket, and the FIN follows a close_notify.
 */
#include "connection.h"

#include "byte-queue.h"
#include "limits.h"
#include "socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct _MrConnection {
  guint references;
  MrReactor *reactor; /* Borrowed: outlives every connection */
  MrWatch watch;
  MrFlush flush;
  MrTimer timer;     /* deadline of FINISHING; else a call at once that has no socket event behind it */
  MrLinger linger;   /* while FINISHING */
  int fd;            /* Owned; -1 once closed */
  MrTlsSession *tls; /* Owned; NULL for a plain connection */
  const MrConnectionEvents *events;
  gpointer data;
  char *remote_address;
  MrConnectionClosed closed; /* nullable */
  gpointer closed_data;

  MrByteQueue output; /* unsent */
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
  gboolean saying_goodbye : 1; /* the close_notify waits for room in the kernel */
};

static void on_events (MrWatch *watch, guint32 events);
static void on_flush (MrFlush *flush);
static void on_timer (MrTimer *timer);

MrConnection *
mr_connection_new (MrReactor *reactor, int fd)
{
  MrConnection *connection = g_new0 (MrConnection, 1);

  mr_socket_set_options (fd);
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
  if (connection->remote_address == NULL)
    connection->remote_address = mr_socket_dup_remote_address (connection->fd);
  return connection->remote_address;
}

gboolean
mr_connection_is_open (MrConnection *connection)
{
  return connection->fd >= 0 && !connection->ended && !connection->finishing;
}

/* --- what the reactor waits for --- */

gboolean
mr_connection_is_handshaking (MrConnection *connection)
{
  return connection->tls != NULL && mr_tls_session_is_handshaking (connection->tls);
}

/* Input stays armed when reading goes off, until it comes: mostly reading is on again before. */
static guint32
wanted_events (MrConnection *connection)
{
  guint32 events = EPOLLRDHUP | (connection->watch.events & EPOLLIN);

  if (mr_connection_is_handshaking (connection))
    return EPOLLRDHUP | (mr_tls_session_wants_to_write (connection->tls) ? EPOLLOUT : EPOLLIN);
  if (connection->reading || connection->finishing)
    events |= EPOLLIN;
  if (connection->saying_goodbye || (mr_connection_get_unsent (connection) > 0 && !connection->flush.queued))
    events |= EPOLLOUT;
  return events;
}

static void
update_watch (MrConnection *connection)
{
  if (connection->watch.reactor != NULL)
    mr_watch_modify (&connection->watch, wanted_events (connection));
}

static void
call_soon (MrConnection *connection)
{
  mr_timer_set (&connection->timer, mr_reactor_now (connection->reactor));
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
  mr_byte_queue_clear (&connection->output);
}

static void
report_end (MrConnection *connection)
{
  g_autoptr (GError) error = NULL;

  if (!connection->ended || connection->reported || connection->events == NULL)
    return;
  connection->reported = TRUE;
  if (connection->tls != NULL && mr_tls_session_get_error (connection->tls) != NULL)
    error = g_error_copy (mr_tls_session_get_error (connection->tls));
  else if (connection->broken != 0)
    g_set_error_literal (&error, G_IO_ERROR, g_io_error_from_errno (connection->broken),
                         g_strerror (connection->broken));
  connection->events->gone (connection, error, connection->data);
}

void
mr_connection_start_tls (MrConnection *connection, MrTlsSession *session)
{
  connection->tls = session;
  mr_tls_session_set_fd (session, connection->fd);
  mr_flush_queue (connection->reactor, &connection->flush);
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

/* Bytes are here of which the socket does not tell. */
static gboolean
has_bytes (MrConnection *connection)
{
  return connection->unread != NULL || (connection->tls != NULL && mr_tls_session_has_pending (connection->tls));
}

void
mr_connection_set_reading (MrConnection *connection, gboolean reading)
{
  connection->reading = reading;
  if (reading && connection->fd >= 0 && !connection->ended && connection->watch.reactor == NULL)
    mr_watch_add (&connection->watch, connection->reactor, connection->fd, EPOLLRDHUP, on_events);
  update_watch (connection);
  if (reading && has_bytes (connection))
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

static gssize
receive (MrConnection *connection, void *buffer, gsize length)
{
  gssize n;

  if (connection->tls != NULL)
    return mr_tls_session_read (connection->tls, buffer, length);
  do
    n = recv (connection->fd, buffer, length, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n;
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
  n = receive (connection, buffer, MIN (length, connection->turn_bytes));
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

guint8 *
mr_connection_append (MrConnection *connection, gsize length)
{
  guint8 *room;

  if (!mr_connection_is_open (connection))
    return NULL;
  room = mr_byte_queue_append (&connection->output, length);
  if (mr_connection_get_unsent (connection) > connection->high_bytes)
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

static gssize
transmit (MrConnection *connection)
{
  const guint8 *unsent = connection->output.data + connection->output.start;
  gsize length = mr_connection_get_unsent (connection);

  if (connection->tls != NULL)
    return mr_tls_session_write (connection->tls, unsent, length);
  return send (connection->fd, unsent, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
send_output (MrConnection *connection)
{
  while (mr_connection_get_unsent (connection) > 0) {
    gssize n = transmit (connection);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      /* What the peer sent before it broke off is still read, if its owner reads; the read will meet the end too. */
      if ((connection->reading || connection->patient) && !connection->finishing)
        mr_byte_queue_clear (&connection->output);
      else
        note_end (connection, errno);
      return;
    }
    if (n < 0)
      break;
    mr_byte_queue_take (&connection->output, (gsize) n);
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
  if (connection->fd < 0 || connection->ended || mr_connection_is_handshaking (connection))
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
  return connection->output.end - connection->output.start;
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
  mr_byte_queue_clear (&connection->output);
  g_clear_pointer (&connection->unread, g_byte_array_unref);
  (void) mr_connection_get_remote_address (connection); /* for a log line after the end */
  g_clear_pointer (&connection->tls, mr_tls_session_free);
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

/* TLS says that it was all before TCP does. */
static void
send_end (MrConnection *connection)
{
  connection->saying_goodbye = connection->tls != NULL && !mr_tls_session_say_goodbye (connection->tls);
  update_watch (connection);
  if (connection->saying_goodbye)
    return;
  connection->sent_end = TRUE;
  (void) shutdown (connection->fd, SHUT_WR);
  mr_linger_sent (connection->reactor, &connection->linger);
  mr_timer_set (&connection->timer, mr_reactor_now (connection->reactor) + MR_LIMIT_DRAIN_USEC);
}

/* Sends our end once everything is out, drops what comes, and closes at the peer's end. At the cap it stops reading,
 * and the timer closes: to close with bytes unread is a reset, which could overtake our last words. */
static void
go_on_finishing (MrConnection *connection)
{
  char scratch[4096];
  gboolean enough;
  gssize n = -1;

  if (!connection->ended && !connection->sent_end && mr_connection_get_unsent (connection) == 0)
    send_end (connection);
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
  /* Without TLS yet there is no way to say that it is over. */
  if (connection->ended || (mr_connection_is_handshaking (connection) && mr_connection_get_unsent (connection) == 0)) {
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

/* TRUE once it is through. @events: of the socket, 0 without one. */
static gboolean
shake_hands (MrConnection *connection, guint32 events)
{
  if (mr_tls_session_handshake (connection->tls)) {
    if (mr_connection_get_unsent (connection) > 0 || connection->finishing)
      mr_flush_queue (connection->reactor, &connection->flush);
    update_watch (connection);
    return TRUE;
  }
  if (errno != EAGAIN) {
    note_end (connection, errno);
  } else if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    note_end (connection, ECONNRESET);
  } else {
    update_watch (connection);
    return FALSE;
  }
  after_output (connection);
  return FALSE;
}

static void
on_flush (MrFlush *flush)
{
  g_autoptr (MrConnection) connection = mr_connection_ref (MR_OWNER_OF (flush, MrConnection, flush));

  if (mr_connection_is_handshaking (connection) && !shake_hands (connection, 0))
    return;
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
  if (connection->reading && connection->tls != NULL && mr_tls_session_has_pending (connection->tls))
    call_soon (connection);
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

static void
on_events (MrWatch *watch, guint32 events)
{
  g_autoptr (MrConnection) connection = mr_connection_ref (MR_OWNER_OF (watch, MrConnection, watch));

  if (mr_connection_is_handshaking (connection) && !shake_hands (connection, events))
    return;
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
    note_end (connection, (events & EPOLLERR) != 0 ? mr_socket_get_error (connection->fd) : 0);
  }
  let_owner_read (connection);
}
