/* SPDX-License-Identifier: MIT */
/*
 * Contract D1 to D4, D6, D7: what a streamed answer looks like to the client. The worker is played by hand, with and
 * without the extensions; reads that cut characters are in test-end-to-end.c.
 */
#include "stage.h"

#include <string.h>

#define CHUNK_1 "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"
#define CHUNK_2 "data: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\n\n"
#define DONE "data: [DONE]\n\n"

/* A streamed request between a client and a worker. */
typedef struct {
  StageRelay *relay;
  MrtWebsocket *worker;
  MrtStream *client;
  MrtResponse *response; /* once the head was received */
  char *id;
} Stream;

static void
stream_clear (Stream *stream)
{
  mrt_response_free (stream->response);
  mrt_stream_free (stream->client);
  mrt_websocket_free (stream->worker);
  stage_relay_free (stream->relay);
  g_free (stream->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stream, stream_clear)

static void
stream_open (Stream *stream, gboolean original, const char *target, const char *option)
{
  stream->relay = stage_relay (option, NULL);
  stream->worker = original ? mrt_worker_join_original (stream->relay->port, STAGE_SECRET, "w", "[\"m\"]", 1)
                            : stage_join (stream->relay, "w", "[\"m\"]", 1);
  stream->client = mrt_client_open (stream->relay->port, "POST", target, NULL, STAGE_STREAM);
  stream->id = mrt_worker_take (stream->worker);
}

/* The same up to the first chunk in the client's hands. */
static void
stream_begin (Stream *stream, gboolean original, const char *target, const char *option)
{
  stream_open (stream, original, target, option);
  if (!original)
    mrt_worker_start (stream->worker, stream->id, 200, STAGE_SSE);
  mrt_worker_chunk (stream->worker, stream->id, CHUNK_1);
  stream->response = mrt_client_receive_head (stream->client, FALSE);
  g_assert_cmpuint (stream->response->status, ==, 200);
  mrt_body_wait_text (&stream->response->body, CHUNK_1);
}

/* How a stream that broke after its first byte ends. */
static void
check_broken (Stream *stream, gboolean anthropic)
{
  const char *text, *event;

  g_assert_cmpint (mrt_body_finish (&stream->response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  text = stream->response->body.data->str;
  g_assert_true (g_str_has_prefix (text, CHUNK_1));
  g_assert_null (strstr (text, "[DONE]"));
  g_assert_true (g_str_has_suffix (text, "\n\n"));
  /* One event of its own, and the last one. */
  event = strstr (text, anthropic ? "event: error\ndata: {" : "data: {\"error\":{");
  g_assert_nonnull (event);
  g_assert_true (g_str_has_prefix (event - 2, "\n\n"));
  if (anthropic)
    g_assert_nonnull (strstr (event, "\"type\":\"error\""));
  g_assert_null (strstr (event, "127.0.0.1"));
}

static void
test_order_and_flush (void)
{
  g_auto (Stream) stream = { 0 };
  g_autoptr (GString) all = g_string_new (CHUNK_1);

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  for (guint i = 0; i < 100; i++) {
    g_autofree char *chunk = g_strdup_printf ("data: {\"n\":%u}\n\n", i);

    mrt_worker_chunk (stream.worker, stream.id, chunk);
    g_string_append (all, chunk);
    /* It arrives before the next one is sent. */
    g_assert_true (mrt_body_wait (&stream.response->body, all->len, MRT_WAIT_MS));
  }
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  stage_check_ok (stream.response, all->str);
}

static void
test_burst (void)
{
  g_auto (Stream) stream = { 0 };
  g_autoptr (GString) all = g_string_new (CHUNK_1);

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  for (guint i = 0; i < 5000; i++) {
    g_autofree char *chunk = g_strdup_printf ("data: {\"n\":%u}\n\n", i);

    mrt_worker_chunk (stream.worker, stream.id, chunk);
    g_string_append (all, chunk);
  }
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  stage_check_ok (stream.response, all->str);
}

static void
test_head_waits (void)
{
  g_auto (Stream) stream = { 0 };

  stream_open (&stream, FALSE, STAGE_CHAT, NULL);
  g_assert_true (mrt_stream_is_quiet (stream.client, MRT_QUIET_MS));
  mrt_worker_start (stream.worker, stream.id, 201, "{\"content-type\":\"text/event-stream; x=1\",\"x-a\":\"b\"}");
  stream.response = mrt_client_receive_head (stream.client, FALSE);
  g_assert_cmpuint (stream.response->status, ==, 201);
  g_assert_cmpstr (mrt_head_get (stream.response->head, "content-type"), ==, "text/event-stream; x=1");
  g_assert_cmpstr (mrt_head_get (stream.response->head, "x-a"), ==, "b");
  mrt_worker_chunk (stream.worker, stream.id, DONE);
  mrt_worker_complete (stream.worker, stream.id, 201, NULL, NULL);
  g_assert_cmpint (mrt_body_finish (&stream.response->body, MRT_WAIT_MS), ==, MRT_BODY_COMPLETE);
  g_assert_cmpstr (stream.response->body.data->str, ==, DONE);
}

/* An original worker has no word for a head: its first chunk makes one. */
static void
test_original_worker (void)
{
  g_auto (Stream) stream = { 0 };
  const char *type;

  stream_begin (&stream, TRUE, STAGE_CHAT, NULL);
  type = mrt_head_get (stream.response->head, "content-type");
  g_assert_true (g_str_has_prefix (type, "text/event-stream"));
  mrt_worker_chunk (stream.worker, stream.id, CHUNK_2);
  mrt_worker_chunk (stream.worker, stream.id, DONE);
  mrt_websocket_send (stream.worker,
                      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,"
                      "\"headers\":{\"content-type\":\"text/event-stream\"},"
                      "\"token_counts\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}",
                      stream.id);
  stage_check_ok (stream.response, CHUNK_1 CHUNK_2 DONE);
}

/* All that a stream had to say may also come in the completion. */
static void
test_completion_only (void)
{
  g_auto (Stream) stream = { 0 };

  stream_open (&stream, TRUE, STAGE_CHAT, NULL);
  mrt_worker_complete (stream.worker, stream.id, 200, STAGE_SSE, CHUNK_1 DONE);
  stream.response = mrt_client_receive (stream.client);
  stage_check_ok (stream.response, CHUNK_1 DONE);
  g_assert_cmpstr (mrt_head_get (stream.response->head, "content-type"), ==, "text/event-stream");
}

static void
check_error_status (gboolean original, gboolean chunked)
{
  static const char body[] = "{\"error\":{\"message\":\"context too long\",\"code\":400}}";
  g_auto (Stream) stream = { 0 };

  stream_open (&stream, original, STAGE_CHAT, NULL);
  if (chunked) {
    mrt_worker_start (stream.worker, stream.id, 400, "{\"content-type\":\"application/json; charset=utf-8\"}");
    mrt_worker_chunk (stream.worker, stream.id, body);
    mrt_worker_complete (stream.worker, stream.id, 400, NULL, NULL);
  } else {
    mrt_worker_complete (stream.worker, stream.id, 400, "{\"content-type\":\"application/json; charset=utf-8\"}", body);
  }
  stream.response = mrt_client_receive (stream.client);
  g_assert_cmpuint (stream.response->status, ==, 400);
  g_assert_cmpstr (stream.response->body.data->str, ==, body);
  g_assert_cmpint (stream.response->body.state, ==, MRT_BODY_COMPLETE);
  g_assert_cmpstr (mrt_head_get (stream.response->head, "content-type"), ==, "application/json; charset=utf-8");
}

static void
test_error_status (void)
{
  check_error_status (FALSE, FALSE);
  check_error_status (FALSE, TRUE);
  check_error_status (TRUE, FALSE);
}

static void
check_worker_lost (gboolean original, const char *target)
{
  g_auto (Stream) stream = { 0 };
  g_autoptr (MrtWebsocket) other = NULL;

  stream_begin (&stream, original, target, NULL);
  other = stage_join (stream.relay, "other", "[\"m\"]", 1);
  mrt_stream_reset (stream.worker->stream);
  check_broken (&stream, strcmp (target, STAGE_CHAT) != 0);
  /* Never a replay. */
  g_assert_true (mrt_websocket_is_quiet (other, MRT_QUIET_MS));
}

static void
test_worker_lost (void)
{
  check_worker_lost (FALSE, STAGE_CHAT);
  check_worker_lost (TRUE, STAGE_CHAT);
  check_worker_lost (FALSE, "/v1/messages");
}

static void
test_backend_died (void)
{
  g_auto (Stream) stream = { 0 };

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  mrt_worker_fail (stream.worker, stream.id, "backend_protocol_error");
  check_broken (&stream, FALSE);
  mrt_websocket_sync (stream.worker);
}

/* An event that was cut must not run together with the error event. */
static void
test_broken_inside_event (void)
{
  g_auto (Stream) stream = { 0 };
  const char *text, *event;

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  mrt_worker_chunk (stream.worker, stream.id, "data: {\"choices\":[{\"del");
  mrt_body_wait_text (&stream.response->body, "\"del");
  mrt_worker_fail (stream.worker, stream.id, "backend_protocol_error");
  g_assert_cmpint (mrt_body_finish (&stream.response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  text = stream.response->body.data->str;
  event = strstr (text, "data: {\"error\":{");
  g_assert_nonnull (event);
  g_assert_true (g_str_has_prefix (event - 2, "\n\n"));
  g_assert_true (g_str_has_suffix (text, "\n\n"));
}

/* Between head and first byte of the body there is no way back to a status. */
static void
test_broken_after_head (void)
{
  g_auto (Stream) stream = { 0 };

  stream_open (&stream, FALSE, STAGE_CHAT, NULL);
  mrt_worker_start (stream.worker, stream.id, 200, STAGE_SSE);
  stream.response = mrt_client_receive_head (stream.client, FALSE);
  mrt_worker_fail (stream.worker, stream.id, "backend_protocol_error");
  g_assert_cmpint (mrt_body_finish (&stream.response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  g_assert_true (g_str_has_prefix (stream.response->body.data->str, "data: {\"error\":{"));
}

static void
test_ceiling (void)
{
  g_auto (Stream) stream = { 0 };
  g_autofree char *fill = g_strnfill (3000, 'x');
  g_autofree char *chunk = g_strdup_printf ("data: %s\n\n", fill);
  g_autoptr (JsonObject) cancel = NULL;

  stream_begin (&stream, FALSE, STAGE_CHAT, "--max-response-size=10K");
  for (guint i = 0; i < 4; i++)
    mrt_worker_chunk (stream.worker, stream.id, chunk);
  check_broken (&stream, FALSE);
  g_assert_cmpuint (stream.response->body.data->len, <, 11 * 1024);
  cancel = mrt_websocket_expect (stream.worker, "cancel");
  g_assert_cmpstr (mrt_json_string (cancel, "request_id"), ==, stream.id);
}

static void
test_under_the_ceiling (void)
{
  g_auto (Stream) stream = { 0 };
  g_autoptr (GString) all = g_string_new (CHUNK_1);

  stream_begin (&stream, FALSE, STAGE_CHAT, "--max-response-size=10K");
  while (all->len + strlen (CHUNK_2) <= 10 * 1024) {
    mrt_worker_chunk (stream.worker, stream.id, CHUNK_2);
    g_string_append (all, CHUNK_2);
  }
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  stage_check_ok (stream.response, all->str);
}

static void
test_odd_bytes (void)
{
  static const char *const chunks[] = { "data: a\r\n\r\n",
                                        ": a comment\n\n",
                                        "event: x\ndata: 1\ndata: 2\n\n",
                                        "\n\n\n",
                                        "data:\n\n",
                                        "id: 7\rdata: cr\r\r",
                                        "data: \xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9\n\n",
                                        "data: \"\\u00e9\\\\\\\"\x01\x7f\"\n\n",
                                        "\xef\xbb\xbf",
                                        "retry: 5\n\n",
                                        "data: [DONE]" };
  g_auto (Stream) stream = { 0 };
  g_autoptr (GString) all = g_string_new (CHUNK_1);

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (chunks); i++) {
    mrt_worker_chunk (stream.worker, stream.id, chunks[i]);
    g_string_append (all, chunks[i]);
  }
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  stage_check_ok (stream.response, all->str);
}

static void
test_one_byte_chunks (void)
{
  static const char text[] = "event: x\r\ndata: {\"a\":[1,2]}\r\n\r\ndata: [DONE]\n\n";
  g_auto (Stream) stream = { 0 };

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  for (gsize i = 0; i < strlen (text); i++) {
    char byte[] = { text[i], '\0' };

    mrt_worker_chunk (stream.worker, stream.id, byte);
  }
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  g_string_erase (stream.response->body.data, 0, (gssize) strlen (CHUNK_1));
  stage_check_ok (stream.response, text);
}

static void
test_huge_event (void)
{
  g_auto (Stream) stream = { 0 };
  g_autoptr (GString) event = g_string_new ("data: \"");

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  for (guint i = 0; event->len < 4 * 1024 * 1024; i++)
    g_string_append_printf (event, "%u \xe2\x82\xac\\n", i);
  g_string_append (event, "\"\n\n");
  mrt_worker_chunk (stream.worker, stream.id, event->str);
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  g_assert_cmpint (mrt_body_finish (&stream.response->body, MRT_WAIT_MS), ==, MRT_BODY_COMPLETE);
  g_assert_true (strcmp (stream.response->body.data->str + strlen (CHUNK_1), event->str) == 0);
}

/* Chunks that carry no byte must not end a chunked body. */
static void
test_empty_chunk (void)
{
  g_auto (Stream) stream = { 0 };

  stream_begin (&stream, FALSE, STAGE_CHAT, NULL);
  mrt_worker_chunk (stream.worker, stream.id, "");
  mrt_worker_chunk (stream.worker, stream.id, CHUNK_2);
  mrt_worker_complete (stream.worker, stream.id, 200, NULL, NULL);
  stage_check_ok (stream.response, CHUNK_1 CHUNK_2);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/D1/order-and-flush", test_order_and_flush);
  g_test_add_func ("/contract/D1/burst", test_burst);
  g_test_add_func ("/contract/D2/head-waits-for-first-word", test_head_waits);
  g_test_add_func ("/contract/D2/original-worker", test_original_worker);
  g_test_add_func ("/contract/D2/completion-only", test_completion_only);
  g_test_add_func ("/contract/D3/error-status", test_error_status);
  g_test_add_func ("/contract/D4/worker-lost", test_worker_lost);
  g_test_add_func ("/contract/D4/backend-died", test_backend_died);
  g_test_add_func ("/contract/D4/broken-inside-event", test_broken_inside_event);
  g_test_add_func ("/contract/D4/broken-after-head", test_broken_after_head);
  g_test_add_func ("/contract/D6/ceiling", test_ceiling);
  g_test_add_func ("/contract/D6/under-the-ceiling", test_under_the_ceiling);
  g_test_add_func ("/contract/D7/odd-bytes", test_odd_bytes);
  g_test_add_func ("/contract/D7/one-byte-chunks", test_one_byte_chunks);
  g_test_add_func ("/contract/D7/event-of-4-mib", test_huge_event);
  g_test_add_func ("/contract/D7/empty-chunk", test_empty_chunk);
  return g_test_run ();
}
