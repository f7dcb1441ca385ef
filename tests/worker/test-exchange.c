/* SPDX-License-Identifier: MIT */
/*
 * One request through the worker: what reaches the backend, what the relay hears, and every way it can end. The
 * relay is an original one (no extensions) unless the test says otherwise.
 */
#include "harness.h"

#include "limits.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"m\"}"

/* A registered worker in the middle. */
typedef struct {
  MrtRelay *relay;
  MrtBackend *backend;
  Harness *harness;
  MrtWebsocket *link;
} Stage;

static Stage
stage_open (const char *extensions, const char *option)
{
  Stage stage = { .relay = mrt_relay_new (), .backend = mrt_backend_new () };

  stage.harness = harness_new_between (stage.relay, stage.backend, option);
  stage.link = mrt_relay_welcome (stage.relay, extensions);
  return stage;
}

static void
stage_close (Stage *stage)
{
  harness_free (stage->harness);
  mrt_websocket_free (stage->link);
  mrt_backend_free (stage->backend);
  mrt_relay_free (stage->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)

static void
check_chunk (Stage *stage, const char *request_id, const char *text)
{
  g_autoptr (JsonObject) chunk = mrt_websocket_expect (stage->link, "response_chunk");

  g_assert_cmpstr (mrt_json_string (chunk, "request_id"), ==, request_id);
  g_assert_cmpstr (mrt_json_string (chunk, "chunk"), ==, text);
}

/* The end of a request that failed, as a relay with request_errors hears it. */
static void
check_error (Stage *stage, const char *request_id, const char *code)
{
  g_autoptr (JsonObject) error = mrt_websocket_expect (stage->link, "error");

  g_assert_cmpstr (mrt_json_string (error, "request_id"), ==, request_id);
  g_assert_cmpstr (mrt_json_string (error, "code"), ==, code);
  g_assert_nonnull (mrt_json_string (error, "message"));
}

/* The same for an original relay. */
static void
check_failure (Stage *stage, const char *request_id, gint64 status, const char *code)
{
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage->link, "response_complete");
  g_autoptr (JsonObject) body = NULL;

  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, request_id);
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, status);
  g_assert_cmpstr (mrt_json_string (complete, "headers.content-type"), ==, "application/json");
  body = mrt_json_parse (mrt_json_string (complete, "body"));
  g_assert_cmpstr (mrt_json_string (body, "error.code"), ==, code);
}

static void
test_request_is_unchanged (void)
{
  const char *body = "{ \"model\" : \"m\", \"n\":1e400, \"t\":\"\\u00e9 \xc3\xa9 \\\"\",\r\n\"n\":0.10 }";
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", "/v1/messages?beta=true", FALSE,
                     "{\"content-type\":\"application/json; x\",\"x-stainless-lang\":\"js\",\"connection\":\"x-hop\","
                     "\"x-hop\":\"1\",\"host\":\"elsewhere\",\"x-conversation-id\":\"c\",\"accept-encoding\":\"br\"}",
                     body);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  g_assert_cmpstr (request->method, ==, "POST");
  g_assert_cmpstr (request->target, ==, "/v1/messages?beta=true");
  g_assert_cmpstr (request->body->str, ==, body);
  g_assert_cmpstr (mrt_head_get (request->head, "content-type"), ==, "application/json; x");
  g_assert_cmpstr (mrt_head_get (request->head, "x-stainless-lang"), ==, "js");
  g_assert_cmpstr (mrt_head_get (request->head, "accept-encoding"), ==, "br");
  g_assert_null (mrt_head_get (request->head, "x-hop"));
  g_assert_null (mrt_head_get (request->head, "x-conversation-id"));
  g_assert_cmpuint (mrt_head_count (request->head, "host"), ==, 1);
  g_assert_cmpstr (mrt_head_get (request->head, "host"), !=, "elsewhere");
}

static void
test_backend_header_replaces (void)
{
  g_auto (Stage) stage = stage_open (NULL, "--backend-header=Authorization: Bearer own");

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, "{\"authorization\":\"Bearer client\"}", BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  g_assert_cmpuint (mrt_head_count (request->head, "authorization"), ==, 1);
  g_assert_cmpstr (mrt_head_get (request->head, "authorization"), ==, "Bearer own");
  g_assert_cmpstr (mrt_head_get (request->head, "content-type"), ==, "application/json");
}

static void
test_answer_is_unchanged (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_answer (request, 418, "X-Tea: green\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\n",
                      "{\"usage\":{\"prompt_tokens\":18,\"completion_tokens\":8,\"total_tokens\":26}}\n");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 418);
  g_assert_cmpstr (mrt_json_string (complete, "headers.x-tea"), ==, "green");
  g_assert_false (mrt_json_has (complete, "headers.x-hop"));
  g_assert_false (mrt_json_has (complete, "headers.connection"));
  g_assert_false (mrt_json_has (complete, "headers.content-length"));
  g_assert_cmpstr (mrt_json_string (complete, "body"), ==,
                   "{\"usage\":{\"prompt_tokens\":18,\"completion_tokens\":8,\"total_tokens\":26}}\n");
  g_assert_cmpint (mrt_json_int (complete, "token_counts.prompt_tokens"), ==, 18);
  g_assert_cmpint (mrt_json_int (complete, "token_counts.completion_tokens"), ==, 8);
  g_assert_cmpint (mrt_json_int (complete, "token_counts.total_tokens"), ==, 26);
}

static void
test_absent_usage_is_absent (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_answer (request, 200, NULL, "{\"choices\":[]}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_false (mrt_json_has (complete, "token_counts"));
}

static void
test_stream_to_original_relay (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: one\n\n");
  check_chunk (&stage, "r-1", "data: one\n\n");
  mrt_backend_event (request, ": comment\r\ndata: half");
  check_chunk (&stage, "r-1", ": comment\r\ndata: half");
  mrt_backend_event (request, "\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n");
  check_chunk (&stage, "r-1", "\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n");
  mrt_backend_end (request);
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 200);
  g_assert_cmpstr (mrt_json_string (complete, "headers.content-type"), ==, "text/event-stream");
  g_assert_false (mrt_json_has (complete, "headers.transfer-encoding"));
  g_assert_false (mrt_json_has (complete, "body"));
  g_assert_cmpint (mrt_json_int (complete, "token_counts.total_tokens"), ==, 7);
}

static void
test_response_start (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_write (request, "HTTP/1.1 201 Created\r\nContent-Type: text/event-stream\r\nX-A: b\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n");
  g_autoptr (JsonObject) start = mrt_websocket_expect (stage.link, "response_start");
  g_assert_cmpstr (mrt_json_string (start, "request_id"), ==, "r-1");
  g_assert_cmpint (mrt_json_int (start, "status_code"), ==, 201);
  g_assert_cmpstr (mrt_json_string (start, "headers.x-a"), ==, "b");
  g_assert_false (mrt_json_has (start, "headers.transfer-encoding"));
  mrt_backend_event (request, "data: x\n\n");
  check_chunk (&stage, "r-1", "data: x\n\n");
  mrt_backend_end (request);
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 201);
  g_assert_false (mrt_json_has (complete, "headers"));
}

static void
test_error_status_for_stream (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_answer (request, 400, "Retry-After: 7\r\n", "{\"error\":{\"message\":\"no\"}}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 400);
  g_assert_cmpstr (mrt_json_string (complete, "headers.retry-after"), ==, "7");
  g_assert_cmpstr (mrt_json_string (complete, "body"), ==, "{\"error\":{\"message\":\"no\"}}");
}

/* A euro sign and an emoji, cut at every byte. */
static void
test_character_over_reads (void)
{
  const char *text = "data: \xe2\x82\xac \xf0\x9f\x98\x80\n\n";
  g_auto (Stage) stage = stage_open (NULL, NULL);
  g_autoptr (GString) got = g_string_new (NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_sse_head (request);
  for (const char *at = text; *at != '\0'; at++) {
    mrt_backend_chunk (request, at, 1);
    if (at[1] == '\0' || g_ascii_isprint (at[1]) || at[1] == '\n' || (guchar) at[1] >= 0xc0) {
      g_autoptr (JsonObject) chunk = mrt_websocket_expect (stage.link, "response_chunk");
      g_assert_true (g_utf8_validate (mrt_json_string (chunk, "chunk"), -1, NULL));
      g_string_append (got, mrt_json_string (chunk, "chunk"));
    }
  }
  g_assert_cmpstr (got->str, ==, text);
  mrt_backend_end (request);
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 200);
}

static void
test_not_text (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", "/v1/audio/speech", FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_answer (request, 200, NULL, "\xff\xfb\x90");
  g_clear_pointer (&request, mrt_backend_request_free);
  check_failure (&stage, "r-1", 502, "backend_protocol_error");

  mrt_relay_request (stage.link, "r-2", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) stream = mrt_backend_accept (stage.backend);
  mrt_backend_sse_head (stream);
  mrt_backend_event (stream, "data: \xff\n\n");
  check_failure (&stage, "r-2", 502, "backend_protocol_error");
  g_assert_true (mrt_backend_wait_gone (stream, MRT_WAIT_MS));
}

static void
test_cut_character_at_end (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_sse_head (request);
  g_autoptr (JsonObject) start = mrt_websocket_expect (stage.link, "response_start");
  mrt_backend_event (request, "data: \xe2\x82");
  check_chunk (&stage, "r-1", "data: ");
  mrt_backend_end (request);
  check_error (&stage, "r-1", "backend_protocol_error");
}

static void
break_off (Stage *stage, const char *request_id)
{
  mrt_relay_request (stage->link, request_id, CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage->backend);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: x\n\n");
}

static void
test_broken_stream (void)
{
  g_auto (Stage) plain = stage_open (NULL, NULL);
  g_auto (Stage) extended = stage_open (ALL_EXTENSIONS, NULL);

  break_off (&plain, "r-1");
  check_chunk (&plain, "r-1", "data: x\n\n");
  check_failure (&plain, "r-1", 502, "backend_protocol_error");

  break_off (&extended, "r-2");
  g_autoptr (JsonObject) start = mrt_websocket_expect (extended.link, "response_start");
  check_chunk (&extended, "r-2", "data: x\n\n");
  check_error (&extended, "r-2", "backend_protocol_error");
}

static void
test_backend_gone (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  MrtBackend *backend = mrt_backend_new ();
  g_autoptr (Harness) harness = harness_new_between (relay, backend, "--models=m");
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, NULL);
  Stage stage = { .link = link };

  mrt_backend_free (backend);
  mrt_relay_request (link, "r-1", CHAT, FALSE, NULL, BODY);
  check_failure (&stage, "r-1", 502, "backend_unreachable");

  /* The worker looks again at once, and takes its models back. */
  g_autoptr (JsonObject) update = mrt_websocket_expect (link, "models_update");
  g_autofree char *models = mrt_json_strings (update, "models");
  g_assert_cmpstr (models, ==, "");
}

/* One request's failure leaves another one alone, which goes on streaming. */
static void
test_failures_are_separate (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, "--max-concurrency=4");

  mrt_relay_request (stage.link, "good", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) good = mrt_backend_accept (stage.backend);
  mrt_backend_sse_head (good);
  g_autoptr (JsonObject) start = mrt_websocket_expect (stage.link, "response_start");
  for (guint i = 0; i < 3; i++) {
    mrt_relay_request (stage.link, "bad", CHAT, FALSE, NULL, BODY);
    g_autoptr (MrtBackendRequest) bad = mrt_backend_accept (stage.backend);
    mrt_backend_write (bad, i == 0   ? "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"
                            : i == 1 ? "rubbish\r\n\r\n"
                                     : "");
    g_clear_pointer (&bad, mrt_backend_request_free);
    check_error (&stage, "bad", "backend_protocol_error");
    mrt_backend_event (good, "data: on\n\n");
    check_chunk (&stage, "good", "data: on\n\n");
  }
  mrt_backend_end (good);
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, "good");
}

static void
test_too_large (void)
{
  const gsize piece = 1024 * 1024;
  g_autofree char *filler = g_strnfill (piece, 'x');
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_write (request, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  for (gsize sent = 0; sent < MR_LIMIT_RESPONSE_BODY_BYTES; sent += piece) {
    g_assert_true (mrt_stream_write (request->stream, filler, piece));
  }
  mrt_stream_write (request->stream, "x", 1);
  check_error (&stage, "r-1", "response_too_large");
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
}

static void
cancel (Stage *stage, gboolean after_first_byte)
{
  mrt_relay_request (stage->link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage->backend);
  if (after_first_byte) {
    mrt_backend_sse_head (request);
    mrt_backend_event (request, "data: x\n\n");
    check_chunk (stage, "r-1", "data: x\n\n");
  }
  gint64 begun = mrt_now_ms ();
  mrt_websocket_send (stage->link, "{\"type\":\"cancel\",\"request_id\":\"r-1\",\"reason\":\"client_disconnect\"}");
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
  g_test_minimized_result ((double) (mrt_now_ms () - begun), "cancel reached the backend in %d ms",
                           (int) (mrt_now_ms () - begun));
}

static void
check_cancelled_499 (Stage *stage)
{
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage->link, "response_complete");

  g_assert_cmpint (mrt_json_int (complete, "status_code"), ==, 499);
  g_assert_false (mrt_json_has (complete, "body"));
}

static void
test_cancel_at_original_relay (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  cancel (&stage, FALSE);
  check_cancelled_499 (&stage);
  cancel (&stage, TRUE);
  check_cancelled_499 (&stage);

  /* One that is over already, or never was, is no mistake. */
  mrt_websocket_send (stage.link, "{\"type\":\"cancel\",\"request_id\":\"r-1\",\"reason\":{\"other\":\"x\"}}");
  mrt_websocket_sync (stage.link);
}

static void
test_cancel_with_request_errors (void)
{
  g_auto (Stage) stage = stage_open ("[\"request_errors\"]", NULL);

  cancel (&stage, FALSE);
  check_error (&stage, "r-1", "cancelled");
  cancel (&stage, TRUE);
  check_error (&stage, "r-1", "cancelled");
}

static void
test_lost_link_cancels (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_stream_reset (stage.link->stream);
  g_assert_true (mrt_backend_wait_gone (request, MRT_WAIT_MS));
}

static void
test_busy (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) first = mrt_backend_accept (stage.backend);
  mrt_relay_request (stage.link, "r-2", CHAT, FALSE, NULL, BODY);
  check_error (&stage, "r-2", "busy");
  mrt_backend_answer (first, 200, NULL, "{}");
  g_autoptr (JsonObject) complete = mrt_websocket_expect (stage.link, "response_complete");
  g_assert_cmpstr (mrt_json_string (complete, "request_id"), ==, "r-1");
}

/* An original relay has no word for it, so the request is taken. */
static void
test_never_busy_for_original_relay (void)
{
  g_auto (Stage) stage = stage_open (NULL, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, NULL, BODY);
  mrt_relay_request (stage.link, "r-2", CHAT, FALSE, NULL, BODY);
  g_autoptr (MrtBackendRequest) first = mrt_backend_accept (stage.backend);
  g_autoptr (MrtBackendRequest) second = mrt_backend_accept (stage.backend);
}

static void
test_unsafe_request (void)
{
  g_auto (Stage) stage = stage_open (ALL_EXTENSIONS, NULL);

  mrt_relay_request (stage.link, "r-1", CHAT, FALSE, "{\"x\":\"a\\r\\nb: c\"}", BODY);
  check_error (&stage, "r-1", "internal_error");
  mrt_relay_request (stage.link, "r-2", "/v1/x HTTP/1.1\\r\\nA: b", FALSE, NULL, BODY);
  check_error (&stage, "r-2", "internal_error");
  mrt_relay_request (stage.link, "r-3", "no-slash", FALSE, NULL, BODY);
  check_error (&stage, "r-3", "internal_error");
  g_assert_true (mrt_backend_is_quiet (stage.backend, MRT_QUIET_MS));
}

/* Writes until nothing more is taken for a while. Returns what was taken. */
static gsize
write_until_stalled (MrtStream *stream, const char *data, gsize length, gsize at_most)
{
  gsize taken = 0;
  gint64 stalled_since = mrt_now_ms ();

  while (taken < at_most && mrt_now_ms () - stalled_since < 500) {
    gssize n = send (stream->fd, data, MIN (length, at_most - taken), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      taken += n;
      stalled_since = mrt_now_ms ();
    } else {
      g_assert_cmpint (errno, ==, EAGAIN);
      g_usleep (1000);
    }
  }
  return taken;
}

/* A relay that does not read stops the reading of its backend; later every byte arrives. */
static void
test_back_pressure (void)
{
  const gsize at_most = 64 * 1024 * 1024;
  g_autofree char *filler = g_strnfill (64 * 1024, 'x');
  g_auto (Stage) stage = stage_open (NULL, NULL);
  gsize got = 0;

  mrt_relay_request (stage.link, "r-1", CHAT, TRUE, NULL, BODY);
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (stage.backend);
  mrt_backend_write (request, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  gsize taken = write_until_stalled (request->stream, filler, 64 * 1024, at_most);
  g_test_message ("%" G_GSIZE_FORMAT " bytes were taken", taken);
  g_assert_cmpuint (taken, >, MR_LIMIT_WORKER_HIGH_BYTES);
  g_assert_cmpuint (taken, <, at_most / 2);
  mrt_stream_half_close (request->stream);
  while (TRUE) {
    g_autoptr (JsonObject) message = mrt_websocket_next (stage.link, MRT_WAIT_MS);
    g_assert_nonnull (message);
    if (strcmp (mrt_json_string (message, "type"), "response_chunk") != 0) {
      g_assert_cmpint (mrt_json_int (message, "status_code"), ==, 200);
      break;
    }
    got += strlen (mrt_json_string (message, "chunk"));
  }
  g_assert_cmpuint (got, ==, taken);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A2/request-is-unchanged", test_request_is_unchanged);
  g_test_add_func ("/contract/K/backend-header-replaces", test_backend_header_replaces);
  g_test_add_func ("/contract/A4/answer-is-unchanged", test_answer_is_unchanged);
  g_test_add_func ("/contract/H4/absent-usage-is-absent", test_absent_usage_is_absent);
  g_test_add_func ("/contract/D1/stream-to-original-relay", test_stream_to_original_relay);
  g_test_add_func ("/contract/D2/response-start", test_response_start);
  g_test_add_func ("/contract/D3/error-status-for-stream", test_error_status_for_stream);
  g_test_add_func ("/contract/D4/broken-stream", test_broken_stream);
  g_test_add_func ("/contract/D4/cut-character-at-end", test_cut_character_at_end);
  g_test_add_func ("/contract/D5/back-pressure", test_back_pressure);
  g_test_add_func ("/contract/D7/character-over-reads", test_character_over_reads);
  g_test_add_func ("/contract/E2/cancel-at-original-relay", test_cancel_at_original_relay);
  g_test_add_func ("/contract/E2/cancel-with-request-errors", test_cancel_with_request_errors);
  g_test_add_func ("/contract/F3/backend-gone", test_backend_gone);
  g_test_add_func ("/contract/F3/failures-are-separate", test_failures_are_separate);
  g_test_add_func ("/contract/F3/not-text", test_not_text);
  g_test_add_func ("/contract/F3/too-large", test_too_large);
  g_test_add_func ("/contract/F4/lost-link-cancels", test_lost_link_cancels);
  g_test_add_func ("/contract/F4/unsafe-request", test_unsafe_request);
  g_test_add_func ("/exchange/busy", test_busy);
  g_test_add_func ("/exchange/never-busy-for-original-relay", test_never_busy_for_original_relay);
  return g_test_run ();
}
