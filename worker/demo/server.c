/* SPDX-License-Identifier: MIT */
/* See server.h. */
#include "server.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "answer.h"
#include "api.h"
#include "embeddings.h"
#include "error.h"
#include "json.h"
#include "stream.h"

/* On the address object of a connection: its socket, which libsoup does not show for connections that it did not
 * accept. */
#define SOCKET_KEY "modelrelay-socket"

struct _MrDemoServer {
  GSocketService *service;
  SoupServer *soup;
  MrDemoSlots *slots;
  char **models;
  guint n_slots;
  gint64 started_unix;
};

typedef void (*Handler) (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api);

static void
answer_json (SoupServerMessage *message, guint status, char *json)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json; charset=utf-8", SOUP_MEMORY_TAKE, json, strlen (json));
}

static void
answer_error (SoupServerMessage *message, const char *path, int code, const char *text)
{
  g_autofree char *shown = g_strescape (path, NULL);
  mr_demo_log (shown, "refused", 0, 0);
  answer_json (message, mr_error_info (code)->http_status, mr_error_to_json (mr_api_for_path (path), code, text, NULL));
}

/* The body as an object, checked in full first: json-glib alone overflows its stack on deep nesting. */
static JsonObject *
read_object (SoupServerMessage *message, GError **error)
{
  g_autoptr (GBytes) bytes = soup_message_body_flatten (soup_server_message_get_request_body (message));
  const char *text = g_bytes_get_data (bytes, NULL);
  gsize length = g_bytes_get_size (bytes);
  MrJsonValue value;
  if (!mr_json_scan (text != NULL ? text : "", length, &value, error))
    return NULL;
  if (value.type != MR_JSON_OBJECT) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_JSON, "the body must be a JSON object");
    return NULL;
  }
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, value.text.data, value.text.length, error))
    return NULL;
  return json_node_dup_object (json_parser_get_root (parser));
}

static JsonObject *
read_request (SoupServerMessage *message, const char *path)
{
  g_autoptr (GError) error = NULL;
  JsonObject *request = read_object (message, &error);
  if (request == NULL)
    answer_error (message, path, MR_ERROR_INVALID_JSON, error->message);
  return request;
}

static MrDemoAnswer *
read_answer (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) request = read_request (message, path);
  if (request == NULL)
    return NULL;
  g_autoptr (MrDemoAnswer) answer = mr_demo_answer_new (request, server->models[0], &error);
  if (answer == NULL || !api->read (answer, request, &error)) {
    answer_error (message, path, MR_ERROR_INVALID_REQUEST, error->message);
    return NULL;
  }
  return g_steal_pointer (&answer);
}

static void
on_generate (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  MrDemoAnswer *answer = read_answer (server, message, path, api);
  if (answer == NULL)
    return;
  mr_demo_answer_compose (answer);
  GSocket *socket = g_object_get_data (G_OBJECT (soup_server_message_get_remote_address (message)), SOCKET_KEY);
  mr_demo_slots_answer (server->slots, message, socket, api, answer);
}

static void
on_count_tokens (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  g_autoptr (MrDemoAnswer) answer = read_answer (server, message, path, api);
  if (answer == NULL)
    return;
  mr_demo_log (path, "completed", answer->prompt_tokens, 0);
  answer_json (message, SOUP_STATUS_OK, g_strdup_printf ("{\"input_tokens\":%u}", answer->prompt_tokens));
}

static void
on_embeddings (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) request = read_request (message, path);
  if (request == NULL)
    return;
  guint prompt_tokens = 0;
  char *body = mr_demo_embeddings (request, server->models[0], &prompt_tokens, &error);
  if (body == NULL) {
    answer_error (message, path, MR_ERROR_INVALID_REQUEST, error->message);
    return;
  }
  mr_demo_log (path, "completed", prompt_tokens, 0);
  answer_json (message, SOUP_STATUS_OK, body);
}

static void
on_health (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  mr_demo_log (path, "completed", 0, 0);
  answer_json (message, SOUP_STATUS_OK, g_strdup ("{\"status\":\"ok\"}"));
}

static void
on_props (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  g_autofree char *model = mr_demo_quote (server->models[0]);
  mr_demo_log (path, "completed", 0, 0);
  answer_json (message, SOUP_STATUS_OK,
               g_strdup_printf ("{\"total_slots\":%u,\"model_alias\":%s,\"endpoint_slots\":false,"
                                "\"build_info\":\"modelrelay-demo-backend " MR_VERSION "\"}",
                                server->n_slots, model));
}

/* One object that both OpenAI's and Anthropic's clients know as a model. */
static void
append_model (MrDemoServer *server, const char *name, GString *out)
{
  g_autofree char *quoted = mr_demo_quote (name);
  g_autoptr (GDateTime) started = g_date_time_new_from_unix_utc (server->started_unix);
  g_autofree char *created_at = g_date_time_format_iso8601 (started);
  g_string_append_printf (
      out,
      "{\"id\":%s,\"object\":\"model\",\"type\":\"model\",\"display_name\":%s,\"created\":%" G_GINT64_FORMAT
      ",\"created_at\":\"%s\",\"owned_by\":\"modelrelay-demo\"}",
      quoted, quoted, server->started_unix, created_at);
}

static void
on_models (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  GString *out = g_string_new ("{\"object\":\"list\",\"data\":[");
  for (guint i = 0; server->models[i] != NULL; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    append_model (server, server->models[i], out);
  }
  g_autofree char *first = mr_demo_quote (server->models[0]);
  g_autofree char *last = mr_demo_quote (server->models[g_strv_length (server->models) - 1]);
  g_string_append_printf (out, "],\"first_id\":%s,\"last_id\":%s,\"has_more\":false}", first, last);
  mr_demo_log (path, "completed", 0, 0);
  answer_json (message, SOUP_STATUS_OK, g_string_free (out, FALSE));
}

static void
on_model (MrDemoServer *server, SoupServerMessage *message, const char *path, const MrDemoApi *api)
{
  const char *name = path + strlen ("/v1/models/");
  if (!g_strv_contains ((const char *const *) server->models, name)) {
    answer_error (message, path, MR_ERROR_MODEL_NOT_FOUND, "this backend has no such model");
    return;
  }
  GString *out = g_string_new (NULL);
  append_model (server, name, out);
  mr_demo_log ("/v1/models/{id}", "completed", 0, 0);
  answer_json (message, SOUP_STATUS_OK, g_string_free (out, FALSE));
}

typedef struct {
  const char *path; /* one that ends in a slash stands for everything below it */
  const char *method;
  Handler handler;
  const MrDemoApi *api;
} Route;

static const Route routes[] = {
  { "/v1/chat/completions", "POST", on_generate, &mr_demo_chat },
  { "/v1/completions", "POST", on_generate, &mr_demo_completions },
  { "/v1/responses", "POST", on_generate, &mr_demo_responses },
  { "/v1/messages", "POST", on_generate, &mr_demo_messages },
  { "/v1/messages/count_tokens", "POST", on_count_tokens, &mr_demo_messages },
  { "/v1/embeddings", "POST", on_embeddings, NULL },
  { "/v1/models", "GET", on_models, NULL },
  { "/v1/models/", "GET", on_model, NULL },
  { "/health", "GET", on_health, NULL },
  { "/props", "GET", on_props, NULL },
};

static gboolean
route_matches (const Route *route, const char *path)
{
  return g_str_has_suffix (route->path, "/") ? g_str_has_prefix (path, route->path) : strcmp (path, route->path) == 0;
}

static void
on_request (SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  MrDemoServer *server = data;
  const char *method = soup_server_message_get_method (message);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  /* libsoup closes each connection that it did not accept itself after one answer: say so. */
  soup_message_headers_replace (headers, "Connection", "close");
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++) {
    const Route *route = &routes[i];
    if (!route_matches (route, path))
      continue;
    gboolean head = strcmp (method, "HEAD") == 0 && strcmp (route->method, "GET") == 0;
    if (head || strcmp (method, route->method) == 0) {
      route->handler (server, message, path, route->api);
      return;
    }
    soup_message_headers_replace (headers, "Allow", strcmp (route->method, "GET") == 0 ? "GET, HEAD" : route->method);
    answer_error (message, path, MR_ERROR_METHOD_NOT_ALLOWED, "this path does not know that method");
    return;
  }
  answer_error (message, path, MR_ERROR_NOT_FOUND, "there is nothing at this path");
}

/* Connections are accepted here and not by SoupServer, which would never close those that a client leaves idle and
 * closes. */
static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  MrDemoServer *server = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, &error);
  g_autoptr (GSocketAddress) remote =
      local != NULL ? g_socket_connection_get_remote_address (connection, &error) : NULL;
  if (remote == NULL)
    return TRUE; /* gone already */
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_object_set_data_full (G_OBJECT (remote), SOCKET_KEY, g_object_ref (socket), g_object_unref);
  if (!soup_server_accept_iostream (server->soup, G_IO_STREAM (connection), local, remote, &error))
    g_printerr ("cannot serve a connection: %s\n", error->message);
  return TRUE;
}

MrDemoServer *
mr_demo_server_new (const char *const *models, guint slots, double tokens_per_second)
{
  MrDemoServer *server = g_new0 (MrDemoServer, 1);
  server->service = g_socket_service_new ();
  server->soup = soup_server_new ("server-header", "modelrelay-demo-backend/" MR_VERSION, NULL);
  server->slots = mr_demo_slots_new (slots, tokens_per_second);
  server->models = g_strdupv ((char **) models);
  server->n_slots = slots;
  server->started_unix = g_get_real_time () / G_USEC_PER_SEC;
  soup_server_add_handler (server->soup, NULL, on_request, server, NULL);
  g_signal_connect (server->service, "incoming", G_CALLBACK (on_incoming), server);
  return server;
}

GSocketAddress *
mr_demo_server_listen (MrDemoServer *server, GSocketAddress *address, GError **error)
{
  GSocketAddress *effective = NULL;
  g_socket_listener_add_address (G_SOCKET_LISTENER (server->service), address, G_SOCKET_TYPE_STREAM,
                                 G_SOCKET_PROTOCOL_TCP, NULL, &effective, error);
  return effective;
}

void
mr_demo_server_free (MrDemoServer *server)
{
  if (server == NULL)
    return;
  g_socket_service_stop (server->service);
  g_socket_listener_close (G_SOCKET_LISTENER (server->service));
  g_object_unref (server->service);
  soup_server_disconnect (server->soup);
  g_object_unref (server->soup);
  mr_demo_slots_free (server->slots);
  g_strfreev (server->models);
  g_free (server);
}
