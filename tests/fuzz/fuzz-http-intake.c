/* SPDX-License-Identifier: MIT */
/*
 * A client's connection through the whole intake, libsoup included: reactor, connection, connection-stream, http-head,
 * http-intake. Whatever the client sends, every request that reaches the handler can be passed on to a worker, the
 * connection ends once the client has ended its side or gone, and no descriptor is left.
 *
 *   input: pieces (fuzz.h; with bit 6 of the first byte the client goes without a word), bytes from the client
 *
 * `/wait` is answered only when its client has gone, `/drop` never; everything else gets an answer at once.
 */
#include "fuzz.h"
#include "http-head.h"
#include "http-intake.h"
#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_BODY_BYTES 2000

/* Turns in a row in which nothing at all happened: then nothing ever will. */
#define MAX_QUIET_TURNS 3

typedef struct {
  GMainContext *context;
  MrReactor *reactor;
  MrHttpIntake *intake;
  int client; /* -1 once closed */
} Stage;

/* --- the relay's side --- */

static void
on_wait_readable (MrConnection *connection, gpointer data)
{
}

static void
on_wait_gone (MrConnection *connection, const GError *error, gpointer data)
{
  mr_http_request_free (data);
}

static const MrConnectionEvents wait_events = { .readable = on_wait_readable, .gone = on_wait_gone };

/* A worker ends its link over a message that it cannot decode, and so all that is on the link. */
static void
check_can_travel (const MrHttpRequest *request)
{
  g_autoptr (MrHeaders) headers = mr_http_request_dup_travelling_headers (request);
  g_autoptr (GString) encoded = g_string_new (NULL);
  g_auto (MrMessage) decoded = { MR_MESSAGE_INIT (PING) };
  MrMessage message = { MR_MESSAGE_INIT (REQUEST), .request_id = (char *) "r", .model = (char *) "m" };

  message.endpoint_path = request->target;
  message.headers = headers;
  message.payload = MR_SPAN_LITERAL ("{}");
  mr_message_encode (&message, encoded);
  g_assert (mr_message_decode (encoded->str, encoded->len, MR_SENDER_SERVER, &decoded, NULL));
  g_assert (g_str_equal (decoded.endpoint_path, request->target));
  g_assert (mr_headers_are_safe (headers));
}

static void
on_request (MrHttpRequest *request, gpointer user_data)
{
  g_autoptr (GString) answer = g_string_new (NULL);

  g_assert (request->method != NULL && *request->target != '\0' && g_str_has_prefix (request->target, request->path));
  g_assert (g_bytes_get_size (request->body) <= MAX_BODY_BYTES);
  g_assert (request->connection != NULL);
  check_can_travel (request);

  if (g_str_equal (request->path, "/wait")) {
    mr_connection_set_events (request->connection, &wait_events, request);
    return;
  }
  if (g_str_equal (request->path, "/drop")) {
    mr_http_request_free (request);
    return;
  }
  mr_http_head_append_status (answer, 200);
  g_string_append (answer, "Content-Length: 2\r\n\r\nok");
  mr_connection_write (request->connection, answer->str, answer->len);
  mr_http_request_release (request);
}

/* --- the client's side --- */

static int
connect_client (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int client = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  g_assert (client >= 0);
  g_assert (g_strlcpy (address.sun_path, path, sizeof address.sun_path) < sizeof address.sun_path);
  g_assert (connect (client, (const struct sockaddr *) &address, sizeof address) == 0);
  return client;
}

/* Reads and drops what came. Returns: TRUE when the relay has ended the connection */
static gboolean
drain_client (int client)
{
  char buffer[4096];
  gssize n;

  while ((n = read (client, buffer, sizeof buffer)) > 0)
    ;
  return n == 0 || errno != EAGAIN;
}

/* Lets the relay go on until it has nothing to do. Returns: TRUE when the connection has ended */
static gboolean
settle (Stage *stage)
{
  gboolean ended = stage->client < 0;

  for (guint quiet = 0; quiet < MAX_QUIET_TURNS; quiet++) {
    if (g_main_context_iteration (stage->context, FALSE))
      quiet = 0;
    ended = ended || drain_client (stage->client);
  }
  return ended;
}

/* The relay goes on between the pieces, not after the last one. */
static void
send_all (Stage *stage, FuzzPieces pieces, const guint8 *data, gsize length)
{
  gboolean ended = FALSE;

  while (length > 0 && !ended) {
    gssize sent = send (stage->client, data, fuzz_pieces_next (&pieces, length), MSG_NOSIGNAL);

    /* Also when a relay that reads no more, while a request waits, leaves the kernel's buffer full. */
    if (sent < 0)
      return;
    data += sent;
    length -= (gsize) sent;
    ended = length > 0 && settle (stage);
  }
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) directory = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (directory) != NULL)
    n++;
  return n;
}

static void
converse (Stage *stage, const char *path, const guint8 *data, gsize length)
{
  gboolean abrupt = length > 0 && (*data & 0x40) != 0;
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  guint before = count_descriptors ();

  stage->client = connect_client (path);
  send_all (stage, pieces, data, length);
  if (!abrupt) {
    shutdown (stage->client, SHUT_WR);
    g_assert (settle (stage));
  }
  close (stage->client);
  stage->client = -1;
  settle (stage);
  g_assert (count_descriptors () == before);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree char *path = g_strdup_printf ("%s/modelrelay-fuzz-%d", g_get_tmp_dir (), (int) getpid ());
  g_autofree char *address = g_strconcat ("unix:", path, NULL);
  Stage stage = { .context = g_main_context_new () };

  g_main_context_push_thread_default (stage.context);
  stage.reactor = mr_reactor_new (stage.context);
  stage.intake = mr_http_intake_new (stage.reactor, on_request, NULL);
  mr_http_intake_set_max_body (stage.intake, MAX_BODY_BYTES);
  g_assert (mr_http_intake_listen (stage.intake, address, NULL));

  converse (&stage, path, data, length);

  mr_http_intake_free (stage.intake);
  settle (&stage);
  mr_reactor_free (stage.reactor);
  g_main_context_pop_thread_default (stage.context);
  g_main_context_unref (stage.context);
  return 0;
}
