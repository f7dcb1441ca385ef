/* SPDX-License-Identifier: MIT */
/*
 * The cycle of client connections around SoupServer. See http-intake.h for the drawing.
 *
 * Who owns a connection: a Guest in IDLE and HEAD; a Passage (tied to the remote-address object that libsoup hands back
 * to us) and its connection-stream in BODY; an MrHttpRequest from then on.
 */
#include "http-intake.h"

#include "connection-limit.h"
#include "connection-stream.h"
#include "http-head.h"
#include "limits.h"
#include "listener.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct _MrHttpIntake {
  MrReactor *reactor;            /* Borrowed */
  SoupServer *server;            /* Owned */
  GInetAddress *loopback;        /* Owned: of the addresses that libsoup is given */
  GSocketAddress *local_address; /* Owned: libsoup wants one for HTTP/1.0 without Host */
  GPtrArray *listeners;          /* Owned MrListener */
  GQueue guests;                 /* Owned Guest, linked through Guest.link */
  guint64 max_body_bytes;
  MrTlsIdentity *identity;  /* Owned; NULL: connections are plain */
  MrConnectionLimit *limit; /* Owned, as by each accepted connection */
  MrHttpIntakeHandler handler;
  gpointer user_data;
};

/* A connection without a whole request. */
typedef struct {
  GList link;
  MrHttpIntake *intake;
  MrConnection *connection; /* Owned */
  GByteArray *head;         /* Owned; NULL while IDLE */
  MrTimer timer;            /* end of the idle time, or of the time for a head */
  gsize last_unsent;        /* of the answer before: idle time begins when the client has taken it */
} Guest;

/* A request inside libsoup. */
typedef struct {
  MrHttpIntake *intake;
  MrConnectionStream *stream; /* Owned */
  char *target;
  gboolean http_1_0;
  gboolean keep_alive;
  gboolean chunked;
  guint64 body_bytes; /* of a chunked body so far */
  gint64 start_us;
  gsize head_bytes;
  MrTimer timer; /* slow bodies */
} Passage;

static G_DEFINE_QUARK (mr_http_intake_passage, passage)

    /* --- refusing --- */

    static void refuse (MrConnection *connection, const char *path, const GError *error)
{
  GString *answer = mr_http_error_answer (path, error->code, error->message);

  mr_connection_write (connection, answer->str, answer->len);
  mr_connection_finish (connection, MR_LIMIT_DRAIN_USEC);
  g_string_free (answer, TRUE);
}

static void
refuse_too_large (MrHttpIntake *intake, MrConnection *connection, const char *path)
{
  g_autoptr (GError) error = g_error_new (
      MR_ERROR, MR_ERROR_REQUEST_TOO_LARGE,
      "The request body is larger than the %" G_GUINT64_FORMAT " bytes that are allowed.", intake->max_body_bytes);

  refuse (connection, path, error);
}

/* --- BODY: inside libsoup --- */

static void
passage_free (gpointer data)
{
  Passage *passage = data;

  mr_timer_clear (&passage->timer);
  g_clear_object (&passage->stream);
  g_free (passage->target);
  g_free (passage);
}

static Passage *
passage_of (SoupServerMessage *message)
{
  return g_object_get_qdata (G_OBJECT (soup_server_message_get_remote_address (message)), passage_quark ());
}

/* The time that the bytes so far have earned: a grace, and a second for each so many bytes. */
static void
on_body_slow (MrTimer *timer)
{
  Passage *passage = MR_OWNER_OF (timer, Passage, timer);
  gint64 now = mr_reactor_now (passage->intake->reactor);
  guint64 bytes = mr_connection_stream_get_read (passage->stream) - passage->head_bytes;
  gint64 earned_us = (gint64) (bytes * (guint64) MR_USEC_PER_SEC / MR_LIMIT_BODY_BYTES_PER_SEC);
  gint64 deadline = passage->start_us + MR_LIMIT_BODY_GRACE_USEC + earned_us;
  g_autoptr (MrConnection) connection = NULL;
  g_autoptr (GError) error = NULL;

  if (now < deadline) {
    mr_timer_set (timer, deadline);
    return;
  }
  connection = mr_connection_stream_detach (passage->stream);
  if (connection == NULL)
    return;
  error = g_error_new (MR_ERROR, MR_ERROR_REQUEST_SLOW, "The request body came slower than %d bytes a second.",
                       MR_LIMIT_BODY_BYTES_PER_SEC);
  refuse (connection, passage->target, error);
}

/* Takes the connection back from libsoup; its message is over and freed afterwards. */
static MrConnection *
steal_connection (SoupServerMessage *message, Passage *passage)
{
  MrConnection *connection = mr_connection_stream_detach (passage->stream);
  g_autoptr (GIOStream) stolen = soup_server_message_steal_connection (message);

  mr_timer_clear (&passage->timer);
  return connection;
}

static void
on_got_chunk (SoupServerMessage *message, GBytes *chunk, gpointer user_data)
{
  MrHttpIntake *intake = user_data;
  Passage *passage = passage_of (message);
  g_autoptr (GSocketAddress) keep = g_object_ref (soup_server_message_get_remote_address (message));
  g_autoptr (MrConnection) connection = NULL;

  passage->body_bytes += g_bytes_get_size (chunk);
  if (passage->body_bytes <= intake->max_body_bytes)
    return;
  connection = steal_connection (message, passage);
  if (connection != NULL)
    refuse_too_large (intake, connection, passage->target);
}

static void
on_got_head (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  Passage *passage = passage_of (message);

  if (passage != NULL && passage->chunked)
    g_signal_connect (message, "got-chunk", G_CALLBACK (on_got_chunk), user_data);
}

static MrHttpRequest *
request_new (MrHttpIntake *intake, SoupServerMessage *message, Passage *passage)
{
  MrHttpRequest *request = g_new0 (MrHttpRequest, 1);
  const char *query = strchr (passage->target, '?');

  request->intake = intake;
  request->method = g_strdup (soup_server_message_get_method (message));
  request->target = g_strdup (passage->target);
  request->path =
      query != NULL ? g_strndup (passage->target, (gsize) (query - passage->target)) : g_strdup (passage->target);
  request->headers = soup_message_headers_ref (soup_server_message_get_request_headers (message));
  request->body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  request->http_1_0 = passage->http_1_0;
  request->keep_alive = passage->keep_alive;
  return request;
}

static void
on_got_request (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  MrHttpIntake *intake = user_data;
  Passage *passage = passage_of (message);
  g_autoptr (GSocketAddress) keep = g_object_ref (soup_server_message_get_remote_address (message));
  g_autoptr (MrHttpRequest) request = request_new (intake, message, passage);

  request->connection = steal_connection (message, passage);
  if (request->connection != NULL)
    intake->handler (g_steal_pointer (&request), intake->user_data);
}

static void
enter_libsoup (MrHttpIntake *intake, MrConnection *connection, const MrHttpHead *head, gsize head_bytes)
{
  guint64 body_bytes = head->content_length > 0 ? (guint64) head->content_length : 0;
  g_autoptr (GIOStream) stream =
      mr_connection_stream_new (connection, head->chunked ? G_MAXUINT64 : head_bytes + body_bytes);
  g_autoptr (GSocketAddress) cookie = g_inet_socket_address_new (intake->loopback, 0);
  Passage *passage = g_new0 (Passage, 1);

  passage->intake = intake;
  passage->stream = g_object_ref (MR_CONNECTION_STREAM (stream));
  passage->target = g_strndup (head->target, head->target_length);
  passage->http_1_0 = head->http_1_0;
  passage->keep_alive = head->keep_alive;
  passage->chunked = head->chunked;
  passage->head_bytes = head_bytes;
  passage->start_us = mr_reactor_now (intake->reactor);
  mr_timer_init (&passage->timer, intake->reactor, on_body_slow);
  mr_timer_set (&passage->timer, passage->start_us + MR_LIMIT_BODY_GRACE_USEC);
  g_object_set_qdata_full (G_OBJECT (cookie), passage_quark (), passage, passage_free);
  soup_server_accept_iostream (intake->server, stream, intake->local_address, cookie, NULL);
}

/* --- IDLE and HEAD --- */

static void
guest_free (Guest *guest)
{
  g_queue_unlink (&guest->intake->guests, &guest->link);
  mr_timer_clear (&guest->timer);
  g_clear_pointer (&guest->head, g_byte_array_unref);
  if (guest->connection != NULL)
    mr_connection_close (guest->connection);
  mr_connection_unref (guest->connection);
  g_free (guest);
}

static void
on_guest_gone (MrConnection *connection, const GError *error, gpointer data)
{
  guest_free (data);
}

static void
refuse_guest (Guest *guest, const char *path, const GError *error)
{
  refuse (guest->connection, path, error);
  g_clear_pointer (&guest->connection, mr_connection_unref);
  guest_free (guest);
}

static void
on_guest_late (MrTimer *timer)
{
  Guest *guest = MR_OWNER_OF (timer, Guest, timer);
  gsize unsent = mr_connection_get_unsent (guest->connection);
  g_autoptr (GError) error = NULL;

  if (guest->head == NULL && unsent < guest->last_unsent) {
    guest->last_unsent = unsent;
    mr_timer_set (timer, mr_reactor_now (guest->intake->reactor) + MR_LIMIT_IDLE_USEC);
    return;
  }
  if (guest->head == NULL) {
    guest_free (guest);
    return;
  }
  error = g_error_new (MR_ERROR, MR_ERROR_REQUEST_SLOW, "The request head was not complete within %d seconds.",
                       (int) (MR_LIMIT_HEAD_USEC / MR_USEC_PER_SEC));
  refuse_guest (guest, NULL, error);
}

static void
take_head (Guest *guest, gsize head_bytes)
{
  MrHttpIntake *intake = guest->intake;
  g_autoptr (GByteArray) bytes = g_steal_pointer (&guest->head);
  g_autoptr (MrConnection) connection = mr_connection_ref (guest->connection);
  g_autoptr (GError) error = NULL;
  MrHttpHead head;

  if (!mr_http_head_parse ((const char *) bytes->data, head_bytes, &head, &error)) {
    refuse_guest (guest, NULL, error);
    return;
  }
  g_clear_pointer (&guest->connection, mr_connection_unref);
  guest_free (guest);
  if (head.content_length > 0 && (guint64) head.content_length > intake->max_body_bytes) {
    g_autofree char *path = g_strndup (head.target, head.target_length);

    refuse_too_large (intake, connection, path);
    return;
  }
  mr_connection_set_reading (connection, FALSE);
  mr_connection_unread (connection, bytes->data, bytes->len);
  enter_libsoup (intake, connection, &head, head_bytes);
}

/* An empty line before the request line is skipped (RFC 9112 2.2). */
static void
skip_empty_lines (GByteArray *head)
{
  guint n = 0;

  while (n < head->len && (head->data[n] == '\r' || head->data[n] == '\n'))
    n++;
  if (n > 0)
    g_byte_array_remove_range (head, 0, n);
}

/* Who speaks TLS to a plain port hears of it at once, and not when the time for a head is over. */
static gboolean
may_be_head (const GByteArray *head)
{
  return head->len == 0 || g_ascii_isgraph (head->data[0]);
}

static void
on_guest_readable (MrConnection *connection, gpointer data)
{
  Guest *guest = data;
  char buffer[8192];
  gssize n;

  while ((n = mr_connection_read (connection, buffer, sizeof buffer)) > 0) {
    gsize searched;
    gsize head_bytes;

    if (guest->head == NULL) {
      guest->head = g_byte_array_new ();
      mr_timer_set (&guest->timer, mr_reactor_now (guest->intake->reactor) + MR_LIMIT_HEAD_USEC);
    }
    searched = guest->head->len;
    g_byte_array_append (guest->head, (const guint8 *) buffer, (guint) n);
    if (searched == 0)
      skip_empty_lines (guest->head);
    if (!may_be_head (guest->head)) {
      g_autoptr (GError) error =
          g_error_new (MR_ERROR, MR_ERROR_INVALID_REQUEST, "The connection does not begin with an HTTP request.");

      refuse_guest (guest, NULL, error);
      return;
    }
    head_bytes = mr_http_head_find_end ((const char *) guest->head->data, guest->head->len, searched);
    if (head_bytes == 0 ? guest->head->len >= MR_LIMIT_HEAD_BYTES : head_bytes > MR_LIMIT_HEAD_BYTES) {
      g_autoptr (GError) error = g_error_new (MR_ERROR, MR_ERROR_HEAD_TOO_LARGE,
                                              "The request head is larger than %d bytes.", MR_LIMIT_HEAD_BYTES);

      refuse_guest (guest, NULL, error);
      return;
    }
    if (head_bytes > 0) {
      take_head (guest, head_bytes);
      return;
    }
  }
}

static const MrConnectionEvents guest_events = { .readable = on_guest_readable, .gone = on_guest_gone };

static void
admit (MrHttpIntake *intake, MrConnection *connection, gint64 patience_us)
{
  Guest *guest = g_new0 (Guest, 1);

  guest->link.data = guest;
  guest->intake = intake;
  guest->connection = connection;
  mr_timer_init (&guest->timer, intake->reactor, on_guest_late);
  guest->last_unsent = mr_connection_get_unsent (connection);
  mr_timer_set (&guest->timer, mr_reactor_now (intake->reactor) + patience_us);
  g_queue_push_tail_link (&intake->guests, &guest->link);
  mr_connection_set_events (connection, &guest_events, guest);
  mr_connection_set_reading (connection, TRUE);
}

static void
on_connection_closed (MrConnection *connection, gpointer user_data)
{
  g_autoptr (MrConnectionLimit) limit = user_data;

  mr_connection_limit_leave (limit, mr_connection_get_remote_address (connection));
}

/* With TLS it would take a handshake to say so, which is just what is to be spared. */
static void
refuse_connection (MrConnection *connection, gboolean secure)
{
  g_autoptr (GError) error = g_error_new (MR_ERROR, MR_ERROR_TOO_MANY_CONNECTIONS, "Too many connections are open.");

  if (!secure)
    refuse (connection, NULL, error);
  mr_connection_unref (connection);
}

static void
on_accepted (int fd, gpointer user_data)
{
  MrHttpIntake *intake = user_data;
  MrConnection *connection = mr_connection_new (intake->reactor, fd);
  const char *address = mr_connection_get_remote_address (connection);
  gboolean secure = intake->identity != NULL && !g_str_equal (address, "unix");

  if (!mr_connection_limit_enter (intake->limit, address)) {
    refuse_connection (connection, secure);
    return;
  }
  if (secure)
    mr_connection_start_tls (connection, mr_tls_session_new_server (intake->identity));
  mr_connection_set_closed (connection, on_connection_closed, mr_connection_limit_ref (intake->limit));
  admit (intake, connection, MR_LIMIT_HEAD_USEC);
}

/* --- HANDED: requests --- */

void
mr_http_request_free (MrHttpRequest *request)
{
  if (request == NULL)
    return;
  if (request->connection != NULL)
    mr_connection_close (request->connection);
  mr_connection_unref (request->connection);
  g_free (request->method);
  g_free (request->target);
  g_free (request->path);
  soup_message_headers_unref (request->headers);
  g_bytes_unref (request->body);
  g_free (request);
}

MrConnection *
mr_http_request_take_connection (MrHttpRequest *request)
{
  return g_steal_pointer (&request->connection);
}

void
mr_http_request_release (MrHttpRequest *request)
{
  MrHttpIntake *intake = request->intake;
  MrConnection *connection = mr_http_request_take_connection (request);

  if (connection != NULL && request->keep_alive && mr_connection_is_open (connection)) {
    admit (intake, connection, MR_LIMIT_IDLE_USEC);
  } else if (connection != NULL) {
    mr_connection_finish (connection, MR_LIMIT_IDLE_USEC);
    mr_connection_unref (connection);
  }
  mr_http_request_free (request);
}

const char *
mr_http_request_header (const MrHttpRequest *request, const char *name)
{
  return soup_message_headers_get_list (request->headers, name);
}

MrHeaders *
mr_http_request_dup_travelling_headers (const MrHttpRequest *request)
{
  MrHeaders *headers = mr_headers_new ();
  const char *connection = mr_http_request_header (request, "connection");
  SoupMessageHeadersIter iter;
  const char *name;
  const char *value;

  soup_message_headers_iter_init (&iter, request->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    if (mr_header_travels (name, connection))
      mr_headers_add (headers, name, value);
  return headers;
}

/* --- the intake --- */

MrHttpIntake *
mr_http_intake_new (MrReactor *reactor, MrHttpIntakeHandler handler, gpointer user_data)
{
  MrHttpIntake *intake = g_new0 (MrHttpIntake, 1);

  intake->reactor = reactor;
  intake->handler = handler;
  intake->user_data = user_data;
  intake->max_body_bytes = MR_LIMIT_REQUEST_BODY_BYTES;
  intake->limit = mr_connection_limit_new ();
  intake->listeners = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_listener_free);
  g_queue_init (&intake->guests);
  intake->loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  intake->local_address = g_inet_socket_address_new (intake->loopback, 0);
  intake->server = g_object_new (SOUP_TYPE_SERVER, "raw-paths", TRUE, NULL);
  soup_server_add_early_handler (intake->server, NULL, on_got_head, intake, NULL);
  soup_server_add_handler (intake->server, NULL, on_got_request, intake, NULL);
  return intake;
}

void
mr_http_intake_finish (MrHttpIntake *intake)
{
  while (intake->guests.head != NULL) {
    Guest *guest = intake->guests.head->data;

    mr_connection_finish (guest->connection, MR_LIMIT_DRAIN_USEC);
    g_clear_pointer (&guest->connection, mr_connection_unref);
    guest_free (guest);
  }
}

void
mr_http_intake_free (MrHttpIntake *intake)
{
  if (intake == NULL)
    return;
  mr_http_intake_stop (intake);
  g_ptr_array_unref (intake->listeners);
  while (intake->guests.head != NULL)
    guest_free (intake->guests.head->data);
  soup_server_disconnect (intake->server);
  g_object_unref (intake->server);
  g_object_unref (intake->local_address);
  g_object_unref (intake->loopback);
  mr_connection_limit_unref (intake->limit);
  mr_tls_identity_unref (intake->identity);
  g_free (intake);
}

/* @listener: (transfer full) (nullable) */
static gboolean
take_listener (MrHttpIntake *intake, MrListener *listener)
{
  if (listener != NULL)
    g_ptr_array_add (intake->listeners, listener);
  return listener != NULL;
}

gboolean
mr_http_intake_listen (MrHttpIntake *intake, const char *address, GError **error)
{
  return take_listener (intake, mr_listener_new (intake->reactor, address, on_accepted, intake, error));
}

gboolean
mr_http_intake_listen_passed (MrHttpIntake *intake, guint number, GError **error)
{
  return take_listener (intake, mr_listener_new_passed (intake->reactor, number, on_accepted, intake, error));
}

char **
mr_http_intake_get_addresses (MrHttpIntake *intake)
{
  GPtrArray *addresses = g_ptr_array_new ();

  for (guint i = 0; i < intake->listeners->len; i++) {
    const char *address = mr_listener_get_address (g_ptr_array_index (intake->listeners, i));
    gboolean secure = intake->identity != NULL && !g_str_has_prefix (address, "unix:");

    g_ptr_array_add (addresses, g_strconcat (secure ? "https://" : "", address, NULL));
  }
  g_ptr_array_add (addresses, NULL);
  return (char **) g_ptr_array_free (addresses, FALSE);
}

void
mr_http_intake_stop (MrHttpIntake *intake)
{
  g_ptr_array_set_size (intake->listeners, 0);
}

void
mr_http_intake_set_identity (MrHttpIntake *intake, MrTlsIdentity *identity)
{
  MrTlsIdentity *old = intake->identity;

  intake->identity = identity != NULL ? mr_tls_identity_ref (identity) : NULL;
  mr_tls_identity_unref (old);
}

MrTlsIdentity *
mr_http_intake_get_identity (MrHttpIntake *intake)
{
  return intake->identity;
}

void
mr_http_intake_set_max_body (MrHttpIntake *intake, guint64 bytes)
{
  intake->max_body_bytes = bytes;
}

void
mr_http_intake_set_max_connections (MrHttpIntake *intake, guint max_total, guint max_per_address)
{
  mr_connection_limit_set (intake->limit, max_total, max_per_address);
}

guint
mr_http_intake_get_connections (MrHttpIntake *intake)
{
  return mr_connection_limit_get_total (intake->limit);
}
