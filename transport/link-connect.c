/* SPDX-License-Identifier: MIT */
/*
 * From a relay's address to an upgraded connection. What the link then carries is link.c's; when to try again is
 * worker/relay-link.c's.
 *
 *   resolve, connect (GSocketClient) -> TLS (https) -> GET with Upgrade -> 101 and the right Sec-WebSocket-Accept
 *     -> connection
 *         any step: the deadline or the caller's cancellable ends it
 */
#include "link-connect.h"

#include "error.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/random.h>

#define KEY_BYTES 16

/* One attempt; the GTask's data. */
typedef struct {
  GTask *task;              /* Owned while under way; NULL once it has returned */
  GCancellable *connecting; /* Owned: stops GSocketClient */
  GSource *cancelled;       /* Owned; NULL without a caller's cancellable */
  MrTimer deadline;
  MrReactor *reactor;       /* Borrowed: outlives the attempt */
  MrConnection *connection; /* Owned; NULL until connected */
  MrTlsTrust *trust;        /* Owned; NULL for a plain connection */
  char *host;               /* Owned: without brackets, ASCII */
  char *authority;          /* Owned: host[:port] */
  char *request;            /* Owned: the head to send */
  char *key;                /* Owned: Sec-WebSocket-Key */
  GString *head;            /* Owned: the answer so far */
} Attempt;

static void
attempt_free (gpointer data)
{
  Attempt *attempt = data;

  g_clear_object (&attempt->connecting);
  g_clear_pointer (&attempt->connection, mr_connection_unref);
  mr_tls_trust_unref (attempt->trust);
  g_free (attempt->host);
  g_free (attempt->authority);
  g_free (attempt->request);
  g_free (attempt->key);
  g_string_free (attempt->head, TRUE);
  g_free (attempt);
}

/* --- the end --- */

/* Nothing of the attempt calls back from now on, except GSocketClient with a result that nobody wants. */
static GTask *
stop (Attempt *attempt)
{
  mr_timer_clear (&attempt->deadline);
  if (attempt->cancelled != NULL) {
    g_source_destroy (attempt->cancelled);
    g_clear_pointer (&attempt->cancelled, g_source_unref);
  }
  return g_steal_pointer (&attempt->task);
}

static void
fail (Attempt *attempt, GError *error)
{
  g_autoptr (GTask) task = stop (attempt);

  g_cancellable_cancel (attempt->connecting);
  if (attempt->connection != NULL) {
    mr_connection_close (attempt->connection);
  }
  g_task_return_error (task, error);
}

static void
succeed (Attempt *attempt)
{
  g_autoptr (GTask) task = stop (attempt);

  mr_connection_set_reading (attempt->connection, FALSE);
  mr_connection_set_events (attempt->connection, NULL, NULL);
  g_task_return_pointer (task, g_steal_pointer (&attempt->connection), (GDestroyNotify) mr_connection_unref);
}

static void
on_deadline (MrTimer *timer)
{
  Attempt *attempt = MR_OWNER_OF (timer, Attempt, deadline);
  const char *step = attempt->connection == NULL ? "connection" : "answer to the upgrade";
  int seconds = (int) (MR_LIMIT_CONNECT_USEC / MR_USEC_PER_SEC);

  if (attempt->connection != NULL && mr_connection_is_handshaking (attempt->connection))
    fail (attempt, g_error_new (G_TLS_ERROR, G_TLS_ERROR_HANDSHAKE, "no TLS handshake with %s within %d seconds",
                                attempt->authority, seconds));
  else
    fail (attempt, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no %s from %s within %d seconds", step,
                                attempt->authority, seconds));
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  fail (g_task_get_task_data (data),
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the connection attempt was cancelled"));
  return G_SOURCE_REMOVE;
}

/* --- the answer --- */

static gboolean
has_field (SoupMessageHeaders *headers, const char *name)
{
  return soup_message_headers_get_list (headers, name) != NULL;
}

/* RFC 6455 4.1, "the client MUST validate the server's response". */
static GError *
check_answer (Attempt *attempt, gsize head_bytes)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  g_autofree char *expected = mr_websocket_accept_key (attempt->key);
  const char *accept;
  guint status;

  if (!soup_headers_parse_response (attempt->head->str, (int) head_bytes, headers, NULL, &status, NULL)) {
    return g_error_new (MR_ERROR, MR_ERROR_PROTOCOL, "%s does not speak HTTP", attempt->authority);
  }
  if (status != SOUP_STATUS_SWITCHING_PROTOCOLS) {
    return g_error_new (MR_ERROR, MR_ERROR_PROTOCOL, "%s answered with status %u and is no relay", attempt->authority,
                        status);
  }
  accept = soup_message_headers_get_one (headers, "Sec-WebSocket-Accept");
  if (!soup_message_headers_header_contains (headers, "Upgrade", "websocket") ||
      !soup_message_headers_header_contains (headers, "Connection", "upgrade") || accept == NULL ||
      strcmp (accept, expected) != 0) {
    return g_error_new (MR_ERROR, MR_ERROR_PROTOCOL, "%s answered with status 101, but not as a WebSocket",
                        attempt->authority);
  }
  if (has_field (headers, "Sec-WebSocket-Extensions") || has_field (headers, "Sec-WebSocket-Protocol")) {
    return g_error_new (MR_ERROR, MR_ERROR_PROTOCOL, "%s chose a WebSocket extension that was not offered",
                        attempt->authority);
  }
  return NULL;
}

static void
take_answer (Attempt *attempt, const char *blank_line)
{
  gsize head_bytes = (gsize) (blank_line - attempt->head->str) + 2;
  GError *error = check_answer (attempt, head_bytes);

  if (error != NULL) {
    fail (attempt, error);
    return;
  }
  mr_connection_unread (attempt->connection, attempt->head->str + head_bytes + 2, attempt->head->len - head_bytes - 2);
  succeed (attempt);
}

static void
on_readable (MrConnection *connection, gpointer data)
{
  Attempt *attempt = data;
  char bytes[4096];
  gssize n;

  while ((n = mr_connection_read (connection, bytes, sizeof bytes)) > 0) {
    const char *blank_line;

    g_string_append_len (attempt->head, bytes, n);
    blank_line = g_strstr_len (attempt->head->str, (gssize) attempt->head->len, "\r\n\r\n");
    if (blank_line != NULL) {
      take_answer (attempt, blank_line);
      return;
    }
    if (attempt->head->len > MR_LIMIT_HEAD_BYTES) {
      fail (attempt, g_error_new (MR_ERROR, MR_ERROR_PROTOCOL, "%s answered with too long a head", attempt->authority));
      return;
    }
  }
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  Attempt *attempt = data;

  if (mr_connection_is_handshaking (connection)) {
    int code = error->domain == G_TLS_ERROR ? error->code : G_TLS_ERROR_EOF;

    fail (attempt, g_error_new (G_TLS_ERROR, code, "no TLS with %s: %s", attempt->authority, error->message));
    return;
  }
  fail (attempt, g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "%s closed the connection before it answered",
                              attempt->authority));
}

static const MrConnectionEvents connection_events = { .readable = on_readable, .gone = on_gone };

/* --- connecting --- */

/* The socket leaves GIO: a duplicate goes into the reactor, the original is dropped with @stream. */
static int
take_socket (GSocketConnection *stream, GError **error)
{
  int fd;

  /* Such a wrapper stands for bytes that are not the socket's own, as with a proxy that wants TLS. */
  if (G_IS_TCP_WRAPPER_CONNECTION (stream)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                         "the system's proxy cannot be used: it wants TLS");
    return -1;
  }
  fd = fcntl (g_socket_get_fd (g_socket_connection_get_socket (stream)), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) {
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  }
  return fd;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Attempt *attempt = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) stream =
      g_socket_client_connect_to_uri_finish (G_SOCKET_CLIENT (source), result, &error);
  int fd = -1;

  if (attempt->task == NULL) {
    return;
  }
  if (stream != NULL) {
    fd = take_socket (stream, &error);
  }
  if (fd < 0) {
    fail (attempt, g_steal_pointer (&error));
    return;
  }
  attempt->connection = mr_connection_new (attempt->reactor, fd);
  if (attempt->trust != NULL) {
    mr_connection_start_tls (attempt->connection, mr_tls_session_new_client (attempt->trust, attempt->host));
  }
  mr_connection_set_events (attempt->connection, &connection_events, attempt);
  mr_connection_set_reading (attempt->connection, TRUE);
  mr_connection_write (attempt->connection, attempt->request, strlen (attempt->request));
  mr_timer_set (&attempt->deadline, mr_reactor_now (attempt->reactor) + MR_LIMIT_CONNECT_USEC);
}

/* --- the request --- */

static char *
make_key (void)
{
  guint8 random[KEY_BYTES];

  if (getrandom (random, sizeof random, 0) != sizeof random) {
    g_error ("getrandom: the kernel has no random bytes");
  }
  return g_base64_encode (random, sizeof random);
}

static char *
make_host (GUri *uri)
{
  char *ascii = g_hostname_to_ascii (g_uri_get_host (uri));

  return ascii != NULL ? ascii : g_strdup (g_uri_get_host (uri));
}

static char *
make_authority (GUri *uri, const char *host)
{
  gboolean is_ipv6 = strchr (host, ':') != NULL;
  g_autofree char *port = g_uri_get_port (uri) > 0 ? g_strdup_printf (":%d", g_uri_get_port (uri)) : g_strdup ("");

  return g_strconcat (is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, NULL);
}

static char *
make_target (GUri *uri, const char *provider)
{
  gboolean is_encoded = (g_uri_get_flags (uri) & (G_URI_FLAGS_ENCODED | G_URI_FLAGS_ENCODED_PATH)) != 0;
  g_autofree char *escaped_provider = g_uri_escape_string (provider, NULL, FALSE);
  g_autofree char *prefix = NULL;

  if (is_encoded) {
    prefix = g_strdup (g_uri_get_path (uri));
  } else {
    prefix = g_uri_escape_string (g_uri_get_path (uri), G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
  }
  while (g_str_has_suffix (prefix, "/")) {
    prefix[strlen (prefix) - 1] = '\0';
  }
  return g_strconcat (prefix, "/v1/worker/connect?provider=", escaped_provider, NULL);
}

static char *
make_request (GUri *uri, const char *authority, const char *provider, const char *secret, const char *key)
{
  g_autofree char *target = make_target (uri, provider);

  return g_strdup_printf ("GET %s HTTP/1.1\r\n"
                          "Host: %s\r\n"
                          "Upgrade: websocket\r\n"
                          "Connection: Upgrade\r\n"
                          "Sec-WebSocket-Key: %s\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "X-Worker-Secret: %s\r\n"
                          "User-Agent: modelrelay-worker/" MR_VERSION "\r\n"
                          "\r\n",
                          target, authority, key, secret);
}

gboolean
mr_link_connect_needs_tls (GUri *uri)
{
  return strcmp (g_uri_get_scheme (uri), "https") == 0 || strcmp (g_uri_get_scheme (uri), "wss") == 0;
}

static gboolean
check_arguments (GUri *uri, MrTlsTrust *trust, const char *secret, GError **error)
{
  static const char *const schemes[] = { "http", "https", "ws", "wss", NULL };
  const char *host = g_uri_get_host (uri);

  if (!g_strv_contains (schemes, g_uri_get_scheme (uri)) || host == NULL || *host == '\0') {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "a relay address looks like http://host:port or https://host:port");
    return FALSE;
  }
  if (trust == NULL && mr_link_connect_needs_tls (uri)) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "nobody said which certificates to believe");
    return FALSE;
  }
  if (strpbrk (secret, "\r\n") != NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "the worker secret must not contain a line break");
    return FALSE;
  }
  return TRUE;
}

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  return g_ascii_strcasecmp (host, "localhost") == 0 || (address != NULL && g_inet_address_get_is_loopback (address));
}

static void
start (Attempt *attempt)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  gboolean secure = attempt->trust != NULL;
  /* The scheme chooses the system's proxy; TLS is ours. */
  g_autofree char *address = g_strconcat (secure ? "https://" : "http://", attempt->authority, NULL);

  /* A proxy cannot reach our own loopback, whatever the system's settings say. */
  g_socket_client_set_enable_proxy (client, !is_loopback (attempt->host));
  mr_timer_set (&attempt->deadline, mr_reactor_now (attempt->reactor) + MR_LIMIT_CONNECT_USEC);
  g_socket_client_connect_to_uri_async (client, address, secure ? 443 : 80, attempt->connecting, on_connected,
                                        g_object_ref (attempt->task));
}

void
mr_link_connect_async (MrReactor *reactor, GUri *uri, MrTlsTrust *trust, const char *provider, const char *secret,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  GError *error = NULL;
  Attempt *attempt;

  g_task_set_source_tag (task, mr_link_connect_async);
  if (!check_arguments (uri, trust, secret, &error)) {
    g_task_return_error (task, error);
    return;
  }
  attempt = g_new0 (Attempt, 1);
  attempt->reactor = reactor;
  attempt->connecting = g_cancellable_new ();
  attempt->trust = mr_link_connect_needs_tls (uri) ? mr_tls_trust_ref (trust) : NULL;
  attempt->host = make_host (uri);
  attempt->authority = make_authority (uri, attempt->host);
  attempt->key = make_key ();
  attempt->request = make_request (uri, attempt->authority, provider, secret, attempt->key);
  attempt->head = g_string_new (NULL);
  attempt->task = g_object_ref (task);
  mr_timer_init (&attempt->deadline, reactor, on_deadline);
  g_task_set_task_data (task, attempt, attempt_free);
  if (cancellable != NULL) {
    attempt->cancelled = g_cancellable_source_new (cancellable);
    g_task_attach_source (task, attempt->cancelled, G_SOURCE_FUNC (on_cancelled));
  }
  start (attempt);
}

MrConnection *
mr_link_connect_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
