/* SPDX-License-Identifier: MIT */
/*
 * Contract D5 and the extensions binary_frames and flow_control: slow readers, large uploads, and bodies that are no
 * text.
 */
#include "stage.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define MIB (1024 * 1024)
#define WINDOW (256 * 1024)
#define WINDOW_OPTION "256K"

/* --- a worker by hand that knows the extensions --- */

static MrtWebsocket *
join_with (StageRelay *relay, const char *extensions)
{
  MrtWebsocket *worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);

  mrt_websocket_send (worker,
                      "{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"m\"],\"max_concurrent\":4,"
                      "\"extensions\":[%s]}",
                      extensions);
  g_clear_pointer (&(JsonObject *){ mrt_websocket_expect (worker, "register_ack") }, json_object_unref);
  return worker;
}

static void
send_frame (MrtWebsocket *worker, guint8 kind, gboolean last, const char *id, const char *data, gsize length)
{
  g_autoptr (GString) frame = g_string_new (NULL);

  g_string_append_c (frame, (char) kind);
  g_string_append_c (frame, (char) last);
  g_string_append_c (frame, (char) (strlen (id) >> 8));
  g_string_append_c (frame, (char) strlen (id));
  g_string_append (frame, id);
  g_string_append_len (frame, data, (gssize) length);
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_BINARY, frame->str, frame->len);
}

/* Receives body frames of @id until nothing more comes; returns whether the last one was marked. */
static gboolean
receive_body (MrtWebsocket *worker, const char *id, GString *body)
{
  g_autoptr (GString) message = g_string_new (NULL);
  gboolean last = FALSE;

  while (!last && mrt_websocket_receive (worker, message, 500) == MRT_MESSAGE_BINARY) {
    gsize id_length = ((gsize) (guint8) message->str[2] << 8) + (guint8) message->str[3];

    g_assert_cmpint (message->str[0], ==, 1);
    g_assert_cmpmem (message->str + 4, id_length, id, strlen (id));
    g_string_append_len (body, message->str + 4 + id_length, (gssize) (message->len - 4 - id_length));
    last = message->str[1] == 1;
  }
  return last;
}

static char *
large_body (gsize bytes)
{
  g_autoptr (GString) text = g_string_new ("{\"model\":\"m\",\"text\":\"");

  for (guint i = 0; text->len < bytes; i++)
    g_string_append_printf (text, "%u,", i);
  g_string_append (text, "\"}");
  return g_strdup (text->str);
}

static void
test_upload_waits_for_credit (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--stream-window", WINDOW_OPTION, NULL);
  g_autoptr (MrtWebsocket) worker = join_with (relay, "\"binary_frames\",\"flow_control\"");
  g_autofree char *body = large_body (MIB);
  g_autoptr (MrtStream) client = stage_post (relay, body);
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");
  g_autofree char *id = g_strdup (json_object_get_string_member (request, "request_id"));
  g_autoptr (GString) received = g_string_new (NULL);
  g_autoptr (MrtResponse) response = NULL;

  g_assert_false (json_object_has_member (request, "body"));
  g_assert_cmpint (json_object_get_int_member (request, "body_bytes"), ==, (gint64) strlen (body));
  g_assert_false (receive_body (worker, id, received));
  g_assert_cmpuint (received->len, ==, WINDOW);
  mrt_websocket_send (worker, "{\"type\":\"window_update\",\"request_id\":\"%s\",\"bytes\":1000}", id);
  g_assert_false (receive_body (worker, id, received));
  g_assert_cmpuint (received->len, ==, WINDOW + 1000);
  mrt_websocket_send (worker, "{\"type\":\"window_update\",\"request_id\":\"%s\",\"bytes\":100000000}", id);
  g_assert_true (receive_body (worker, id, received));
  g_assert_cmpstr (received->str, ==, body);
  mrt_websocket_send (
      worker, "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body_bytes\":4}", id);
  send_frame (worker, 3, FALSE, id, "a\0", 2);
  send_frame (worker, 3, TRUE, id,
              "\xff"
              "b",
              2);
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (response->head, "content-length"), ==, "4");
  g_assert_cmpmem (response->body.data->str, response->body.data->len,
                   "a\0\xff"
                   "b",
                   4);
}

/* What a client has taken comes back as credit, and a worker that oversteps its window loses its link. */
static void
test_answer_credit (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--stream-window", WINDOW_OPTION, NULL);
  g_autoptr (MrtWebsocket) worker = join_with (relay, "\"binary_frames\",\"flow_control\",\"response_start\"");
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_STREAM);
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");
  g_autofree char *id = g_strdup (json_object_get_string_member (request, "request_id"));
  g_autoptr (GString) received = g_string_new (NULL);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) update = NULL;
  g_autofree char *block = g_strnfill (WINDOW, 'x');

  g_assert_true (receive_body (worker, id, received));
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  send_frame (worker, 2, FALSE, id, block, WINDOW);
  response = mrt_client_receive_head (client, FALSE);
  g_assert_true (mrt_body_wait (&response->body, WINDOW, MRT_WAIT_MS));
  update = mrt_websocket_expect (worker, "window_update");
  g_assert_cmpstr (json_object_get_string_member (update, "request_id"), ==, id);
  g_assert_cmpint (json_object_get_int_member (update, "bytes"), >=, WINDOW / 2);
  send_frame (worker, 2, FALSE, id, block, WINDOW / 2);
  for (int i = 0; i < 100 && worker->close_code == 0; i++)
    send_frame (worker, 2, FALSE, id, block, WINDOW / 2);
  mrt_websocket_expect_close (worker, 1002, NULL);
}

/* --- the real worker --- */

static gsize
write_until_full (MrtBackendRequest *request, const char *chunk, gsize length, gsize most)
{
  gsize written = 0;
  gint64 last_ms = mrt_now_ms ();

  while (written < most && mrt_now_ms () - last_ms < 700) {
    gssize n =
        send (request->stream->fd, chunk + written % length, length - written % length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n > 0) {
      written += (gsize) n;
      last_ms = mrt_now_ms ();
    } else {
      struct pollfd wait = { .fd = request->stream->fd, .events = POLLOUT };

      g_assert_true (n < 0 && errno == EAGAIN);
      (void) poll (&wait, 1, 50);
    }
  }
  return written;
}

/* A client that does not read costs the relay and the worker a window each, and nobody else anything. */
static void
test_slow_reader (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker =
      stage_worker (relay->port, mrt_backend_get_port (backend), "--max-concurrency", "4", NULL);
  g_autoptr (MrtStream) stalled = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (GString) event = g_string_new (NULL);
  g_autoptr (MrtResponse) response = NULL;
  gsize relay_rss;
  gsize worker_rss;
  gsize written;

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  relay_rss = mrt_process_get_rss_bytes (relay->process);
  worker_rss = mrt_process_get_rss_bytes (worker);
  stalled = stage_post (relay, STAGE_STREAM);
  request = mrt_backend_accept (backend);
  mrt_backend_sse_head (request);
  for (guint i = 0; i < 1000; i++)
    g_string_append_printf (event, "40\r\ndata: %058u\r\n", i);
  written = write_until_full (request, event->str, event->len, 200 * MIB);
  g_test_message ("the backend could write %" G_GSIZE_FORMAT " bytes; rss grew by %" G_GSSIZE_FORMAT
                  " and %" G_GSSIZE_FORMAT,
                  written, (gssize) (mrt_process_get_rss_bytes (relay->process) - relay_rss),
                  (gssize) (mrt_process_get_rss_bytes (worker) - worker_rss));
  g_assert_cmpuint (written, <, 40 * MIB); /* kernel buffers on four sockets, and two windows */
  g_assert_cmpuint (mrt_process_get_rss_bytes (relay->process), <, relay_rss + 4 * MIB);
  g_assert_cmpuint (mrt_process_get_rss_bytes (worker), <, worker_rss + 4 * MIB);
  for (int i = 0; i < 5; i++) {
    gint64 start = mrt_now_ms ();
    g_autoptr (MrtStream) other = stage_post (relay, STAGE_BODY);
    g_autoptr (MrtBackendRequest) second = mrt_backend_accept (backend);
    g_autoptr (MrtResponse) answer = NULL;

    mrt_backend_answer (second, 200, NULL, "{}");
    answer = mrt_client_receive (other);
    stage_check_ok (answer, "{}");
    g_assert_cmpint (mrt_now_ms () - start, <, 1000);
  }
  /* Once it reads, everything comes. */
  response = mrt_client_receive_head (stalled, FALSE);
  mrt_stream_free (g_steal_pointer (&stalled));
}

static void
check_upload (gsize bytes)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autofree char *body = large_body (bytes);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  client = stage_post (relay, body);
  request = mrt_backend_accept (backend);
  g_assert_cmpmem (request->body->str, request->body->len, body, strlen (body));
  mrt_backend_answer (request, 200, NULL, "{\"ok\":1}");
  response = mrt_client_receive (client);
  stage_check_ok (response, "{\"ok\":1}");
}

static void
test_uploads (void)
{
  check_upload (100);
  check_upload (MIB - 10);
  check_upload (MIB + 10);
  check_upload (12 * MIB);
}

static const char form[] = "--bnd\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
                           "Content-Type: audio/wav\r\n\r\nRIFF\xff\xfe\x80\r\n--bnd\r\n"
                           "Content-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--bnd--\r\n";

static MrtStream *
post_form (StageRelay *relay)
{
  MrtStream *client = mrt_stream_connect (relay->port);
  g_autofree char *head =
      g_strdup_printf ("POST /v1/audio/transcriptions HTTP/1.1\r\nHost: h\r\n"
                       "Content-Type: multipart/form-data; boundary=bnd\r\nContent-Length: %u\r\n\r\n",
                       (guint) sizeof form - 1);

  g_assert_true (mrt_stream_write_text (client, head));
  g_assert_true (mrt_stream_write (client, form, sizeof form - 1));
  return client;
}

static void
test_multipart_and_binary_answer (void)
{
  static const char audio[] = "\xff\xfb\x90\x00\x80 not text";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *head = g_strdup_printf ("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: %u\r\n\r\n",
                                           (guint) sizeof audio - 1);

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  client = post_form (relay);
  request = mrt_backend_accept (backend);
  g_assert_cmpstr (request->target, ==, "/v1/audio/transcriptions");
  g_assert_cmpstr (mrt_head_get (request->head, "content-type"), ==, "multipart/form-data; boundary=bnd");
  g_assert_cmpmem (request->body->str, request->body->len, form, sizeof form - 1);
  mrt_backend_write (request, head);
  g_assert_true (mrt_stream_write (request->stream, audio, sizeof audio - 1));
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "audio/mpeg");
  g_assert_cmpmem (response->body.data->str, response->body.data->len, audio, sizeof audio - 1);
}

/* A worker that can carry text only never gets a form. */
static void
test_multipart_needs_binary_frames (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--queue-timeout", "0.3", NULL);
  g_autoptr (MrtWebsocket) text_only = stage_join (relay, "text", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = post_form (relay);
  g_autoptr (MrtResponse) response = mrt_client_receive (client);

  g_free (stage_check_error (response, 504, "queue_timeout"));
  g_assert_true (mrt_websocket_is_quiet (text_only, MRT_QUIET_MS));
}

static void
test_bad_forms (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) no_boundary =
      mrt_client_ask (relay->port, "POST", "/v1/audio/speech", "Content-Type: multipart/form-data\r\n", NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) no_model = NULL;

  g_free (stage_check_error (no_boundary, 400, "invalid_request"));
  g_assert_true (mrt_stream_write_text (client, "POST /v1/images/edits HTTP/1.1\r\nHost: h\r\nContent-Length: 71\r\n"
                                                "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                                                "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nm"
                                                "\r\n--b--\r\n            "));
  no_model = mrt_client_receive (client);
  g_free (stage_check_error (no_model, 400, "missing_model"));
}

/* Without flow_control the buffer is bounded: at the bound that one request ends, never the link. */
static void
test_bound_without_flow_control (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_join_original (relay->port, STAGE_SECRET, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) stalled = stage_post (relay, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autofree char *block = g_strnfill (MIB, 'x');
  g_autoptr (JsonObject) cancel = NULL;
  g_autoptr (MrtStream) other = NULL;
  g_autoptr (MrtResponse) response = NULL;

  for (int i = 0; i < 24; i++)
    mrt_worker_chunk (worker, id, block);
  cancel = mrt_websocket_expect (worker, "cancel");
  g_assert_cmpstr (json_object_get_string_member (cancel, "request_id"), ==, id);
  other = stage_post (relay, STAGE_BODY);
  stage_serve (worker, "served");
  response = mrt_client_receive (other);
  stage_check_ok (response, "served");
}

/* Bytes that are no UTF-8 pass in a stream, too. */
static void
test_binary_stream (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), NULL);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (MrtResponse) response = NULL;

  stage_wait_health (relay, "workers_connected", 1, MRT_WAIT_MS);
  client = stage_post (relay, STAGE_STREAM);
  request = mrt_backend_accept (backend);
  mrt_backend_sse_head (request);
  mrt_backend_chunk (request, "data: \xff\xfe\n\n", 10);
  mrt_backend_write (request, "0\r\n\r\n");
  response = mrt_client_receive (client);
  g_assert_cmpmem (response->body.data->str, response->body.data->len, "data: \xff\xfe\n\n", 10);
}

/* Freed memory that AddressSanitizer keeps back would look like memory that a stream costs. */
static void
limit_quarantine (void)
{
  const char *options = g_getenv ("ASAN_OPTIONS");
  g_autofree char *limited =
      g_strdup_printf ("%s:quarantine_size_mb=1:thread_local_quarantine_size_kb=64", options != NULL ? options : "");

  g_setenv ("ASAN_OPTIONS", limited, TRUE);
}

int
main (int argc, char **argv)
{
  limit_quarantine ();
  stage_init (argc, argv);
  g_test_add_func ("/contract/D5/upload-waits-for-credit", test_upload_waits_for_credit);
  g_test_add_func ("/contract/D5/answer-credit", test_answer_credit);
  g_test_add_func ("/contract/D5/slow-reader", test_slow_reader);
  g_test_add_func ("/contract/D5/bound-without-flow-control", test_bound_without_flow_control);
  g_test_add_func ("/contract/A2/uploads", test_uploads);
  g_test_add_func ("/contract/A1/multipart-and-binary-answer", test_multipart_and_binary_answer);
  g_test_add_func ("/contract/A1/multipart-needs-binary-frames", test_multipart_needs_binary_frames);
  g_test_add_func ("/contract/A5/bad-forms", test_bad_forms);
  g_test_add_func ("/contract/A4/binary-stream", test_binary_stream);
  return g_test_run ();
}
