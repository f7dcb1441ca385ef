/* SPDX-License-Identifier: MIT */
/*
 * `test`: sends a prompt as any client would, shows the answer as it comes, and says how long it took. Talks to the
 * relay's client API; there is nothing else to do meanwhile, so it waits for every line.
 */
#include "command.h"

#include "ctl-error.h"
#include "fact.h"
#include "http.h"
#include "units.h"

#include <stdio.h>
#include <string.h>

#define SECURE_PREFIX "https://"

#define DEFAULT_PROMPT "Say hello in one short sentence."
#define CHAT_PATH "/v1/chat/completions"
#define MODELS_PATH "/v1/models"
#define MAX_MODELS_BYTES (4 << 20)

/* What was seen of the answer. */
typedef struct {
  GString *text;
  gint64 sent_us;
  gint64 first_us; /* 0 before the first token */
  gint64 end_us;
  gboolean done;        /* the stream ended as it should */
  double prompt_tokens; /* as the backend states; -1 when it does not */
  double completion_tokens;
} Answer;

/* --- Where --- */

/* An address that is listened on, as one that can be connected to. */
static char *
reachable (const char *address)
{
  gboolean secure = g_str_has_prefix (address, SECURE_PREFIX);
  const char *scheme = secure ? SECURE_PREFIX : "http://";

  if (g_str_has_prefix (address, "unix:"))
    return g_strdup (address);
  if (secure)
    address += strlen (SECURE_PREFIX);
  if (g_str_has_prefix (address, "0.0.0.0:"))
    return g_strconcat (scheme, "127.0.0.1:", address + strlen ("0.0.0.0:"), NULL);
  if (g_str_has_prefix (address, "[::]:"))
    return g_strconcat (scheme, "[::1]:", address + strlen ("[::]:"), NULL);
  return g_strconcat (scheme, address, NULL);
}

static MrHttpPlace *
find_place (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = NULL;
  g_autoptr (JsonNode) status = NULL;
  g_autofree char *url = NULL;
  JsonNode *addresses;
  MrHttpPlace *place;

  if (context->options->url != NULL)
    return mr_http_place_new (context->options->url, context->options->ca_file, error);
  source = mr_context_open (context, error);
  status = source != NULL ? mr_source_list (source, MR_ASK_STATUS, error) : NULL;
  if (status == NULL)
    return NULL;
  addresses = mr_fact_get (status, "addresses");
  if (mr_fact_length (addresses) == 0) {
    mr_ctl_fail (error, MR_CTL_FAILED, "the relay on the %s does not say where it listens; name it with --url",
                 source->place);
    return NULL;
  }
  url = reachable (json_node_get_string (mr_fact_item (addresses, 0)));
  place = mr_http_place_new (url, NULL, error);
  /* The bus of this machine named it, by an address that is hardly in its certificate. */
  if (place != NULL)
    place->believed = TRUE;
  return place;
}

/* --- Asking --- */

static gboolean
fail_status (const MrContext *context, MrHttpPlace *place, guint status, JsonNode *answer, GError **error)
{
  const char *said = mr_http_error_text (answer);

  if (status == SOUP_STATUS_UNAUTHORIZED)
    return mr_ctl_fail (error, MR_CTL_NOT_ALLOWED,
                        context->options->api_key != NULL
                            ? "the relay at %s refuses this API key; check --api-key-file or MODELRELAY_API_KEY"
                            : "the relay at %s wants an API key; give one with --api-key-file or MODELRELAY_API_KEY",
                        place->place);
  return mr_ctl_fail (error,
                      status == SOUP_STATUS_FORBIDDEN   ? MR_CTL_NOT_ALLOWED
                      : status == SOUP_STATUS_NOT_FOUND ? MR_CTL_NOT_FOUND
                                                        : MR_CTL_FAILED,
                      "%s answered %u: %s", place->place, status,
                      said != NULL ? said : soup_status_get_phrase (status));
}

/* (transfer full): at most @max bytes of what is left. */
static GBytes *
read_rest (GInputStream *stream, gsize max)
{
  guint8 *bytes = g_malloc (max);
  gsize length = 0;

  g_input_stream_read_all (stream, bytes, max, &length, NULL, NULL);
  return g_bytes_new_take (bytes, length);
}

/* (transfer full): the body that goes with a 200. */
static GInputStream *
send_message (const MrContext *context, MrHttpPlace *place, SoupMessage *message, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (GInputStream) stream = soup_session_send (place->session, message, NULL, &failure);

  if (stream == NULL) {
    mr_http_fail_reach (place->place, failure, error);
    return NULL;
  }
  if (soup_message_get_status (message) != SOUP_STATUS_OK) {
    g_autoptr (GBytes) body = read_rest (stream, MAX_MODELS_BYTES);
    g_autoptr (JsonNode) answer = mr_http_parse (body);

    fail_status (context, place, soup_message_get_status (message), answer, error);
    return NULL;
  }
  return g_steal_pointer (&stream);
}

/* (transfer full): the model to ask: the first that the relay lists, when none is named. */
static char *
choose_model (const MrContext *context, MrHttpPlace *place, GError **error)
{
  g_autoptr (SoupMessage) message = mr_http_message (place, "GET", MODELS_PATH, context->options->api_key);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (JsonNode) answer = NULL;
  JsonNode *list;

  if (context->options->model != NULL)
    return g_strdup (context->options->model);
  stream = send_message (context, place, message, error);
  if (stream == NULL)
    return NULL;
  body = read_rest (stream, MAX_MODELS_BYTES);
  answer = mr_http_parse (body);
  list = mr_fact_get (answer, "data");
  if (mr_fact_length (list) == 0) {
    mr_ctl_fail (error, MR_CTL_NOT_FOUND,
                 "the relay at %s has no model now; check with modelrelayctl workers that a "
                 "worker is connected",
                 place->place);
    return NULL;
  }
  return g_strdup (mr_fact_string (mr_fact_item (list, 0), "id", ""));
}

static SoupMessage *
make_question (const MrContext *context, MrHttpPlace *place, const char *model, const char *prompt)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GBytes) body = NULL;
  SoupMessage *message = mr_http_message (place, "POST", CHAT_PATH, context->options->api_key);
  char *text;

  json_builder_begin_object (out);
  json_builder_add_string_value (json_builder_set_member_name (out, "model"), model);
  json_builder_add_boolean_value (json_builder_set_member_name (out, "stream"), TRUE);
  json_builder_begin_object (json_builder_set_member_name (out, "stream_options"));
  json_builder_add_boolean_value (json_builder_set_member_name (out, "include_usage"), TRUE);
  json_builder_end_object (out);
  json_builder_begin_array (json_builder_set_member_name (out, "messages"));
  json_builder_begin_object (out);
  json_builder_add_string_value (json_builder_set_member_name (out, "role"), "user");
  json_builder_add_string_value (json_builder_set_member_name (out, "content"), prompt);
  json_builder_end_object (out);
  json_builder_end_array (out);
  json_builder_end_object (out);
  root = json_builder_get_root (out);
  text = json_to_string (root, FALSE);
  body = g_bytes_new_take (text, strlen (text));
  soup_message_set_request_body_from_bytes (message, "application/json", body);
  return message;
}

/* --- The answer --- */

static void
show_piece (const MrContext *context, Answer *answer, MrColor color, const char *piece)
{
  g_autofree char *clean = mr_style_clean_lines (piece);

  if (*piece == '\0')
    return;
  if (answer->first_us == 0)
    answer->first_us = g_get_monotonic_time ();
  if (color == MR_COLOR_PLAIN)
    g_string_append (answer->text, piece);
  if (context->options->json)
    return;
  if (color == MR_COLOR_DIM && context->style.color)
    printf ("\033[2m%s\033[0m", clean);
  else
    fputs (clean, stdout);
  fflush (stdout);
}

static gboolean
take_event (const MrContext *context, Answer *answer, const char *data, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, strlen (data));
  g_autoptr (JsonNode) event = NULL;
  JsonNode *choices;

  if (strcmp (data, "[DONE]") == 0) {
    answer->done = TRUE;
    answer->end_us = g_get_monotonic_time ();
    return TRUE;
  }
  event = mr_http_parse (bytes);
  if (event == NULL)
    return mr_ctl_fail (error, MR_CTL_FAILED, "the answer holds an event that is not JSON; the backend is at fault");
  if (mr_fact_get (event, "error") != NULL)
    return mr_ctl_fail (error, MR_CTL_FAILED, "the answer broke off: %s",
                        mr_fact_string (event, "error.message", "no reason was given"));
  choices = mr_fact_get (event, "choices");
  if (mr_fact_length (choices) > 0) {
    JsonNode *choice = mr_fact_item (choices, 0);

    show_piece (context, answer, MR_COLOR_DIM, mr_fact_string (choice, "delta.reasoning_content", ""));
    show_piece (context, answer, MR_COLOR_PLAIN, mr_fact_string (choice, "delta.content", ""));
  }
  answer->prompt_tokens = mr_fact_number (event, "usage.prompt_tokens", answer->prompt_tokens);
  answer->completion_tokens = mr_fact_number (event, "usage.completion_tokens", answer->completion_tokens);
  return TRUE;
}

static gboolean
read_answer (const MrContext *context, GInputStream *stream, Answer *answer, GError **error)
{
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (stream);
  g_autoptr (GError) failure = NULL;

  g_data_input_stream_set_newline_type (lines, G_DATA_STREAM_NEWLINE_TYPE_ANY);
  /* To the very end: who leaves after the last event looks like one who gave up. */
  while (TRUE) {
    g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, &failure);
    const char *data = line != NULL && g_str_has_prefix (line, "data:") ? line + strlen ("data:") : NULL;

    if (line == NULL)
      break;
    if (data != NULL && !take_event (context, answer, data + (*data == ' '), error))
      return FALSE;
  }
  if (failure != NULL && !answer->done)
    return mr_ctl_fail (error, MR_CTL_FAILED, "the answer broke off: %s", failure->message);
  if (!answer->done)
    return mr_ctl_fail (error, MR_CTL_FAILED,
                        "the answer ended before its last event; the worker was lost, or its "
                        "backend");
  return TRUE;
}

static double
answer_speed (const Answer *answer)
{
  if (answer->completion_tokens <= 0 || answer->first_us == 0 || answer->end_us <= answer->first_us)
    return -1;
  return answer->completion_tokens * 1e6 / (double) (answer->end_us - answer->first_us);
}

static double
first_ms (const Answer *answer)
{
  return answer->first_us != 0 ? (double) (answer->first_us - answer->sent_us) / 1e3 : -1;
}

static void
print_json (const Answer *answer, const char *model, const char *worker)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "model", model);
  json_object_set_string_member (object, "worker", worker);
  json_object_set_string_member (object, "answer", answer->text->str);
  if (answer->first_us != 0)
    json_object_set_double_member (object, "time_to_first_token_ms", first_ms (answer));
  json_object_set_double_member (object, "total_ms", (double) (answer->end_us - answer->sent_us) / 1e3);
  if (answer->prompt_tokens >= 0)
    json_object_set_int_member (object, "prompt_tokens", (gint64) answer->prompt_tokens);
  if (answer->completion_tokens >= 0)
    json_object_set_int_member (object, "completion_tokens", (gint64) answer->completion_tokens);
  if (answer_speed (answer) > 0)
    json_object_set_double_member (object, "tokens_per_second", answer_speed (answer));
  json_node_take_object (node, object);
  mr_command_print_json (node);
}

static void
append_figure (const MrStyle *style, GString *out, const char *label, const char *value)
{
  mr_style_append (style, out, MR_COLOR_BOLD, label);
  g_string_append_printf (out, "%*s", (int) (13 - strlen (label)), "");
  mr_style_append (style, out, MR_COLOR_PLAIN, value);
  g_string_append_c (out, '\n');
}

static void
print_figures (const MrContext *context, const Answer *answer, const char *model, const char *worker)
{
  GString *out = g_string_new (answer->text->len > 0 && !g_str_has_suffix (answer->text->str, "\n") ? "\n\n" : "\n");
  g_autofree char *first = mr_units_span (first_ms (answer));
  g_autofree char *total = mr_units_span ((double) (answer->end_us - answer->sent_us) / 1e3);
  g_autofree char *rate = mr_units_rate (answer_speed (answer));
  g_autofree char *prompt = mr_units_count (answer->prompt_tokens);
  g_autofree char *completion = mr_units_count (answer->completion_tokens);
  g_autofree char *tokens = g_strdup_printf ("%s in, %s out, %s tok/s", prompt, completion, rate);

  append_figure (&context->style, out, "Model", model);
  append_figure (&context->style, out, "Worker", worker);
  append_figure (&context->style, out, "First token", first);
  append_figure (&context->style, out, "Total", total);
  append_figure (&context->style, out, "Tokens",
                 answer->completion_tokens >= 0 ? tokens : "the backend does not count");
  mr_command_print (out);
}

gboolean
mr_command_test (const MrContext *context, GError **error)
{
  g_autofree char *words = g_strjoinv (" ", context->arguments);
  g_autoptr (MrHttpPlace) place = find_place (context, error);
  g_autofree char *model = place != NULL ? choose_model (context, place, error) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  Answer answer = { .text = text, .prompt_tokens = -1, .completion_tokens = -1 };
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = NULL;
  const char *worker;

  if (model == NULL)
    return FALSE;
  message = make_question (context, place, model, *words != '\0' ? words : DEFAULT_PROMPT);
  /* How long a queue and a model may take is the relay's to say. */
  soup_session_set_timeout (place->session, 0);
  answer.sent_us = g_get_monotonic_time ();
  stream = send_message (context, place, message, error);
  if (stream == NULL || !read_answer (context, stream, &answer, error))
    return FALSE;
  worker = soup_message_headers_get_one (soup_message_get_response_headers (message), "x-modelrelay-worker");
  if (worker == NULL)
    worker = "not told";
  if (context->options->json)
    print_json (&answer, model, worker);
  else
    print_figures (context, &answer, model, worker);
  return TRUE;
}
