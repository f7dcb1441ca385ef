/* SPDX-License-Identifier: MIT */
/*
 * Composition, routes and drain. See server.h.
 */
#include "server.h"

#include "admin-report.h"
#include "certificate.h"
#include "client-api.h"
#include "cors.h"
#include "http-intake.h"
#include "limits.h"
#include "listener.h"
#include "log.h"
#include "relay.h"
#include "response.h"
#include "server-dbus.h"
#include "server-notify.h"
#include "web.h"
#include "worker-gate.h"

#include <string.h>

/* How long the last answers may take to leave, at least, after a drain; and how often that is looked at. */
#define FAREWELL_USEC MR_USEC_PER_SEC
#define FAREWELL_STEP_USEC (5 * MR_USEC_PER_MSEC)

/* What a service manager adds to the drain timeout before it kills. */
#define EXIT_USEC (10 * MR_USEC_PER_SEC)

struct _MrServer {
  MrReactor *reactor;           /* Borrowed */
  const MrServerConfig *config; /* Borrowed */
  MrStats *stats;
  MrKeyStore *store;
  MrHttpIntake *intake;
  MrCertificate *certificate;
  MrRelay *relay;
  MrWorkerGate *gate;
  MrAdmin *admin;
  MrDownloads *downloads;
  MrWeb *web;
  MrServerDBus *dbus; /* nullable */
  MrServerNotify *notify;
  gint64 start_us;
  gboolean draining;
  MrServerDrained drained;
  gpointer drained_data;
  gint64 farewell_us; /* the end of all patience */
  MrTimer farewell;
};

/* @caller is empty where the route does not ask who calls. */
typedef void (*RouteFunc) (MrServer *server, MrResponse *response, const MrCaller *caller);

typedef struct {
  const char *path; /* ends with '/' when everything below it is meant */
  const char *methods;
  gboolean inference;  /* an upgrade is answered with 404, on which Codex falls back to POST */
  gboolean identified; /* callers may need a key */
  RouteFunc func;
} Route;

/* --- answers of our own --- */

static void
send_json (MrResponse *response, guint status, const char *json)
{
  MrHeaders *fields = mr_response_get_fields (response);

  mr_headers_set (fields, "content-type", "application/json");
  mr_headers_set (fields, "x-content-type-options", "nosniff");
  mr_response_send (response, status, NULL, json, strlen (json));
  mr_response_free (response);
}

static void
fail (MrResponse *response, MrErrorCode code, const char *message)
{
  mr_response_fail (response, code, message);
  mr_response_free (response);
}

static void
on_health (MrServer *server, MrResponse *response, const MrCaller *caller)
{
  gint64 uptime = (mr_reactor_now (server->reactor) - server->start_us) / MR_USEC_PER_SEC;
  g_autofree char *json = mr_client_api_health (mr_admin_report_status (server->relay, server->store),
                                                mr_worker_registry_get_length (mr_relay_get_registry (server->relay)),
                                                mr_relay_get_queue_depth (server->relay), uptime);

  send_json (response, server->draining ? 503 : 200, json);
}

static gboolean
wants_anthropic (MrResponse *response)
{
  return mr_http_request_header (mr_response_get_request (response), "anthropic-version") != NULL;
}

static MrModelEntry
model_entry (MrServer *server, const char *id)
{
  return (MrModelEntry){ id, mr_relay_get_first_seen (server->relay, id) };
}

/* FALSE: the caller needs a key and has none; @response is answered. */
static gboolean
identify (MrServer *server, MrResponse *response, MrCaller *caller)
{
  if (mr_client_gate_identify (server->store, mr_response_get_request (response), server->config->require_api_keys,
                               caller))
    return TRUE;
  mr_stats_count (server->stats, MR_COUNT_CLIENT_AUTH_FAILURES);
  mr_headers_set (mr_response_get_fields (response), "www-authenticate", "Bearer");
  fail (response, MR_ERROR_INVALID_API_KEY,
        "A valid API key of this relay is required: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\".");
  return FALSE;
}

static void
on_models (MrServer *server, MrResponse *response, const MrCaller *caller)
{
  g_auto (GStrv) names = mr_relay_dup_models (server->relay, caller->key);
  gsize n = g_strv_length (names);
  g_autofree MrModelEntry *entries = g_new0 (MrModelEntry, n + 1);
  g_autofree char *json = NULL;

  for (gsize i = 0; i < n; i++)
    entries[i] = model_entry (server, names[i]);
  json = mr_client_api_models (entries, n, wants_anthropic (response));
  send_json (response, 200, json);
}

static void
on_model (MrServer *server, MrResponse *response, const MrCaller *caller)
{
  g_auto (GStrv) names = mr_relay_dup_models (server->relay, caller->key);
  const char *path = mr_response_get_request (response)->path;
  g_autofree char *id = g_uri_unescape_string (path + strlen ("/v1/models/"), NULL);
  g_autofree char *json = NULL;
  MrModelEntry entry;

  if (id == NULL || !g_strv_contains ((const char *const *) names, id)) {
    fail (response, MR_ERROR_MODEL_NOT_FOUND, "There is no such model; GET /v1/models lists those that there are.");
    return;
  }
  entry = model_entry (server, id);
  json = mr_client_api_model (&entry, wants_anthropic (response));
  send_json (response, 200, json);
}

static void
on_worker_connect (MrServer *server, MrResponse *response, const MrCaller *caller)
{
  mr_worker_gate_take (server->gate, response);
}

static void
on_inference (MrServer *server, MrResponse *response, const MrCaller *caller)
{
  mr_relay_take_request (server->relay, response, caller);
}

/* --- routes --- */

/* The first that matches counts. */
static const Route routes[] = {
  { "/health", "GET, HEAD, OPTIONS", FALSE, FALSE, on_health },
  { "/v1/models", "GET, HEAD, OPTIONS", FALSE, TRUE, on_models },
  { "/v1/models/", "GET, HEAD, OPTIONS", FALSE, TRUE, on_model },
  { MR_WORKER_CONNECT_PATH, "GET", FALSE, FALSE, on_worker_connect },
  { "/v1/chat/completions", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/completions", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/responses", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/messages", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/messages/count_tokens", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/embeddings", "POST, OPTIONS", TRUE, TRUE, on_inference },
  { "/v1/rerank", "POST, OPTIONS", TRUE, TRUE, on_inference },
};

/* Any other POST below /v1/ whose body names a model (contract A1); other methods do not know the path. */
static const Route other_inference = { "/v1/", "POST, OPTIONS", TRUE, TRUE, on_inference };

static gboolean
matches (const Route *route, const char *path)
{
  gsize length = strlen (route->path);

  if (route->path[length - 1] == '/')
    return strncmp (path, route->path, length) == 0 && path[length] != '\0';
  return strcmp (path, route->path) == 0;
}

static gboolean
allows (const Route *route, const char *method)
{
  g_auto (GStrv) methods = g_strsplit (route->methods, ", ", -1);

  return g_strv_contains ((const char *const *) methods, method);
}

static const Route *
find_route (const MrHttpRequest *request)
{
  for (gsize i = 0; i < G_N_ELEMENTS (routes); i++)
    if (matches (&routes[i], request->path))
      return &routes[i];
  if (matches (&other_inference, request->path) && allows (&other_inference, request->method))
    return &other_inference;
  return NULL;
}

static void
on_options (MrServer *server, MrResponse *response, const Route *route)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  MrHeaders *fields = mr_response_get_fields (response);

  mr_headers_set (fields, "allow", route->methods);
  if (mr_http_request_header (request, "access-control-request-method") != NULL)
    mr_cors_apply_preflight ((const char *const *) server->config->cors_origins,
                             mr_http_request_header (request, "origin"), route->methods,
                             mr_http_request_header (request, "access-control-request-headers"), fields);
  mr_response_send (response, 204, NULL, NULL, 0);
  mr_response_free (response);
}

static void
on_request (MrHttpRequest *request, gpointer user_data)
{
  MrServer *server = user_data;
  const Route *route = find_route (request);
  MrResponse *response = mr_response_new (request, mr_api_for_path (request->path));
  MrHeaders *fields = mr_response_get_fields (response);
  MrCaller caller = { NULL };

  if (mr_admin_owns (request->path)) {
    mr_admin_take (server->admin, response);
    return;
  }
  if (mr_web_owns (server->web, request->path)) {
    mr_web_take (server->web, response);
    return;
  }
  if (route == NULL && mr_web_is_for_page (request)) {
    mr_web_fail_not_found (server->web, response);
    return;
  }
  mr_cors_apply ((const char *const *) server->config->cors_origins, mr_http_request_header (request, "origin"),
                 fields);
  if (route == NULL || (route->inference && mr_http_request_header (request, "upgrade") != NULL)) {
    fail (response, MR_ERROR_NOT_FOUND, "There is nothing at this path.");
  } else if (!allows (route, request->method)) {
    mr_headers_set (fields, "allow", route->methods);
    fail (response, MR_ERROR_METHOD_NOT_ALLOWED,
          "This path does not know the method; the Allow header lists those it does.");
  } else if (g_str_equal (request->method, "OPTIONS")) {
    on_options (server, response, route);
  } else if (!route->identified || identify (server, response, &caller)) {
    route->func (server, response, &caller);
  }
}

/* --- drain --- */

static void
on_farewell (MrTimer *timer)
{
  MrServer *server = MR_OWNER_OF (timer, MrServer, farewell);
  gint64 now = mr_reactor_now (server->reactor);

  if (mr_reactor_get_lingering (server->reactor) > 0 && now < server->farewell_us)
    mr_timer_set (timer, now + FAREWELL_STEP_USEC);
  else
    server->drained (server->drained_data);
}

static void
on_relay_idle (MrRelay *relay, gpointer user_data)
{
  MrServer *server = user_data;
  gint64 now = mr_reactor_now (server->reactor);

  mr_http_intake_finish (server->intake);
  server->farewell_us = MAX (server->farewell_us, now + FAREWELL_USEC);
  mr_timer_set (&server->farewell, now);
}

void
mr_server_drain (MrServer *server, MrServerDrained drained, gpointer user_data)
{
  if (server->draining)
    return;
  mr_log (MR_LOG_INFO, "graceful shutdown", NULL);
  server->draining = TRUE;
  server->drained = drained;
  server->drained_data = user_data;
  server->farewell_us = mr_reactor_now (server->reactor) + server->config->drain_timeout_us;
  mr_http_intake_stop (server->intake);
  mr_admin_stop (server->admin);
  /* Besides the drain: the farewell, and what the database has to write. */
  mr_server_notify_stopping (server->notify, server->config->drain_timeout_us + EXIT_USEC);
  mr_relay_drain (server->relay, on_relay_idle, server);
  mr_server_dbus_note_status (server->dbus);
}

/* --- the server itself --- */

/* What the parts keep of the configuration instead of looking it up. */
static void
apply_config (MrServer *server)
{
  mr_http_intake_set_max_body (server->intake, server->config->max_request_bytes);
  mr_http_intake_set_max_connections (server->intake, server->config->max_connections,
                                      server->config->max_connections_per_address);
  mr_relay_apply_config (server->relay);
  mr_worker_gate_apply_config (server->gate);
  mr_admin_apply_config (server->admin);
  mr_server_dbus_note_status (server->dbus);
}

void
mr_server_reload (MrServer *server, MrServerConfig *config, MrServerConfig *fresh)
{
  MrServerConfig old = *config;
  g_autoptr (GError) error = NULL;

  mr_server_notify_reloading (server->notify);
  if (!g_strv_equal ((const char *const *) config->listen, (const char *const *) fresh->listen))
    mr_log (MR_LOG_WARN, "needs a restart", "option", "listen", NULL);
  if (g_strcmp0 (config->database, fresh->database) != 0)
    mr_log (MR_LOG_WARN, "needs a restart", "option", "database", NULL);
  if (config->dbus != fresh->dbus)
    mr_log (MR_LOG_WARN, "needs a restart", "option", "dbus", NULL);
  *config = *fresh;
  config->listen = old.listen;
  config->database = old.database;
  config->dbus = old.dbus;
  old.listen = fresh->listen;
  old.database = fresh->database;
  *fresh = old;
  mr_log_set_level ((MrLogLevel) config->log_level);
  mr_log_set_format ((MrLogFormat) config->log_format);
  if (!mr_certificate_start (server->certificate, &error))
    mr_log (MR_LOG_WARN, "certificate not reloaded", "error", error->message, NULL);
  apply_config (server);
  mr_stats_count (server->stats, MR_COUNT_RELOADS);
  mr_log (MR_LOG_INFO, "configuration reloaded", NULL);
  mr_server_notify_ready (server->notify);
}

static void
on_key_died (MrKeyStore *store, MrKey *key, gpointer data)
{
  MrServer *server = data;

  mr_log (MR_LOG_INFO, "key ended", "key", key->id, "name", key->spec.name, NULL);
  mr_relay_end_key (server->relay, key);
}

static void
on_store_problem (MrKeyStore *store, gpointer data)
{
  MrServer *server = data;

  mr_server_dbus_note_status (server->dbus);
}

static const MrKeyStoreEvents store_events = { .died = on_key_died, .problem_changed = on_store_problem };

static MrAdminParts
admin_parts (MrServer *server)
{
  return (MrAdminParts){ .reactor = server->reactor,
                         .config = server->config,
                         .relay = server->relay,
                         .stats = server->stats,
                         .store = server->store,
                         .intake = server->intake,
                         .downloads = server->downloads,
                         .started_at = g_get_real_time () / MR_USEC_PER_SEC };
}

MrServer *
mr_server_new (MrReactor *reactor, const MrServerConfig *config)
{
  MrServer *server = g_new0 (MrServer, 1);
  g_autofree char *database = mr_server_config_dup_database (config);
  MrAdminParts parts;

  server->reactor = reactor;
  server->config = config;
  server->start_us = mr_reactor_now (reactor);
  server->stats = mr_stats_new ();
  server->store = mr_key_store_new (database, &store_events, server, NULL);
  server->relay = mr_relay_new (reactor, config, server->stats, server->store);
  server->gate = mr_worker_gate_new (reactor, server->relay, config, server->stats, server->store);
  server->intake = mr_http_intake_new (reactor, on_request, server);
  server->certificate = mr_certificate_new (reactor, config, server->intake);
  server->downloads = mr_downloads_new (reactor, config);
  parts = admin_parts (server);
  server->admin = mr_admin_new (&parts);
  server->web = mr_web_new (server->downloads);
  server->dbus = mr_server_dbus_new (&parts);
  server->notify = mr_server_notify_new (&parts);
  apply_config (server);
  mr_timer_init (&server->farewell, reactor, on_farewell);
  return server;
}

void
mr_server_free (MrServer *server)
{
  if (server == NULL)
    return;
  mr_timer_clear (&server->farewell);
  mr_server_notify_free (server->notify);
  mr_server_dbus_free (server->dbus);
  mr_downloads_free (server->downloads);
  mr_admin_free (server->admin);
  mr_web_free (server->web);
  mr_relay_free (server->relay);
  mr_worker_gate_free (server->gate);
  mr_certificate_free (server->certificate);
  mr_http_intake_free (server->intake);
  mr_key_store_free (server->store);
  mr_stats_free (server->stats);
  g_free (server);
}

/* Sockets that a service manager holds for us take the place of our own: it goes on listening while we restart. */
static gboolean
listen_everywhere (MrServer *server, GError **error)
{
  guint n_passed = mr_listener_count_passed ();

  for (guint i = 0; i < n_passed; i++)
    if (!mr_http_intake_listen_passed (server->intake, i, error))
      return FALSE;
  for (char **address = server->config->listen; n_passed == 0 && *address != NULL; address++)
    if (!mr_http_intake_listen (server->intake, *address, error))
      return FALSE;
  return TRUE;
}

gboolean
mr_server_start (MrServer *server, GError **error)
{
  const MrServerConfig *config = server->config;
  g_auto (GStrv) addresses = NULL;

  if (config->worker_secret == NULL && !mr_key_store_has_worker_key (server->store)) {
    if (config->admin_token == NULL) {
      g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                           "--worker-secret is required, as there is no API key for workers and no --admin-token to "
                           "make one: give it in the environment as WORKER_SECRET, in a file with "
                           "--worker-secret-file, or in the config file");
      return FALSE;
    }
    mr_log (MR_LOG_WARN, "no worker can connect", "reason", "neither a worker secret nor an API key for workers", NULL);
  }
  if (!mr_certificate_start (server->certificate, error) || !listen_everywhere (server, error))
    return FALSE;
  addresses = mr_http_intake_get_addresses (server->intake);
  for (char **address = addresses; *address != NULL; address++)
    mr_log (MR_LOG_INFO, "listening", "address", *address, NULL);
  mr_server_notify_ready (server->notify);
  return TRUE;
}
