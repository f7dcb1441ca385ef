/* SPDX-License-Identifier: MIT */
/*
 * Looking into a Server-Sent Events stream without changing or copying it: where events end, how many there were, and
 * the token counts that a backend states in its `usage` (never guessed, contract H4). Pure.
 * Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
#pragma once

#include <glib.h>

/**
 * MrUsage: token counts that a backend stated; -1 where it said nothing.
 */
typedef struct {
  gint64 prompt_tokens;
  gint64 completion_tokens;
  gint64 total_tokens;
} MrUsage;

#define MR_USAGE_UNKNOWN ((MrUsage){ -1, -1, -1 })

/** mr_usage_is_known: %TRUE when at least one count is known. */
gboolean mr_usage_is_known (const MrUsage *usage);

/**
 * mr_usage_update_from_json:
 * @usage: (inout): counts so far; a stated count replaces the known one
 * @text: a JSON document: a whole body, or the data of one event
 *
 * Reads `usage` at the top level (OpenAI `prompt_tokens`/`completion_tokens`/`total_tokens`; Responses and
 * Anthropic `input_tokens`/`output_tokens`/`total_tokens`), in `response.usage` (`response.completed`), and in
 * `message.usage` (`message_start`). For Anthropic the prompt counts `input_tokens` plus
 * `cache_read_input_tokens` and `cache_creation_input_tokens`. The total is computed when it is not stated and
 * both parts are known. A text that is not JSON, or without `usage`, changes nothing.
 */
void mr_usage_update_from_json (MrUsage *usage, const char *text, gsize length);

/**
 * MrSseScanner: follows one stream through any fragmentation. Plain data; mr_sse_scanner_init() and
 * mr_sse_scanner_clear() bracket its use.
 */
typedef struct {
  /*< private >*/
  gboolean line_empty; /* no byte of the present line was seen yet */
  gboolean after_cr;   /* the last byte was a CR: an LF now belongs to it */
  gboolean in_event;   /* bytes came since the last event end */
  gboolean overflow;   /* the present event is larger than MR_LIMIT_USAGE_EVENT_BYTES: not looked into */
  GString *partial;    /* Owned: start of an event that spans fragments; NULL if none, or usage is not wanted */
  gboolean want_usage;
  MrUsage usage;
  guint64 events; /* complete ones with data, if usage is wanted */
} MrSseScanner;

/**
 * mr_sse_scanner_init:
 * @want_usage: %FALSE to follow event ends only (keeps no bytes)
 */
void mr_sse_scanner_init (MrSseScanner *scanner, gboolean want_usage);
void mr_sse_scanner_clear (MrSseScanner *scanner);

/**
 * mr_sse_scanner_feed:
 * @data: the next bytes of the stream
 *
 * Lines end with LF, CR LF or CR; an empty line ends an event. Cost on the usual event without a `usage`
 * is one pass over its bytes.
 */
void mr_sse_scanner_feed (MrSseScanner *scanner, const char *data, gsize length);

/**
 * mr_sse_scanner_at_boundary:
 *
 * Returns: %TRUE when the stream so far ends with a complete event (or nothing came yet), so that another
 *   event may be appended as it is
 */
gboolean mr_sse_scanner_at_boundary (const MrSseScanner *scanner);

/**
 * mr_sse_scanner_get_events:
 *
 * Returns: how many complete events with data came; the closing `[DONE]` is none, nor is an event above
 *   %MR_LIMIT_USAGE_EVENT_BYTES; 0 if usage is not wanted
 */
guint64 mr_sse_scanner_get_events (const MrSseScanner *scanner);

/** mr_sse_scanner_get_usage: counts of all complete events so far, and of a last event without its empty line. */
MrUsage mr_sse_scanner_get_usage (MrSseScanner *scanner);
