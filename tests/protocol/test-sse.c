/* SPDX-License-Identifier: MIT */
/*
 * The event stream scanner: usage and event ends under every fragmentation, on streams of our own and on answers
 * recorded from a llama-server.
 */
#include "sse.h"

#include "json.h"
#include "limits.h"

#include <string.h>

typedef struct {
  const char *name;
  MrSpan text;
  MrUsage usage;
} Stream;

#define STREAM(name, text, prompt, completion, total)                                                                  \
  {                                                                                                                    \
    name, MR_SPAN_LITERAL (text),                                                                                      \
    {                                                                                                                  \
      prompt, completion, total                                                                                        \
    }                                                                                                                  \
  }

#define OPENAI_USAGE "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}"

static const Stream streams[] = {
  STREAM ("empty", "", -1, -1, -1),
  STREAM ("blank-lines", "\n\r\n\r\n\n", -1, -1, -1),
  STREAM ("lf", "data: {\"x\":1}\n\ndata: {" OPENAI_USAGE "}\n\ndata: [DONE]\n\n", 3, 4, 7),
  STREAM ("crlf", "data: {\"x\":1}\r\n\r\ndata: {" OPENAI_USAGE "}\r\n\r\ndata: [DONE]\r\n\r\n", 3, 4, 7),
  STREAM ("cr", "data: {\"x\":1}\r\rdata: {" OPENAI_USAGE "}\r\rdata: [DONE]\r\r", 3, 4, 7),
  STREAM ("mixed-line-ends", "data: {\"x\":1}\r\n\ndata: {" OPENAI_USAGE "}\r\r\ndata: [DONE]\n\r", 3, 4, 7),
  STREAM ("no-space", "data:{" OPENAI_USAGE "}\n\n", 3, 4, 7),
  STREAM ("no-end", "data: {" OPENAI_USAGE "}", 3, 4, 7),
  STREAM ("no-empty-line", "data: {\"x\":1}\n\ndata: {" OPENAI_USAGE "}\r\n", 3, 4, 7),
  STREAM ("multi-line",
          "event: x\ndata: {\ndata: \"usage\":\r\ndata:{\"prompt_tokens\":3,\rdata: \"completion_tokens\":4}\nid: "
          "9\ndata: }\n\n",
          3, 4, 7),
  STREAM ("comments", ": ping\n\n: \"usage\"\n\n:data: {" OPENAI_USAGE "}\n\n", -1, -1, -1),
  STREAM ("other-fields", "xdata: {" OPENAI_USAGE "}\n\n data: {" OPENAI_USAGE "}\n\ndata2: {" OPENAI_USAGE "}\n\n", -1,
          -1, -1),
  STREAM ("null-then-real",
          "data: {\"usage\":null}\n\ndata: {\"usage\":{}}\n\ndata: {" OPENAI_USAGE "}\n\ndata: {\"usage\":null}\n\n", 3,
          4, 7),
  STREAM ("quoted-in-text", "data: {\"text\":\"say {\\\"usage\\\":{\\\"prompt_tokens\\\":9}}\"}\n\n", -1, -1, -1),
  STREAM ("nested-elsewhere", "data: {\"choices\":[{" OPENAI_USAGE "}],\"x\":{" OPENAI_USAGE "}}\n\n", -1, -1, -1),
  STREAM ("broken-json", "data: {" OPENAI_USAGE "\n\n", -1, -1, -1),
  STREAM ("last-counts",
          "data: {" OPENAI_USAGE
          "}\n\ndata: {\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,\"total_tokens\":30}}\n\n",
          10, 1, 30),
  STREAM ("anthropic-caches",
          "event: message_start\ndata: "
          "{\"message\":{\"usage\":{\"input_tokens\":1,\"cache_read_input_tokens\":10,\"cache_creation_input_tokens\":"
          "100,\"output_tokens\":1}}}\n\n"
          "event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n",
          111, 5, 116),
  STREAM ("utf-8", "data: {\"t\":\"na\xc3\xafve \xe2\x82\xac\"," OPENAI_USAGE "}\n\n", 3, 4, 7),
};

static const struct {
  const char *file;
  MrUsage usage;
} recorded[] = {
  { "chat-stream.sse", { 18, 8, 26 } },
  { "completion-stream.sse", { 4, 1, 5 } },
  { "messages-stream.sse", { 18, 8, 26 } },
  { "responses-stream.sse", { 18, 8, 26 } },
};

static const struct {
  const char *file;
  MrUsage usage;
} bodies[] = {
  { "chat.json", { 18, 8, 26 } },
  { "messages.json", { 18, 8, 26 } },
  { "responses.json", { 18, 6, 24 } },
};

static void
assert_usage (const MrUsage *usage, const MrUsage *expected)
{
  g_assert_cmpint (usage->prompt_tokens, ==, expected->prompt_tokens);
  g_assert_cmpint (usage->completion_tokens, ==, expected->completion_tokens);
  g_assert_cmpint (usage->total_tokens, ==, expected->total_tokens);
}

static char *
load (const char *file, gsize *length)
{
  g_autofree char *path = g_build_filename (MR_TEST_DATA, file, NULL);
  g_autoptr (GError) error = NULL;
  char *text;

  g_file_get_contents (path, &text, length, &error);
  g_assert_no_error (error);
  return text;
}

/* Each fragment on the heap without a byte to spare, so that ASan and valgrind see a read beyond it. */
static void
feed (MrSseScanner *scanner, const char *data, gsize length)
{
  g_autofree char *exact = g_memdup2 (data, length);

  mr_sse_scanner_feed (scanner, exact, length);
}

static void
check_every_split (const MrSpan *text, const MrUsage *expected)
{
  for (gsize split = 0; split <= text->length; split++) {
    MrSseScanner scanner;

    mr_sse_scanner_init (&scanner, TRUE);
    feed (&scanner, text->data, split);
    feed (&scanner, text->data + split, text->length - split);
    MrUsage usage = mr_sse_scanner_get_usage (&scanner);
    assert_usage (&usage, expected);
    mr_sse_scanner_clear (&scanner);
  }
}

static void
check_fragments (const MrSpan *text, gsize fragment, const MrUsage *expected)
{
  MrSseScanner scanner;

  mr_sse_scanner_init (&scanner, TRUE);
  for (gsize at = 0; at < text->length; at += fragment)
    feed (&scanner, text->data + at, MIN (fragment, text->length - at));
  MrUsage usage = mr_sse_scanner_get_usage (&scanner);
  assert_usage (&usage, expected);
  usage = mr_sse_scanner_get_usage (&scanner);
  assert_usage (&usage, expected);
  mr_sse_scanner_clear (&scanner);
}

/* The definition, for a text that is there as a whole: with all line ends as LF, it ends with an empty line. */
static gboolean
ends_with_event (const char *data, gsize length)
{
  g_autoptr (GString) text = g_string_new_len (data, length);

  g_string_replace (text, "\r\n", "\n", 0);
  g_string_replace (text, "\r", "\n", 0);
  return text->str[strspn (text->str, "\n")] == '\0' || g_str_has_suffix (text->str, "\n\n");
}

static void
check_boundaries (const MrSpan *text, gboolean want_usage)
{
  MrSseScanner scanner;

  mr_sse_scanner_init (&scanner, want_usage);
  g_assert_true (mr_sse_scanner_at_boundary (&scanner));
  for (gsize at = 0; at < text->length; at++) {
    MrSseScanner whole;

    feed (&scanner, text->data + at, 1);
    g_assert_cmpint (mr_sse_scanner_at_boundary (&scanner), ==, ends_with_event (text->data, at + 1));

    mr_sse_scanner_init (&whole, want_usage);
    feed (&whole, text->data, at + 1);
    g_assert_cmpint (mr_sse_scanner_at_boundary (&whole), ==, mr_sse_scanner_at_boundary (&scanner));
    mr_sse_scanner_clear (&whole);
  }
  g_assert_true (want_usage || scanner.partial == NULL);
  mr_sse_scanner_clear (&scanner);
}

static void
check_stream (const MrSpan *text, const MrUsage *expected)
{
  check_every_split (text, expected);
  for (gsize fragment = 1; fragment <= 7; fragment++)
    check_fragments (text, fragment, expected);
  check_boundaries (text, TRUE);
  check_boundaries (text, FALSE);
}

static void
test_streams (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (streams); i++) {
    g_test_message ("%s", streams[i].name);
    check_stream (&streams[i].text, &streams[i].usage);
  }
}

static void
test_recorded_streams (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (recorded); i++) {
    gsize length;
    g_autofree char *text = load (recorded[i].file, &length);
    MrSpan span = { text, length };

    g_test_message ("%s", recorded[i].file);
    check_stream (&span, &recorded[i].usage);
  }
}

static void
test_recorded_bodies (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++) {
    gsize length;
    g_autofree char *text = load (bodies[i].file, &length);
    MrUsage usage = MR_USAGE_UNKNOWN;

    g_test_message ("%s", bodies[i].file);
    mr_usage_update_from_json (&usage, text, length - 1);
    g_assert_false (mr_usage_is_known (&usage));
    mr_usage_update_from_json (&usage, text, length);
    g_assert_true (mr_usage_is_known (&usage));
    assert_usage (&usage, &bodies[i].usage);
  }
}

static void
test_never_guessed (void)
{
  static const char *const texts[] = {
    "",
    "[]",
    "null",
    "{}",
    "{\"input_tokens\":19}",
    "{\"usage\":null}",
    "{\"usage\":[1]}",
    "{\"usage\":7}",
    "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1.5,\"total_tokens\":\"7\"}}",
    "{\"usage\":{\"prompt_tokens\":1e3}}",
    "{\"usage\":{\"prompt_tokens\":18446744073709551616}}",
    "{\"usage\":{\"cache_read_input_tokens\":5}}",
    "{\"message\":\"usage\",\"response\":[]}",
    "{\"usage\":{\"prompt_tokens\":1}} x",
  };
  MrUsage usage = MR_USAGE_UNKNOWN;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    mr_usage_update_from_json (&usage, texts[i], strlen (texts[i]));
    g_assert_false (mr_usage_is_known (&usage));
  }
}

static void
test_partial_counts (void)
{
  static const char *const texts[] = {
    "{\"usage\":{\"completion_tokens\":2}}",
    "{\"response\":{\"usage\":{\"input_tokens\":5}}}",
    "{\"message\":{\"usage\":{\"output_tokens\":9}}}",
    "{\"usage\":{\"total_tokens\":99}}",
    "{\"usage\":{\"prompt_tokens\":9223372036854775807,\"total_tokens\":null}}",
  };
  static const MrUsage expected[] = {
    { -1, 2, -1 }, { 5, 2, 7 }, { 5, 9, 14 }, { 5, 9, 99 }, { G_MAXINT64, 9, 99 }, /* the sum has no room */
  };
  MrUsage usage = MR_USAGE_UNKNOWN;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    mr_usage_update_from_json (&usage, texts[i], strlen (texts[i]));
    assert_usage (&usage, &expected[i]);
  }
}

/* One event of @size bytes before its empty line, then a small one. */
static GString *
stream_with_event_of (gsize size)
{
  GString *text = g_string_new ("data: {" OPENAI_USAGE ",\"pad\":\"");
  gsize used = text->len + strlen ("\"}\n");

  g_string_set_size (text, size - strlen ("\"}\n"));
  memset (text->str + used - strlen ("\"}\n"), 'x', size - used);
  g_string_append (text, "\"}\n\ndata: {\"usage\":{\"completion_tokens\":1}}\n\n");
  return text;
}

static void
test_oversize_event (void)
{
  static const gsize fragments[] = { 1000, 65536, 4 * MR_LIMIT_USAGE_EVENT_BYTES };
  static const MrUsage held = { 3, 1, 4 }, skipped = { -1, 1, -1 };

  for (gsize i = 0; i < G_N_ELEMENTS (fragments); i++) {
    g_autoptr (GString) fits = stream_with_event_of (MR_LIMIT_USAGE_EVENT_BYTES);
    g_autoptr (GString) too_large = stream_with_event_of (MR_LIMIT_USAGE_EVENT_BYTES + 1);
    MrSpan fits_span = { fits->str, fits->len }, too_large_span = { too_large->str, too_large->len };

    check_fragments (&fits_span, fragments[i], &held);
    check_fragments (&too_large_span, fragments[i], &skipped);
  }
}

static void
test_endless_event_is_not_held (void)
{
  g_autofree char *block = g_strnfill (65536, 'x');
  MrSseScanner scanner;
  MrUsage unknown = MR_USAGE_UNKNOWN;

  mr_sse_scanner_init (&scanner, TRUE);
  for (guint i = 0; i < 64; i++) {
    mr_sse_scanner_feed (&scanner, block, 65536);
    g_assert_true (scanner.partial == NULL || scanner.partial->len <= MR_LIMIT_USAGE_EVENT_BYTES);
  }
  g_assert_null (scanner.partial);
  g_assert_false (mr_sse_scanner_at_boundary (&scanner));
  MrUsage usage = mr_sse_scanner_get_usage (&scanner);
  assert_usage (&usage, &unknown);
  mr_sse_scanner_clear (&scanner);
}

static void
test_whole_events_are_not_copied (void)
{
  MrSseScanner scanner;

  mr_sse_scanner_init (&scanner, TRUE);
  mr_sse_scanner_feed (&scanner, streams[2].text.data, streams[2].text.length);
  g_assert_null (scanner.partial);
  assert_usage (&scanner.usage, &streams[2].usage);
  mr_sse_scanner_clear (&scanner);
}

static guint64
count_events (const char *text, gsize fragment, gboolean want_usage)
{
  gsize length = strlen (text);
  MrSseScanner scanner;

  mr_sse_scanner_init (&scanner, want_usage);
  for (gsize at = 0; at < length; at += fragment)
    feed (&scanner, text + at, MIN (fragment, length - at));
  guint64 events = mr_sse_scanner_get_events (&scanner);
  mr_sse_scanner_clear (&scanner);
  return events;
}

static void
test_events_with_data_are_counted (void)
{
  static const struct {
    const char *text;
    guint64 events;
  } cases[] = {
    { "", 0 },
    { "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", 2 },
    { "data:{}\r\n\r\ndata:[DONE]\r\n\r\n", 1 },
    { "data: a\rdata: b\r\rdata: c\r\r", 2 },
    { "event: ping\n\n: comment\n\nid: 1\ndata: {}\n\n", 1 },
    { "event: data: x\n\nnodata: x\n\n data: x\n\n", 0 },
    { "data: DONE\n\ndata: [DON\n\ndata:\n\n", 3 },
    { "data: {}\n\ndata: {\"half\":", 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize fragment = 1; fragment <= 64; fragment++) {
      g_assert_cmpuint (count_events (cases[i].text, fragment, TRUE), ==, cases[i].events);
      g_assert_cmpuint (count_events (cases[i].text, fragment, FALSE), ==, 0);
    }
}

/* A stream of nothing but line ends must cost time in proportion to its length, whatever they are. */
static void
test_many_short_lines (void)
{
  static const char *const ends[] = { "\n", "\r", "\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    MrSseScanner scanner;

    while (text->len < 4 * 1024 * 1024)
      g_string_append_printf (text, "a%s%s", ends[i], ends[i]);
    mr_sse_scanner_init (&scanner, TRUE);
    mr_sse_scanner_feed (&scanner, text->str, text->len);
    g_assert_true (mr_sse_scanner_at_boundary (&scanner));
    mr_sse_scanner_clear (&scanner);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/sse/every-fragmentation", test_streams);
  g_test_add_func ("/contract/H4/recorded-streams", test_recorded_streams);
  g_test_add_func ("/contract/H4/recorded-bodies", test_recorded_bodies);
  g_test_add_func ("/contract/H4/never-guessed", test_never_guessed);
  g_test_add_func ("/protocol/sse/partial-counts", test_partial_counts);
  g_test_add_func ("/protocol/sse/oversize-event", test_oversize_event);
  g_test_add_func ("/protocol/sse/endless-event-is-not-held", test_endless_event_is_not_held);
  g_test_add_func ("/protocol/sse/whole-events-are-not-copied", test_whole_events_are_not_copied);
  g_test_add_func ("/protocol/sse/events-with-data-are-counted", test_events_with_data_are_counted);
  g_test_add_func ("/protocol/sse/many-short-lines", test_many_short_lines);
  return g_test_run ();
}
