/* SPDX-License-Identifier: MIT */
/*
 * Contract A5 and A6: the errors that the relay makes itself, in the shape of the API that was called, and CORS.
 * Errors of queue, time and workers are tested where their rules are.
 */
#include "stage.h"

#include <string.h>

#define MESSAGES "/v1/messages"

static MrtResponse *
ask (StageRelay *relay, const char *method, const char *target, const char *body)
{
  return mrt_client_ask (relay->port, method, target, NULL, body);
}

static void
test_invalid_json (void)
{
  static const char *const bodies[] = { "{\"model\":\"m\"",
                                        "not json",
                                        "",
                                        "[1,2",
                                        "{\"model\":\"m\",}",
                                        "{\"model\":\"m\"} {\"model\":\"m\"}",
                                        "{'model':'m'}",
                                        "{\"model\":\"m\" /* c */}",
                                        "{\"model\":\"m\",\"x\":\"\xff\"}",
                                        "{\"model\":\"m\",\"x\":01}",
                                        "{\"model\":\"m\",\"x\":\"a\nb\"}" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autoptr (MrtResponse) openai = ask (relay, "POST", STAGE_CHAT, bodies[i]);
    g_autoptr (MrtResponse) anthropic = ask (relay, "POST", MESSAGES, bodies[i]);
    g_autofree char *message = stage_check_error (openai, 400, "invalid_json");

    g_test_message ("%s", message);
    g_assert_nonnull (strpbrk (message, "0123456789"));
    stage_check_anthropic_error (anthropic, 400, "invalid_request_error");
  }
  g_assert_true (mrt_websocket_is_quiet (worker, MRT_QUIET_MS));
}

static void
test_deep_json (void)
{
  g_autofree char *brackets = g_strnfill (200000, '[');
  g_autofree char *body = g_strconcat ("{\"model\":\"m\",\"x\":", brackets, NULL);
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) response = ask (relay, "POST", STAGE_CHAT, body);
  g_autofree char *message = stage_check_error (response, 400, "invalid_json");
}

static void
test_missing_model (void)
{
  static const char *const bodies[] = { "{}", "{\"messages\":[]}", "{\"x\":{\"model\":\"m\"}}" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autoptr (MrtResponse) openai = ask (relay, "POST", STAGE_CHAT, bodies[i]);
    g_autoptr (MrtResponse) anthropic = ask (relay, "POST", MESSAGES, bodies[i]);
    g_autofree char *message = stage_check_error (openai, 400, "missing_model");

    stage_check_anthropic_error (anthropic, 400, "invalid_request_error");
  }
}

static void
test_model_not_found (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m-one\",\"m-two\"]", 1);
  g_autoptr (MrtResponse) openai = ask (relay, "POST", STAGE_CHAT, "{\"model\":\"nope\"}");
  g_autoptr (MrtResponse) anthropic = ask (relay, "POST", MESSAGES, "{\"model\":\"nope\"}");
  g_autofree char *message = stage_check_error (openai, 404, "model_not_found");

  g_assert_nonnull (strstr (message, "m-one"));
  g_assert_nonnull (strstr (message, "m-two"));
  stage_check_anthropic_error (anthropic, 404, "not_found_error");
}

static void
check_method (StageRelay *relay, const char *method, const char *target, const char *allowed)
{
  g_autoptr (MrtResponse) response = ask (relay, method, target, NULL);
  g_autofree char *message = stage_check_error (response, 405, "method_not_allowed");
  const char *allow = mrt_head_get (response->head, "allow");

  g_assert_true (allow != NULL && strstr (allow, allowed) != NULL);
}

static void
test_wrong_method (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) anthropic = ask (relay, "GET", MESSAGES, NULL);

  check_method (relay, "GET", STAGE_CHAT, "POST");
  check_method (relay, "DELETE", "/v1/embeddings", "POST");
  check_method (relay, "PUT", "/v1/models", "GET");
  check_method (relay, "DELETE", "/v1/models/m", "GET");
  check_method (relay, "DELETE", "/health", "GET");
  stage_check_anthropic_error (anthropic, 405, "invalid_request_error");
  g_assert_nonnull (strstr (mrt_head_get (anthropic->head, "allow"), "POST"));
}

static void
test_unknown_path (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) response = ask (relay, "GET", "/no/such/thing", NULL);

  g_assert_cmpuint (response->status, ==, 404);
}

/* Refused from the head: the body is never sent. */
static void
check_too_large (StageRelay *relay, const char *target, const char *expect)
{
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *head = g_strdup_printf ("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s"
                                           "Content-Length: 99999999999\r\n\r\n{\"model\":",
                                           target, expect);
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;

  mrt_stream_write_text (client, head);
  response = mrt_client_receive (client);
  if (strcmp (target, MESSAGES) == 0)
    stage_check_anthropic_error (response, 413, "request_too_large");
  else
    message = stage_check_error (response, 413, "request_too_large");
  mrt_stream_half_close (client);
  g_assert_true (mrt_stream_wait_end (client, MRT_WAIT_MS));
}

static void
test_too_large (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  check_too_large (relay, STAGE_CHAT, "");
  check_too_large (relay, STAGE_CHAT, "Expect: 100-continue\r\n");
  check_too_large (relay, MESSAGES, "");
}

/* With the chunked coding the size shows only on the way. */
static void
test_too_large_chunked (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-request-size", "10000", NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *data = g_strnfill (4096, ' ');
  g_autofree char *chunk = g_strdup_printf ("1000\r\n%s\r\n", data);
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;

  mrt_stream_write_text (client, "POST " STAGE_CHAT " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (guint i = 0; i < 4; i++)
    mrt_stream_write_text (client, chunk);
  response = mrt_client_receive (client);
  message = stage_check_error (response, 413, "request_too_large");
}

static void
test_max_request_size (void)
{
  g_autofree char *fill = g_strnfill (2048 - strlen ("{\"model\":\"m\",\"x\":\"\"}"), 'x');
  g_autofree char *fits = g_strdup_printf ("{\"model\":\"m\",\"x\":\"%s\"}", fill);
  g_autofree char *too_large = g_strdup_printf ("{\"model\":\"m\",\"x\":\"%s\"} ", fill);
  g_autoptr (StageRelay) relay = stage_relay ("--max-request-size", "2K", NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, fits);
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (MrtResponse) refused = NULL;
  g_autofree char *message = NULL;

  stage_serve (worker, "fits");
  response = mrt_client_receive (client);
  stage_check_ok (response, "fits");
  refused = ask (relay, "POST", STAGE_CHAT, too_large);
  message = stage_check_error (refused, 413, "request_too_large");
}

static void
check_head_too_large (StageRelay *relay, const char *fields)
{
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autofree char *head = g_strdup_printf ("GET /health HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, head);
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 431);
}

static void
test_head_too_large (void)
{
  g_autofree char *value = g_strnfill (70000, 'v');
  g_autofree char *long_field = g_strdup_printf ("X-Long: %s\r\n", value);
  g_autoptr (GString) many = g_string_new (NULL);
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (many, "X-Field-%u: v\r\n", i);
  check_head_too_large (relay, long_field);
  check_head_too_large (relay, many->str);
}

/* A head without an end must not grow without bound. */
static void
test_endless_head (void)
{
  g_autofree char *value = g_strnfill (60000, 'v');
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtStream) client = mrt_stream_connect (relay->port);
  g_autoptr (MrtResponse) response = NULL;

  mrt_stream_write_text (client, "GET /health HTTP/1.1\r\nX-Long: ");
  mrt_stream_write_text (client, value);
  mrt_stream_write_text (client, value);
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 431);
}

static void
check_backend_error (StageRelay *relay, MrtWebsocket *worker, const char *target, const char *code)
{
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", target, NULL, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;

  mrt_websocket_send (worker,
                      "{\"type\":\"error\",\"request_id\":\"%s\",\"code\":\"%s\","
                      "\"message\":\"connect to 127.0.0.1:8000 refused\"}",
                      id, code);
  response = mrt_client_receive (client);
  if (strcmp (target, MESSAGES) == 0)
    stage_check_anthropic_error (response, 502, "api_error");
  else
    message = stage_check_error (response, 502, "backend_error");
}

static void
test_backend_error (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  check_backend_error (relay, worker, STAGE_CHAT, "backend_unreachable");
  check_backend_error (relay, worker, STAGE_CHAT, "backend_protocol_error");
  check_backend_error (relay, worker, MESSAGES, "backend_unreachable");
}

static void
check_allows_any (MrtResponse *response)
{
  const char *origin = mrt_head_get (response->head, "access-control-allow-origin");

  g_assert_true (g_strcmp0 (origin, "*") == 0 || g_strcmp0 (origin, "https://app.test") == 0);
}

static MrtResponse *
preflight (StageRelay *relay, const char *origin)
{
  g_autofree char *headers = g_strdup_printf ("Origin: %s\r\nAccess-Control-Request-Method: POST\r\n"
                                              "Access-Control-Request-Headers: authorization,content-type,"
                                              "anthropic-version,x-stainless-os\r\n",
                                              origin);

  return mrt_client_ask (relay->port, "OPTIONS", STAGE_CHAT, headers, NULL);
}

static void
test_preflight (void)
{
  static const char *const wanted[] = { "authorization", "content-type", "anthropic-version", "x-stainless-os" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) response = preflight (relay, "https://app.test");
  const char *methods = mrt_head_get (response->head, "access-control-allow-methods");
  g_autofree char *headers = g_ascii_strdown (mrt_head_get (response->head, "access-control-allow-headers"), -1);

  g_assert_true (response->status == 200 || response->status == 204);
  check_allows_any (response);
  g_assert_nonnull (strstr (methods, "POST"));
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    g_assert_nonnull (strstr (headers, wanted[i]));
}

static void
test_cors_answers (void)
{
  static const char origin[] = "Origin: https://app.test\r\n";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 2);
  g_autoptr (MrtResponse) models = mrt_client_ask (relay->port, "GET", "/v1/models", origin, NULL);
  g_autoptr (MrtResponse) error = mrt_client_ask (relay->port, "POST", STAGE_CHAT, origin, "{}");
  g_autoptr (MrtStream) client = mrt_client_open (relay->port, "POST", STAGE_CHAT, origin, STAGE_STREAM);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) stream = NULL;

  check_allows_any (models);
  check_allows_any (error);
  /* A backend's own CORS fields must not come twice. */
  mrt_worker_start (worker, id, 200, "{\"content-type\":\"text/event-stream\",\"access-control-allow-origin\":\"*\"}");
  stream = mrt_client_receive_head (client, FALSE);
  check_allows_any (stream);
  g_assert_cmpuint (mrt_head_count (stream->head, "access-control-allow-origin"), ==, 1);
}

static void
test_cors_origin (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--cors-origin", "https://good.test", NULL);
  g_autoptr (MrtResponse) good = preflight (relay, "https://good.test");
  g_autoptr (MrtResponse) bad = preflight (relay, "https://bad.test");
  g_autoptr (MrtResponse) models =
      mrt_client_ask (relay->port, "GET", "/v1/models", "Origin: https://bad.test\r\n", NULL);
  const char *bad_origin = mrt_head_get (bad->head, "access-control-allow-origin");
  const char *models_origin = mrt_head_get (models->head, "access-control-allow-origin");

  g_assert_cmpstr (mrt_head_get (good->head, "access-control-allow-origin"), ==, "https://good.test");
  /* Either nothing, or the one origin that is allowed: both keep bad.test out. */
  g_assert_true (bad_origin == NULL || strcmp (bad_origin, "https://good.test") == 0);
  g_assert_true (models_origin == NULL || strcmp (models_origin, "https://good.test") == 0);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A5/invalid-json", test_invalid_json);
  g_test_add_func ("/contract/A5/deep-json", test_deep_json);
  g_test_add_func ("/contract/A5/missing-model", test_missing_model);
  g_test_add_func ("/contract/A5/model-not-found", test_model_not_found);
  g_test_add_func ("/contract/A5/wrong-method", test_wrong_method);
  g_test_add_func ("/contract/A5/unknown-path", test_unknown_path);
  g_test_add_func ("/contract/A5/too-large-unread", test_too_large);
  g_test_add_func ("/contract/A5/too-large-chunked", test_too_large_chunked);
  g_test_add_func ("/contract/A5/max-request-size", test_max_request_size);
  g_test_add_func ("/contract/A5/head-too-large", test_head_too_large);
  g_test_add_func ("/contract/A5/endless-head", test_endless_head);
  g_test_add_func ("/contract/A5/backend-error", test_backend_error);
  g_test_add_func ("/contract/A6/preflight", test_preflight);
  g_test_add_func ("/contract/A6/answers", test_cors_answers);
  g_test_add_func ("/contract/A6/cors-origin", test_cors_origin);
  return g_test_run ();
}
