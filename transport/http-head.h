/* SPDX-License-Identifier: MIT */
/*
 * The strict look at a request head before libsoup sees it, and the small pieces of writing a response head. Pure.
 * RFC 9112 sections 2 to 6; what could be read in two ways (request smuggling) is refused.
 */
#pragma once

#include "error.h"

#include <glib.h>

/**
 * MrHttpHead: what the intake must know of a head; spans of the head's own bytes.
 * @content_length: bytes of the body, -1 when the head does not say (no body, or chunked)
 */
typedef struct {
  const char *method;
  gsize method_length;
  const char *target; /* origin-form: an absolute-form target is cut to its path */
  gsize target_length;
  gint64 content_length;
  gboolean chunked;
  gboolean http_1_0;
  gboolean keep_alive;
} MrHttpHead;

/**
 * mr_http_head_find_end:
 * @from: where the last search stopped looking; 0 at first
 *
 * Returns: length of the head with its empty line, or 0 while it is not whole
 */
gsize mr_http_head_find_end (const char *data, gsize length, gsize from);

/**
 * mr_http_head_parse:
 * @data: a whole head, as mr_http_head_find_end() delimits it
 * @head: (out caller-allocates): untouched on failure
 * @error: return location
 *
 * Refuses: a malformed request line, a target that is not printable ASCII (it goes on in a JSON message), a version
 * other than 1.0 and 1.1, bare CR or NUL, white space before the colon, folded lines, names that are no tokens, more
 * than %MR_LIMIT_HEAD_FIELDS fields, Content-Length twice, signed or beyond 63 bits, Content-Length with
 * Transfer-Encoding, Transfer-Encoding other than a single "chunked" or in HTTP/1.0, and HTTP/1.1 without exactly one
 * Host.
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_REQUEST or %MR_ERROR_HEAD_TOO_LARGE
 */
gboolean mr_http_head_parse (const char *data, gsize length, MrHttpHead *head, GError **error);

/**
 * mr_http_head_check_fields:
 * @data: a whole head, request or response, with its empty line
 *
 * libsoup passes over a field line that it cannot read, also one like "Transfer-Encoding : chunked" that somebody else
 * obeys.
 *
 * Returns: %FALSE when a line after the first is not "name: value", or is folded, or has a bare CR or a NUL
 */
gboolean mr_http_head_check_fields (const char *data, gsize length);

/** mr_http_head_append_status: appends "HTTP/1.1 STATUS PHRASE\r\n". */
void mr_http_head_append_status (GString *out, guint status);

/** mr_http_head_append_field: appends "NAME: VALUE\r\n"; the caller has checked both. */
void mr_http_head_append_field (GString *out, const char *name, const char *value);

/**
 * mr_http_error_answer:
 * @path: (nullable): decides the error's shape
 * @message: the sentence for the client
 *
 * Returns: (transfer full): a complete answer with `Connection: close`, for connections that are given up
 */
GString *mr_http_error_answer (const char *path, MrErrorCode code, const char *message);
