/* SPDX-License-Identifier: MIT */
/*
 * Our worker between a relay and a backend that are both played by hand: registration, and what becomes of a request.
 * Its life (polling, draining, reconnecting) is in test-worker-life.c.
 */
#include "stage.h"

#include <string.h>

#define BOTH "[\"request_errors\",\"response_start\"]"

/* A relay, our worker, a backend, and the link between the first two. */
typedef struct {
  MrtRelay *relay;
  MrtBackend *backend;
  MrtProcess *worker;
  MrtWebsocket *link;
} Scene;

static void
scene_clear (Scene *scene)
{
  mrt_websocket_free (scene->link);
  mrt_process_free (scene->worker);
  mrt_backend_free (scene->backend);
  mrt_relay_free (scene->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_clear)

/* @extensions: what the relay grants; NULL for an original one */
static void
scene_open (Scene *scene, const char *extensions)
{
  scene->relay = mrt_relay_new ();
  scene->backend = mrt_backend_new ();
  scene->worker =
      stage_worker (scene->relay->port, mrt_backend_get_port (scene->backend), "--max-concurrency", "4", NULL);
  scene->link = mrt_relay_welcome (scene->relay, extensions);
}

static MrtBackendRequest *
forward (Scene *scene, const char *id, gboolean streaming)
{
  mrt_relay_request (scene->link, id, STAGE_CHAT, streaming, NULL, streaming ? STAGE_STREAM : STAGE_BODY);
  return mrt_backend_accept (scene->backend);
}

/* Collects the chunks of @id up to its completion; the head, if one came, is in @start. */
static GString *
collect (MrtWebsocket *link, const char *id, JsonObject **start, JsonObject **completion)
{
  GString *body = g_string_new (NULL);

  while (TRUE) {
    g_autoptr (JsonObject) message = mrt_websocket_next (link, MRT_WAIT_MS);
    const char *type;

    if (message == NULL)
      g_error ("no completion came");
    type = mrt_json_string (message, "type");
    g_assert_cmpstr (mrt_json_string (message, "request_id"), ==, id);
    if (strcmp (type, "response_chunk") == 0) {
      g_string_append (body, mrt_json_string (message, "chunk"));
    } else if (strcmp (type, "response_start") == 0 && start != NULL) {
      g_assert_null (*start);
      g_assert_cmpuint (body->len, ==, 0);
      *start = g_steal_pointer (&message);
    } else if (strcmp (type, "response_complete") == 0) {
      if (mrt_json_has (message, "body"))
        g_string_append (body, mrt_json_string (message, "body"));
      *completion = g_steal_pointer (&message);
      return body;
    } else {
      g_error ("%s came", type);
    }
  }
}

static void
test_register (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = NULL;
  g_autoptr (MrtWebsocket) link = NULL;
  g_autoptr (JsonObject) message = NULL;
  g_autofree char *models = NULL;
  g_autofree char *extensions = NULL;

  mrt_backend_set_models (backend, "real-1,org/real:2");
  worker = stage_worker (relay->port, mrt_backend_get_port (backend), "--worker-name", "box", "--max-concurrency", "3",
                         "--provider", "p 1", NULL);
  link = mrt_relay_accept (relay, MRT_WAIT_MS);
  g_assert_nonnull (link);
  g_assert_cmpstr (mrt_head_get (link->handshake, "x-worker-secret"), ==, STAGE_SECRET);
  g_assert_nonnull (strstr (link->handshake->line, "provider=p%201"));
  g_assert_null (strstr (link->handshake->line, STAGE_SECRET));
  message = mrt_websocket_expect (link, "register");
  models = mrt_json_strings (message, "models");
  extensions = mrt_json_strings (message, "extensions");
  g_assert_cmpstr (mrt_json_string (message, "worker_name"), ==, "box");
  g_assert_cmpstr (mrt_json_string (message, "protocol_version"), ==, "2026-04-bridge-v1");
  g_assert_cmpint (mrt_json_int (message, "max_concurrent"), ==, 3);
  g_assert_cmpstr (models, ==, "real-1|org/real:2");
  g_assert_nonnull (strstr (extensions, "request_errors"));
  g_assert_nonnull (strstr (extensions, "response_start"));
}

static void
check_models (const char *listed, const char *option, const char *expected)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = NULL;
  g_autoptr (MrtWebsocket) link = NULL;
  g_autoptr (JsonObject) message = NULL;
  g_autofree char *models = NULL;

  mrt_backend_set_answer (backend, "/v1/models", listed);
  worker = stage_worker (relay->port, mrt_backend_get_port (backend), option, NULL);
  link = mrt_relay_accept (relay, MRT_WAIT_MS);
  message = mrt_websocket_expect (link, "register");
  models = mrt_json_strings (message, "models");
  g_assert_cmpstr (models, ==, expected);
}

/* A backend that runs but has no list of models keeps the "any". */
static void
test_star_kept (void)
{
  check_models (NULL, NULL, "*");
}

static void
test_models_option (void)
{
  check_models (NULL, "--models=a,b", "a|b");
}

static void
test_request_exact (void)
{
  static const char body[] = " {\"model\":\"m\", \"x\": \"\xc3\xa9 \xf0\x9f\x98\x80 \\u00e9 \\/\", \"n\":1e400 }\r\n";
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;

  scene_open (&scene, BOTH);
  mrt_relay_request (
      scene.link, "r1", "/v1/messages?beta=true&x=%2F", FALSE,
      "{\"authorization\":\"Bearer b\",\"content-type\":\"application/json\",\"anthropic-beta\":\"a, b\","
      "\"user-agent\":\"agent/1\"}",
      body);
  request = mrt_backend_accept (scene.backend);
  g_assert_cmpstr (request->method, ==, "POST");
  g_assert_cmpstr (request->target, ==, "/v1/messages?beta=true&x=%2F");
  g_assert_cmpstr (request->body->str, ==, body);
  g_assert_cmpstr (mrt_head_get (request->head, "authorization"), ==, "Bearer b");
  g_assert_cmpstr (mrt_head_get (request->head, "content-type"), ==, "application/json");
  g_assert_cmpstr (mrt_head_get (request->head, "anthropic-beta"), ==, "a, b");
  g_assert_cmpstr (mrt_head_get (request->head, "user-agent"), ==, "agent/1");
  g_assert_cmpuint (mrt_head_count (request->head, "host"), ==, 1);
  g_assert_cmpuint (mrt_head_count (request->head, "content-length"), ==, 1);
}

static void
test_backend_header (void)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (MrtProcess) worker = stage_worker (relay->port, mrt_backend_get_port (backend), "--backend-header",
                                                "Authorization: Bearer of-the-backend", NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (relay, BOTH);
  g_autoptr (MrtBackendRequest) request = NULL;

  mrt_relay_request (link, "r1", STAGE_CHAT, FALSE, "{\"authorization\":\"Bearer of-the-client\"}", STAGE_BODY);
  request = mrt_backend_accept (backend);
  g_assert_cmpuint (mrt_head_count (request->head, "authorization"), ==, 1);
  g_assert_cmpstr (mrt_head_get (request->head, "authorization"), ==, "Bearer of-the-backend");
}

static void
check_answer (const char *extensions, guint status)
{
  static const char body[] = "{\"ok\": \"\xe2\x82\xac\",\r\n\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n";
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) answer = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", FALSE);
  mrt_backend_answer (request, status, "Content-Type: application/json; v=1\r\nX-Backend: yes\r\nRetry-After: 9\r\n",
                      body);
  answer = mrt_websocket_expect (scene.link, "response_complete");
  g_assert_cmpstr (mrt_json_string (answer, "request_id"), ==, "r1");
  g_assert_cmpint (mrt_json_int (answer, "status_code"), ==, status);
  g_assert_cmpstr (mrt_json_string (answer, "body"), ==, body);
  g_assert_cmpstr (mrt_json_string (answer, "headers.content-type"), ==, "application/json; v=1");
  g_assert_cmpstr (mrt_json_string (answer, "headers.x-backend"), ==, "yes");
  g_assert_cmpstr (mrt_json_string (answer, "headers.retry-after"), ==, "9");
  g_assert_false (mrt_json_has (answer, "headers.content-length"));
  if (status == 200) {
    g_assert_cmpint (mrt_json_int (answer, "token_counts.prompt_tokens"), ==, 7);
    g_assert_cmpint (mrt_json_int (answer, "token_counts.completion_tokens"), ==, 5);
  }
}

static void
test_answer (void)
{
  check_answer (BOTH, 200);
  check_answer (BOTH, 404);
  check_answer (BOTH, 503);
  check_answer (NULL, 200);
  check_answer (NULL, 500);
}

static void
check_stream (const char *extensions)
{
  static const char text[] = ": hi\r\n\r\nevent: a\r\ndata: \xe2\x82\xac\xf0\x9f\x98\x80\r\n\r\n"
                             "data: {\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}}\n\n"
                             "data: [DONE]";
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) start = NULL;
  g_autoptr (JsonObject) completion = NULL;
  g_autoptr (GString) body = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", TRUE);
  mrt_backend_sse_head (request);
  for (gsize i = 0; i < strlen (text); i++)
    mrt_backend_chunk (request, text + i, 1);
  mrt_backend_end (request);
  body = collect (scene.link, "r1", extensions != NULL ? &start : NULL, &completion);
  g_assert_cmpstr (body->str, ==, text);
  g_assert_cmpint (mrt_json_int (completion, "status_code"), ==, 200);
  g_assert_cmpint (mrt_json_int (completion, "token_counts.total_tokens"), ==, 5);
  if (extensions != NULL) {
    g_assert_cmpint (mrt_json_int (start, "status_code"), ==, 200);
    g_assert_cmpstr (mrt_json_string (start, "headers.content-type"), ==, "text/event-stream");
  }
}

static void
test_stream (void)
{
  check_stream (BOTH);
  check_stream (NULL);
}

/* What a backend did not state is unknown, not zero. */
static void
test_no_usage (void)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) answer = NULL;

  scene_open (&scene, BOTH);
  request = forward (&scene, "r1", FALSE);
  mrt_backend_answer (request, 200, NULL, "{\"text\":\"four little words here\"}");
  answer = mrt_websocket_expect (scene.link, "response_complete");
  g_assert_false (mrt_json_has (answer, "token_counts"));
}

static void
check_error_to_stream (const char *extensions)
{
  static const char body[] = "{\"error\":{\"message\":\"too long\"}}";
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) start = NULL;
  g_autoptr (JsonObject) completion = NULL;
  g_autoptr (GString) seen = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", TRUE);
  mrt_backend_answer (request, 400, NULL, body);
  seen = collect (scene.link, "r1", extensions != NULL ? &start : NULL, &completion);
  g_assert_cmpstr (seen->str, ==, body);
  g_assert_cmpint (mrt_json_int (start != NULL ? start : completion, "status_code"), ==, 400);
}

static void
test_error_to_stream (void)
{
  check_error_to_stream (BOTH);
  check_error_to_stream (NULL);
}

/* What must come of a failed request: an error where the relay knows it, else an answer of our own. */
static void
expect_failure (Scene *scene, const char *extensions)
{
  g_autoptr (JsonObject) message =
      mrt_websocket_expect (scene->link, extensions != NULL ? "error" : "response_complete");
  g_autoptr (JsonObject) body = NULL;

  g_assert_cmpstr (mrt_json_string (message, "request_id"), ==, "r1");
  if (extensions != NULL) {
    g_assert_true (g_str_has_prefix (mrt_json_string (message, "code"), "backend_"));
    g_assert_nonnull (mrt_json_string (message, "message"));
    return;
  }
  g_assert_cmpint (mrt_json_int (message, "status_code"), ==, 502);
  body = mrt_json_parse (mrt_json_string (message, "body"));
  g_assert_nonnull (mrt_json_string (body, "error.message"));
  g_assert_nonnull (mrt_json_string (body, "error.type"));
}

static void
check_broken (const char *extensions, const char *answer)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autofree char *line = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", FALSE);
  mrt_backend_write (request, answer);
  mrt_stream_half_close (request->stream);
  expect_failure (&scene, extensions);
  line = mrt_process_wait_log (scene.worker, "backend error");
}

static void
test_broken (void)
{
  static const char *const answers[] = { "", "HTTP/1.1 200 OK\r\nContent-",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"half\":",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
                                         "SSH-2.0-OpenSSH\r\n\r\n" };

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    check_broken (BOTH, answers[i]);
    check_broken (NULL, answers[i]);
  }
}

static void
check_unreachable (const char *extensions)
{
  g_auto (Scene) scene = { 0 };

  scene_open (&scene, extensions);
  mrt_backend_free (g_steal_pointer (&scene.backend));
  mrt_relay_request (scene.link, "r1", STAGE_CHAT, TRUE, NULL, STAGE_STREAM);
  while (TRUE) {
    g_autoptr (JsonObject) message = mrt_websocket_next (scene.link, MRT_WAIT_MS);
    const char *type = mrt_json_string (message, "type");

    /* The worker may notice the backend's end before our request does. */
    if (strcmp (type, "models_update") == 0)
      continue;
    g_assert_cmpstr (type, ==, extensions != NULL ? "error" : "response_complete");
    if (extensions != NULL)
      g_assert_cmpstr (mrt_json_string (message, "code"), ==, "backend_unreachable");
    else
      g_assert_cmpint (mrt_json_int (message, "status_code"), ==, 502);
    break;
  }
}

static void
test_unreachable (void)
{
  check_unreachable (BOTH);
  check_unreachable (NULL);
}

/* A cut stream must not look like a finished one. */
static void
test_stream_cut (void)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) start = NULL;
  g_autoptr (JsonObject) chunk = NULL;

  scene_open (&scene, BOTH);
  request = forward (&scene, "r1", TRUE);
  mrt_backend_sse_head (request);
  mrt_backend_event (request, "data: 1\n\n");
  start = mrt_websocket_expect (scene.link, "response_start");
  chunk = mrt_websocket_expect (scene.link, "response_chunk");
  mrt_stream_half_close (request->stream);
  expect_failure (&scene, BOTH);
}

static void
check_not_utf8 (const char *extensions)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) message = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", FALSE);
  mrt_backend_answer (request, 200, "Content-Type: audio/mpeg\r\n", "\xff\xfb\x90\x64");
  message = mrt_websocket_next (scene.link, MRT_WAIT_MS);
  g_assert_cmpstr (mrt_json_string (message, "request_id"), ==, "r1");
  if (strcmp (mrt_json_string (message, "type"), "response_complete") == 0) {
    g_assert_cmpint (mrt_json_int (message, "status_code"), ==, 502);
    g_assert_nonnull (strstr (mrt_json_string (message, "body"), "UTF-8"));
  } else {
    g_assert_nonnull (extensions);
    g_assert_cmpstr (mrt_json_string (message, "type"), ==, "error");
  }
}

static void
test_not_utf8 (void)
{
  check_not_utf8 (BOTH);
  check_not_utf8 (NULL);
}

static void
check_cancel (const char *extensions, gboolean begun)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (MrtBackendRequest) request = NULL;
  g_autoptr (JsonObject) message = NULL;

  scene_open (&scene, extensions);
  request = forward (&scene, "r1", TRUE);
  if (begun) {
    mrt_backend_sse_head (request);
    mrt_backend_event (request, "data: 1\n\n");
    while (message == NULL || strcmp (mrt_json_string (message, "type"), "response_chunk") != 0) {
      g_clear_pointer (&message, json_object_unref);
      message = mrt_websocket_next (scene.link, MRT_WAIT_MS);
      g_assert_nonnull (message);
    }
    g_clear_pointer (&message, json_object_unref);
  }
  mrt_websocket_send (scene.link, "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"client_disconnect\"}");
  g_assert_true (mrt_backend_wait_gone (request, 100));
  message = mrt_websocket_expect (scene.link, extensions != NULL ? "error" : "response_complete");
  g_assert_cmpstr (mrt_json_string (message, "request_id"), ==, "r1");
  if (extensions != NULL) {
    g_assert_cmpstr (mrt_json_string (message, "code"), ==, "cancelled");
  } else {
    g_assert_cmpint (mrt_json_int (message, "status_code"), ==, 499);
    g_assert_false (mrt_json_has (message, "body"));
  }
}

static void
test_cancel (void)
{
  check_cancel (BOTH, FALSE);
  check_cancel (BOTH, TRUE);
  check_cancel (NULL, FALSE);
  check_cancel (NULL, TRUE);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/worker/register", test_register);
  g_test_add_func ("/contract/worker/star-kept", test_star_kept);
  g_test_add_func ("/contract/worker/models-option", test_models_option);
  g_test_add_func ("/contract/worker/backend-header", test_backend_header);
  g_test_add_func ("/contract/A2/worker-request-byte-for-byte", test_request_exact);
  g_test_add_func ("/contract/A4/worker-answer", test_answer);
  g_test_add_func ("/contract/D7/worker-stream-one-byte-reads", test_stream);
  g_test_add_func ("/contract/H4/no-usage-is-unknown", test_no_usage);
  g_test_add_func ("/contract/D3/worker-error-to-stream", test_error_to_stream);
  g_test_add_func ("/contract/worker/broken-answers", test_broken);
  g_test_add_func ("/contract/worker/backend-unreachable", test_unreachable);
  g_test_add_func ("/contract/D4/worker-stream-cut", test_stream_cut);
  g_test_add_func ("/contract/worker/not-utf8", test_not_utf8);
  g_test_add_func ("/contract/E2/worker-cancel", test_cancel);
  return g_test_run ();
}
