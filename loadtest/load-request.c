/* SPDX-License-Identifier: MIT */
/*
 * One request and its times. See load-request.h.
 *
 *   due ... sent ... head ... text, text, text ... end
 *    |--- first byte --|        |-gap-|            |
 *    |--- first token ---------->                  |
 *    |--- total ---------------------------------->|
 */
#include "load-request.h"

#include "error.h"
#include "load-answer.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define CHAT_PATH "/v1/chat/completions"
#define MESSAGES_PATH "/v1/messages"
#define ANTHROPIC_VERSION "2023-06-01"

struct _MrLoadRequest {
  const MrLoadQuestion *question; /* Borrowed: the run's */
  MrLoadTally *tally;             /* Borrowed: the run's */
  MrLoadRequestOver over;
  gpointer data;
  MrHttpExchange *exchange; /* Borrowed: its client's */
  MrTimer timer;
  gint64 due_us;
  gint64 last_text_us;  /* 0 before the first text */
  MrLoadAnswer *answer; /* Owned; NULL before the head */
};

/* --- What is sent --- */

MrHeaders *
mr_load_headers (const MrLoadOptions *options, gboolean json)
{
  MrHeaders *headers = mr_headers_new ();

  mr_headers_add (headers, "user-agent", "modelrelay-loadtest/" MR_VERSION);
  if (json)
    mr_headers_add (headers, "content-type", "application/json");
  if (options->anthropic)
    mr_headers_add (headers, "anthropic-version", ANTHROPIC_VERSION);
  if (options->api_key != NULL && options->anthropic) {
    mr_headers_add (headers, "x-api-key", options->api_key);
  } else if (options->api_key != NULL) {
    g_autofree char *bearer = g_strconcat ("Bearer ", options->api_key, NULL);

    mr_headers_add (headers, "authorization", bearer);
  }
  return headers;
}

static GBytes *
make_body (const MrLoadOptions *options, const char *model)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  char *text;

  json_builder_begin_object (out);
  json_builder_add_string_value (json_builder_set_member_name (out, "model"), model);
  json_builder_add_int_value (json_builder_set_member_name (out, "max_tokens"), options->max_tokens);
  if (options->stream)
    json_builder_add_boolean_value (json_builder_set_member_name (out, "stream"), TRUE);
  if (options->stream && !options->anthropic) {
    json_builder_begin_object (json_builder_set_member_name (out, "stream_options"));
    json_builder_add_boolean_value (json_builder_set_member_name (out, "include_usage"), TRUE);
    json_builder_end_object (out);
  }
  json_builder_begin_array (json_builder_set_member_name (out, "messages"));
  json_builder_begin_object (out);
  json_builder_add_string_value (json_builder_set_member_name (out, "role"), "user");
  json_builder_add_string_value (json_builder_set_member_name (out, "content"), options->prompt);
  json_builder_end_object (out);
  json_builder_end_array (out);
  json_builder_end_object (out);
  root = json_builder_get_root (out);
  text = json_to_string (root, FALSE);
  return g_bytes_new_take (text, strlen (text));
}

MrLoadQuestion *
mr_load_question_new (const MrLoadOptions *options, const char *model)
{
  MrLoadQuestion *question = g_new0 (MrLoadQuestion, 1);

  question->path = options->anthropic ? MESSAGES_PATH : CHAT_PATH;
  question->headers = mr_load_headers (options, TRUE);
  question->body = make_body (options, model);
  question->stream = options->stream;
  question->timeout_us = options->timeout_us;
  return question;
}

void
mr_load_question_free (MrLoadQuestion *question)
{
  if (question == NULL)
    return;
  mr_headers_free (question->headers);
  g_bytes_unref (question->body);
  g_free (question);
}

/* --- What comes back --- */

static void
request_free (MrLoadRequest *request)
{
  mr_timer_clear (&request->timer);
  mr_load_answer_free (request->answer);
  g_free (request);
}

/* @problem: NULL when the answer is good */
static void
end (MrLoadRequest *request, const char *problem)
{
  if (problem == NULL) {
    MrUsage usage = mr_load_answer_get_usage (request->answer);

    request->tally->ok++;
    mr_load_tally_add_time (request->tally, MR_LOAD_TOTAL, g_get_monotonic_time () - request->due_us);
    mr_load_tally_add_usage (request->tally, &usage);
  } else {
    mr_load_tally_add_failure (request->tally, problem);
  }
  request->over (request, request->data);
  request_free (request);
}

static void
on_head (MrHttpExchange *exchange, guint status, const MrHeaders *headers, gpointer data)
{
  MrLoadRequest *request = data;

  request->answer = mr_load_answer_new (status, mr_headers_get (headers, "content-type"), request->question->stream);
  /* How fast a refusal comes says nothing of answers. */
  if (status == 200)
    mr_load_tally_add_time (request->tally, MR_LOAD_FIRST_BYTE, g_get_monotonic_time () - request->due_us);
}

static void
on_data (MrHttpExchange *exchange, const char *bytes, gsize length, gpointer data)
{
  MrLoadRequest *request = data;
  gint64 now = g_get_monotonic_time ();

  if (!mr_load_answer_feed (request->answer, bytes, length))
    return;
  if (request->last_text_us == 0)
    mr_load_tally_add_time (request->tally, MR_LOAD_FIRST_TOKEN, now - request->due_us);
  else
    mr_load_tally_add_time (request->tally, MR_LOAD_GAP, now - request->last_text_us);
  request->last_text_us = now;
}

static void
on_done (MrHttpExchange *exchange, gpointer data)
{
  MrLoadRequest *request = data;
  g_autofree char *problem = mr_load_answer_end (request->answer);

  end (request, problem);
}

static void
on_failed (MrHttpExchange *exchange, const GError *error, gpointer data)
{
  MrLoadRequest *request = data;
  gboolean unreachable = !g_error_matches (error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);

  request->tally->unreachable += unreachable;
  if (unreachable) {
    g_autofree char *problem = g_strdup_printf ("cannot be reached: %s", error->message);

    end (request, problem);
  } else {
    end (request, request->answer != NULL ? "answer cut off" : "connection closed without an answer");
  }
}

static const MrHttpExchangeEvents exchange_events = {
  .head = on_head,
  .data = on_data,
  .done = on_done,
  .failed = on_failed,
};

static void
on_timeout (MrTimer *timer)
{
  MrLoadRequest *request = MR_OWNER_OF (timer, MrLoadRequest, timer);

  mr_http_exchange_cancel (request->exchange);
  end (request, "timeout");
}

MrLoadRequest *
mr_load_request_start (MrReactor *reactor, MrHttpClient *client, const MrLoadQuestion *question, gint64 due_us,
                       MrLoadTally *tally, MrLoadRequestOver over, gpointer data)
{
  MrLoadRequest *request = g_new0 (MrLoadRequest, 1);

  request->question = question;
  request->tally = tally;
  request->over = over;
  request->data = data;
  request->due_us = due_us;
  tally->started++;
  mr_timer_init (&request->timer, reactor, on_timeout);
  if (question->timeout_us > 0)
    mr_timer_set (&request->timer, g_get_monotonic_time () + question->timeout_us);
  request->exchange = mr_http_client_request (client, "POST", question->path, question->headers, question->body,
                                              &exchange_events, request);
  return request;
}

void
mr_load_request_stop (MrLoadRequest *request)
{
  request->tally->stopped++;
  mr_http_exchange_cancel (request->exchange);
  request_free (request);
}
