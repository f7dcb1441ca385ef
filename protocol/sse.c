/* SPDX-License-Identifier: MIT */
/*
 * Where events end, how many have data, and the `usage` in them. The bytes themselves pass by untouched; a copy is kept
 * only of an event that spans fragments, and only while usage is wanted.
 *
 *   data: {...}\n        a line
 *   \n                   an empty line: the event ends here
 */
#include "sse.h"

#include "json.h"
#include "limits.h"

#include <string.h>

gboolean
mr_usage_is_known (const MrUsage *usage)
{
  return usage->prompt_tokens >= 0 || usage->completion_tokens >= 0 || usage->total_tokens >= 0;
}

/* Returns: a count that @object states, -1 if it does not */
static gint64
stated_count (const MrJsonValue *object, const char *name)
{
  MrJsonValue member = mr_json_member (object, name);
  gint64 count;

  return mr_json_get_int (&member, &count) && count >= 0 ? count : -1;
}

/* -1 if one of the two is not known; no sum that a backend could mean exceeds 64 bits */
static gint64
sum (gint64 a, gint64 b)
{
  return a >= 0 && b >= 0 && a <= G_MAXINT64 - b ? a + b : -1;
}

/* Anthropic's `input_tokens` leaves out what came from or went to the cache. */
static gint64
stated_input (const MrJsonValue *object)
{
  gint64 input = stated_count (object, "input_tokens");
  gint64 read = stated_count (object, "cache_read_input_tokens");
  gint64 created = stated_count (object, "cache_creation_input_tokens");

  return sum (sum (input, MAX (read, 0)), MAX (created, 0));
}

static void
update_usage (MrUsage *usage, const MrJsonValue *object)
{
  gint64 prompt = stated_count (object, "prompt_tokens");
  gint64 completion = stated_count (object, "completion_tokens");
  gint64 total = stated_count (object, "total_tokens");

  if (prompt < 0)
    prompt = stated_input (object);
  if (completion < 0)
    completion = stated_count (object, "output_tokens");

  if (prompt >= 0)
    usage->prompt_tokens = prompt;
  if (completion >= 0)
    usage->completion_tokens = completion;
  if (total < 0 && (prompt >= 0 || completion >= 0))
    total = sum (usage->prompt_tokens, usage->completion_tokens);
  if (total >= 0)
    usage->total_tokens = total;
}

void
mr_usage_update_from_json (MrUsage *usage, const char *text, gsize length)
{
  static const char *const names[] = { "message", "response", "usage" };
  MrJsonValue values[G_N_ELEMENTS (names)];

  if (!mr_json_scan_members (text, length, names, values, G_N_ELEMENTS (names), NULL))
    return;

  MrJsonValue places[] = { mr_json_member (&values[0], "usage"), mr_json_member (&values[1], "usage"), values[2] };
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    update_usage (usage, &places[i]);
}

/* Finds line ends from left to right; each byte is looked at once for each of the two characters. */
typedef struct {
  const char *lf;
  const char *cr;
} LineEnds;

static const char *
find_or_end (const char *at, const char *end, char character)
{
  const char *found = memchr (at, character, end - at);

  return found != NULL ? found : end;
}

/* Returns: the first LF or CR from @at on, @end if there is none. @ends: zeroed before the first call */
static const char *
line_end (LineEnds *ends, const char *at, const char *end)
{
  if (ends->lf == NULL || ends->lf < at)
    ends->lf = find_or_end (at, end, '\n');
  if (ends->cr == NULL || ends->cr < at)
    ends->cr = find_or_end (at, end, '\r');
  return MIN (ends->lf, ends->cr);
}

/* Joins the data lines of an event with LF, as the format says. */
static char *
join_data (const char *event, gsize length, gsize *data_length)
{
  static const char field[] = "data:";
  const gsize field_length = sizeof field - 1;
  const char *end = event + length;
  GString *data = g_string_sized_new (length);
  LineEnds ends = { NULL };

  for (const char *at = event; at < end;) {
    const char *eol = line_end (&ends, at, end);

    if ((gsize) (eol - at) >= field_length && memcmp (at, field, field_length) == 0) {
      at += field_length;
      if (at < eol && *at == ' ')
        at++;
      if (data->len > 0)
        g_string_append_c (data, '\n');
      g_string_append_len (data, at, eol - at);
    }
    at = eol + 1;
  }

  *data_length = data->len;
  return g_string_free (data, FALSE);
}

static void
look_into_event (MrUsage *usage, const char *event, gsize length)
{
  static const char wanted[] = "\"usage\"";

  if (length > MR_LIMIT_USAGE_EVENT_BYTES || memmem (event, length, wanted, sizeof wanted - 1) == NULL)
    return;

  gsize data_length;
  g_autofree char *data = join_data (event, length, &data_length);
  mr_usage_update_from_json (usage, data, data_length);
}

/* An event of which only comments or other fields came says nothing; neither does OpenAI's word for the end. */
static gboolean
has_data (const char *event, gsize length)
{
  static const char field[] = "data:";
  static const char done[] = "[DONE]";
  const char *end = event + length;
  LineEnds ends = { NULL };

  for (const char *at = event; at < end; at = line_end (&ends, at, end) + 1) {
    if ((gsize) (end - at) >= sizeof field - 1 && memcmp (at, field, sizeof field - 1) == 0) {
      at += sizeof field - 1;
      at += at < end && *at == ' ';
      return (gsize) (end - at) < sizeof done - 1 || memcmp (at, done, sizeof done - 1) != 0;
    }
  }
  return FALSE;
}

static void
take_event (MrSseScanner *scanner, const char *event, gsize length)
{
  scanner->events += length <= MR_LIMIT_USAGE_EVENT_BYTES && has_data (event, length);
  look_into_event (&scanner->usage, event, length);
}

void
mr_sse_scanner_init (MrSseScanner *scanner, gboolean want_usage)
{
  *scanner = (MrSseScanner){ .line_empty = TRUE, .want_usage = want_usage, .usage = MR_USAGE_UNKNOWN };
}

static void
drop_partial (MrSseScanner *scanner)
{
  if (scanner->partial != NULL)
    g_string_free (g_steal_pointer (&scanner->partial), TRUE);
}

void
mr_sse_scanner_clear (MrSseScanner *scanner)
{
  drop_partial (scanner);
}

/* Keeps bytes of an event whose end has not come. */
static void
hold (MrSseScanner *scanner, const char *data, gsize length)
{
  if (!scanner->want_usage || scanner->overflow)
    return;
  if (scanner->partial == NULL)
    scanner->partial = g_string_new (NULL);
  if (scanner->partial->len + length > MR_LIMIT_USAGE_EVENT_BYTES) {
    scanner->overflow = TRUE;
    drop_partial (scanner);
  } else {
    g_string_append_len (scanner->partial, data, length);
  }
}

/* @data: the event, or what came of it after the held bytes; without its empty line */
static void
end_event (MrSseScanner *scanner, const char *data, gsize length)
{
  if (scanner->partial != NULL) {
    hold (scanner, data, length);
    if (scanner->partial != NULL)
      take_event (scanner, scanner->partial->str, scanner->partial->len);
    drop_partial (scanner);
  } else if (scanner->want_usage && !scanner->overflow) {
    take_event (scanner, data, length);
  }
  scanner->overflow = FALSE;
  scanner->in_event = FALSE;
}

void
mr_sse_scanner_feed (MrSseScanner *scanner, const char *data, gsize length)
{
  if (length == 0)
    return;

  const char *end = data + length;
  const char *event = data; /* start of what came of the present event in @data */
  const char *at = data;    /* start of the present line, or of its rest */
  LineEnds ends = { NULL };

  if (scanner->after_cr && *at == '\n')
    event = ++at;
  scanner->after_cr = FALSE;

  while (at < end) {
    const char *eol = line_end (&ends, at, end);

    if (eol > at) {
      scanner->line_empty = FALSE;
      scanner->in_event = TRUE;
    }
    if (eol == end)
      break;

    at = eol + 1;
    if (*eol == '\r') {
      scanner->after_cr = at == end;
      if (at < end && *at == '\n')
        at++;
    }
    if (scanner->line_empty) {
      if (scanner->in_event)
        end_event (scanner, event, eol - event);
      event = at;
    }
    scanner->line_empty = TRUE;
  }
  if (scanner->in_event && event < end)
    hold (scanner, event, end - event);
}

gboolean
mr_sse_scanner_at_boundary (const MrSseScanner *scanner)
{
  return !scanner->in_event;
}

guint64
mr_sse_scanner_get_events (const MrSseScanner *scanner)
{
  return scanner->events;
}

MrUsage
mr_sse_scanner_get_usage (MrSseScanner *scanner)
{
  MrUsage usage = scanner->usage;

  if (scanner->partial != NULL)
    look_into_event (&usage, scanner->partial->str, scanner->partial->len);
  return usage;
}
