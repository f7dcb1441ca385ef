/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/1.1 answer as it comes in: its head, its framing (RFC 9112 6.3), its body without the framing. Pure: the
 * bytes come from http-client, which also owns the connection.
 *
 *   (interim heads dropped) -> HEAD -> DATA* -> DONE
 *                                 any of them -> FAILED
 */
#pragma once

#include "headers.h"
#include "json.h"

typedef struct _MrHttpResponse MrHttpResponse;

typedef enum {
  MR_HTTP_RESPONSE_NEED_MORE,
  MR_HTTP_RESPONSE_HEAD, /* status and headers can be asked for */
  MR_HTTP_RESPONSE_DATA, /* bytes of the body */
  MR_HTTP_RESPONSE_DONE,
  MR_HTTP_RESPONSE_FAILED,
} MrHttpResponseResult;

/**
 * mr_http_response_new:
 * @to_head: the request's method was HEAD: no body follows, whatever the fields say
 */
MrHttpResponse *mr_http_response_new (gboolean to_head);
void mr_http_response_free (MrHttpResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpResponse, mr_http_response_free)

/**
 * mr_http_response_next:
 * @data: the next bytes; the body is decoded in place
 * @length: their number; with 0 what is known already is told
 * @used: (out): how many were consumed; the rest goes into the next call
 * @body: (out): on %MR_HTTP_RESPONSE_DATA: borrowed from @data
 * @error: return location on %MR_HTTP_RESPONSE_FAILED: %MR_ERROR_BACKEND_PROTOCOL
 */
MrHttpResponseResult mr_http_response_next (MrHttpResponse *response, char *data, gsize length, gsize *used,
                                            MrSpan *body, GError **error);

/**
 * mr_http_response_end:
 *
 * The connection ended. Returns %MR_HTTP_RESPONSE_DONE where that is the end of the body, else
 * %MR_HTTP_RESPONSE_FAILED.
 */
MrHttpResponseResult mr_http_response_end (MrHttpResponse *response, GError **error);

guint mr_http_response_get_status (const MrHttpResponse *response);
const MrHeaders *mr_http_response_get_headers (const MrHttpResponse *response);

/** mr_http_response_keeps_alive: after the end the connection may carry another request. */
gboolean mr_http_response_keeps_alive (const MrHttpResponse *response);
