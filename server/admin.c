/* SPDX-License-Identifier: MIT */
/*
 * Authentication and routes of the admin API, and what every answer has in common. See admin.h.
 */
#include "admin-private.h"

#include "limits.h"
#include "log.h"

#include <string.h>

#define METRICS_PATH "/metrics"
#define ADMIN_PREFIX "/admin/"
#define BEARER "Bearer "
#define DEFAULT_PAGE 100

/* --- answers --- */

void
mr_admin_send (MrResponse *response, guint status, JsonNode *node)
{
  g_autofree char *json = json_to_string (node, FALSE);

  json_node_unref (node);
  mr_headers_set (mr_response_get_fields (response), "content-type", "application/json");
  mr_response_send (response, status, NULL, json, strlen (json));
  mr_response_free (response);
}

void
mr_admin_send_nothing (MrResponse *response)
{
  mr_response_send (response, 204, NULL, NULL, 0);
  mr_response_free (response);
}

void
mr_admin_fail (MrResponse *response, MrErrorCode code, const char *message)
{
  mr_response_fail (response, code, message);
  mr_response_free (response);
}

guint
mr_admin_read_limit (const MrAdminCall *call)
{
  const char *text = g_hash_table_lookup (call->query, "limit");
  guint64 limit = DEFAULT_PAGE;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, MR_LIMIT_ADMIN_PAGE, &limit, NULL)) {
    g_autofree char *message =
        g_strdup_printf ("The parameter \"limit\" must be a whole number from 1 to %u.", MR_LIMIT_ADMIN_PAGE);

    mr_admin_fail (call->response, MR_ERROR_INVALID_REQUEST, message);
    return 0;
  }
  return (guint) limit;
}

JsonNode *
mr_admin_new_page (const char *name, JsonNode *entries, const char *next)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();

  json_builder_begin_object (out);
  json_builder_set_member_name (out, name);
  json_builder_add_value (out, entries);
  json_builder_set_member_name (out, "next");
  if (next != NULL)
    json_builder_add_string_value (out, next);
  else
    json_builder_add_null_value (out);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}

/* --- who asks --- */

static gboolean
has_token (MrAdmin *admin, const MrHttpRequest *request)
{
  const char *given = mr_http_request_header (request, "authorization");
  const char *token = admin->parts.config->admin_token;

  return token != NULL && given != NULL && g_ascii_strncasecmp (given, BEARER, strlen (BEARER)) == 0 &&
         mr_auth_secret_matches (token, given + strlen (BEARER));
}

static void
refuse (MrResponse *response, const char *address, const char *reason, gint64 wait_us)
{
  mr_log (MR_LOG_WARN, "admin refused", "reason", reason, "address", address, "path",
          mr_response_get_request (response)->path, NULL);
  if (wait_us > 0) {
    g_autofree char *seconds = g_strdup_printf ("%" G_GINT64_FORMAT, (wait_us + MR_USEC_PER_SEC - 1) / MR_USEC_PER_SEC);

    mr_headers_set (mr_response_get_fields (response), "retry-after", seconds);
    mr_admin_fail (response, MR_ERROR_RATE_LIMIT, "There were too many failed attempts; try again later.");
  } else {
    mr_admin_fail (response, MR_ERROR_FORBIDDEN,
                   "The administrator's token is required: send it as \"Authorization: Bearer TOKEN\".");
  }
}

/* FALSE: @response is answered. */
static gboolean
authenticate (MrAdmin *admin, MrResponse *response)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  g_autofree char *address = mr_auth_client_address (
      mr_connection_get_remote_address (request->connection), mr_http_request_header (request, "forwarded"),
      mr_http_request_header (request, "x-forwarded-for"), admin->proxies);
  gint64 now = mr_reactor_now (admin->parts.reactor);
  gint64 wait = mr_auth_failures_get_wait (admin->failures, address, now);

  if (wait > 0) {
    refuse (response, address, "too many failed attempts", wait);
    return FALSE;
  }
  if (!has_token (admin, request)) {
    mr_auth_failures_note_failure (admin->failures, address, now);
    mr_stats_count (admin->parts.stats, MR_COUNT_ADMIN_AUTH_FAILURES);
    refuse (response, address, "no valid token", 0);
    return FALSE;
  }
  mr_auth_failures_note_success (admin->failures, address);
  return TRUE;
}

/* --- routes --- */

static void
on_events (const MrAdminCall *call)
{
  mr_events_take (call->admin->events, call->response);
  mr_admin_expect_sample (call->admin);
}

/* A path with a suffix, which may be empty, has the id of one thing before it. HEAD is where GET is. */
static const struct {
  const char *method;
  const char *path;
  const char *suffix;
  MrAdminHandler handler;
} routes[] = {
  { "GET", METRICS_PATH, NULL, mr_admin_on_metrics },
  { "GET", ADMIN_PREFIX "workers", NULL, mr_admin_on_workers },
  { "POST", ADMIN_PREFIX "workers/", "/drain", mr_admin_on_drain },
  { "POST", ADMIN_PREFIX "workers/", "/refresh", mr_admin_on_refresh },
  { "GET", ADMIN_PREFIX "models", NULL, mr_admin_on_models },
  { "GET", ADMIN_PREFIX "stats", NULL, mr_admin_on_stats },
  { "GET", ADMIN_PREFIX "requests", NULL, mr_admin_on_requests },
  { "DELETE", ADMIN_PREFIX "requests/", "", mr_admin_on_cancel },
  { "GET", ADMIN_PREFIX "keys", NULL, mr_admin_on_keys },
  { "POST", ADMIN_PREFIX "keys", NULL, mr_admin_on_create_key },
  { "GET", ADMIN_PREFIX "keys/", "", mr_admin_on_key },
  { "DELETE", ADMIN_PREFIX "keys/", "", mr_admin_on_revoke_key },
  { "GET", ADMIN_PREFIX "usage", NULL, mr_admin_on_usage },
  { "GET", ADMIN_PREFIX "events", NULL, on_events },
  { "GET", ADMIN_PREFIX "history", NULL, mr_admin_on_history },
  { "GET", ADMIN_PREFIX "config", NULL, mr_admin_on_config },
};

/* @id: (transfer full): stays NULL where the path has none. */
static gboolean
matches (gsize i, const char *path, char **id)
{
  gsize prefix = strlen (routes[i].path);
  gsize suffix;
  const char *end;

  if (routes[i].suffix == NULL)
    return g_str_equal (path, routes[i].path);
  suffix = strlen (routes[i].suffix);
  if (!g_str_has_prefix (path, routes[i].path) || !g_str_has_suffix (path, routes[i].suffix) ||
      strlen (path) <= prefix + suffix)
    return FALSE;
  end = path + strlen (path) - suffix;
  if (memchr (path + prefix, '/', (gsize) (end - path) - prefix) != NULL)
    return FALSE;
  *id = g_uri_unescape_segment (path + prefix, end, NULL);
  return *id != NULL;
}

static gboolean
takes (gsize i, const char *method)
{
  return g_str_equal (method, routes[i].method) ||
         (g_str_equal (method, "HEAD") && g_str_equal (routes[i].method, "GET"));
}

static void
call (MrAdmin *admin, MrResponse *response, MrAdminHandler handler, const char *id)
{
  const char *query = strchr (mr_response_get_request (response)->target, '?');
  g_autoptr (GHashTable) form = soup_form_decode (query != NULL ? query + 1 : "");

  handler (&(MrAdminCall){ admin, response, id, form });
}

static void
answer_other_method (MrResponse *response, const char *allowed)
{
  mr_headers_set (mr_response_get_fields (response), "allow", allowed);
  if (g_str_equal (mr_response_get_request (response)->method, "OPTIONS"))
    mr_admin_send_nothing (response);
  else
    mr_admin_fail (response, MR_ERROR_METHOD_NOT_ALLOWED,
                   "This path does not know the method; the Allow header lists those it does.");
}

static void
route (MrAdmin *admin, MrResponse *response)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  g_autoptr (GString) allowed = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (routes); i++) {
    g_autofree char *id = NULL;

    if (!matches (i, request->path, &id))
      continue;
    if (takes (i, request->method)) {
      call (admin, response, routes[i].handler, id);
      return;
    }
    g_string_append_printf (allowed, "%s, ", g_str_equal (routes[i].method, "GET") ? "GET, HEAD" : routes[i].method);
  }
  if (allowed->len > 0) {
    g_string_append (allowed, "OPTIONS");
    answer_other_method (response, allowed->str);
  } else {
    mr_admin_fail (response, MR_ERROR_NOT_FOUND, "There is nothing at this path.");
  }
}

gboolean
mr_admin_owns (const char *path)
{
  return g_str_equal (path, METRICS_PATH) || g_str_has_prefix (path, ADMIN_PREFIX);
}

void
mr_admin_take (MrAdmin *admin, MrResponse *response)
{
  MrHeaders *fields = mr_response_get_fields (response);
  gboolean is_public =
      admin->parts.config->metrics_public && g_str_equal (mr_response_get_request (response)->path, METRICS_PATH);

  mr_headers_set (fields, "cache-control", "no-store");
  mr_headers_set (fields, "x-content-type-options", "nosniff");
  if (is_public || authenticate (admin, response))
    route (admin, response);
}

/* --- the admin API itself --- */

MrAdmin *
mr_admin_new (const MrAdminParts *parts)
{
  MrAdmin *admin = g_new0 (MrAdmin, 1);

  admin->parts = *parts;
  admin->proxies = g_ptr_array_new ();
  admin->failures = mr_auth_failures_new ();
  admin->events = mr_events_new (parts);
  g_queue_init (&admin->waiting);
  mr_admin_begin_history (admin);
  return admin;
}

void
mr_admin_free (MrAdmin *admin)
{
  if (admin == NULL)
    return;
  mr_admin_end_history (admin);
  mr_events_free (admin->events);
  mr_admin_drop_waiting (admin);
  mr_auth_failures_free (admin->failures);
  g_ptr_array_unref (admin->proxies);
  g_free (admin->token);
  g_free (admin);
}

void
mr_admin_apply_config (MrAdmin *admin)
{
  const MrServerConfig *config = admin->parts.config;

  g_ptr_array_unref (admin->proxies);
  admin->proxies = mr_auth_parse_proxies ((const char *const *) config->trusted_proxies, NULL);
  if (g_strcmp0 (admin->token, config->admin_token) == 0)
    return;
  mr_events_end_streams (admin->events); /* whoever only had the old one hears no more */
  g_free (admin->token);
  admin->token = g_strdup (config->admin_token);
}

void
mr_admin_stop (MrAdmin *admin)
{
  mr_events_stop (admin->events);
}
