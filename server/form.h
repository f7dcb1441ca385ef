/* SPDX-License-Identifier: MIT */
/*
 * The parts of a multipart/form-data body (RFC 7578, RFC 2046 5.1.1), walked without a copy. libsoup 3.2.3's own reader
 * looks beyond the end of a body without an end, which a client can bring about. Pure.
 */
#pragma once

#include "json.h"

/** MrFormIter: plain data on the caller's stack; borrows the body. */
typedef struct {
  const char *at; /* just after a delimiter; NULL after the last part */
  const char *end;
  char delimiter[76]; /* CR LF, two dashes and the boundary, which has at most 70 characters */
  gsize delimiter_length;
  guint n_parts;
} MrFormIter;

/**
 * mr_form_iter_init:
 * @content_type: the request's, multipart/form-data
 * @body: (array length=length)
 *
 * Returns: %FALSE when there is no boundary of 1 to 70 characters, or no first delimiter
 */
gboolean mr_form_iter_init (MrFormIter *iter, const char *content_type, const char *body, gsize length);

/**
 * mr_form_iter_next:
 * @name: (out) (transfer full) (nullable): of the form field; %NULL for a part without one
 * @content: (out): the part's bytes, inside the body
 * @malformed: (out): on %FALSE whether the body broke off or has more than %MR_LIMIT_FORM_PARTS parts
 *
 * Returns: %FALSE after the last part
 */
gboolean mr_form_iter_next (MrFormIter *iter, char **name, MrSpan *content, gboolean *malformed);
