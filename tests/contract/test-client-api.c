/* SPDX-License-Identifier: MIT */
/*
 * Contract A1, A2, A4, B4: what a client sends reaches the worker, and what the worker answers reaches the client.
 * The worker is played by hand.
 */
#include "stage.h"

#include <string.h>

#define JSON_HEADERS "{\"content-type\":\"application/json\"}"

static JsonObject *
exchange (StageRelay *relay, MrtWebsocket *worker, const char *target, const char *headers, const char *body)
{
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", target, headers, body);
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (worker, mrt_json_string (request, "request_id"), 200, JSON_HEADERS, "{\"ok\":1}");
  response = mrt_client_receive (client);
  stage_check_ok (response, "{\"ok\":1}");
  return g_steal_pointer (&request);
}

static void
test_endpoints (void)
{
  static const char *const targets[] = {
    "/v1/chat/completions",   "/v1/completions",       "/v1/responses", "/v1/messages",
    "/v1/messages?beta=true", "/v1/embeddings",        "/v1/rerank",    "/v1/messages/count_tokens?beta=true&x=%2F%20",
    "/v1/some/new/thing",     "/v1/audio/speech?a=b?c"
  };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 4);

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (JsonObject) request = exchange (relay, worker, targets[i], NULL, STAGE_BODY);

    g_assert_cmpstr (mrt_json_string (request, "endpoint_path"), ==, targets[i]);
    g_assert_cmpstr (mrt_json_string (request, "body"), ==, STAGE_BODY);
    g_assert_cmpstr (mrt_json_string (request, "model"), ==, "m");
    g_assert_false (mrt_json_bool (request, "is_streaming"));
    g_assert_false (mrt_json_has (request, "body_bytes"));
  }
}

static void
test_body_exact (void)
{
  static const char body[] = " \t{\n  \"zz\" : [1e400, 123456789012345678901234567890, 0.10, -0, 1E+2],\r\n"
                             "\t\"model\"\t:\"m\", \"u\":\"\\ud83d\\ude00 \xc3\xa9 \xf0\x9f\x98\x80 \\/ \\u0041\",\n"
                             "  \"a\":1,\"a\":2, \"messages\":[ ], \"deep\":[[[{\"x\":null}]]]\n} \r\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) request = exchange (relay, worker, STAGE_CHAT, NULL, body);

  g_assert_cmpstr (mrt_json_string (request, "body"), ==, body);
}

static void
test_big_body (void)
{
  g_autoptr (GString) body = g_string_new ("{\"model\":\"m\",\"prompt\":\"");
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) request = NULL;

  for (guint i = 0; body->len < 8 * 1024 * 1024; i++)
    g_string_append_printf (body, "line %u \xc3\xa4\\n", i);
  g_string_append (body, "\"}");
  request = exchange (relay, worker, STAGE_CHAT, NULL, body->str);
  g_assert_true (strcmp (mrt_json_string (request, "body"), body->str) == 0);
}

static void
test_stream_is_true (void)
{
  static const struct {
    const char *body;
    gboolean streaming;
  } cases[] = {
    { "{\"model\":\"m\",\"stream\":true}", TRUE },
    { "{ \"stream\" : true , \"model\" : \"m\" }", TRUE },
    { "{\"model\":\"m\",\"str\\u0065am\":true}", TRUE },
    { "{\"model\":\"m\",\"stream\":\"true\"}", FALSE },
    { "{\"model\":\"m\",\"stream\":1}", FALSE },
    { "{\"model\":\"m\",\"stream\":null}", FALSE },
    { "{\"model\":\"m\",\"stream\":false}", FALSE },
    { "{\"model\":\"m\",\"stream\":[true]}", FALSE },
    { "{\"model\":\"m\",\"options\":{\"stream\":true}}", FALSE },
    { "{\"model\":\"m\",\"text\":\"\\\"stream\\\":true\"}", FALSE },
    { "{\"model\":\"m\",\"stream\":true,\"stream\":false}", FALSE },
    { "{\"model\":\"m\",\"stream\":false,\"stream\":true}", TRUE },
  };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (JsonObject) request = exchange (relay, worker, STAGE_CHAT, NULL, cases[i].body);

    g_test_message ("%s", cases[i].body);
    g_assert_cmpint (mrt_json_bool (request, "is_streaming"), ==, cases[i].streaming);
    g_assert_cmpstr (mrt_json_string (request, "body"), ==, cases[i].body);
  }
}

static void
test_model_traps (void)
{
  static const struct {
    const char *body;
    const char *model;
  } cases[] = {
    { "{\"mod\\u0065l\":\"m\"}", "m" },
    { "{\"model\":\"\\u006d\"}", "m" },
    { "{\"x\":{\"model\":\"other\"},\"model\":\"m\"}", "m" },
    { "{\"model\":\"m\",\"x\":{\"model\":\"other\"}}", "m" },
    { "{\"messages\":[{\"model\":\"other\"}],\"model\":\"m\"}", "m" },
    { "{\"text\":\"\\\"model\\\":\\\"other\\\"\",\"model\":\"m\"}", "m" },
    { "{\"model\":\"other\",\"model\":\"m\"}", "m" },
    { "{\"model\":\"org\\/name:q4\"}", "org/name:q4" },
    { "{\"model\":\"org/name:q4\"}", "org/name:q4" },
    { "{\"model\":\"\\u00e9t\xc3\xa9\"}", "\xc3\xa9t\xc3\xa9" },
  };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\",\"org/name:q4\",\"\xc3\xa9t\xc3\xa9\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (JsonObject) request = exchange (relay, worker, STAGE_CHAT, NULL, cases[i].body);

    g_assert_cmpstr (mrt_json_string (request, "model"), ==, cases[i].model);
    g_assert_cmpstr (mrt_json_string (request, "body"), ==, cases[i].body);
  }
}

static void
test_statuses (void)
{
  static const guint statuses[] = { 200, 201, 202, 400, 401, 403, 404, 409, 418, 422, 429, 500, 501, 503, 529 };
  static const char body[] = "{\"error\" : {\"message\":\"na\\u00efve \xe2\x82\xac\"}}\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
    g_autofree char *id = mrt_worker_take (worker);
    g_autoptr (MrtResponse) response = NULL;

    mrt_worker_complete (worker, id, statuses[i],
                         "{\"content-type\":\"application/problem+json; charset=utf-8\",\"retry-after\":\"7\","
                         "\"x-ratelimit-remaining\":\"a, b\",\"server\":\"llama.cpp\"}",
                         body);
    response = mrt_client_receive (client);
    g_assert_cmpuint (response->status, ==, statuses[i]);
    g_assert_cmpstr (response->body.data->str, ==, body);
    g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "application/problem+json; charset=utf-8");
    g_assert_cmpstr (mrt_head_get (response->head, "retry-after"), ==, "7");
    g_assert_cmpstr (mrt_head_get (response->head, "x-ratelimit-remaining"), ==, "a, b");
    g_assert_cmpstr (mrt_head_get (response->head, "server"), ==, "llama.cpp");
    g_assert_cmpuint (mrt_head_count (response->head, "content-type"), ==, 1);
  }
}

static void
test_no_content (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (MrtResponse) next = NULL;

  mrt_worker_complete (worker, id, 204, NULL, NULL);
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 204);
  g_assert_null (mrt_head_get (response->head, "transfer-encoding"));
  mrt_client_send (client, "GET", "/health", NULL, NULL);
  next = mrt_client_receive (client);
  g_assert_cmpuint (next->status, ==, 200);
}

static void
test_request_headers (void)
{
  static const char *const dropped[] = { "host",
                                         "content-length",
                                         "connection",
                                         "keep-alive",
                                         "te",
                                         "proxy-connection",
                                         "proxy-authorization",
                                         "x-conversation-id",
                                         "x-named",
                                         "transfer-encoding",
                                         "upgrade" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) request =
      exchange (relay, worker, STAGE_CHAT,
                "Connection: keep-alive, X-Named\r\nX-Named: hop\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
                "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic xyz\r\nX-Conversation-Id: c1\r\n"
                "Anthropic-Version: 2023-06-01\r\nAnthropic-Beta: a,b\r\nX-Custom: one\r\nX-Custom: two\r\n"
                "User-Agent: contract/1\r\nAccept: */*\r\n",
                STAGE_BODY);

  for (guint i = 0; i < G_N_ELEMENTS (dropped); i++) {
    g_autofree char *path = g_strconcat ("headers.", dropped[i], NULL);

    g_test_message ("%s", path);
    g_assert_false (mrt_json_has (request, path));
  }
  g_assert_cmpstr (mrt_json_string (request, "headers.anthropic-version"), ==, "2023-06-01");
  g_assert_cmpstr (mrt_json_string (request, "headers.anthropic-beta"), ==, "a,b");
  g_assert_cmpstr (mrt_json_string (request, "headers.user-agent"), ==, "contract/1");
  g_assert_cmpstr (mrt_json_string (request, "headers.accept"), ==, "*/*");
  g_assert_cmpstr (mrt_json_string (request, "headers.content-type"), ==, "application/json");
  g_assert_cmpstr (mrt_json_string (request, "headers.x-custom"), ==, "one, two");
}

static void
test_response_headers (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (
      worker, id, 200,
      "{\"content-type\":\"text/plain\",\"content-length\":\"9999\",\"transfer-encoding\":\"chunked\","
      "\"connection\":\"x-named\",\"x-named\":\"hop\",\"keep-alive\":\"timeout=5\",\"x-kept\":\"yes\"}",
      "hello");
  response = mrt_client_receive (client);
  stage_check_ok (response, "hello");
  g_assert_cmpstr (mrt_head_get (response->head, "x-kept"), ==, "yes");
  g_assert_null (mrt_head_get (response->head, "x-named"));
  g_assert_cmpstr (mrt_head_get (response->head, "keep-alive"), !=, "timeout=5");
}

/* A worker must not be able to write into the head of an answer. */
static void
test_header_injection (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (worker, id, 200, "{\"x-a\":\"1\\r\\nx-injected: 1\",\"content-type\":\"text/plain\"}", "hello");
  response = mrt_client_receive (client);
  g_assert_null (mrt_head_get (response->head, "x-injected"));
}

static void
check_request_id (StageRelay *relay, MrtWebsocket *worker, const char *sent, gboolean kept)
{
  g_autofree char *headers = sent != NULL ? g_strdup_printf ("X-Request-Id: %s\r\n", sent) : NULL;
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", STAGE_CHAT, headers, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;
  const char *seen;

  stage_serve (worker, "{}");
  response = mrt_client_receive (client);
  seen = mrt_head_get (response->head, "x-request-id");
  g_assert_nonnull (seen);
  g_assert_cmpuint (mrt_head_count (response->head, "x-request-id"), ==, 1);
  g_assert_cmpuint (strlen (seen), >, 0);
  g_assert_cmpuint (strlen (seen), <=, 256);
  if (kept)
    g_assert_cmpstr (seen, ==, sent);
  else
    g_assert_cmpstr (seen, !=, sent);
}

static void
test_request_id (void)
{
  g_autofree char *long_id = g_strnfill (5000, 'x');
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  check_request_id (relay, worker, NULL, FALSE);
  check_request_id (relay, worker, "0b5bd7b4-5b3d-4a53-8d33-6f1f8a4a0c11", TRUE);
  check_request_id (relay, worker, "req_abc-123.X", TRUE);
  check_request_id (relay, worker, "bad id with spaces \"quoted\"", FALSE);
  check_request_id (relay, worker, "caf\xc3\xa9", FALSE);
  check_request_id (relay, worker, long_id, FALSE);
}

/* Two requests that carry the same id must not be mixed up. */
static void
test_request_id_twice (void)
{
  static const char first_body[] = "{\"model\":\"m\",\"n\":1}", second_body[] = "{\"model\":\"m\",\"n\":2}";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtStream) first = mrt_client_open (relay->port, "POST", STAGE_CHAT, "X-Request-Id: same\r\n", first_body);
  g_autofree char *first_id = stage_expect_body (worker, first_body);
  g_autoptr (MrtStream) second =
      mrt_client_open (relay->port, "POST", STAGE_CHAT, "X-Request-Id: same\r\n", second_body);
  g_autofree char *second_id = stage_expect_body (worker, second_body);
  g_autoptr (MrtResponse) first_response = NULL;
  g_autoptr (MrtResponse) second_response = NULL;

  g_assert_cmpstr (first_id, !=, second_id);
  mrt_worker_complete (worker, second_id, 200, NULL, "two");
  mrt_worker_complete (worker, first_id, 200, NULL, "one");
  first_response = mrt_client_receive (first);
  second_response = mrt_client_receive (second);
  stage_check_ok (first_response, "one");
  stage_check_ok (second_response, "two");
}

static void
check_worker_header (const char *option, const char *value)
{
  g_autoptr (StageRelay) relay = stage_relay (option, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "gpu-box", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) response = NULL;

  stage_serve (worker, "{}");
  response = mrt_client_receive (client);
  g_assert_cmpstr (mrt_head_get (response->head, "x-modelrelay-worker"), ==, value);
}

static void
test_worker_header (void)
{
  check_worker_header (NULL, "gpu-box");
  check_worker_header ("--worker-header=false", NULL);
}

static void
test_authorization (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (JsonObject) request =
      exchange (relay, worker, STAGE_CHAT, "Authorization: Bearer sk-backend\r\nX-Api-Key: ak-backend\r\n", STAGE_BODY);

  g_assert_cmpstr (mrt_json_string (request, "headers.authorization"), ==, "Bearer sk-backend");
  g_assert_cmpstr (mrt_json_string (request, "headers.x-api-key"), ==, "ak-backend");
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A1/endpoints-and-query", test_endpoints);
  g_test_add_func ("/contract/A2/body-byte-for-byte", test_body_exact);
  g_test_add_func ("/contract/A2/body-of-8-mib", test_big_body);
  g_test_add_func ("/contract/A2/stream-only-when-true", test_stream_is_true);
  g_test_add_func ("/contract/A2/model-scanning-traps", test_model_traps);
  g_test_add_func ("/contract/A4/status-headers-body", test_statuses);
  g_test_add_func ("/contract/A4/no-content", test_no_content);
  g_test_add_func ("/contract/A4/request-headers", test_request_headers);
  g_test_add_func ("/contract/A4/response-headers", test_response_headers);
  g_test_add_func ("/contract/A4/header-injection", test_header_injection);
  g_test_add_func ("/contract/A4/request-id", test_request_id);
  g_test_add_func ("/contract/A4/request-id-sent-twice", test_request_id_twice);
  g_test_add_func ("/contract/A4/worker-header", test_worker_header);
  g_test_add_func ("/contract/B4/authorization-goes-through", test_authorization);
  return g_test_run ();
}
