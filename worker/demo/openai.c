/* SPDX-License-Identifier: MIT */
/*
 * OpenAI's chat completions and completions. Events are bare `data:` lines:
 *
 *   chat:         {"delta":{"role"}}  {"delta":{"content"}} ...  {"delta":{},"finish_reason"}  [usage]  [DONE]
 *   completions:  {"text"} ...  {"text":"","finish_reason"}  [usage]  [DONE]
 */
#include "api.h"

#include "error.h"

static const char *
finish_reason (const MrDemoAnswer *answer)
{
  if (answer->cut)
    return "length";
  return answer->tool != NULL ? "tool_calls" : "stop";
}

static void
append_usage (const MrDemoAnswer *answer, GString *out)
{
  g_string_append_printf (out,
                          "\"usage\":{\"completion_tokens\":%u,\"prompt_tokens\":%u,\"total_tokens\":%u,"
                          "\"prompt_tokens_details\":{\"cached_tokens\":0}}",
                          answer->pieces->len, answer->prompt_tokens, answer->pieces->len + answer->prompt_tokens);
}

/* What every document and event of the two APIs carries besides its choices. */
static void
append_identity (const MrDemoAnswer *answer, const char *prefix, const char *object, GString *out)
{
  g_autofree char *model = mr_demo_quote (answer->model);
  g_string_append_printf (out,
                          "\"created\":%" G_GINT64_FORMAT ",\"id\":\"%s%s\",\"model\":%s,"
                          "\"system_fingerprint\":\"modelrelay-demo\",\"object\":\"%s\"",
                          answer->created_unix, prefix, answer->id, model, object);
}

/* The event that ends the counting: no choices, only the usage; sent when the request asks for it. */
static void
append_last_events (const MrDemoAnswer *answer, const char *prefix, const char *object, GString *out)
{
  if (answer->include_usage) {
    g_string_append (out, "data: {\"choices\":[],");
    append_identity (answer, prefix, object, out);
    g_string_append_c (out, ',');
    append_usage (answer, out);
    g_string_append (out, "}\n\n");
  }
  g_string_append (out, "data: [DONE]\n\n");
}

static gboolean
chat_read (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  return mr_demo_answer_read_messages (answer, request, "messages", error);
}

static void
chat_write_whole (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *text = mr_demo_answer_text (answer);
  g_autofree char *quoted = mr_demo_quote (text);
  g_string_append_printf (out,
                          "{\"choices\":[{\"finish_reason\":\"%s\",\"index\":0,\"message\":{\"role\":\"assistant\",",
                          finish_reason (answer));
  if (answer->tool != NULL) {
    g_autofree char *tool = mr_demo_quote (answer->tool);
    g_string_append_printf (out,
                            "\"content\":null,\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":%s,"
                            "\"arguments\":%s},\"id\":\"call_%s\"}]}}],",
                            tool, quoted, answer->id);
  } else {
    g_string_append_printf (out, "\"content\":%s}}],", quoted);
  }
  append_identity (answer, "chatcmpl-", "chat.completion", out);
  g_string_append_c (out, ',');
  append_usage (answer, out);
  g_string_append_c (out, '}');
}

static void
append_chat_event (const MrDemoAnswer *answer, const char *reason, const char *delta, GString *out)
{
  g_autofree char *quoted = reason != NULL ? mr_demo_quote (reason) : g_strdup ("null");
  g_string_append_printf (out, "data: {\"choices\":[{\"finish_reason\":%s,\"index\":0,\"delta\":{%s}}],", quoted,
                          delta);
  append_identity (answer, "chatcmpl-", "chat.completion.chunk", out);
  g_string_append (out, "}\n\n");
}

static void
chat_write_begin (const MrDemoAnswer *answer, GString *out)
{
  append_chat_event (answer, NULL, "\"role\":\"assistant\",\"content\":null", out);
  if (answer->tool == NULL)
    return;
  g_autofree char *tool = mr_demo_quote (answer->tool);
  g_autofree char *delta = g_strdup_printf ("\"tool_calls\":[{\"index\":0,\"id\":\"call_%s\",\"type\":\"function\","
                                            "\"function\":{\"name\":%s,\"arguments\":\"\"}}]",
                                            answer->id, tool);
  append_chat_event (answer, NULL, delta, out);
}

static void
chat_write_piece (const MrDemoAnswer *answer, guint i, GString *out)
{
  g_autofree char *piece = mr_demo_quote (mr_demo_answer_piece (answer, i));
  g_autofree char *delta =
      answer->tool != NULL ? g_strdup_printf ("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":%s}}]", piece)
                           : g_strdup_printf ("\"content\":%s", piece);
  append_chat_event (answer, NULL, delta, out);
}

static void
chat_write_end (const MrDemoAnswer *answer, GString *out)
{
  append_chat_event (answer, finish_reason (answer), "", out);
  append_last_events (answer, "chatcmpl-", "chat.completion.chunk", out);
}

const MrDemoApi mr_demo_chat = {
  "/v1/chat/completions", chat_read, chat_write_whole, chat_write_begin, chat_write_piece, chat_write_end,
};

static gboolean
completions_read (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  JsonNode *prompt = json_object_get_member (request, "prompt");
  if (prompt == NULL || JSON_NODE_HOLDS_NULL (prompt)) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, "'prompt' is required");
    return FALSE;
  }
  mr_demo_answer_read_content (answer, prompt, TRUE);
  return TRUE;
}

static void
append_choice (const char *text, const char *reason, GString *out)
{
  g_autofree char *quoted_text = mr_demo_quote (text);
  g_autofree char *quoted_reason = reason != NULL ? mr_demo_quote (reason) : g_strdup ("null");
  g_string_append_printf (out, "{\"choices\":[{\"text\":%s,\"index\":0,\"logprobs\":null,\"finish_reason\":%s}],",
                          quoted_text, quoted_reason);
}

static void
completions_write_whole (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *text = mr_demo_answer_text (answer);
  append_choice (text, finish_reason (answer), out);
  append_identity (answer, "cmpl-", "text_completion", out);
  g_string_append_c (out, ',');
  append_usage (answer, out);
  g_string_append_c (out, '}');
}

static void
append_completions_event (const MrDemoAnswer *answer, const char *text, const char *reason, GString *out)
{
  g_string_append (out, "data: ");
  append_choice (text, reason, out);
  append_identity (answer, "cmpl-", "text_completion", out);
  g_string_append (out, "}\n\n");
}

/* The first event of this API is already text. */
static void
completions_write_begin (const MrDemoAnswer *answer, GString *out)
{
}

static void
completions_write_piece (const MrDemoAnswer *answer, guint i, GString *out)
{
  append_completions_event (answer, mr_demo_answer_piece (answer, i), NULL, out);
}

static void
completions_write_end (const MrDemoAnswer *answer, GString *out)
{
  append_completions_event (answer, "", finish_reason (answer), out);
  append_last_events (answer, "cmpl-", "text_completion", out);
}

const MrDemoApi mr_demo_completions = {
  "/v1/completions",       completions_read,        completions_write_whole,
  completions_write_begin, completions_write_piece, completions_write_end,
};
