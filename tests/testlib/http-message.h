/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x heads and bodies as a test sees them: every field as it came, and whether a body ended cleanly or was cut
 * off. Used from both sides of a connection.
 */
#pragma once

#include "stream.h"

/** MrtHead: start line and fields in their order. */
typedef struct {
  char *line;
  GPtrArray *names;
  GPtrArray *values;
} MrtHead;

/** mrt_head_parse: (transfer full): @text ends with an empty line; the test fails on a line without a colon. */
MrtHead *mrt_head_parse (const char *text);
void mrt_head_free (MrtHead *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtHead, mrt_head_free)

/** mrt_head_get: (nullable) (transfer none): first value of that name, any case. */
const char *mrt_head_get (const MrtHead *head, const char *name);

/** mrt_head_count: how many fields have that name. */
guint mrt_head_count (const MrtHead *head, const char *name);

/** mrt_head_word: (transfer full): word @index of the start line. */
char *mrt_head_word (const MrtHead *head, guint index);

typedef enum { MRT_BODY_OPEN, MRT_BODY_COMPLETE, MRT_BODY_ABORTED } MrtBodyState;
typedef enum { MRT_FRAMING_LENGTH, MRT_FRAMING_CHUNKED, MRT_FRAMING_UNTIL_CLOSE } MrtFraming;

/** MrtBody: what came of a body. */
typedef struct {
  MrtStream *stream; /* Borrowed */
  MrtFraming framing;
  MrtBodyState state;
  guint64 left;       /* of the length, or of the present chunk */
  gboolean in_chunk;  /* between a size line and the line end after its data */
  gboolean last_seen; /* the chunk of size zero came */
  GString *data;
} MrtBody;

/**
 * mrt_body_init:
 * @bodiless: the answer to a HEAD, or a status without a body
 * @request: a request without a framing has no body, an answer without one lasts until the connection closes
 */
void mrt_body_init (MrtBody *body, MrtStream *stream, const MrtHead *head, gboolean bodiless, gboolean request);
void mrt_body_clear (MrtBody *body);

/** mrt_body_wait: until @n bytes came in all (%TRUE), the body ended, or @timeout_ms passed. */
gboolean mrt_body_wait (MrtBody *body, gsize n, int timeout_ms);

/** mrt_body_wait_text: until @text is in it; the test fails when it does not come. */
void mrt_body_wait_text (MrtBody *body, const char *text);

/** mrt_body_finish: to its end; the test fails when none comes in @timeout_ms (negative: no limit). */
MrtBodyState mrt_body_finish (MrtBody *body, int timeout_ms);
