/* SPDX-License-Identifier: MIT */
/*
 * The table of errors and the two JSON shapes that clients know. When an error happens and how it is sent
 * is decided elsewhere.
 */
#include "error.h"

#include "json.h"

#include <string.h>

G_DEFINE_QUARK (mr_error, mr_error)

#define INVALID_REQUEST "invalid_request_error"

static const MrErrorInfo errors[MR_ERROR_N_CODES] = {
  [MR_ERROR_INVALID_REQUEST] = { 400, "invalid_request", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_INVALID_JSON] = { 400, "invalid_json", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_MISSING_MODEL] = { 400, "missing_model", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_INVALID_API_KEY] = { 401, "invalid_api_key", "authentication_error", "authentication_error", 0 },
  [MR_ERROR_FORBIDDEN] = { 403, "forbidden", "permission_error", "permission_error", 0 },
  [MR_ERROR_MODEL_NOT_ALLOWED] = { 403, "model_not_allowed", "permission_error", "permission_error", 0 },
  [MR_ERROR_NOT_FOUND] = { 404, "not_found", INVALID_REQUEST, "not_found_error", 0 },
  [MR_ERROR_MODEL_NOT_FOUND] = { 404, "model_not_found", INVALID_REQUEST, "not_found_error", 0 },
  [MR_ERROR_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_REQUEST_SLOW] = { 408, "request_too_slow", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_REQUEST_TOO_LARGE] = { 413, "request_too_large", INVALID_REQUEST, "request_too_large", 0 },
  [MR_ERROR_UPGRADE_REQUIRED] = { 426, "upgrade_required", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_RATE_LIMIT] = { 429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error", 5 },
  [MR_ERROR_QUEUE_FULL] = { 429, "queue_full", "rate_limit_error", "overloaded_error", 1 },
  [MR_ERROR_HEAD_TOO_LARGE] = { 431, "head_too_large", INVALID_REQUEST, INVALID_REQUEST, 0 },
  [MR_ERROR_INTERNAL] = { 500, "internal_error", "server_error", "api_error", 0 },
  [MR_ERROR_BACKEND] = { 502, "backend_error", "server_error", "api_error", 0 },
  [MR_ERROR_WORKER_LOST] = { 502, "worker_lost", "server_error", "api_error", 0 },
  [MR_ERROR_RESPONSE_TOO_LARGE] = { 502, "response_too_large", "server_error", "api_error", 0 },
  [MR_ERROR_CLIENT_TOO_SLOW] = { 502, "client_too_slow", "server_error", "api_error", 0 },
  [MR_ERROR_REQUEUE_EXHAUSTED] = { 503, "requeue_exhausted", "server_error", "api_error", 0 },
  [MR_ERROR_PROVIDER_DISABLED] = { 503, "provider_disabled", "server_error", "overloaded_error", 5 },
  [MR_ERROR_SHUTTING_DOWN] = { 503, "shutting_down", "server_error", "overloaded_error", 2 },
  [MR_ERROR_TOO_MANY_CONNECTIONS] = { 503, "too_many_connections", "server_error", "overloaded_error", 5 },
  [MR_ERROR_STORE] = { 503, "store_unavailable", "server_error", "api_error", 5 },
  [MR_ERROR_QUEUE_TIMEOUT] = { 504, "queue_timeout", "timeout_error", "timeout_error", 0 },
  [MR_ERROR_REQUEST_TIMEOUT] = { 504, "request_timeout", "timeout_error", "timeout_error", 0 },

  [MR_ERROR_BACKEND_UNREACHABLE] = { 502, "backend_unreachable", "server_error", "api_error", 0 },
  [MR_ERROR_BACKEND_TIMEOUT] = { 504, "backend_timeout", "timeout_error", "timeout_error", 0 },
  [MR_ERROR_BACKEND_PROTOCOL] = { 502, "backend_protocol_error", "server_error", "api_error", 0 },
  [MR_ERROR_BUSY] = { 503, "busy", "server_error", "overloaded_error", 0 },
  [MR_ERROR_DRAINING] = { 503, "draining", "server_error", "overloaded_error", 0 },
  [MR_ERROR_CANCELLED] = { 499, "cancelled", INVALID_REQUEST, INVALID_REQUEST, 0 },

  /* Should one of these slip out to a client, it says no more than that the fault is ours. */
  [MR_ERROR_JSON] = { 500, "internal_error", "server_error", "api_error", 0 },
  [MR_ERROR_PROTOCOL] = { 500, "internal_error", "server_error", "api_error", 0 },
  [MR_ERROR_CONFIG] = { 500, "internal_error", "server_error", "api_error", 0 },
};

const MrErrorInfo *
mr_error_info (int code)
{
  if (code < 0 || code >= MR_ERROR_N_CODES)
    code = MR_ERROR_INTERNAL;
  return &errors[code];
}

MrErrorCode
mr_error_from_worker_code (const char *code)
{
  static const MrErrorCode known[] = {
    MR_ERROR_BACKEND_UNREACHABLE,
    MR_ERROR_BACKEND_TIMEOUT,
    MR_ERROR_BACKEND_PROTOCOL,
    MR_ERROR_BUSY,
    MR_ERROR_DRAINING,
    MR_ERROR_CANCELLED,
    MR_ERROR_RESPONSE_TOO_LARGE,
    MR_ERROR_INTERNAL,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++) {
    if (strcmp (errors[known[i]].openai_code, code) == 0)
      return known[i];
  }
  return MR_ERROR_BACKEND;
}

MrApi
mr_api_for_path (const char *path)
{
  static const char messages[] = "/v1/messages";

  if (!g_str_has_prefix (path, messages))
    return MR_API_OPENAI;

  char after = path[sizeof messages - 1];
  return after == '\0' || after == '/' || after == '?' ? MR_API_ANTHROPIC : MR_API_OPENAI;
}

static void
append_openai (GString *out, const MrErrorInfo *info, const char *message)
{
  g_string_append (out, "{\"error\":{\"message\":");
  mr_json_append_cstring (out, message);
  g_string_append_printf (out, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}", info->openai_type,
                          info->openai_code);
}

static void
append_anthropic (GString *out, const MrErrorInfo *info, const char *message, const char *request_id)
{
  g_string_append_printf (out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", info->anthropic_type);
  mr_json_append_cstring (out, message);
  g_string_append_c (out, '}');
  if (request_id != NULL) {
    g_string_append (out, ",\"request_id\":");
    mr_json_append_cstring (out, request_id);
  }
  g_string_append_c (out, '}');
}

static void
append_error (GString *out, MrApi api, int code, const char *message, const char *request_id)
{
  if (api == MR_API_ANTHROPIC)
    append_anthropic (out, mr_error_info (code), message, request_id);
  else
    append_openai (out, mr_error_info (code), message);
}

char *
mr_error_to_json (MrApi api, int code, const char *message, const char *request_id)
{
  GString *out = g_string_new (NULL);

  append_error (out, api, code, message, request_id);
  return g_string_free (out, FALSE);
}

char *
mr_error_to_event (MrApi api, int code, const char *message, const char *request_id)
{
  GString *out = g_string_new (api == MR_API_ANTHROPIC ? "event: error\ndata: " : "data: ");

  append_error (out, api, code, message, request_id);
  g_string_append (out, "\n\n");
  return g_string_free (out, FALSE);
}
