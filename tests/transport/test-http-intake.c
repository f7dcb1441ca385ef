/* SPDX-License-Identifier: MIT */
/*
 * The cycle of client connections: transport/http-intake.c. The intake runs in a thread of its own; the test is the
 * client. `/wait` is never answered, so that the test can go away; everything else is echoed.
 */
#include "http-head.h"
#include "http-intake.h"
#include "limits.h"
#include "raw-client.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BODY 100000

typedef struct {
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  MrReactor *reactor;
  MrHttpIntake *intake;
  GAsyncQueue *events; /* char *: the port, then "waiting" and "gone" */
  guint16 port;
} Host;

typedef struct {
  Host *host;
  MrHttpRequest *request;
} Waiter;

/* --- in the thread --- */

static void
on_readable (MrConnection *connection, gpointer data)
{
}

static void
on_waiter_gone (MrConnection *connection, const GError *error, gpointer data)
{
  Waiter *waiter = data;

  g_async_queue_push (waiter->host->events, g_strdup ("gone"));
  mr_http_request_free (waiter->request);
  g_free (waiter);
}

static const MrConnectionEvents waiter_events = { .readable = on_readable, .gone = on_waiter_gone };

static void
on_request (MrHttpRequest *request, gpointer user_data)
{
  Host *host = user_data;
  g_autoptr (GString) answer = g_string_new (NULL);
  gsize length = g_bytes_get_size (request->body);
  g_autofree char *body = g_strdup_printf ("%s %s %" G_GSIZE_FORMAT, request->method, request->target, length);

  if (g_str_equal (request->path, "/wait")) {
    Waiter *waiter = g_new0 (Waiter, 1);

    waiter->host = host;
    waiter->request = request;
    mr_connection_set_events (request->connection, &waiter_events, waiter);
    g_async_queue_push (host->events, g_strdup ("waiting"));
    return;
  }
  mr_http_head_append_status (answer, 200);
  g_string_append_printf (answer, "Content-Length: %u\r\n\r\n%s", (guint) strlen (body), body);
  mr_connection_write (request->connection, answer->str, answer->len);
  mr_http_request_release (request);
}

static gpointer
host_thread (gpointer data)
{
  Host *host = data;
  g_auto (GStrv) addresses = NULL;

  g_main_context_push_thread_default (host->context);
  host->reactor = mr_reactor_new (host->context);
  host->intake = mr_http_intake_new (host->reactor, on_request, host);
  mr_http_intake_set_max_body (host->intake, MAX_BODY);
  g_assert_true (mr_http_intake_listen (host->intake, "127.0.0.1:0", NULL));
  addresses = mr_http_intake_get_addresses (host->intake);
  g_async_queue_push (host->events, g_strdup (strrchr (addresses[0], ':') + 1));
  g_main_loop_run (host->loop);
  mr_http_intake_finish (host->intake);
  for (gint64 end = g_get_monotonic_time () + 5 * MR_USEC_PER_SEC;
       mr_reactor_get_lingering (host->reactor) > 0 && g_get_monotonic_time () < end;)
    g_main_context_iteration (host->context, TRUE);
  mr_http_intake_free (host->intake);
  mr_reactor_free (host->reactor);
  g_main_context_pop_thread_default (host->context);
  return NULL;
}

/* --- the test's side --- */

static char *
next_event (Host *host)
{
  char *event = g_async_queue_timeout_pop (host->events, MRT_WAIT_MS * MR_USEC_PER_MSEC);

  g_assert_nonnull (event);
  return event;
}

static void
expect_event (Host *host, const char *expected)
{
  g_autofree char *event = next_event (host);

  g_assert_cmpstr (event, ==, expected);
}

static void
host_start (Host *host)
{
  g_autofree char *port = NULL;

  host->context = g_main_context_new ();
  host->loop = g_main_loop_new (host->context, FALSE);
  host->events = g_async_queue_new_full (g_free);
  host->thread = g_thread_new ("intake", host_thread, host);
  port = next_event (host);
  host->port = (guint16) atoi (port);
}

static gboolean
on_quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* The loop ends itself: to quit one that the thread has not entered yet would be without effect. */
static void
host_stop (Host *host)
{
  g_autoptr (GSource) quit = g_idle_source_new ();

  g_source_set_callback (quit, on_quit, host->loop, NULL);
  g_source_attach (quit, host->context);
  g_thread_join (host->thread);
  g_main_loop_unref (host->loop);
  g_main_context_unref (host->context);
  g_async_queue_unref (host->events);
}

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
expect_answer (MrtStream *stream, guint status, const char *body)
{
  g_autoptr (MrtResponse) response = mrt_client_receive (stream);

  g_assert_cmpuint (response->status, ==, status);
  if (body != NULL)
    g_assert_cmpstr (response->body.data->str, ==, body);
}

/* Of this process, so that the time which others take does not count. */
static gint64
cpu_us (void)
{
  struct timespec spent;

  g_assert_cmpint (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &spent), ==, 0);
  return spent.tv_sec * MR_USEC_PER_SEC + spent.tv_nsec / 1000;
}

static void
test_keep_alive_cost_is_constant (void)
{
  Host host = { 0 };
  g_autoptr (MrtStream) stream = NULL;
  gint64 spent[2] = { 0 };

  host_start (&host);
  stream = mrt_stream_connect (host.port);
  for (int i = 0; i < 3000; i++) {
    gint64 start = cpu_us ();

    mrt_client_send (stream, "POST", "/x", NULL, "12345");
    expect_answer (stream, 200, "POST /x 5");
    if (i < 1000 || i >= 2000)
      spent[i >= 2000] += cpu_us () - start;
  }
  g_test_message ("us per request: first 1000 %d, last 1000 %d", (int) (spent[0] / 1000), (int) (spent[1] / 1000));
  g_assert_cmpint (spent[1], <, 3 * spent[0]);
  host_stop (&host);
}

static void
test_pipelining (void)
{
  Host host = { 0 };
  g_autoptr (MrtStream) stream = NULL;
  g_autoptr (GString) requests = g_string_new (NULL);

  host_start (&host);
  stream = mrt_stream_connect (host.port);
  for (int i = 0; i < 200; i++)
    g_string_append_printf (requests, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%.*s", i, i % 10,
                            i % 10, "GET / HTTP/1.1");
  g_assert_true (mrt_stream_write (stream, requests->str, requests->len));
  for (int i = 0; i < 200; i++) {
    g_autofree char *expected = g_strdup_printf ("POST /%d %d", i, i % 10);

    expect_answer (stream, 200, expected);
  }
  host_stop (&host);
}

static void
test_any_fragments (void)
{
  static const char request[] = "\r\nPOST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  Host host = { 0 };

  host_start (&host);
  for (gsize cut = 1; cut < sizeof request - 1; cut++) {
    g_autoptr (MrtStream) stream = mrt_stream_connect (host.port);

    g_assert_true (mrt_stream_write (stream, request, cut));
    g_assert_true (mrt_stream_write (stream, request + cut, sizeof request - 1 - cut));
    expect_answer (stream, 200, "POST /f 3");
  }
  host_stop (&host);
}

/* libsoup's own listener loses the descriptor of each keep-alive connection that its client closes. */
static void
test_no_descriptor_leaks (void)
{
  Host host = { 0 };
  guint before;
  gint64 deadline;

  host_start (&host);
  g_clear_pointer (&(MrtResponse *){ mrt_client_ask (host.port, "GET", "/", NULL, NULL) }, mrt_response_free);
  before = count_fds ();
  for (int i = 0; i < 1000; i++) {
    g_autoptr (MrtStream) stream = mrt_stream_connect (host.port);

    mrt_client_send (stream, "GET", "/x", NULL, NULL);
    expect_answer (stream, 200, "GET /x 0");
  }
  deadline = g_get_monotonic_time () + 5 * MR_USEC_PER_SEC;
  while (count_fds () > before && g_get_monotonic_time () < deadline)
    g_thread_yield ();
  g_assert_cmpuint (count_fds (), <=, before);
  host_stop (&host);
}

typedef void (*GoAway) (MrtStream *stream);

static void
close_stream (MrtStream *stream)
{
  mrt_stream_free (stream);
}

static void
check_gone (Host *host, GoAway go_away)
{
  MrtStream *stream = mrt_stream_connect (host->port);
  gint64 start;

  mrt_client_send (stream, "POST", "/wait", NULL, "{}");
  expect_event (host, "waiting");
  start = g_get_monotonic_time ();
  go_away (stream);
  expect_event (host, "gone");
  g_assert_cmpint (g_get_monotonic_time () - start, <, 100 * MR_USEC_PER_MSEC);
  if (go_away != close_stream)
    mrt_stream_free (stream);
}

static void
test_client_gone_while_waiting (void)
{
  Host host = { 0 };

  host_start (&host);
  check_gone (&host, close_stream);
  check_gone (&host, mrt_stream_half_close);
  check_gone (&host, mrt_stream_reset);
  host_stop (&host);
}

/* In the middle of its body: libsoup is told, and nothing is left behind. */
static void
test_client_gone_in_body (void)
{
  Host host = { 0 };
  guint before;
  gint64 deadline;

  host_start (&host);
  before = count_fds ();
  for (int i = 0; i < 100; i++) {
    g_autoptr (MrtStream) stream = mrt_stream_connect (host.port);

    g_assert_true (mrt_stream_write_text (
        stream, i % 2 == 0 ? "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"
                           : "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"));
  }
  deadline = g_get_monotonic_time () + 5 * MR_USEC_PER_SEC;
  while (count_fds () > before && g_get_monotonic_time () < deadline)
    g_thread_yield ();
  g_assert_cmpuint (count_fds (), <=, before);
  host_stop (&host);
}

static void
check_refused (Host *host, const char *request, guint status)
{
  g_autoptr (MrtStream) stream = mrt_stream_connect (host->port);

  g_assert_true (mrt_stream_write_text (stream, request));
  expect_answer (stream, status, NULL);
  g_assert_true (mrt_stream_wait_end (stream, MRT_WAIT_MS));
}

static void
test_refusals (void)
{
  Host host = { 0 };
  g_autofree char *filler = g_strnfill (MR_LIMIT_HEAD_BYTES, 'x');
  g_autofree char *huge = g_strconcat ("GET / HTTP/1.1\r\nHost: h\r\nX: ", filler, NULL);
  g_autofree char *chunk = g_strnfill (MAX_BODY + 1, 'x');
  g_autofree char *chunked =
      g_strdup_printf ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", MAX_BODY + 1, chunk);

  host_start (&host);
  check_refused (&host, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
  check_refused (&host, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -4\r\n\r\n", 400);
  check_refused (&host, "garbage\r\n\r\n", 400);
  check_refused (&host, huge, 431);
  check_refused (&host, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n", 413); /* nothing sent yet */
  check_refused (&host, chunked, 413);
  host_stop (&host);
}

/* The answer comes while the client still sends, and is not eaten by a reset. */
static void
test_too_large_during_upload (void)
{
  Host host = { 0 };
  g_autoptr (MrtStream) stream = NULL;
  g_autofree char *block = g_strnfill (MR_LIMIT_DRAIN_BYTES / 2, 'x');

  host_start (&host);
  stream = mrt_stream_connect (host.port);
  g_assert_true (mrt_stream_write_text (stream, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n"));
  g_assert_true (mrt_stream_write (stream, block, MR_LIMIT_DRAIN_BYTES / 2));
  expect_answer (stream, 413, NULL);
  host_stop (&host);
}

static void
test_expect_continue (void)
{
  Host host = { 0 };
  g_autoptr (MrtStream) stream = NULL;
  g_autofree char *interim = NULL;

  host_start (&host);
  stream = mrt_stream_connect (host.port);
  g_assert_true (mrt_stream_write_text (
      stream, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
  interim = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);
  g_assert_true (g_str_has_prefix (interim, "HTTP/1.1 100 "));
  g_assert_true (mrt_stream_write_text (stream, "abc"));
  expect_answer (stream, 200, "POST /e 3");
  host_stop (&host);
}

static void
test_chunked_closes (void)
{
  Host host = { 0 };
  g_autoptr (MrtStream) stream = NULL;

  host_start (&host);
  stream = mrt_stream_connect (host.port);
  g_assert_true (mrt_stream_write_text (
      stream, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  expect_answer (stream, 200, "POST /c 5");
  g_assert_true (mrt_stream_wait_end (stream, MRT_WAIT_MS));
  mrt_stream_free (g_steal_pointer (&stream));
  host_stop (&host);
}

static void
test_bad_addresses (void)
{
  static const char *const bad[] = { "", "127.0.0.1", "example.invalid:80", "127.0.0.1:99999", "unix:", "[::1]" };
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (MrHttpIntake) intake = mr_http_intake_new (reactor, on_request, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (mr_http_intake_listen (intake, bad[i], &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, bad[i]));
  }
}

static void
test_unix_socket (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autofree char *dir = g_dir_make_tmp ("intake-XXXXXX", NULL);
  g_autofree char *address = g_strconcat ("unix:", dir, "/s", NULL);

  for (int i = 0; i < 2; i++) {
    g_autoptr (MrHttpIntake) intake = mr_http_intake_new (reactor, on_request, NULL);
    g_autoptr (MrHttpIntake) second = mr_http_intake_new (reactor, on_request, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_true (mr_http_intake_listen (intake, address, &error));
    g_assert_no_error (error);
    g_assert_false (mr_http_intake_listen (second, address, &error)); /* somebody listens there */
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  }
  g_assert_false (g_file_test (address + 5, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A7/keep-alive-cost-is-constant", test_keep_alive_cost_is_constant);
  g_test_add_func ("/contract/A7/pipelining", test_pipelining);
  g_test_add_func ("/intake/any-fragments", test_any_fragments);
  g_test_add_func ("/intake/no-descriptor-leaks", test_no_descriptor_leaks);
  g_test_add_func ("/contract/E1/client-gone-while-waiting", test_client_gone_while_waiting);
  g_test_add_func ("/contract/E1/client-gone-in-body", test_client_gone_in_body);
  g_test_add_func ("/contract/A7/refusals", test_refusals);
  g_test_add_func ("/contract/A5/too-large-during-upload", test_too_large_during_upload);
  g_test_add_func ("/contract/A7/expect-continue", test_expect_continue);
  g_test_add_func ("/contract/A7/chunked-request-body-closes", test_chunked_closes);
  g_test_add_func ("/intake/bad-addresses", test_bad_addresses);
  g_test_add_func ("/intake/unix-socket", test_unix_socket);
  return g_test_run ();
}
