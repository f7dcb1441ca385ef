/* SPDX-License-Identifier: MIT */
/*
 * The demonstration backend, as its clients see it: the real program over loopback, each API streamed and whole, honest
 * counts, tool calls, errors, and the end of a stream whose client has gone. Usage: test-demo-backend PROGRAM
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "json-text.h"
#include "process.h"
#include "raw-client.h"

#define WEATHER_SCHEMA                                                                                                 \
  "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":2}," \
  "\"unit\":{\"enum\":[\"celsius\",\"kelvin\"]},\"deep\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}}}"
#define EXPECTED_ARGUMENTS "{\"city\":\"demo\",\"days\":2,\"unit\":\"celsius\",\"deep\":[true]}"

/* How one API spells what all of them have. */
typedef struct {
  const char *name;
  const char *path;
  const char *ask;       /* members of a request whose user says "grüß \"Gott\", ok?" */
  const char *limit;     /* the member that limits the tokens */
  const char *tool;      /* members that force a call of the tool `weather` */
  const char *text;      /* where a whole answer has its text; a number is an index */
  const char *arguments; /* and the arguments of its tool call */
  const char *delta;     /* where an event has its piece */
  const char *tool_delta;
  const char *last_usage; /* where the event that counts has its usage; may stand in any event, the last one counts */
  const char *prompt;     /* names within a usage */
  const char *completion;
  const char *reason; /* where a whole answer says why it ended */
  const char *cut;    /* what it says when max_tokens did it */
  const char *called; /* when it calls a tool */
  const char *ending; /* the last bytes of a stream */
} Api;

#define SAID "\"gr\\u00fc\\u00df \\\"Gott\\\", ok?\""

static const Api apis[] = {
  {
      .name = "chat",
      .path = "/v1/chat/completions",
      .ask = "\"model\":\"m\",\"stream_options\":{\"include_usage\":true},"
             "\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":" SAID "}]",
      .limit = "max_completion_tokens",
      .tool = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"other\",\"parameters\":{}}},"
              "{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":" WEATHER_SCHEMA "}}],"
              "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}",
      .text = "choices.0.message.content",
      .arguments = "choices.0.message.tool_calls.0.function.arguments",
      .delta = "choices.0.delta.content",
      .tool_delta = "choices.0.delta.tool_calls.0.function.arguments",
      .last_usage = "usage",
      .prompt = "prompt_tokens",
      .completion = "completion_tokens",
      .reason = "choices.0.finish_reason",
      .cut = "length",
      .called = "tool_calls",
      .ending = "data: [DONE]\n\n",
  },
  {
      .name = "completions",
      .path = "/v1/completions",
      .ask = "\"model\":\"m\",\"stream_options\":{\"include_usage\":true},\"prompt\":" SAID,
      .limit = "max_tokens",
      .text = "choices.0.text",
      .delta = "choices.0.text",
      .last_usage = "usage",
      .prompt = "prompt_tokens",
      .completion = "completion_tokens",
      .reason = "choices.0.finish_reason",
      .cut = "length",
      .ending = "data: [DONE]\n\n",
  },
  {
      .name = "responses",
      .path = "/v1/responses",
      .ask = "\"model\":\"m\",\"instructions\":\"be\","
             "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":" SAID "}]}]",
      .limit = "max_output_tokens",
      .tool = "\"tools\":[{\"type\":\"function\",\"name\":\"weather\",\"parameters\":" WEATHER_SCHEMA "}],"
              "\"tool_choice\":\"required\"",
      .text = "output.0.content.0.text",
      .arguments = "output.0.arguments",
      .delta = "delta",
      .tool_delta = "delta",
      .last_usage = "response.usage",
      .prompt = "input_tokens",
      .completion = "output_tokens",
      .reason = "incomplete_details.reason",
      .cut = "max_output_tokens",
      .ending = "}}\n\n",
  },
  {
      .name = "messages",
      .path = "/v1/messages",
      .ask = "\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"be\"}],"
             "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":" SAID "}]}]",
      .limit = "max_tokens",
      .tool =
          "\"tools\":[{\"name\":\"weather\",\"input_schema\":" WEATHER_SCHEMA "}],\"tool_choice\":{\"type\":\"any\"}",
      .text = "content.0.text",
      .arguments = "content.0.input",
      .delta = "delta.text",
      .tool_delta = "delta.partial_json",
      .last_usage = "usage",
      .prompt = "input_tokens",
      .completion = "output_tokens",
      .reason = "stop_reason",
      .cut = "max_tokens",
      .called = "tool_use",
      .ending = "data: {\"type\":\"message_stop\"}\n\n",
  },
};

static const char *program;

typedef struct {
  MrtProcess *process;
  guint16 port;
} Demo;

static void
demo_clear (Demo *demo)
{
  mrt_process_signal (demo->process, SIGTERM);
  g_assert_cmpint (mrt_process_wait_exit (demo->process, MRT_WAIT_MS), ==, 0);
  mrt_process_free (demo->process);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Demo, demo_clear)

static Demo
demo_start (const char *rate, const char *slots)
{
  const char *const argv[] = { program,   "--listen", "127.0.0.1:0", "--tokens-per-second", rate, "--slots", slots,
                               "--model", "demo",     "--model",     "org/two:3b",          NULL };
  Demo demo = { .process = mrt_process_start (argv, NULL) };
  g_autofree char *line = mrt_process_wait_log (demo.process, "listening on http://127.0.0.1:");
  demo.port = (guint16) g_ascii_strtoull (strrchr (line, ':') + 1, NULL, 10);
  return demo;
}

/* As mrt_json_get(), and numbers in the path are indices. */
static JsonNode *
find (JsonObject *object, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, ".", -1);
  JsonNode *node = json_object_get_member (object, names[0]);
  for (guint i = 1; node != NULL && names[i] != NULL; i++) {
    if (JSON_NODE_HOLDS_ARRAY (node)) {
      JsonArray *array = json_node_get_array (node);
      guint64 index = g_ascii_strtoull (names[i], NULL, 10);
      node = index < json_array_get_length (array) ? json_array_get_element (array, (guint) index) : NULL;
    } else {
      node = JSON_NODE_HOLDS_OBJECT (node) ? json_object_get_member (json_node_get_object (node), names[i]) : NULL;
    }
  }
  return node;
}

static const char *
find_string (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

static JsonObject *
ask (Demo *demo, const char *method, const char *path, const char *body, guint status)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (demo->port, method, path, NULL, body);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
  g_assert_cmpuint (response->status, ==, status);
  g_assert_true (g_str_has_prefix (mrt_head_get (response->head, "Content-Type"), "application/json"));
  return mrt_json_parse (response->body.data->str);
}

/* What a stream said, put together again. */
typedef struct {
  GString *text;
  guint pieces;
  gint64 prompt_tokens;
  gint64 completion_tokens;
} Heard;

static void
heard_clear (Heard *heard)
{
  g_string_free (heard->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Heard, heard_clear)

static void
hear_event (const Api *api, const char *data, gboolean tool, Heard *heard)
{
  g_autoptr (JsonObject) event = mrt_json_parse (data);
  const char *piece = find_string (event, tool ? api->tool_delta : api->delta);
  JsonNode *usage = find (event, api->last_usage);
  JsonNode *first_usage = find (event, "message.usage.input_tokens");
  if (piece != NULL && piece[0] != '\0') {
    g_string_append (heard->text, piece);
    heard->pieces++;
  }
  if (usage != NULL && JSON_NODE_HOLDS_OBJECT (usage)) {
    JsonObject *counts = json_node_get_object (usage);
    heard->completion_tokens = mrt_json_int (counts, api->completion);
    if (json_object_has_member (counts, api->prompt))
      heard->prompt_tokens = mrt_json_int (counts, api->prompt);
  }
  if (first_usage != NULL)
    heard->prompt_tokens = json_node_get_int (first_usage);
}

static Heard
listen_to (Demo *demo, const Api *api, const char *body, gboolean tool)
{
  Heard heard = { .text = g_string_new (NULL), .prompt_tokens = -1, .completion_tokens = -1 };
  g_autoptr (MrtResponse) response = mrt_client_ask (demo->port, "POST", api->path, NULL, body);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
  g_assert_cmpstr (mrt_head_get (response->head, "Content-Type"), ==, "text/event-stream");
  g_assert_true (g_str_has_suffix (response->body.data->str, api->ending));
  g_auto (GStrv) lines = g_strsplit (response->body.data->str, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "data: {"))
      hear_event (api, lines[i] + strlen ("data: "), tool, &heard);
  return heard;
}

static void
test_answer (gconstpointer data)
{
  const Api *api = data;
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *whole_body = g_strdup_printf ("{%s}", api->ask);
  g_autofree char *stream_body = g_strdup_printf ("{%s,\"stream\":true}", api->ask);
  g_autoptr (JsonObject) whole = ask (&demo, "POST", api->path, whole_body, 200);
  g_auto (Heard) heard = listen_to (&demo, api, stream_body, FALSE);
  g_autofree char *completion = g_strdup_printf ("usage.%s", api->completion);
  g_autofree char *prompt = g_strdup_printf ("usage.%s", api->prompt);

  g_assert_cmpstr (find_string (whole, "model"), ==, "m");
  g_assert_cmpstr (find_string (whole, api->text), ==,
                   "This is ModelRelay's demonstration backend; no model is running. You said: grüß \"Gott\", ok?");
  g_assert_cmpstr (heard.text->str, ==, find_string (whole, api->text));
  g_assert_cmpint (heard.completion_tokens, ==, heard.pieces);
  g_assert_cmpint (mrt_json_int (whole, completion), ==, heard.pieces);
  g_assert_cmpint (mrt_json_int (whole, prompt), ==, heard.prompt_tokens);
  /* grüß, ", Gott, ", the comma, ok, ? and, except for completions, the system's "be". */
  g_assert_cmpint (heard.prompt_tokens, ==, strcmp (api->name, "completions") == 0 ? 7 : 8);
}

static void
test_limit (gconstpointer data)
{
  const Api *api = data;
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *whole_body = g_strdup_printf ("{%s,\"%s\":2}", api->ask, api->limit);
  g_autofree char *stream_body = g_strdup_printf ("{%s,\"%s\":2,\"stream\":true}", api->ask, api->limit);
  g_autofree char *nothing_body = g_strdup_printf ("{%s,\"%s\":0,\"stream\":true}", api->ask, api->limit);
  g_autofree char *bad_body = g_strdup_printf ("{%s,\"%s\":\"two\"}", api->ask, api->limit);
  g_autoptr (JsonObject) whole = ask (&demo, "POST", api->path, whole_body, 200);
  g_autoptr (JsonObject) bad = ask (&demo, "POST", api->path, bad_body, 400);
  g_auto (Heard) heard = listen_to (&demo, api, stream_body, FALSE);
  g_auto (Heard) nothing = listen_to (&demo, api, nothing_body, FALSE);

  g_assert_cmpstr (find_string (whole, api->text), ==, "This is");
  g_assert_cmpstr (find_string (whole, api->reason), ==, api->cut);
  g_assert_cmpstr (heard.text->str, ==, "This is");
  g_assert_cmpint (heard.completion_tokens, ==, 2);
  g_assert_cmpint (nothing.completion_tokens, ==, 0);
}

static void
test_tool (gconstpointer data)
{
  const Api *api = data;
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *whole_body = g_strdup_printf ("{%s,%s}", api->ask, api->tool);
  g_autofree char *stream_body = g_strdup_printf ("{%s,%s,\"stream\":true}", api->ask, api->tool);
  g_autoptr (JsonObject) whole = ask (&demo, "POST", api->path, whole_body, 200);
  g_auto (Heard) heard = listen_to (&demo, api, stream_body, TRUE);
  g_autofree char *written = json_to_string (find (whole, api->arguments), FALSE);

  g_assert_cmpstr (heard.text->str, ==, EXPECTED_ARGUMENTS);
  g_assert_cmpint (heard.completion_tokens, ==, heard.pieces);
  if (JSON_NODE_HOLDS_OBJECT (find (whole, api->arguments)))
    g_assert_cmpstr (written, ==, EXPECTED_ARGUMENTS);
  else
    g_assert_cmpstr (find_string (whole, api->arguments), ==, EXPECTED_ARGUMENTS);
  if (api->called != NULL)
    g_assert_cmpstr (find_string (whole, api->reason), ==, api->called);
}

static void
test_tool_that_is_not_there (void)
{
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autoptr (JsonObject) refused = ask (&demo, "POST", "/v1/messages",
                                        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[],"
                                        "\"tool_choice\":{\"type\":\"tool\",\"name\":\"gone\"}}",
                                        400);
  g_assert_cmpstr (find_string (refused, "error.type"), ==, "invalid_request_error");
}

static void
test_count_tokens (void)
{
  const Api *messages = &apis[3];
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *body = g_strdup_printf ("{%s,%s}", messages->ask, messages->tool);
  g_autoptr (JsonObject) counted = ask (&demo, "POST", "/v1/messages/count_tokens", body, 200);
  g_autoptr (JsonObject) answered = ask (&demo, "POST", "/v1/messages", body, 200);
  g_assert_cmpint (mrt_json_int (counted, "input_tokens"), ==, mrt_json_int (answered, "usage.input_tokens"));
  g_assert_cmpint (mrt_json_int (counted, "input_tokens"), >, 8);
}

static void
test_embeddings (void)
{
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autoptr (JsonObject) floats =
      ask (&demo, "POST", "/v1/embeddings", "{\"input\":[\"one two\",\"three\"],\"dimensions\":64}", 200);
  g_autoptr (JsonObject) packed = ask (&demo, "POST", "/v1/embeddings",
                                       "{\"input\":\"three\",\"dimensions\":64,\"encoding_format\":\"base64\"}", 200);
  g_autoptr (JsonObject) numbers = ask (&demo, "POST", "/v1/embeddings", "{\"input\":[1,2,3]}", 200);
  g_autoptr (JsonObject) refused = ask (&demo, "POST", "/v1/embeddings", "{\"input\":\"x\",\"dimensions\":0}", 400);
  g_autoptr (JsonObject) empty = ask (&demo, "POST", "/v1/embeddings", "{\"input\":[]}", 400);

  JsonArray *vector = json_node_get_array (find (floats, "data.1.embedding"));
  gsize length;
  g_autofree float *same = (float *) (void *) g_base64_decode (find_string (packed, "data.0.embedding"), &length);
  double square_sum = 0;
  g_assert_cmpuint (json_array_get_length (vector), ==, 64);
  g_assert_cmpuint (length, ==, 64 * sizeof (float));
  for (guint i = 0; i < 64; i++) {
    double component = json_array_get_double_element (vector, i);
    square_sum += component * component;
    g_assert_cmpfloat_with_epsilon (component, same[i], 1e-7);
  }
  g_assert_cmpfloat_with_epsilon (square_sum, 1, 1e-5);
  g_assert_cmpfloat (json_node_get_double (find (floats, "data.0.embedding.0")), !=,
                     json_array_get_double_element (vector, 0));
  g_assert_cmpint (mrt_json_int (floats, "usage.prompt_tokens"), ==, 3);
  g_assert_cmpint (mrt_json_int (numbers, "usage.total_tokens"), ==, 3);
}

static void
test_catalogue (void)
{
  g_auto (Demo) demo = demo_start ("0", "3");
  g_autoptr (JsonObject) models = ask (&demo, "GET", "/v1/models", NULL, 200);
  g_autoptr (JsonObject) model = ask (&demo, "GET", "/v1/models/org/two:3b", NULL, 200);
  g_autoptr (JsonObject) unknown = ask (&demo, "GET", "/v1/models/three", NULL, 404);
  g_autoptr (JsonObject) health = ask (&demo, "GET", "/health", NULL, 200);
  g_autoptr (JsonObject) props = ask (&demo, "GET", "/props", NULL, 200);
  g_autoptr (MrtResponse) head = mrt_client_ask (demo.port, "HEAD", "/v1/models", NULL, NULL);

  g_assert_cmpstr (find_string (models, "object"), ==, "list");
  g_assert_cmpstr (find_string (models, "data.0.id"), ==, "demo");
  g_assert_cmpstr (find_string (models, "data.1.id"), ==, "org/two:3b");
  g_assert_null (find (models, "data.2"));
  g_assert_cmpstr (find_string (model, "id"), ==, "org/two:3b");
  g_assert_cmpstr (find_string (health, "status"), ==, "ok");
  g_assert_cmpint (mrt_json_int (props, "total_slots"), ==, 3);
  g_assert_cmpuint (head->status, ==, 200);
}

static void
test_errors (void)
{
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *deep = g_strnfill (200000, '[');
  g_autoptr (JsonObject) too_deep = ask (&demo, "POST", "/v1/completions", deep, 400);
  g_autoptr (JsonObject) broken = ask (&demo, "POST", "/v1/chat/completions", "{\"messages\":", 400);
  g_autoptr (JsonObject) array = ask (&demo, "POST", "/v1/chat/completions", "[]", 400);
  g_autoptr (JsonObject) missing = ask (&demo, "POST", "/v1/chat/completions", "{\"stream\":true}", 400);
  g_autoptr (JsonObject) anthropic = ask (&demo, "POST", "/v1/messages", "{\"messages\":[]}", 400);
  g_autoptr (JsonObject) nowhere = ask (&demo, "POST", "/v1/nowhere", "{}", 404);
  g_autoptr (MrtResponse) method = mrt_client_ask (demo.port, "GET", "/v1/chat/completions", NULL, NULL);

  g_assert_cmpstr (find_string (broken, "error.type"), ==, "invalid_request_error");
  g_assert_nonnull (strstr (find_string (missing, "error.message"), "messages"));
  g_assert_cmpstr (find_string (anthropic, "type"), ==, "error");
  g_assert_cmpstr (find_string (anthropic, "error.type"), ==, "invalid_request_error");
  g_assert_nonnull (find_string (nowhere, "error.message"));
  g_assert_cmpuint (method->status, ==, 405);
  g_assert_cmpstr (mrt_head_get (method->head, "Allow"), ==, "POST");
}

static void
test_pace (void)
{
  const Api *api = &apis[0];
  g_auto (Demo) demo = demo_start ("20", "4");
  g_autofree char *stream_body = g_strdup_printf ("{%s,\"max_tokens\":6,\"stream\":true}", api->ask);
  g_autofree char *whole_body = g_strdup_printf ("{%s,\"max_tokens\":6}", api->ask);
  gint64 start_ms = mrt_now_ms ();
  g_auto (Heard) heard = listen_to (&demo, api, stream_body, FALSE);
  gint64 stream_ms = mrt_now_ms () - start_ms;
  g_autoptr (JsonObject) whole = ask (&demo, "POST", api->path, whole_body, 200);
  gint64 whole_ms = mrt_now_ms () - start_ms - stream_ms;
  g_assert_cmpint (heard.pieces, ==, 6);
  g_assert_cmpint (stream_ms, >=, 6 * 50);
  g_assert_cmpint (whole_ms, >=, 6 * 50);
}

/* At one token in ten seconds nothing is written that could fail: the end must be noticed on the socket. */
static void
test_client_goes (void)
{
  const Api *api = &apis[0];
  g_auto (Demo) demo = demo_start ("0.1", "1");
  g_autofree char *stream_body = g_strdup_printf ("{%s,\"stream\":true}", api->ask);
  g_autofree char *whole_body = g_strdup_printf ("{%s}", api->ask);
  MrtStream *streaming = mrt_client_open (demo.port, "POST", api->path, NULL, stream_body);
  g_free (mrt_stream_take_until (streaming, "\"role\":\"assistant\"", MRT_WAIT_MS));

  /* The one slot is taken: this one waits, unanswered, and may leave as well. */
  MrtStream *waiting = mrt_client_open (demo.port, "POST", api->path, NULL, whole_body);
  g_assert_true (mrt_stream_is_quiet (waiting, MRT_QUIET_MS));
  gint64 start_ms = mrt_now_ms ();
  mrt_stream_free (waiting);
  mrt_process_wait_log_count (demo.process, "outcome=cancelled", 1);
  mrt_stream_half_close (streaming);
  g_assert_true (mrt_stream_wait_end (streaming, MRT_WAIT_MS));
  mrt_process_wait_log_count (demo.process, "outcome=cancelled", 2);
  mrt_stream_free (streaming);

  /* The slot is free again, and a reset is noticed like an end. */
  MrtStream *next = mrt_client_open (demo.port, "POST", api->path, NULL, stream_body);
  g_free (mrt_stream_take_until (next, "\"role\":\"assistant\"", MRT_WAIT_MS));
  mrt_stream_reset (next);
  mrt_process_wait_log_count (demo.process, "outcome=cancelled", 3);
  mrt_stream_free (next);
  g_assert_cmpint (mrt_now_ms () - start_ms, <, 5000);
}

static void
test_slots (void)
{
  const Api *api = &apis[1];
  g_auto (Demo) demo = demo_start ("20", "1");
  g_autofree char *body = g_strdup_printf ("{%s,\"max_tokens\":4,\"stream\":true}", api->ask);
  g_autoptr (MrtStream) first = mrt_client_open (demo.port, "POST", api->path, NULL, body);
  g_free (mrt_stream_take_until (first, "data: ", MRT_WAIT_MS));
  g_autoptr (MrtStream) second = mrt_client_open (demo.port, "POST", api->path, NULL, body);
  g_free (mrt_stream_take_until (second, "data: ", MRT_WAIT_MS));
  /* The second began, so the first has ended: its end is here already. */
  g_free (mrt_stream_take_until (first, "data: [DONE]\n\n", 0));
  g_free (mrt_stream_take_until (second, "data: [DONE]\n\n", MRT_WAIT_MS));
}

/* A client that does not read holds up only itself, and what it does not read is not made. */
static void
test_slow_reader (void)
{
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autofree char *said = g_strnfill (4 * 1024 * 1024, 'x');
  g_autofree char *body = g_strdup_printf ("{\"prompt\":\"%s\",\"stream\":true}", said);
  MrtStream *stalled = mrt_client_open (demo.port, "POST", "/v1/completions", NULL, body);
  g_free (mrt_stream_take_until (stalled, "data: ", MRT_WAIT_MS));
  g_autoptr (JsonObject) health = ask (&demo, "GET", "/health", NULL, 200);
  mrt_stream_free (stalled);
  g_autofree char *line = mrt_process_wait_log (demo.process, "outcome=cancelled");
  guint64 made = g_ascii_strtoull (strrchr (line, '=') + 1, NULL, 10);
  /* The kernel holds some MiB at 200 bytes an event; all the pieces would be 700,000. */
  g_assert_cmpuint (made, >, 0);
  g_assert_cmpuint (made, <, 200000);
}

static void
test_leaves_nothing_behind (void)
{
  g_auto (Demo) demo = demo_start ("0", "4");
  g_autoptr (MrtResponse) first = mrt_client_ask (demo.port, "GET", "/health", NULL, NULL);
  guint before = mrt_process_count_fds (demo.process);
  for (guint i = 0; i < 50; i++) {
    g_autoptr (MrtResponse) one = mrt_client_ask (demo.port, "GET", "/health", NULL, NULL);
    g_autoptr (MrtResponse) two =
        mrt_client_ask (demo.port, "POST", "/v1/completions", NULL, "{\"prompt\":\"secret words\",\"stream\":true}");
    g_assert_cmpuint (two->status, ==, 200);
  }
  g_autofree char *log = mrt_process_get_log (demo.process);
  g_assert_cmpuint (mrt_process_count_fds (demo.process), <=, before + 2);
  g_assert_null (strstr (log, "secret"));
}

static void
test_stops_in_the_middle (void)
{
  g_auto (Demo) demo = demo_start ("1", "1");
  g_autoptr (MrtStream) one =
      mrt_client_open (demo.port, "POST", "/v1/responses", NULL, "{\"input\":\"x\",\"stream\":true}");
  g_free (mrt_stream_take_until (one, "response.created", MRT_WAIT_MS));
  g_autoptr (MrtStream) two = mrt_client_open (demo.port, "POST", "/v1/responses", NULL, "{\"input\":\"x\"}");
  mrt_process_signal (demo.process, SIGTERM);
  g_assert_cmpint (mrt_process_wait_exit (demo.process, MRT_WAIT_MS), ==, 0);
}

static void
test_options (void)
{
  static const char *const bad[] = { "--slots=0", "--tokens-per-second=-1", "--unknown", "word" };
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    const char *const argv[] = { program, bad[i], NULL };
    g_autoptr (MrtProcess) process = mrt_process_start (argv, NULL);
    g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 2);
  }
  const char *const argv[] = { program, "--listen", "nowhere:0", NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, NULL);
  g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  program = argv[1];
  for (guint i = 0; i < G_N_ELEMENTS (apis); i++) {
    g_autofree char *answer = g_strdup_printf ("/demo-backend/%s/answer", apis[i].name);
    g_autofree char *limit = g_strdup_printf ("/demo-backend/%s/limit", apis[i].name);
    g_autofree char *tool = g_strdup_printf ("/demo-backend/%s/tool", apis[i].name);
    g_test_add_data_func (answer, &apis[i], test_answer);
    g_test_add_data_func (limit, &apis[i], test_limit);
    if (apis[i].tool != NULL)
      g_test_add_data_func (tool, &apis[i], test_tool);
  }
  g_test_add_func ("/demo-backend/tool-that-is-not-there", test_tool_that_is_not_there);
  g_test_add_func ("/demo-backend/count-tokens", test_count_tokens);
  g_test_add_func ("/demo-backend/embeddings", test_embeddings);
  g_test_add_func ("/demo-backend/catalogue", test_catalogue);
  g_test_add_func ("/demo-backend/errors", test_errors);
  g_test_add_func ("/demo-backend/pace", test_pace);
  g_test_add_func ("/demo-backend/client-goes", test_client_goes);
  g_test_add_func ("/demo-backend/slots", test_slots);
  g_test_add_func ("/demo-backend/slow-reader", test_slow_reader);
  g_test_add_func ("/demo-backend/leaves-nothing-behind", test_leaves_nothing_behind);
  g_test_add_func ("/demo-backend/stops-in-the-middle", test_stops_in_the_middle);
  g_test_add_func ("/demo-backend/options", test_options);
  return g_test_run ();
}
