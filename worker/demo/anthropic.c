/* SPDX-License-Identifier: MIT */
/*
 * Anthropic's messages. Each event is named, and nothing like [DONE] ends them:
 *
 *   message_start  content_block_start  content_block_delta ...  content_block_stop  message_delta  message_stop
 */
#include "api.h"

static const char *
stop_reason (const MrDemoAnswer *answer)
{
  if (answer->cut)
    return "max_tokens";
  return answer->tool != NULL ? "tool_use" : "end_turn";
}

static gboolean
messages_read (MrDemoAnswer *answer, JsonObject *request, GError **error)
{
  mr_demo_answer_read_content (answer, json_object_get_member (request, "system"), FALSE);
  return mr_demo_answer_read_messages (answer, request, "messages", error);
}

/* Arguments that max_tokens cut are no JSON any more; this API has no text for them, so they are left out. */
static void
append_content (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *text = mr_demo_answer_text (answer);
  if (answer->tool != NULL) {
    g_autofree char *tool = mr_demo_quote (answer->tool);
    g_string_append_printf (out, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":%s,\"input\":%s}", answer->id,
                            tool, answer->cut ? "{}" : text);
  } else {
    g_autofree char *quoted = mr_demo_quote (text);
    g_string_append_printf (out, "{\"type\":\"text\",\"text\":%s}", quoted);
  }
}

static void
messages_write_whole (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *model = mr_demo_quote (answer->model);
  g_string_append_printf (out, "{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[",
                          answer->id);
  append_content (answer, out);
  g_string_append_printf (out,
                          "],\"model\":%s,\"stop_reason\":\"%s\",\"stop_sequence\":null,"
                          "\"usage\":{\"cache_read_input_tokens\":0,\"input_tokens\":%u,\"output_tokens\":%u}}",
                          model, stop_reason (answer), answer->prompt_tokens, answer->pieces->len);
}

static void
messages_write_begin (const MrDemoAnswer *answer, GString *out)
{
  g_autofree char *model = mr_demo_quote (answer->model);
  g_string_append_printf (
      out,
      "event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_%s\",\"type\":\"message\","
      "\"role\":\"assistant\",\"content\":[],\"model\":%s,\"stop_reason\":null,\"stop_sequence\":null,"
      "\"usage\":{\"cache_read_input_tokens\":0,\"input_tokens\":%u,\"output_tokens\":0}}}\n\n",
      answer->id, model, answer->prompt_tokens);
  g_string_append (out, "event: content_block_start\n"
                        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":");
  if (answer->tool != NULL) {
    g_autofree char *tool = mr_demo_quote (answer->tool);
    g_string_append_printf (out, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":%s,\"input\":{}}}\n\n",
                            answer->id, tool);
  } else {
    g_string_append (out, "{\"type\":\"text\",\"text\":\"\"}}\n\n");
  }
}

static void
messages_write_piece (const MrDemoAnswer *answer, guint i, GString *out)
{
  g_autofree char *piece = mr_demo_quote (mr_demo_answer_piece (answer, i));
  const char *type = answer->tool != NULL ? "input_json_delta" : "text_delta";
  const char *member = answer->tool != NULL ? "partial_json" : "text";
  g_string_append_printf (
      out,
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"%s\",\"%s\":%s}}\n\n",
      type, member, piece);
}

static void
messages_write_end (const MrDemoAnswer *answer, GString *out)
{
  g_string_append_printf (out,
                          "event: content_block_stop\n"
                          "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                          "event: message_delta\n"
                          "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
                          "\"usage\":{\"output_tokens\":%u}}\n\n"
                          "event: message_stop\n"
                          "data: {\"type\":\"message_stop\"}\n\n",
                          stop_reason (answer), answer->pieces->len);
}

const MrDemoApi mr_demo_messages = {
  "/v1/messages", messages_read, messages_write_whole, messages_write_begin, messages_write_piece, messages_write_end,
};
