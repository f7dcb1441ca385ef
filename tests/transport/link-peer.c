/* SPDX-License-Identifier: MIT */
/*
 * A link as a program, so that a foreign WebSocket implementation (tests/npm/ws-link.mjs) can be its peer.
 *
 *   link-peer serve               listens on a free port of 127.0.0.1 and takes one peer after the other
 *   link-peer connect URL SECRET  connects as a worker does
 *
 * Events go to standard output, a JSON object a line. Commands come from standard input: `send BYTES`,
 * `close CODE REASON`, `max BYTES`, `quiet` (count messages without a payload line each), and its end ends the program.
 */
#include "error.h"
#include "link-connect.h"

#include <arpa/inet.h>
#include <gio/gunixinputstream.h>
#include <libsoup/soup.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATTERN "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x92\xa9" /* characters of one to four bytes, ten in all */

typedef struct {
  MrReactor *reactor;
  GMainLoop *loop;
  MrWebsocketRole role;
  MrWatch listening;
  MrConnection *upgrading; /* Owned: a peer whose request is not complete yet */
  GString *head;           /* Owned: the request so far */
  MrLink *link;            /* Owned, nullable */
  gsize max_message;       /* 0 for the link's own */
  gboolean quiet;
  guint messages;
  gint64 last_tick_us; /* a timer of 1 ms: how late it was at worst, by the clock and by our own CPU time */
  gint64 last_tick_cpu_us;
  gint64 worst_gap_us;
  gint64 worst_gap_cpu_us;
} Program;

static gint64
cpu_time_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gboolean
on_tick (gpointer data)
{
  Program *program = data;
  gint64 now = g_get_monotonic_time ();
  gint64 cpu = cpu_time_us ();

  program->worst_gap_us = MAX (program->worst_gap_us, now - program->last_tick_us);
  program->worst_gap_cpu_us = MAX (program->worst_gap_cpu_us, cpu - program->last_tick_cpu_us);
  program->last_tick_us = now;
  program->last_tick_cpu_us = cpu;
  return G_SOURCE_CONTINUE;
}

static void
restart_ticks (Program *program)
{
  program->last_tick_us = g_get_monotonic_time ();
  program->last_tick_cpu_us = cpu_time_us ();
  program->worst_gap_us = program->worst_gap_cpu_us = 0;
}

static void say (const char *event, const char *name, const char *text, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* {"event":EVENT,"NAME":TEXT,...}: the rest comes formatted. */
static void
say (const char *event, const char *name, const char *text, const char *format, ...)
{
  g_autoptr (GString) line = g_string_new (NULL);
  va_list arguments;

  g_string_append_printf (line, "{\"event\":\"%s\",\"%s\":", event, name);
  mr_json_append_cstring (line, text);
  va_start (arguments, format);
  g_string_append_vprintf (line, format, arguments);
  va_end (arguments);
  printf ("%s}\n", line->str); /* g_print() would convert it to the locale's character set */
  fflush (stdout);
}

/* --- the link --- */

static void
on_message (MrLink *link, const MrMessage *message, gpointer data)
{
  Program *program = data;
  MrSpan payload = message->payload;
  g_autofree char *sum = NULL;

  program->messages++;
  if (program->quiet && payload.data != NULL) {
    return;
  }
  sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) payload.data, payload.length);
  say ("message", "type", mr_message_type_name (message->type),
       ",\"bytes\":%" G_GSIZE_FORMAT ",\"sha256\":\"%s\",\"messages\":%u,\"gap_ms\":%.1f,\"cpu_gap_ms\":%.1f",
       payload.length, sum, program->messages, program->worst_gap_us / 1000.0, program->worst_gap_cpu_us / 1000.0);
}

static void
on_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  Program *program = data;

  say ("closed", "reason", reason, ",\"code\":%u", code);
  g_clear_pointer (&program->link, mr_link_free);
}

static const MrLinkEvents link_events = { .message = on_message, .closed = on_closed };

static void
start_link (Program *program, MrConnection *connection)
{
  g_clear_pointer (&program->link, mr_link_free);
  program->messages = 0;
  program->quiet = FALSE;
  program->link = mr_link_new (connection, program->role, &link_events, program);
  if (program->max_message > 0) {
    mr_link_set_max_message (program->link, program->max_message);
  }
  say ("open", "address", mr_link_get_remote_address (program->link), "%s", "");
}

/* --- serving --- */

static void
upgrade (Program *program, gsize head_bytes)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  MrConnection *connection = g_steal_pointer (&program->upgrading);
  g_autofree char *path = NULL;
  g_autofree char *accept = NULL;
  g_autofree char *answer = NULL;

  if (soup_headers_parse_request (program->head->str, (int) head_bytes - 2, headers, NULL, &path, NULL) !=
      SOUP_STATUS_OK) {
    g_error ("not an HTTP request: %s", program->head->str);
  }
  accept = mr_websocket_accept_key (soup_message_headers_get_one (headers, "Sec-WebSocket-Key"));
  answer = g_strdup_printf ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
  mr_connection_write (connection, answer, strlen (answer));
  mr_connection_unread (connection, program->head->str + head_bytes, program->head->len - head_bytes);
  start_link (program, connection);
}

static void
on_request_bytes (MrConnection *connection, gpointer data)
{
  Program *program = data;
  char bytes[4096];
  gssize n = mr_connection_read (connection, bytes, sizeof bytes);
  const char *end;

  if (n <= 0) {
    return;
  }
  g_string_append_len (program->head, bytes, n);
  end = strstr (program->head->str, "\r\n\r\n");
  if (end != NULL) {
    upgrade (program, (gsize) (end - program->head->str) + 4);
  }
}

static void
on_request_gone (MrConnection *connection, const GError *error, gpointer data)
{
  g_clear_pointer (&((Program *) data)->upgrading, mr_connection_unref);
}

static const MrConnectionEvents upgrade_events = { .readable = on_request_bytes, .gone = on_request_gone };

static void
on_peer (MrWatch *watch, guint32 events)
{
  Program *program = MR_OWNER_OF (watch, Program, listening);
  int fd = accept4 (watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd < 0) {
    return;
  }
  g_clear_pointer (&program->upgrading, mr_connection_unref);
  g_string_truncate (program->head, 0);
  program->upgrading = mr_connection_new (program->reactor, fd);
  mr_connection_set_events (program->upgrading, &upgrade_events, program);
  mr_connection_set_reading (program->upgrading, TRUE);
}

static void
serve (Program *program)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (bind (fd, (struct sockaddr *) &address, sizeof address) != 0 || listen (fd, 16) != 0 ||
      getsockname (fd, (struct sockaddr *) &address, &length) != 0) {
    g_error ("cannot listen on 127.0.0.1");
  }
  mr_watch_add (&program->listening, program->reactor, fd, EPOLLIN, on_peer);
  say ("listening", "host", "127.0.0.1", ",\"port\":%d", ntohs (address.sin_port));
}

/* --- connecting --- */

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  MrConnection *connection = mr_link_connect_finish (result, &error);

  if (connection != NULL) {
    start_link (data, connection);
  } else {
    say ("failed", "message", error->message, "%s", "");
  }
}

static void
start_connecting (Program *program, const char *address, const char *secret)
{
  g_autoptr (GUri) uri = g_uri_parse (address, G_URI_FLAGS_NONE, NULL);

  mr_link_connect_async (program->reactor, uri, NULL, "local", secret, NULL, on_connected, program);
}

/* --- commands --- */

static void
send_payload (Program *program, gsize length)
{
  g_autoptr (GString) payload = g_string_new (NULL);
  MrMessage message = { 0 };

  while (payload->len + strlen (PATTERN) <= length) {
    g_string_append (payload, PATTERN);
  }
  while (payload->len < length) {
    g_string_append_c (payload, 'x');
  }
  if (program->role == MR_WEBSOCKET_SERVER) {
    message = (MrMessage){ MR_MESSAGE_INIT (REQUEST) };
    message.model = (char *) "m";
    message.endpoint_path = (char *) "/v1/chat/completions";
  } else {
    message = (MrMessage){ MR_MESSAGE_INIT (RESPONSE_CHUNK) };
  }
  message.request_id = (char *) "r";
  message.payload = (MrSpan){ payload->str, payload->len };
  mr_link_send (program->link, &message);
}

static void
obey (Program *program, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  const char *argument = words[0] != NULL && words[1] != NULL ? words[1] : "";

  if (g_strcmp0 (words[0], "max") == 0) {
    program->max_message = g_ascii_strtoull (argument, NULL, 10);
    if (program->link != NULL) {
      mr_link_set_max_message (program->link, program->max_message);
    }
  } else if (g_strcmp0 (words[0], "quiet") == 0) {
    program->quiet = TRUE;
    restart_ticks (program);
    say ("quiet", "state", "on", "%s", "");
  } else if (g_strcmp0 (words[0], "send") == 0 && program->link != NULL) {
    send_payload (program, g_ascii_strtoull (argument, NULL, 10));
  } else if (g_strcmp0 (words[0], "close") == 0 && program->link != NULL) {
    mr_link_close (program->link, atoi (argument), words[2] != NULL ? words[2] : "");
  } else {
    g_error ("cannot do now: %s", line);
  }
}

static void
on_command (GObject *source, GAsyncResult *result, gpointer data)
{
  GDataInputStream *input = G_DATA_INPUT_STREAM (source);
  Program *program = data;
  g_autofree char *line = g_data_input_stream_read_line_finish_utf8 (input, result, NULL, NULL);

  if (line == NULL) {
    g_main_loop_quit (program->loop);
    return;
  }
  obey (program, line);
  g_data_input_stream_read_line_async (input, G_PRIORITY_DEFAULT, NULL, on_command, program);
}

int
main (int argc, char **argv)
{
  g_autoptr (GInputStream) standard_input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr (GDataInputStream) commands = g_data_input_stream_new (standard_input);
  Program program = { .reactor = mr_reactor_new (NULL), .loop = g_main_loop_new (NULL, FALSE) };
  guint ticks = g_timeout_add (1, on_tick, &program);

  program.head = g_string_new (NULL);
  program.role = MR_WEBSOCKET_SERVER;
  restart_ticks (&program);
  if (argc == 2 && strcmp (argv[1], "serve") == 0) {
    serve (&program);
  } else if (argc == 4 && strcmp (argv[1], "connect") == 0) {
    program.role = MR_WEBSOCKET_CLIENT;
    start_connecting (&program, argv[2], argv[3]);
  } else {
    g_printerr ("usage: link-peer serve | link-peer connect URL SECRET\n");
    return 2;
  }
  g_data_input_stream_read_line_async (commands, G_PRIORITY_DEFAULT, NULL, on_command, &program);
  g_main_loop_run (program.loop);

  g_source_remove (ticks);
  g_clear_pointer (&program.link, mr_link_free);
  g_clear_pointer (&program.upgrading, mr_connection_unref);
  if (program.listening.reactor != NULL) {
    int fd = program.listening.fd;

    mr_watch_remove (&program.listening);
    close (fd);
  }
  mr_reactor_free (program.reactor);
  g_main_loop_unref (program.loop);
  g_string_free (program.head, TRUE);
  return 0;
}
