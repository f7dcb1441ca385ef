/* SPDX-License-Identifier: MIT */
/* One answer: every shape in every fragmentation, good and bad. */
#include "load-answer.h"

#include <string.h>

#define SSE "text/event-stream; charset=utf-8"
#define EVENT(data) "data: " data "\n\n"
#define DELTA EVENT ("{\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}")

typedef struct {
  guint status;
  const char *type;
  gboolean stream;
  const char *body;
  const char *problem; /* NULL for none */
  guint texts;         /* arrivals of text, byte by byte */
  gint64 completion_tokens;
} Case;

static const Case
    cases
        [] = {
          { 200, SSE, TRUE, DELTA DELTA EVENT ("{\"choices\":[],\"usage\":{\"completion_tokens\":7}}") EVENT ("[DONE]"),
            NULL, 2, 7 },
          { 200, SSE, TRUE,
            ": comment\r\n\r\ndata:{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\ndata: "
            "[DONE]",
            NULL, 0, -1 },
          { 200, SSE, TRUE, EVENT ("{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}") EVENT ("[DONE]"), NULL,
            1, -1 },
          { 200, SSE, TRUE,
            "event: message_start\n" EVENT ("{\"type\":\"message_start\",\"message\":{\"usage\":{\"output_tokens\":1}}"
                                            "}") "event: content_block_delta\n" EVENT (
                "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}")
                EVENT ("{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":4}}")
                    EVENT ("{\"type\":\"message_stop\"}"),
            NULL, 1, 4 },
          { 200, SSE, TRUE, DELTA, "stream without its last event", 1, -1 },
          { 200, SSE, TRUE, "", "stream without its last event", 0, -1 },
          { 200, SSE, TRUE, DELTA EVENT ("nonsense") EVENT ("[DONE]"), "stream with an event that is not JSON", 1, -1 },
          { 200, SSE, TRUE, DELTA EVENT ("{\"error\":{\"code\":\"worker_lost\",\"type\":\"x\"}}") EVENT ("[DONE]"),
            "stream ended with worker_lost", 1, -1 },
          { 200, SSE, TRUE, EVENT ("{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}"),
            "stream ended with api_error", 0, -1 },
          { 200, "application/json", FALSE, "{\"usage\":{\"completion_tokens\":3}}", NULL, 0, 3 },
          { 200, "application/json", TRUE, "{}", "200, but no stream of events", 0, -1 },
          { 200, NULL, TRUE, "{}", "200, but no stream of events", 0, -1 },
          { 200, SSE, FALSE, EVENT ("[DONE]"), "200, but not JSON", 0, -1 },
          { 200, "text/html", FALSE, "<html>", "200, but not JSON", 0, -1 },
          { 429, "application/json", TRUE, "{\"error\":{\"code\":\"queue_full\",\"type\":\"t\"}}", "429 queue_full", 0,
            -1 },
          { 401, "application/json", TRUE, "{\"error\":{\"code\":null,\"type\":\"t\"}}", "401 t", 0, -1 },
          { 401, "application/json", TRUE, "{\"error\":{}}", "401 without a code", 0, -1 },
          { 500, "text/plain", TRUE, "oops", "500", 0, -1 },
          { 503, NULL, TRUE, "{\"detail\":1}", "503", 0, -1 },
        };

static void
check (const Case *row, gsize slice)
{
  g_autoptr (MrLoadAnswer) answer = mr_load_answer_new (row->status, row->type, row->stream);
  gsize length = strlen (row->body);
  g_autofree char *problem = NULL;
  MrUsage usage;
  guint texts = 0;

  for (gsize at = 0; at < length; at += slice)
    texts += mr_load_answer_feed (answer, row->body + at, MIN (slice, length - at));
  problem = mr_load_answer_end (answer);
  usage = mr_load_answer_get_usage (answer);
  g_assert_cmpstr (problem, ==, row->problem);
  g_assert_cmpint (usage.completion_tokens, ==, row->completion_tokens);
  if (slice == 1)
    g_assert_cmpuint (texts, ==, row->texts);
  else
    g_assert_cmpint (texts > 0, ==, row->texts > 0);
}

static void
test_every_slice (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize slice = 1; slice <= strlen (cases[i].body) + 1; slice++)
      check (&cases[i], slice);
}

static void
test_too_large (void)
{
  g_autofree char *block = g_strnfill (1 << 20, 'x');
  g_autoptr (MrLoadAnswer) line = mr_load_answer_new (200, SSE, TRUE);
  g_autoptr (MrLoadAnswer) body = mr_load_answer_new (200, NULL, FALSE);
  g_autofree char *line_problem = NULL;
  g_autofree char *body_problem = NULL;

  for (guint i = 0; i <= MR_LOAD_MAX_ANSWER_BYTES >> 20; i++) {
    mr_load_answer_feed (line, block, 1 << 20);
    mr_load_answer_feed (body, block, 1 << 20);
  }
  line_problem = mr_load_answer_end (line);
  body_problem = mr_load_answer_end (body);
  g_assert_cmpstr (line_problem, ==, "answer too large");
  g_assert_cmpstr (body_problem, ==, "answer too large");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loadtest/answer/every-slice", test_every_slice);
  g_test_add_func ("/loadtest/answer/too-large", test_too_large);
  return g_test_run ();
}
