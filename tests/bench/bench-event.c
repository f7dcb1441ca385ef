/* SPDX-License-Identifier: MIT */
/*
 * Events, bodies and the pattern in them. See bench-event.h.
 */
#include "bench-event.h"

#include <assert.h>
#include <string.h>

#define PERIOD 61

static const char template[] =
    "data: {\"id\":\"00000000\",\"seq\":\"00000000\",\"t\":\"0000000000000000000\",\"last\":\"0\",\"p\":\"";
static const char event_tail[] = "\"}\n\n";
static const char body_head[] = "{\"object\":\"bench\",\"p\":\"";
static const char body_tail[] = "\"}";

enum {
  ID_AT = 13,
  ID_DIGITS = 8,
  SEQ_AT = 30,
  SEQ_DIGITS = 8,
  TIME_AT = 45,
  TIME_DIGITS = 19,
  LAST_AT = 74,
  HEAD_BYTES = sizeof (template) - 1,
  TAIL_BYTES = sizeof (event_tail) - 1,
};

const char *
bench_pattern (uint64_t offset, size_t length)
{
  static const char letters[PERIOD + 1] = "the quick brown fox jumps over lazy dogs and 0123456789 more.";
  static char pattern[PERIOD + BENCH_SLICE_MAX];

  assert (length <= BENCH_SLICE_MAX);
  if (pattern[0] == '\0') {
    for (size_t i = 0; i < sizeof (pattern); i++) {
      pattern[i] = letters[i % PERIOD];
    }
  }
  return pattern + offset % PERIOD;
}

static void
put_digits (char *out, int digits, uint64_t value)
{
  for (int i = digits - 1; i >= 0; i--) {
    out[i] = (char) ('0' + value % 10);
    value /= 10;
  }
}

static uint64_t
take_digits (const char *in, int digits)
{
  uint64_t value = 0;

  for (int i = 0; i < digits; i++) {
    value = value * 10 + (uint64_t) (in[i] - '0');
  }
  return value;
}

void
bench_event_fill (char *out, size_t size, uint32_t id, uint32_t seq, uint64_t sent_ns, bool last)
{
  size_t pattern_bytes = size - HEAD_BYTES - TAIL_BYTES;

  memcpy (out, template, HEAD_BYTES);
  put_digits (out + ID_AT, ID_DIGITS, id);
  put_digits (out + SEQ_AT, SEQ_DIGITS, seq);
  put_digits (out + TIME_AT, TIME_DIGITS, sent_ns);
  out[LAST_AT] = last ? '1' : '0';
  memcpy (out + HEAD_BYTES, bench_pattern ((uint64_t) id * 7 + seq, pattern_bytes), pattern_bytes);
  memcpy (out + size - TAIL_BYTES, event_tail, TAIL_BYTES);
}

bool
bench_event_check (const char *event, size_t size, uint32_t id, uint32_t *seq, uint64_t *sent_ns, bool *last)
{
  static char expected[BENCH_SLICE_MAX];

  *seq = (uint32_t) take_digits (event + SEQ_AT, SEQ_DIGITS);
  *sent_ns = take_digits (event + TIME_AT, TIME_DIGITS);
  *last = event[LAST_AT] == '1';
  bench_event_fill (expected, size, id, *seq, *sent_ns, *last);
  return memcmp (expected, event, size) == 0;
}

/* Copies what of @text, which stands at @at, lies between @offset and @offset + @length. */
static void
overlay (char *out, uint64_t offset, size_t length, const char *text, uint64_t at)
{
  for (size_t i = 0; text[i] != '\0'; i++) {
    if (at + i >= offset && at + i < offset + length) {
      out[at + i - offset] = text[i];
    }
  }
}

void
bench_body_fill (char *out, uint64_t total, uint64_t offset, size_t length)
{
  memcpy (out, bench_pattern (offset, length), length);
  overlay (out, offset, length, body_head, 0);
  overlay (out, offset, length, body_tail, total - strlen (body_tail));
}
