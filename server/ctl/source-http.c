/* SPDX-License-Identifier: MIT */
/*
 * The admin API as a source: a table says which request a question is. Lists that come in pages are asked for until
 * they end.
 */
#include "source.h"

#include "ctl-error.h"
#include "fact.h"
#include "http.h"

#include <string.h>

#define TOO_MANY_REQUESTS 429 /* RFC 6585; libsoup has no name for it */
#define PAGE 500
#define MAX_ANSWER_BYTES (32 << 20)

typedef struct {
  MrSource source;
  MrHttpPlace *place; /* Owned */
  char *token;        /* Owned, nullable; wiped */
} HttpSource;

typedef struct {
  const char *method;
  const char *path; /* %s is the id */
  gboolean pages;
} Route;

static const Route routes[MR_N_QUESTIONS] = {
  [MR_ASK_STATUS] = { "GET", "/health" },
  [MR_ASK_STATISTICS] = { "GET", "/admin/stats" },
  [MR_ASK_WORKERS] = { "GET", "/admin/workers" },
  [MR_ASK_MODELS] = { "GET", "/admin/models" },
  [MR_ASK_REQUESTS] = { "GET", "/admin/requests", TRUE },
  [MR_ASK_KEYS] = { "GET", "/admin/keys", TRUE },
  [MR_ASK_USAGE] = { "GET", "/admin/usage", TRUE },
  [MR_DO_CREATE_KEY] = { "POST", "/admin/keys" },
  [MR_DO_REVOKE_KEY] = { "DELETE", "/admin/keys/%s" },
  [MR_DO_DRAIN_WORKER] = { "POST", "/admin/workers/%s/drain" },
  [MR_DO_REFRESH_WORKER] = { "POST", "/admin/workers/%s/refresh" },
  [MR_DO_CANCEL_REQUEST] = { "DELETE", "/admin/requests/%s" },
};

/* One question on its way. Owned by its task. */
typedef struct {
  HttpSource *source; /* Borrowed: outlives its questions */
  MrQuestionKind kind;
  char *path;  /* with its query, but without `after` */
  char *body;  /* nullable */
  char *after; /* nullable: where the next page begins */
  SoupMessage *message;
  guint8 *answer; /* MAX_ANSWER_BYTES, of which only what is written takes memory */
  JsonNode *list; /* the pages so far */
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->path);
  g_free (call->body);
  g_free (call->after);
  g_clear_object (&call->message);
  g_free (call->answer);
  g_clear_pointer (&call->list, json_node_unref);
  g_free (call);
}

static void send_call (GTask *task);

static gboolean
fail_status (Call *call, guint status, JsonNode *answer, GError **error)
{
  const char *place = call->source->source.place;
  const char *said = mr_http_error_text (answer);

  if (status == SOUP_STATUS_FORBIDDEN || status == SOUP_STATUS_UNAUTHORIZED)
    return mr_ctl_fail (error, MR_CTL_NOT_ALLOWED,
                        call->source->token != NULL
                            ? "the relay at %s refuses this admin token; check --token-file or MODELRELAY_ADMIN_TOKEN, "
                              "and that the relay has an admin token"
                            : "the relay at %s wants its admin token; give it with --token-file or "
                              "MODELRELAY_ADMIN_TOKEN",
                        place);
  if (status == TOO_MANY_REQUESTS)
    return mr_ctl_fail (error, MR_CTL_NOT_ALLOWED, "the relay at %s refuses this address for a while: %s", place,
                        said != NULL ? said : "too many requests");
  if (status == SOUP_STATUS_NOT_FOUND)
    return mr_ctl_fail (error, MR_CTL_NOT_FOUND, "the relay at %s does not know that: %s", place,
                        said != NULL ? said : "no such thing, or this is not a ModelRelay address");
  return mr_ctl_fail (error, MR_CTL_FAILED, "the relay at %s answered %u: %s", place, status,
                      said != NULL ? said : soup_status_get_phrase (status));
}

/* Takes the elements of one page; TRUE when another one follows. */
static gboolean
take_page (Call *call, JsonNode *answer, JsonNode *list)
{
  const char *next = mr_fact_string (answer, "next", NULL);

  if (call->list == NULL) {
    call->list = json_node_new (JSON_NODE_ARRAY);
    json_node_take_array (call->list, json_array_new ());
  }
  for (guint i = 0; i < mr_fact_length (list); i++)
    json_array_add_element (json_node_get_array (call->list), json_node_copy (mr_fact_item (list, i)));
  if (next == NULL || g_strcmp0 (next, call->after) == 0)
    return FALSE;
  g_free (call->after);
  call->after = g_strdup (next);
  return TRUE;
}

static void
return_answer (GTask *task, JsonNode *answer)
{
  Call *call = g_task_get_task_data (task);
  const char *name = mr_source_list_name (call->kind);
  JsonNode *list = name != NULL ? mr_fact_get (answer, name) : NULL;

  if (name == NULL)
    g_task_return_pointer (task, json_node_copy (answer), (GDestroyNotify) json_node_unref);
  else if (list == NULL || !JSON_NODE_HOLDS_ARRAY (list))
    g_task_return_new_error (task, MR_CTL_ERROR, MR_CTL_FAILED,
                             "what answers at %s is not a relay: its list of %s is missing; check the address",
                             call->source->source.place, name);
  else if (take_page (call, answer, list))
    send_call (g_object_ref (task));
  else
    g_task_return_pointer (task, g_steal_pointer (&call->list), (GDestroyNotify) json_node_unref);
}

static void
handle_answer (GTask *task, gsize length)
{
  Call *call = g_task_get_task_data (task);
  guint status = soup_message_get_status (call->message);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_steal_pointer (&call->answer), length);
  g_autoptr (JsonNode) answer = mr_http_parse (bytes);
  /* A relay that drains says so with 503. */
  gboolean fine = SOUP_STATUS_IS_SUCCESSFUL (status) || (call->kind == MR_ASK_STATUS && mr_fact_get (answer, "status"));
  GError *error = NULL;

  if (length >= MAX_ANSWER_BYTES)
    g_task_return_new_error (task, MR_CTL_ERROR, MR_CTL_FAILED, "the answer of the relay at %s is longer than %d MiB",
                             call->source->source.place, MAX_ANSWER_BYTES >> 20);
  else if (!fine && !fail_status (call, status, answer, &error))
    g_task_return_error (task, error);
  else if (answer != NULL)
    return_answer (task, answer);
  else if (length == 0 && mr_source_list_name (call->kind) == NULL)
    g_task_return_pointer (task, json_node_new (JSON_NODE_NULL), (GDestroyNotify) json_node_unref);
  else
    g_task_return_new_error (task, MR_CTL_ERROR, MR_CTL_FAILED,
                             "what answers at %s is not a relay: it does not speak JSON; check the address",
                             call->source->source.place);
}

/* A question that was cancelled has no answer, and no error of ours. */
static void
return_unreachable (GTask *task, GError *failure)
{
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    mr_http_fail_reach (call->source->source.place, failure, &error);
  g_task_return_error (task, error != NULL ? error : g_error_copy (failure));
}

static void
on_read (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) failure = NULL;
  gsize length;

  if (g_input_stream_read_all_finish (G_INPUT_STREAM (object), result, &length, &failure))
    handle_answer (task, length);
  else
    return_unreachable (task, failure);
}

static void
on_head (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) failure = NULL;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (object), result, &failure);

  if (stream == NULL) {
    return_unreachable (task, failure);
    return;
  }
  call->answer = g_malloc (MAX_ANSWER_BYTES);
  g_input_stream_read_all_async (stream, call->answer, MAX_ANSWER_BYTES, G_PRIORITY_DEFAULT,
                                 g_task_get_cancellable (task), on_read, g_object_ref (task));
}

/* @task: (transfer full) */
static void
send_call (GTask *task)
{
  Call *call = g_task_get_task_data (task);
  g_autofree char *after = call->after != NULL ? g_uri_escape_string (call->after, NULL, FALSE) : NULL;
  g_autofree char *path =
      after != NULL ? g_strdup_printf ("%s%cafter=%s", call->path, strchr (call->path, '?') ? '&' : '?', after)
                    : g_strdup (call->path);

  g_clear_object (&call->message);
  call->message = mr_http_message (call->source->place, routes[call->kind].method, path,
                                   call->kind != MR_ASK_STATUS ? call->source->token : NULL);
  if (call->body != NULL) {
    g_autoptr (GBytes) body = g_bytes_new (call->body, strlen (call->body));

    soup_message_set_request_body_from_bytes (call->message, "application/json", body);
  }
  soup_session_send_async (call->source->place->session, call->message, G_PRIORITY_DEFAULT,
                           g_task_get_cancellable (task), on_head, task);
}

static char *
make_path (const MrQuestion *question)
{
  const Route *route = &routes[question->kind];
  const char *place_of_id = strstr (route->path, "%s");
  g_autofree char *id = question->id != NULL ? g_uri_escape_string (question->id, NULL, FALSE) : NULL;
  GString *path = g_string_new (NULL);

  if (place_of_id != NULL && id != NULL)
    g_string_append_printf (path, "%.*s%s%s", (int) (place_of_id - route->path), route->path, id, place_of_id + 2);
  else
    g_string_append (path, route->path);
  if (route->pages)
    g_string_append_printf (path, "?limit=%d", PAGE);
  if (question->from != NULL)
    g_string_append_printf (path, "&from=%s", question->from);
  if (question->to != NULL)
    g_string_append_printf (path, "&to=%s", question->to);
  return g_string_free (path, FALSE);
}

static void
ask (MrSource *source, const MrQuestion *question, GTask *task)
{
  Call *call;

  if (question->kind == MR_ASK_LOCAL_WORKERS) {
    JsonNode *none = json_node_new (JSON_NODE_ARRAY);

    json_node_take_array (none, json_array_new ());
    g_task_return_pointer (task, none, (GDestroyNotify) json_node_unref);
    g_object_unref (task);
    return;
  }
  call = g_new0 (Call, 1);
  call->source = (HttpSource *) source;
  call->kind = question->kind;
  call->path = make_path (question);
  call->body = question->spec != NULL ? json_to_string (question->spec, FALSE) : NULL;
  g_task_set_task_data (task, call, call_free);
  send_call (task);
}

static void
source_free (MrSource *source)
{
  HttpSource *http = (HttpSource *) source;

  mr_http_place_free (http->place);
  if (http->token != NULL)
    explicit_bzero (http->token, strlen (http->token));
  g_free (http->token);
  g_free (http);
}

MrSource *
mr_source_http_new (const char *url, const char *ca_file, const char *token, GError **error)
{
  static const MrSourceClass class = { ask, source_free };
  g_autoptr (MrHttpPlace) place = mr_http_place_new (url, ca_file, error);
  HttpSource *http;

  if (place == NULL)
    return NULL;
  http = g_new0 (HttpSource, 1);
  http->source.class = &class;
  http->source.place = g_strdup (url);
  http->place = g_steal_pointer (&place);
  http->token = g_strdup (token);
  return &http->source;
}
