/* SPDX-License-Identifier: MIT */
/*
 * A streamed chat completion over libsoup, read line by line. See test-request.h.
 */
#include "test-request.h"

#include "json.h"
#include "sse.h"

#include <glib/gi18n-lib.h>
#include <libsoup/soup.h>
#include <string.h>

#define CHAT_PATH "/v1/chat/completions"
#define SILENCE_SECONDS 60
#define READ_BYTES 4096

/* What is kept of an answer that is no stream, or of one line of a stream. Longer ones are given up. */
#define MAX_KEPT_BYTES (256 * 1024)

/* A test is to be short, also on a slow machine. */
#define MAX_TOKENS 200

/* State of one request: the task's data. */
typedef struct {
  SoupSession *session;
  SoupMessage *message;
  GInputStream *stream; /* of the answer's body; NULL before its head */
  MrTestRequestText on_text;
  gpointer user_data;
  GString *kept; /* a body that is no stream, or the begin of a line */
  gint64 begun_us;
  gboolean done; /* the stream said that it is complete */
  MrUsage usage;
  MrTestAnswer *answer;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;
  g_clear_object (&request->stream);
  g_clear_object (&request->message);
  g_clear_object (&request->session);
  g_string_free (request->kept, TRUE);
  g_clear_pointer (&request->answer, mr_test_answer_free);
  g_free (request);
}

void
mr_test_answer_free (MrTestAnswer *answer)
{
  if (answer == NULL) {
    return;
  }
  g_free (answer->worker_name);
  g_free (answer);
}

/* (transfer full) (nullable): where the API of a relay is; its workers' ws: addresses mean the same server. */
static char *
chat_url (const char *relay_url)
{
  g_autoptr (GUri) uri = g_uri_parse (relay_url, SOUP_HTTP_URI_FLAGS, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL) {
    return NULL;
  }
  const char *scheme = g_uri_get_scheme (uri);
  gboolean secure = g_str_equal (scheme, "https") || g_str_equal (scheme, "wss");
  g_autofree char *prefix = g_strdup (g_uri_get_path (uri));
  while (g_str_has_suffix (prefix, "/")) {
    prefix[strlen (prefix) - 1] = '\0';
  }
  g_autofree char *path = g_strconcat (prefix, CHAT_PATH, NULL);
  return g_uri_join (SOUP_HTTP_URI_FLAGS, secure ? "https" : "http", NULL, g_uri_get_host (uri), g_uri_get_port (uri),
                     path, NULL, NULL);
}

static GBytes *
make_body (const char *model)
{
  GString *body = g_string_new ("{\"model\":");
  mr_json_append_cstring (body, model);
  g_string_append (body, ",\"messages\":[{\"role\":\"user\",\"content\":");
  /* Translators: sent to the language model; the answer comes in the language of the question */
  mr_json_append_cstring (body, _ ("Say hello to the new worker in one short sentence."));
  g_string_append_printf (body, "}],\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":%d}",
                          MAX_TOKENS);
  return g_string_free_to_bytes (body);
}

/* --- the answer --- */

static gint64
elapsed_ms (Request *request)
{
  return (g_get_monotonic_time () - request->begun_us) / 1000;
}

/* (transfer full) (nullable): the sentence in `{"error":{"message":...}}`. */
static char *
error_sentence (const char *text, gsize length)
{
  static const char *const names[] = { "error" };
  MrJsonValue error;
  if (!mr_json_scan_members (text, length, names, &error, 1, NULL) || error.type == MR_JSON_NONE) {
    return NULL;
  }
  MrJsonValue message = mr_json_member (&error, "message");
  return mr_json_dup_string (error.type == MR_JSON_STRING ? &error : &message, NULL);
}

/* Reports the text of one event's choice. */
static void
report_text (Request *request, const MrJsonValue *choices)
{
  MrJsonIter iter;
  MrJsonValue choice;
  if (!mr_json_iter_init (&iter, choices) || !mr_json_iter_next (&iter, NULL, &choice)) {
    return;
  }
  MrJsonValue delta = mr_json_member (&choice, "delta");
  MrJsonValue content = mr_json_member (&delta, "content");
  if (content.type != MR_JSON_STRING || content.text.length <= strlen ("\"\"")) {
    /* A model that thinks first is alive as well. */
    content = mr_json_member (&delta, "reasoning_content");
  }
  g_autofree char *text = mr_json_dup_string (&content, NULL);
  if (text == NULL || *text == '\0') {
    return;
  }
  if (request->answer->first_text_ms < 0) {
    request->answer->first_text_ms = elapsed_ms (request);
  }
  request->on_text (text, request->user_data);
}

/* One line of the stream. %FALSE with an error that ends it. */
static gboolean
take_line (Request *request, const char *line, GError **error)
{
  static const char *const names[] = { "choices" };
  MrJsonValue choices;
  if (!g_str_has_prefix (line, "data:")) {
    return TRUE;
  }
  const char *data = line + strlen ("data:");
  data += *data == ' ' ? 1 : 0;
  if (g_str_equal (data, "[DONE]")) {
    request->done = TRUE;
    return TRUE;
  }
  g_autofree char *sentence = error_sentence (data, strlen (data));
  if (sentence != NULL) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, sentence);
    return FALSE;
  }
  mr_usage_update_from_json (&request->usage, data, strlen (data));
  if (mr_json_scan_members (data, strlen (data), names, &choices, 1, NULL)) {
    report_text (request, &choices);
  }
  return TRUE;
}

static gboolean
take_lines (Request *request, GError **error)
{
  const char *end;
  while ((end = strchr (request->kept->str, '\n')) != NULL) {
    g_autofree char *line = g_strndup (request->kept->str, end - request->kept->str);
    g_string_erase (request->kept, 0, end + 1 - request->kept->str);
    if (!take_line (request, g_strchomp (line), error)) {
      return FALSE;
    }
  }
  return TRUE;
}

/* An answer with another status than 200, whole. */
static GError *
refusal (Request *request)
{
  guint status = soup_message_get_status (request->message);
  g_autofree char *sentence = error_sentence (request->kept->str, request->kept->len);
  if (status == SOUP_STATUS_UNAUTHORIZED) {
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                                _ ("This relay asks clients for an API key. Enter one to try it out; sharing works "
                                   "without it."));
  }
  if (sentence != NULL) {
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, sentence);
  }
  return g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, _ ("The relay answered with the status %u."), status);
}

static void
finish (GTask *task, Request *request)
{
  if (soup_message_get_status (request->message) != SOUP_STATUS_OK) {
    g_task_return_error (task, refusal (request));
  } else if (!request->done) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "%s",
                             _ ("The answer broke off before its end."));
  } else if (request->answer->first_text_ms < 0) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                             _ ("The model answered, but without any text."));
  } else {
    request->answer->total_ms = elapsed_ms (request);
    request->answer->completion_tokens = request->usage.completion_tokens;
    g_task_return_pointer (task, g_steal_pointer (&request->answer), (GDestroyNotify) mr_test_answer_free);
  }
}

/* --- reading --- */

static void on_read (GObject *source, GAsyncResult *result, gpointer data);

static void
read_more (GTask *task, Request *request)
{
  g_input_stream_read_bytes_async (request->stream, READ_BYTES, G_PRIORITY_DEFAULT, g_task_get_cancellable (task),
                                   on_read, g_object_ref (task));
}

/* (transfer full): what a person can do about a failed transport. */
static GError *
transport_error (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    return g_error_copy (error);
  }
  if (error->domain == G_TLS_ERROR) {
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, _ ("There is no secure connection to the relay."));
  }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
    return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _ ("No answer came for a minute."));
  }
  return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, _ ("The relay cannot be reached, or it broke off."));
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  Request *request = g_task_get_task_data (task);
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
  gboolean stream = soup_message_get_status (request->message) == SOUP_STATUS_OK;

  if (g_task_return_error_if_cancelled (task)) {
    return;
  }
  if (bytes == NULL) {
    g_task_return_error (task, transport_error (error));
    return;
  }
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  g_string_append_len (request->kept, text, (gssize) length);
  if (stream && !take_lines (request, &error)) {
    g_task_return_error (task, g_steal_pointer (&error));
  } else if (length == 0 || request->done) {
    finish (task, request);
  } else if (request->kept->len > MAX_KEPT_BYTES) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", _ ("This is not the answer of a relay."));
  } else {
    read_more (task, request);
  }
}

static void
on_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  Request *request = g_task_get_task_data (task);

  request->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (request->stream == NULL) {
    g_task_return_error (task, transport_error (error));
    return;
  }
  request->answer->worker_name = g_strdup (
      soup_message_headers_get_one (soup_message_get_response_headers (request->message), "x-modelrelay-worker"));
  read_more (task, request);
}

/* --- the request --- */

static gboolean
is_offered (const MrTestRequest *request)
{
  return request->model != NULL && request->offered != NULL && g_strv_contains (request->offered, request->model);
}

static void
send_request (GTask *task, Request *state, const MrTestRequest *request)
{
  g_autoptr (GBytes) body = make_body (request->model);
  SoupMessageHeaders *headers = soup_message_get_request_headers (state->message);

  soup_message_set_request_body_from_bytes (state->message, "application/json", body);
  if (request->api_key != NULL && *request->api_key != '\0') {
    g_autofree char *authorization = g_strconcat ("Bearer ", request->api_key, NULL);
    soup_message_headers_replace (headers, "Authorization", authorization);
  }
  soup_message_add_flags (state->message, SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE | SOUP_MESSAGE_NO_REDIRECT);
  state->begun_us = g_get_monotonic_time ();
  soup_session_send_async (state->session, state->message, G_PRIORITY_DEFAULT, g_task_get_cancellable (task), on_head,
                           g_object_ref (task));
}

static SoupSession *
new_session (SoupMessage *message, const char *ca_file, GError **error)
{
  g_autoptr (SoupSession) session = soup_session_new_with_options ("timeout", SILENCE_SECONDS, NULL);
  const char *host = g_uri_get_host (soup_message_get_uri (message));
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  gboolean local = (address != NULL && g_inet_address_get_is_loopback (address)) || g_str_equal (host, "localhost");

  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  if (local) {
    soup_session_set_proxy_resolver (session, NULL);
  }
  if (ca_file != NULL && *ca_file != '\0') {
    g_autoptr (GTlsDatabase) database = g_tls_file_database_new (ca_file, error);
    if (database == NULL) {
      return NULL;
    }
    soup_session_set_tls_database (session, database);
  }
  return g_steal_pointer (&session);
}

void
mr_test_request_async (const MrTestRequest *request, MrTestRequestText on_text, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *url = chat_url (request->relay_url);
  Request *state = g_new0 (Request, 1);

  g_task_set_source_tag (task, mr_test_request_async);
  g_task_set_task_data (task, state, request_free);
  state->on_text = on_text;
  state->user_data = user_data;
  state->kept = g_string_new (NULL);
  state->usage = MR_USAGE_UNKNOWN;
  state->answer = g_new0 (MrTestAnswer, 1);
  state->answer->first_text_ms = -1;
  if (!is_offered (request)) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                             _ ("This machine does not offer this model."));
    return;
  }
  state->message = url != NULL ? soup_message_new (SOUP_METHOD_POST, url) : NULL;
  if (state->message == NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                             _ ("The address of the relay cannot be used."));
    return;
  }
  state->session = new_session (state->message, request->ca_file, NULL);
  if (state->session == NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                             _ ("The file with the certificates cannot be used."));
    return;
  }
  send_request (task, state, request);
}

MrTestAnswer *
mr_test_request_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
