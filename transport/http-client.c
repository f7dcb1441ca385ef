/* SPDX-License-Identifier: MIT */
/*
 * Exchanges with one backend: the pool, connecting, sending the request, and handing the answer to the owner. How an
 * answer is read is in http-response.c. See http-client.h for the course of an exchange.
 */
#include "http-client.h"

#include "connection.h"
#include "error.h"
#include "http-base.h"
#include "http-response.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A request body is queued in slices while less than this is unsent, so that a large one is not copied whole. */
#define BODY_SLICE_BYTES (64 * 1024)
#define BODY_HIGH_BYTES (256 * 1024)
#define BODY_LOW_BYTES (64 * 1024)

struct _MrHttpClient {
  MrReactor *reactor;          /* Borrowed: outlives the client */
  GSocketClient *connector;    /* Owned */
  GSocketConnectable *address; /* Owned */
  MrHttpBase base;             /* Owned */
  MrTlsTrust *trust;           /* Owned; NULL for a plain backend */
  GQueue idle;                 /* of owned IdleConnection, the last used one first */
  char buffer[MR_LIMIT_TURN_BYTES];
};

/* A connection without an exchange. */
typedef struct {
  MrHttpClient *client; /* Borrowed: outlives it */
  MrConnection *connection;
  MrTimer timer;
} IdleConnection;

struct _MrHttpExchange {
  guint references;     /* the client's until it is over, and one for each call that runs */
  MrHttpClient *client; /* Borrowed: outlives the exchange until it is over */
  const MrHttpExchangeEvents *events;
  gpointer data;

  GString *head;      /* Owned: of the request */
  GBytes *body;       /* Owned, nullable */
  gint64 body_length; /* -1 for none */
  guint64 body_sent;
  GByteArray *given; /* Owned, nullable: of a streamed body, before there is a connection */
  gboolean is_head;

  GCancellable *connecting; /* Owned, nullable */
  MrTimer connect_timer;
  MrConnection *connection; /* Owned, nullable */
  MrHttpResponse *response; /* Owned, nullable: goes with the connection */
  gboolean may_retry;       /* the connection is a pooled one and nothing of the answer has come */
  gboolean reading;
  gboolean over;
};

static void start_connect (MrHttpExchange *exchange);

static MrHttpExchange *
exchange_ref (MrHttpExchange *exchange)
{
  exchange->references++;
  return exchange;
}

static void
drop_connection (MrHttpExchange *exchange)
{
  if (exchange->connection != NULL)
    mr_connection_close (exchange->connection);
  g_clear_pointer (&exchange->connection, mr_connection_unref);
  g_clear_pointer (&exchange->response, mr_http_response_free);
}

static void
exchange_unref (MrHttpExchange *exchange)
{
  if (--exchange->references > 0)
    return;
  g_string_free (exchange->head, TRUE);
  g_clear_pointer (&exchange->body, g_bytes_unref);
  g_clear_pointer (&exchange->given, g_byte_array_unref);
  g_clear_object (&exchange->connecting);
  g_free (exchange);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpExchange, exchange_unref)

/* --- The pool --- */

static void
idle_connection_free (IdleConnection *idle)
{
  mr_timer_clear (&idle->timer);
  mr_connection_close (idle->connection);
  mr_connection_unref (idle->connection);
  g_free (idle);
}

static void
drop_idle (IdleConnection *idle)
{
  g_queue_remove (&idle->client->idle, idle);
  idle_connection_free (idle);
}

/* Bytes that nobody asked for, or the end: either way no answer can be trusted on it any more. What TLS has to say for
 * itself is neither. */
static void
on_idle_readable (MrConnection *connection, gpointer data)
{
  char byte;

  if (mr_connection_read (connection, &byte, 1) >= 0 || errno != EAGAIN)
    drop_idle (data);
}

static void
on_idle_gone (MrConnection *connection, const GError *error, gpointer data)
{
  drop_idle (data);
}

static void
on_idle_timeout (MrTimer *timer)
{
  drop_idle (MR_OWNER_OF (timer, IdleConnection, timer));
}

static const MrConnectionEvents idle_events = { .readable = on_idle_readable, .gone = on_idle_gone };

static void
park (MrHttpClient *client, MrConnection *connection)
{
  IdleConnection *idle = g_new0 (IdleConnection, 1);

  idle->client = client;
  idle->connection = connection;
  mr_connection_set_events (connection, &idle_events, idle);
  mr_connection_set_reading (connection, TRUE);
  mr_timer_init (&idle->timer, client->reactor, on_idle_timeout);
  mr_timer_set (&idle->timer, mr_reactor_now (client->reactor) + MR_LIMIT_BACKEND_IDLE_USEC);
  g_queue_push_head (&client->idle, idle);
  if (client->idle.length > MR_LIMIT_BACKEND_IDLE)
    idle_connection_free (g_queue_pop_tail (&client->idle));
}

static MrConnection *
take_idle (MrHttpClient *client)
{
  IdleConnection *idle;

  while ((idle = g_queue_pop_head (&client->idle)) != NULL) {
    g_autoptr (MrConnection) connection = mr_connection_ref (idle->connection);

    if (mr_connection_is_open (connection)) {
      mr_timer_clear (&idle->timer);
      mr_connection_unref (idle->connection);
      g_free (idle);
      return g_steal_pointer (&connection);
    }
    idle_connection_free (idle);
  }
  return NULL;
}

/* --- The end of an exchange --- */

/* From here on nothing happens to it any more; the client's reference is given up. */
static void
finish (MrHttpExchange *exchange)
{
  exchange->over = TRUE;
  mr_timer_clear (&exchange->connect_timer);
  if (exchange->connecting != NULL)
    g_cancellable_cancel (exchange->connecting);
  drop_connection (exchange);
  exchange_unref (exchange);
}

static void
fail (MrHttpExchange *exchange, const GError *error)
{
  g_autoptr (MrHttpExchange) kept = exchange_ref (exchange);

  finish (exchange);
  exchange->events->failed (exchange, error, exchange->data);
}

static void
fail_to_connect (MrHttpExchange *exchange, MrErrorCode code, const char *message)
{
  g_autoptr (GError) error = g_error_new_literal (MR_ERROR, code, message);

  fail (exchange, error);
}

static void
complete (MrHttpExchange *exchange, gboolean bytes_left)
{
  g_autoptr (MrHttpExchange) kept = exchange_ref (exchange);
  guint64 body_length = (guint64) MAX (exchange->body_length, 0);

  if (mr_http_response_keeps_alive (exchange->response) && !bytes_left && exchange->body_sent == body_length &&
      mr_connection_is_open (exchange->connection) && mr_connection_get_unsent (exchange->connection) == 0)
    park (exchange->client, g_steal_pointer (&exchange->connection));
  finish (exchange);
  exchange->events->done (exchange, exchange->data);
}

/* The connection has ended, in whatever way, and nothing more can be read from it. */
static void
on_end (MrHttpExchange *exchange, gboolean orderly)
{
  g_autoptr (GError) error = NULL;

  if (exchange->may_retry) {
    drop_connection (exchange);
    start_connect (exchange);
  } else if (!orderly) {
    error = g_error_new_literal (MR_ERROR, MR_ERROR_BACKEND_PROTOCOL, "connection to the backend broke");
    fail (exchange, error);
  } else if (mr_http_response_end (exchange->response, &error) == MR_HTTP_RESPONSE_DONE) {
    complete (exchange, FALSE);
  } else {
    fail (exchange, error);
  }
}

/* --- The answer --- */

static void
on_bytes (MrHttpExchange *exchange, char *data, gsize length)
{
  g_autoptr (MrHttpExchange) kept = exchange_ref (exchange);

  while (!exchange->over) {
    g_autoptr (GError) error = NULL;
    MrHttpResponse *response = exchange->response;
    MrSpan body;
    gsize used;
    MrHttpResponseResult result = mr_http_response_next (response, data, length, &used, &body, &error);

    data += used;
    length -= used;
    switch (result) {
    case MR_HTTP_RESPONSE_HEAD:
      exchange->events->head (exchange, mr_http_response_get_status (response), mr_http_response_get_headers (response),
                              exchange->data);
      break;
    case MR_HTTP_RESPONSE_DATA:
      exchange->events->data (exchange, body.data, body.length, exchange->data);
      break;
    case MR_HTTP_RESPONSE_DONE:
      complete (exchange, length > 0);
      return;
    case MR_HTTP_RESPONSE_FAILED:
      fail (exchange, error);
      return;
    case MR_HTTP_RESPONSE_NEED_MORE:
    default:
      return;
    }
    if (!exchange->over && !exchange->reading && length > 0) {
      mr_connection_unread (exchange->connection, data, length);
      return;
    }
  }
}

static void
on_readable (MrConnection *connection, gpointer data)
{
  MrHttpExchange *exchange = data;
  char *buffer = exchange->client->buffer;
  gssize n = mr_connection_read (connection, buffer, sizeof exchange->client->buffer);

  if (n > 0) {
    exchange->may_retry = FALSE;
    on_bytes (exchange, buffer, (gsize) n);
  } else if (n == 0 || errno != EAGAIN) {
    on_end (exchange, n == 0);
  }
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  if (mr_connection_is_handshaking (connection))
    fail_to_connect (data, MR_ERROR_BACKEND_UNREACHABLE, "no TLS with the backend");
  else
    on_end (data, error == NULL);
}

/* --- The request --- */

static void
send_body (MrHttpExchange *exchange)
{
  gsize size = 0;
  const char *body = exchange->body != NULL ? g_bytes_get_data (exchange->body, &size) : NULL;

  while (exchange->body_sent < size && mr_connection_get_unsent (exchange->connection) <= BODY_HIGH_BYTES) {
    gsize slice = MIN (size - exchange->body_sent, BODY_SLICE_BYTES);

    mr_connection_write (exchange->connection, body + exchange->body_sent, slice);
    exchange->body_sent += slice;
  }
}

static void
on_drained (MrConnection *connection, gpointer data)
{
  MrHttpExchange *exchange = data;

  send_body (exchange);
  if (exchange->events->drained != NULL)
    exchange->events->drained (exchange, exchange->data);
}

static const MrConnectionEvents exchange_events = {
  .readable = on_readable,
  .drained = on_drained,
  .gone = on_gone,
};

static void
send_request (MrHttpExchange *exchange, MrConnection *connection, gboolean pooled)
{
  exchange->connection = connection;
  exchange->response = mr_http_response_new (exchange->is_head);
  exchange->may_retry = pooled;
  exchange->body_sent = 0;
  mr_connection_set_events (connection, &exchange_events, exchange);
  mr_connection_set_patient (connection, TRUE);
  mr_connection_set_water (connection, BODY_HIGH_BYTES, BODY_LOW_BYTES);
  mr_connection_set_reading (connection, exchange->reading);
  mr_connection_write (connection, exchange->head->str, exchange->head->len);
  if (exchange->given != NULL) {
    g_autoptr (GByteArray) given = g_steal_pointer (&exchange->given);

    mr_http_exchange_send (exchange, (const char *) given->data, given->len);
  }
  send_body (exchange);
}

/* --- Connecting --- */

/* A sentence that may reach the relay's clients: without addresses. */
static const char *
describe_unreachable (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    return "backend refuses connections";
  if (error->domain == G_RESOLVER_ERROR)
    return "backend's host name cannot be resolved";
  return "backend cannot be reached";
}

/* @fd: (transfer full) */
static MrConnection *
open_connection (MrHttpClient *client, int fd)
{
  MrConnection *connection = mr_connection_new (client->reactor, fd);

  if (client->trust != NULL)
    mr_connection_start_tls (connection, mr_tls_session_new_client (client->trust, client->base.name));
  return connection;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrHttpExchange) exchange = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) stream = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);
  int fd;

  if (exchange->over)
    return;
  g_clear_object (&exchange->connecting);
  if (exchange->client->trust == NULL)
    mr_timer_clear (&exchange->connect_timer);
  if (stream == NULL) {
    fail_to_connect (exchange, MR_ERROR_BACKEND_UNREACHABLE, describe_unreachable (error));
    return;
  }
  /* GSocket made the socket non-blocking, and its copy stays so when GSocket closes its own. */
  fd = fcntl (g_socket_get_fd (g_socket_connection_get_socket (stream)), F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    fail_to_connect (exchange, MR_ERROR_BACKEND_UNREACHABLE, "no descriptor is left for a backend connection");
  else
    send_request (exchange, open_connection (exchange->client, fd), FALSE);
}

/* With TLS the time is meant for the handshake as well. */
static void
on_connect_timeout (MrTimer *timer)
{
  MrHttpExchange *exchange = MR_OWNER_OF (timer, MrHttpExchange, connect_timer);

  if (exchange->connection == NULL || mr_connection_is_handshaking (exchange->connection))
    fail_to_connect (exchange, MR_ERROR_BACKEND_TIMEOUT, "backend did not accept a connection in time");
}

static void
start_connect (MrHttpExchange *exchange)
{
  MrHttpClient *client = exchange->client;

  exchange->may_retry = FALSE;
  exchange->connecting = g_cancellable_new ();
  mr_timer_set (&exchange->connect_timer, mr_reactor_now (client->reactor) + MR_LIMIT_CONNECT_USEC);
  g_socket_client_connect_async (client->connector, client->address, exchange->connecting, on_connected,
                                 exchange_ref (exchange));
}

/* --- Interface --- */

MrHttpClient *
mr_http_client_new (MrReactor *reactor, GUri *uri, GError **error)
{
  MrHttpBase base;
  MrHttpClient *client;

  if (!mr_http_base_parse (uri, &base, error))
    return NULL;
  client = g_new0 (MrHttpClient, 1);
  client->reactor = reactor;
  client->connector = g_socket_client_new ();
  g_socket_client_set_enable_proxy (client->connector, FALSE);
  client->base = base;
  client->address = g_network_address_new (base.dial, base.port);
  client->trust = base.secure ? mr_tls_trust_new (NULL, MR_TLS_FILE_INSTEAD, NULL, NULL) : NULL;
  g_queue_init (&client->idle);
  return client;
}

void
mr_http_client_set_trust (MrHttpClient *client, MrTlsTrust *trust)
{
  if (client->trust == NULL)
    return;
  mr_tls_trust_unref (client->trust);
  client->trust = mr_tls_trust_ref (trust);
}

void
mr_http_client_free (MrHttpClient *client)
{
  if (client == NULL)
    return;
  g_queue_clear_full (&client->idle, (GDestroyNotify) idle_connection_free);
  g_object_unref (client->connector);
  g_object_unref (client->address);
  mr_tls_trust_unref (client->trust);
  mr_http_base_clear (&client->base);
  g_free (client);
}

/* What could end the request line before its time is percent-encoded. */
static void
append_target (GString *head, const char *path)
{
  for (const char *p = path; *p != '\0'; p++) {
    if (*p > ' ' && *p != '\x7f')
      g_string_append_c (head, *p);
    else
      g_string_append_printf (head, "%%%02X", (guchar) *p);
  }
}

static GString *
make_head (MrHttpClient *client, const char *method, const char *path, const MrHeaders *headers, gint64 body_length)
{
  GString *head = g_string_sized_new (1024);

  g_string_append_printf (head, "%s %s", method, client->base.prefix);
  append_target (head, path);
  g_string_append_printf (head, " HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n", client->base.field);
  if (body_length >= 0)
    g_string_append_printf (head, "Content-Length: %" G_GINT64_FORMAT "\r\n", body_length);
  for (guint i = 0; i < mr_headers_length (headers); i++) {
    const MrHeader *field = mr_headers_index (headers, i);

    g_string_append_printf (head, "%s: %s\r\n", field->name, field->value);
  }
  g_string_append (head, "\r\n");
  return head;
}

static MrHttpExchange *
exchange_new (MrHttpClient *client, const char *method, const char *path, const MrHeaders *headers, gint64 body_length,
              const MrHttpExchangeEvents *events, gpointer data)
{
  MrHttpExchange *exchange = g_new0 (MrHttpExchange, 1);

  exchange->references = 1;
  exchange->client = client;
  exchange->events = events;
  exchange->data = data;
  exchange->head = make_head (client, method, path, headers, body_length);
  exchange->body_length = body_length;
  exchange->is_head = strcmp (method, "HEAD") == 0;
  exchange->reading = TRUE;
  mr_timer_init (&exchange->connect_timer, client->reactor, on_connect_timeout);
  return exchange;
}

MrHttpExchange *
mr_http_client_request (MrHttpClient *client, const char *method, const char *path, const MrHeaders *headers,
                        GBytes *body, const MrHttpExchangeEvents *events, gpointer data)
{
  gint64 body_length = body != NULL ? (gint64) g_bytes_get_size (body) : -1;
  MrHttpExchange *exchange = exchange_new (client, method, path, headers, body_length, events, data);
  MrConnection *pooled = take_idle (client);

  exchange->body = body != NULL ? g_bytes_ref (body) : NULL;
  if (pooled != NULL)
    send_request (exchange, pooled, TRUE);
  else
    start_connect (exchange);
  return exchange;
}

MrHttpExchange *
mr_http_client_request_streamed (MrHttpClient *client, const char *method, const char *path, const MrHeaders *headers,
                                 guint64 body_length, const MrHttpExchangeEvents *events, gpointer data)
{
  MrHttpExchange *exchange = exchange_new (client, method, path, headers, (gint64) body_length, events, data);

  start_connect (exchange);
  return exchange;
}

void
mr_http_exchange_send (MrHttpExchange *exchange, const char *data, gsize length)
{
  if (exchange->connection != NULL) {
    mr_connection_write (exchange->connection, data, length);
    exchange->body_sent += length;
    return;
  }
  if (exchange->given == NULL)
    exchange->given = g_byte_array_new ();
  g_byte_array_append (exchange->given, (const guint8 *) data, (guint) length);
}

gsize
mr_http_exchange_get_unsent (MrHttpExchange *exchange)
{
  if (exchange->connection != NULL)
    return mr_connection_get_unsent (exchange->connection);
  return exchange->given != NULL ? exchange->given->len : 0;
}

void
mr_http_exchange_set_reading (MrHttpExchange *exchange, gboolean reading)
{
  exchange->reading = reading;
  if (exchange->connection != NULL)
    mr_connection_set_reading (exchange->connection, reading);
}

void
mr_http_exchange_cancel (MrHttpExchange *exchange)
{
  if (!exchange->over)
    finish (exchange);
}
