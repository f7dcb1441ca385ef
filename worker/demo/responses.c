/* SPDX-License-Identifier: MIT */
/*
 * OpenAI's responses. Each event is named and numbered, and nothing like [DONE] ends them:
 *
 *   words:  created  in_progress  output_item.added  content_part.added  output_text.delta ...
 *           output_text.done  content_part.done  output_item.done  completed | incomplete
 *   tool:   created  in_progress  output_item.added  function_call_arguments.delta ...
 *           function_call_arguments.done  output_item.done  completed | incomplete
 */
#include "api.h"

#include "error.h"

static const char *
final_status (const MrDemoAnswer *answer)
{
  return answer->cut ? "incomplete" : "completed";
}

static gboolean
responses_read (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  JsonNode *input = json_object_get_member (request, "input");
  mr_demo_answer_read_content (answer, json_object_get_member (request, "instructions"), FALSE);
  if (input == NULL || !JSON_NODE_HOLDS_VALUE (input))
    return mr_demo_answer_read_messages (answer, request, "input", error);
  mr_demo_answer_read_content (answer, input, TRUE);
  return TRUE;
}

/* The part that holds the words, with @text as a JSON string. */
static void
append_part (const char *text, GString *out)
{
  g_string_append_printf (out, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":%s}", text);
}

/* The one item of the output; @text, a JSON string, is NULL while there is nothing in it. */
static void
append_item (const MrDemoAnswer *answer, const char *status, const char *text, GString *out)
{
  if (answer->tool != NULL) {
    g_autofree char *tool = mr_demo_quote (answer->tool);
    g_string_append_printf (out,
                            "{\"type\":\"function_call\",\"status\":\"%s\",\"id\":\"fc_%s\",\"call_id\":\"call_%s\","
                            "\"name\":%s,\"arguments\":%s}",
                            status, answer->id, answer->id, tool, text != NULL ? text : "\"\"");
    return;
  }
  g_string_append_printf (out, "{\"type\":\"message\",\"status\":\"%s\",\"id\":\"msg_%s\",\"content\":[", status,
                          answer->id);
  if (text != NULL)
    append_part (text, out);
  g_string_append (out, "],\"role\":\"assistant\"}");
}

/* The response object; @text, a JSON string, is NULL while it is in progress. */
static void
append_response (const MrDemoAnswer *answer, const char *text, GString *out)
{
  const char *status = text != NULL ? final_status (answer) : "in_progress";
  gboolean incomplete = text != NULL && answer->cut;
  g_autofree char *model = mr_demo_quote (answer->model);
  g_string_append_printf (out,
                          "{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%" G_GINT64_FORMAT ","
                          "\"status\":\"%s\",\"error\":null,\"incomplete_details\":%s,\"instructions\":null,"
                          "\"metadata\":{},\"model\":%s,\"parallel_tool_calls\":true,\"tools\":[],"
                          "\"tool_choice\":\"auto\",\"temperature\":null,\"top_p\":null,\"output\":[",
                          answer->id, answer->created_unix, status,
                          incomplete ? "{\"reason\":\"max_output_tokens\"}" : "null", model);
  if (text == NULL) {
    g_string_append (out, "],\"usage\":null}");
    return;
  }
  append_item (answer, status, text, out);
  g_string_append_printf (out,
                          "],\"usage\":{\"input_tokens\":%u,\"output_tokens\":%u,\"total_tokens\":%u,"
                          "\"input_tokens_details\":{\"cached_tokens\":0},"
                          "\"output_tokens_details\":{\"reasoning_tokens\":0}}}",
                          answer->prompt_tokens, answer->pieces->len, answer->prompt_tokens + answer->pieces->len);
}

static void
responses_write_whole (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *text = mr_demo_answer_text (answer);
  g_autofree char *quoted = mr_demo_quote (text);
  append_response (answer, quoted, out);
}

/* Opens an event; its members and the closing brace follow. */
static void
append_event (const char *type, guint number, GString *out)
{
  g_string_append_printf (out, "event: response.%s\ndata: {\"type\":\"response.%s\",\"sequence_number\":%u,", type,
                          type, number);
}

static void
append_response_event (const MrDemoAnswer *answer, const char *type, guint number, const char *text, GString *out)
{
  append_event (type, number, out);
  g_string_append (out, "\"response\":");
  append_response (answer, text, out);
  g_string_append (out, "}\n\n");
}

static void
append_item_event (const MrDemoAnswer *answer, const char *type, guint number, const char *text, GString *out)
{
  append_event (type, number, out);
  g_string_append (out, "\"output_index\":0,\"item\":");
  append_item (answer, text != NULL ? final_status (answer) : "in_progress", text, out);
  g_string_append (out, "}\n\n");
}

static void
append_part_event (const MrDemoAnswer *answer, const char *type, guint number, const char *text, GString *out)
{
  append_event (type, number, out);
  g_string_append_printf (out, "\"item_id\":\"msg_%s\",\"output_index\":0,\"content_index\":0,\"part\":", answer->id);
  append_part (text, out);
  g_string_append (out, "}\n\n");
}

/* A delta or the end of the words or the arguments: @member is what it is called there. */
static void
append_text_event (const MrDemoAnswer *answer, const char *kind, guint number, const char *member, const char *text,
                   GString *out)
{
  gboolean tool = answer->tool != NULL;
  g_autofree char *type = g_strconcat (tool ? "function_call_arguments." : "output_text.", kind, NULL);
  append_event (type, number, out);
  g_string_append_printf (out, "\"item_id\":\"%s%s\",\"output_index\":0,", tool ? "fc_" : "msg_", answer->id);
  if (!tool)
    g_string_append (out, "\"content_index\":0,\"logprobs\":[],");
  g_string_append_printf (out, "\"%s\":%s}\n\n", member, text);
}

/* How many events stand before the first piece. */
static guint
first_number (const MrDemoAnswer *answer)
{
  return answer->tool != NULL ? 3 : 4;
}

static void
responses_write_begin (const MrDemoAnswer *answer, GString *out)
{
  append_response_event (answer, "created", 0, NULL, out);
  append_response_event (answer, "in_progress", 1, NULL, out);
  append_item_event (answer, "output_item.added", 2, NULL, out);
  if (answer->tool == NULL)
    append_part_event (answer, "content_part.added", 3, "\"\"", out);
}

static void
responses_write_piece (const MrDemoAnswer *answer, guint i, GString *out)
{
  g_autofree char *piece = mr_demo_quote (mr_demo_answer_piece (answer, i));
  append_text_event (answer, "delta", first_number (answer) + i, "delta", piece, out);
}

static void
responses_write_end (const MrDemoAnswer *answer, GString *out)
{
  guint number = first_number (answer) + answer->pieces->len;
  g_autofree char *text = mr_demo_answer_text (answer);
  g_autofree char *quoted = mr_demo_quote (text);
  append_text_event (answer, "done", number++, answer->tool != NULL ? "arguments" : "text", quoted, out);
  if (answer->tool == NULL)
    append_part_event (answer, "content_part.done", number++, quoted, out);
  append_item_event (answer, "output_item.done", number++, quoted, out);
  append_response_event (answer, final_status (answer), number, quoted, out);
}

const MrDemoApi mr_demo_responses = {
  "/v1/responses",       responses_read,        responses_write_whole,
  responses_write_begin, responses_write_piece, responses_write_end,
};
