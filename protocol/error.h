/* SPDX-License-Identifier: MIT */
/*
 * The one error domain of the product, and one table that says for each code what a client sees:
 * HTTP status, OpenAI code and type, Anthropic type. Also the two JSON shapes of an error answer.
 */
#pragma once

#include <glib.h>

#define MR_ERROR (mr_error_quark ())
GQuark mr_error_quark (void);

/**
 * MrErrorCode:
 *
 * Codes of %MR_ERROR. The first group is what the relay says to clients (contract A5), the second is
 * what a worker says of one request (protocol, "Per-request errors"), the third never leaves a program.
 */
typedef enum {
  MR_ERROR_INVALID_REQUEST,      /* 400 */
  MR_ERROR_INVALID_JSON,         /* 400 */
  MR_ERROR_MISSING_MODEL,        /* 400 */
  MR_ERROR_INVALID_API_KEY,      /* 401 */
  MR_ERROR_FORBIDDEN,            /* 403 */
  MR_ERROR_MODEL_NOT_ALLOWED,    /* 403 */
  MR_ERROR_NOT_FOUND,            /* 404 */
  MR_ERROR_MODEL_NOT_FOUND,      /* 404 */
  MR_ERROR_METHOD_NOT_ALLOWED,   /* 405 */
  MR_ERROR_REQUEST_SLOW,         /* 408 */
  MR_ERROR_REQUEST_TOO_LARGE,    /* 413 */
  MR_ERROR_UPGRADE_REQUIRED,     /* 426 */
  MR_ERROR_RATE_LIMIT,           /* 429 */
  MR_ERROR_QUEUE_FULL,           /* 429 */
  MR_ERROR_HEAD_TOO_LARGE,       /* 431 */
  MR_ERROR_INTERNAL,             /* 500 */
  MR_ERROR_BACKEND,              /* 502 */
  MR_ERROR_WORKER_LOST,          /* 502, only after the first byte of an answer */
  MR_ERROR_RESPONSE_TOO_LARGE,   /* 502 */
  MR_ERROR_CLIENT_TOO_SLOW,      /* 502, ends a stream whose client does not read */
  MR_ERROR_REQUEUE_EXHAUSTED,    /* 503 */
  MR_ERROR_PROVIDER_DISABLED,    /* 503 */
  MR_ERROR_SHUTTING_DOWN,        /* 503 */
  MR_ERROR_TOO_MANY_CONNECTIONS, /* 503 */
  MR_ERROR_STORE,                /* 503, the database of keys and usage cannot be read or written */
  MR_ERROR_QUEUE_TIMEOUT,        /* 504 */
  MR_ERROR_REQUEST_TIMEOUT,      /* 504 */

  MR_ERROR_BACKEND_UNREACHABLE,
  MR_ERROR_BACKEND_TIMEOUT,
  MR_ERROR_BACKEND_PROTOCOL,
  MR_ERROR_BUSY,
  MR_ERROR_DRAINING,
  MR_ERROR_CANCELLED,

  MR_ERROR_JSON,     /* text is not what RFC 8259 allows, or a member has the wrong type */
  MR_ERROR_PROTOCOL, /* a peer broke the worker protocol or RFC 6455 */
  MR_ERROR_CONFIG,   /* a bad option value */
  MR_ERROR_N_CODES
} MrErrorCode;

/**
 * MrErrorInfo:
 * @http_status: status of an answer that carries this error
 * @openai_code: `error.code` in the OpenAI shape; for the worker's group its protocol code
 * @openai_type: `error.type` in the OpenAI shape
 * @anthropic_type: `error.type` in the Anthropic shape
 * @retry_after_secs: value of `Retry-After`, 0 for none
 */
typedef struct {
  guint http_status;
  const char *openai_code;
  const char *openai_type;
  const char *anthropic_type;
  guint retry_after_secs;
} MrErrorInfo;

/**
 * mr_error_info:
 * @code: a code of %MR_ERROR
 *
 * Returns: (transfer none): the table's row; the row of %MR_ERROR_INTERNAL for an unknown code
 */
const MrErrorInfo *mr_error_info (int code);

/**
 * mr_error_from_worker_code:
 * @code: `code` of a worker's `error` message
 *
 * Returns: the matching %MrErrorCode of the worker's group (or %MR_ERROR_RESPONSE_TOO_LARGE,
 *   %MR_ERROR_INTERNAL); %MR_ERROR_BACKEND for a code that is not known
 */
MrErrorCode mr_error_from_worker_code (const char *code);

/** MrApi: whose error shape a path speaks. */
typedef enum { MR_API_OPENAI, MR_API_ANTHROPIC } MrApi;

/**
 * mr_api_for_path:
 * @path: path of the request, with or without its query
 *
 * Returns: %MR_API_ANTHROPIC for `/v1/messages` and everything below it, else %MR_API_OPENAI
 */
MrApi mr_api_for_path (const char *path);

/**
 * mr_error_to_json:
 * @api: whose shape
 * @code: a code of %MR_ERROR
 * @message: a sentence for the client, UTF-8
 * @request_id: (nullable): `request_id` in the Anthropic shape, left out when %NULL
 *
 * The OpenAI shape is `{"error":{"message","type","param":null,"code"}}`, the Anthropic one
 * `{"type":"error","error":{"type","message"},"request_id"}`.
 *
 * Returns: (transfer full): the JSON document
 */
char *mr_error_to_json (MrApi api, int code, const char *message, const char *request_id);

/**
 * mr_error_to_event:
 *
 * The same as one complete Server-Sent Event that ends a broken stream (contract D4):
 * `data: {...}\n\n` for OpenAI, `event: error\ndata: {...}\n\n` for Anthropic.
 *
 * Returns: (transfer full): the event
 */
char *mr_error_to_event (MrApi api, int code, const char *message, const char *request_id);
