/* SPDX-License-Identifier: MIT */
/*
 * The table of errors: what contract A5 promises for each cause, and the two shapes of an error answer.
 */
#include "error.h"

#include "json.h"

#include <string.h>

typedef struct {
  int code;
  guint status;
  const char *openai_code;
  const char *openai_type;
  const char *anthropic_type;
  gboolean retry_after;
} Promise;

static const Promise promises[] = {
  { MR_ERROR_INVALID_JSON, 400, "invalid_json", "invalid_request_error", "invalid_request_error", FALSE },
  { MR_ERROR_MISSING_MODEL, 400, "missing_model", "invalid_request_error", "invalid_request_error", FALSE },
  { MR_ERROR_INVALID_API_KEY, 401, "invalid_api_key", "authentication_error", "authentication_error", FALSE },
  { MR_ERROR_MODEL_NOT_ALLOWED, 403, "model_not_allowed", "permission_error", "permission_error", FALSE },
  { MR_ERROR_MODEL_NOT_FOUND, 404, "model_not_found", "invalid_request_error", "not_found_error", FALSE },
  { MR_ERROR_METHOD_NOT_ALLOWED, 405, "method_not_allowed", "invalid_request_error", "invalid_request_error", FALSE },
  { MR_ERROR_REQUEST_TOO_LARGE, 413, "request_too_large", "invalid_request_error", "request_too_large", FALSE },
  { MR_ERROR_RATE_LIMIT, 429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error", TRUE },
  { MR_ERROR_QUEUE_FULL, 429, "queue_full", "rate_limit_error", "overloaded_error", TRUE },
  { MR_ERROR_QUEUE_TIMEOUT, 504, "queue_timeout", "timeout_error", "timeout_error", FALSE },
  { MR_ERROR_REQUEST_TIMEOUT, 504, "request_timeout", "timeout_error", "timeout_error", FALSE },
  { MR_ERROR_REQUEUE_EXHAUSTED, 503, "requeue_exhausted", "server_error", "api_error", FALSE },
  { MR_ERROR_PROVIDER_DISABLED, 503, "provider_disabled", "server_error", "overloaded_error", TRUE },
  { MR_ERROR_SHUTTING_DOWN, 503, "shutting_down", "server_error", "overloaded_error", TRUE },
  { MR_ERROR_BACKEND, 502, "backend_error", "server_error", "api_error", FALSE },
};

static void
test_promises (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (promises); i++) {
    const MrErrorInfo *info = mr_error_info (promises[i].code);

    g_assert_cmpuint (info->http_status, ==, promises[i].status);
    g_assert_cmpstr (info->openai_code, ==, promises[i].openai_code);
    g_assert_cmpstr (info->openai_type, ==, promises[i].openai_type);
    g_assert_cmpstr (info->anthropic_type, ==, promises[i].anthropic_type);
    g_assert_cmpint (info->retry_after_secs > 0, ==, promises[i].retry_after);
    g_assert_cmpuint (info->retry_after_secs, <=, 5);
  }
}

static void
test_every_code_has_a_row (void)
{
  static const guint statuses[] = { 400, 401, 403, 404, 405, 408, 413, 426, 429, 431, 499, 500, 502, 503, 504 };

  for (int code = 0; code < MR_ERROR_N_CODES; code++) {
    const MrErrorInfo *info = mr_error_info (code);
    gboolean known = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS (statuses); i++)
      known = known || statuses[i] == info->http_status;
    g_assert_true (known);
    g_assert_nonnull (info->openai_code);
    g_assert_nonnull (info->openai_type);
    g_assert_nonnull (info->anthropic_type);
  }
  g_assert_true (mr_error_info (-1) == mr_error_info (MR_ERROR_INTERNAL));
  g_assert_true (mr_error_info (MR_ERROR_N_CODES) == mr_error_info (MR_ERROR_INTERNAL));
}

static void
test_worker_codes (void)
{
  g_assert_cmpint (mr_error_from_worker_code ("backend_unreachable"), ==, MR_ERROR_BACKEND_UNREACHABLE);
  g_assert_cmpint (mr_error_from_worker_code ("backend_timeout"), ==, MR_ERROR_BACKEND_TIMEOUT);
  g_assert_cmpint (mr_error_from_worker_code ("backend_protocol_error"), ==, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_cmpint (mr_error_from_worker_code ("response_too_large"), ==, MR_ERROR_RESPONSE_TOO_LARGE);
  g_assert_cmpint (mr_error_from_worker_code ("busy"), ==, MR_ERROR_BUSY);
  g_assert_cmpint (mr_error_from_worker_code ("draining"), ==, MR_ERROR_DRAINING);
  g_assert_cmpint (mr_error_from_worker_code ("cancelled"), ==, MR_ERROR_CANCELLED);
  g_assert_cmpint (mr_error_from_worker_code ("internal_error"), ==, MR_ERROR_INTERNAL);

  /* A worker cannot make the relay say whatever it likes. */
  g_assert_cmpint (mr_error_from_worker_code ("invalid_api_key"), ==, MR_ERROR_BACKEND);
  g_assert_cmpint (mr_error_from_worker_code ("queue_full"), ==, MR_ERROR_BACKEND);
  g_assert_cmpint (mr_error_from_worker_code (""), ==, MR_ERROR_BACKEND);
}

static void
test_api_for_path (void)
{
  g_assert_cmpint (mr_api_for_path ("/v1/messages"), ==, MR_API_ANTHROPIC);
  g_assert_cmpint (mr_api_for_path ("/v1/messages?beta=true"), ==, MR_API_ANTHROPIC);
  g_assert_cmpint (mr_api_for_path ("/v1/messages/count_tokens"), ==, MR_API_ANTHROPIC);
  g_assert_cmpint (mr_api_for_path ("/v1/messagesx"), ==, MR_API_OPENAI);
  g_assert_cmpint (mr_api_for_path ("/v1/chat/completions"), ==, MR_API_OPENAI);
  g_assert_cmpint (mr_api_for_path ("/v1/chat/completions?x=/v1/messages"), ==, MR_API_OPENAI);
  g_assert_cmpint (mr_api_for_path (""), ==, MR_API_OPENAI);
}

static void
test_json_shapes (void)
{
  g_autofree char *openai = mr_error_to_json (MR_API_OPENAI, MR_ERROR_QUEUE_FULL, "say \"no\"\n", "r1");
  g_autofree char *anthropic = mr_error_to_json (MR_API_ANTHROPIC, MR_ERROR_QUEUE_FULL, "full", "r\\1");
  g_autofree char *nameless = mr_error_to_json (MR_API_ANTHROPIC, MR_ERROR_INTERNAL, "", NULL);

  g_assert_cmpstr (openai, ==,
                   "{\"error\":{\"message\":\"say \\\"no\\\"\\n\",\"type\":\"rate_limit_error\",\"param\":null,"
                   "\"code\":\"queue_full\"}}");
  g_assert_cmpstr (anthropic, ==,
                   "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\"},"
                   "\"request_id\":\"r\\\\1\"}");
  g_assert_cmpstr (nameless, ==, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"\"}}");
}

static void
test_event_shapes (void)
{
  g_autofree char *openai = mr_error_to_event (MR_API_OPENAI, MR_ERROR_WORKER_LOST, "gone\r\n\r\n", "r1");
  g_autofree char *anthropic = mr_error_to_event (MR_API_ANTHROPIC, MR_ERROR_WORKER_LOST, "gone", "r1");

  g_assert_cmpstr (openai, ==,
                   "data: {\"error\":{\"message\":\"gone\\r\\n\\r\\n\",\"type\":\"server_error\",\"param\":null,"
                   "\"code\":\"worker_lost\"}}\n\n");
  g_assert_cmpstr (anthropic, ==,
                   "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"gone\"},"
                   "\"request_id\":\"r1\"}\n\n");
}

static void
test_every_answer_is_json (void)
{
  for (int code = 0; code < MR_ERROR_N_CODES; code++) {
    for (MrApi api = MR_API_OPENAI; api <= MR_API_ANTHROPIC; api++) {
      g_autofree char *json = mr_error_to_json (api, code, "\x01\x1f\x7f na\xc3\xafve", "id");
      MrJsonValue document;
      g_autoptr (GError) error = NULL;

      mr_json_scan (json, strlen (json), &document, &error);
      g_assert_no_error (error);

      MrJsonValue object = mr_json_member (&document, "error");
      MrJsonValue message = mr_json_member (&object, "message");
      g_autofree char *text = mr_json_dup_string (&message, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (text, ==, "\x01\x1f\x7f na\xc3\xafve");
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A5/table", test_promises);
  g_test_add_func ("/protocol/error/every-code-has-a-row", test_every_code_has_a_row);
  g_test_add_func ("/protocol/error/worker-codes", test_worker_codes);
  g_test_add_func ("/contract/A5/shape-follows-the-path", test_api_for_path);
  g_test_add_func ("/contract/A5/shapes", test_json_shapes);
  g_test_add_func ("/contract/D4/error-event", test_event_shapes);
  g_test_add_func ("/protocol/error/every-answer-is-json", test_every_answer_is_json);
  return g_test_run ();
}
