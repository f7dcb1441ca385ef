/* SPDX-License-Identifier: MIT */
/*
 * Workers come in here. See worker-gate.h.
 */
#include "worker-gate.h"

#include "auth.h"
#include "http-head.h"
#include "log.h"
#include "response.h"

#include <string.h>

#define RATE_LIMITED "worker authentication temporarily rate limited"

struct _MrWorkerGate {
  MrReactor *reactor;           /* Borrowed */
  MrRelay *relay;               /* Borrowed */
  const MrServerConfig *config; /* Borrowed */
  MrStats *stats;               /* Borrowed */
  MrKeyStore *store;            /* Borrowed */
  GPtrArray *proxies;           /* Owned GInetAddressMask */
  MrAuthFailures *failures;     /* Owned */
  GHashTable *turned_away;      /* Owned MrLink, a set: until their close is through */
};

static gboolean
has_token (const MrHttpRequest *request, const char *name, const char *token)
{
  const char *value = mr_http_request_header (request, name);

  return value != NULL && soup_header_contains (value, token);
}

/* RFC 6455 4.2.1 */
static gboolean
is_upgrade (const MrHttpRequest *request)
{
  const char *key = mr_http_request_header (request, "sec-websocket-key");

  return !request->http_1_0 && has_token (request, "upgrade", "websocket") &&
         has_token (request, "connection", "upgrade") && key != NULL &&
         g_strcmp0 (mr_http_request_header (request, "sec-websocket-version"), "13") == 0;
}

static void
answer_without_upgrade (MrResponse *response)
{
  MrHeaders *fields = mr_response_get_fields (response);

  mr_headers_set (fields, "upgrade", "websocket");
  mr_headers_set (fields, "sec-websocket-version", "13");
  mr_response_fail (response, MR_ERROR_UPGRADE_REQUIRED, "Workers connect here with a WebSocket.");
  mr_response_free (response);
}

static char *
query_value (const MrHttpRequest *request, const char *name)
{
  const char *query = strchr (request->target, '?');
  g_autoptr (GHashTable) form = query != NULL ? soup_form_decode (query + 1) : NULL;

  return form != NULL ? g_strdup (g_hash_table_lookup (form, name)) : NULL;
}

/* A shared secret, or a key of its own (contract B5). */
static gboolean
knows_secret (MrWorkerGate *gate, const char *given, MrKey **key)
{
  const char *secret = gate->config->worker_secret;
  MrKey *found = mr_key_store_find (gate->store, given);

  *key = found != NULL && found->spec.scope == MR_KEY_SCOPE_WORKER ? found : NULL;
  return *key != NULL || (secret != NULL && mr_auth_secret_matches (secret, given));
}

/* NULL when the worker may come in, else the reason of the close. */
static const char *
why_refused (MrWorkerGate *gate, const MrHttpRequest *request, const char *address, MrKey **key)
{
  const char *header = mr_http_request_header (request, "x-worker-secret");
  g_autofree char *query_secret = query_value (request, "worker_secret");
  g_autofree char *provider = query_value (request, "provider");
  const char *given = header != NULL ? header : query_secret;
  gint64 now = mr_reactor_now (gate->reactor);

  if (mr_auth_failures_is_refused (gate->failures, address, now))
    return RATE_LIMITED;
  if (given == NULL || !knows_secret (gate, given, key) ||
      g_strcmp0 (provider != NULL ? provider : "local", gate->config->provider) != 0) {
    mr_auth_failures_note_failure (gate->failures, address, now);
    mr_stats_count (gate->stats, MR_COUNT_WORKER_AUTH_FAILURES);
    return MR_WORKER_AUTH_FAILED;
  }
  mr_auth_failures_note_success (gate->failures, address);
  return NULL;
}

static void
on_turned_away_message (MrLink *link, const MrMessage *message, gpointer data)
{
}

static void
on_turned_away_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  MrWorkerGate *gate = data;

  g_hash_table_remove (gate->turned_away, link);
}

static const MrLinkEvents turned_away_events = {
  .message = on_turned_away_message,
  .closed = on_turned_away_closed,
};

static void
turn_away (MrWorkerGate *gate, MrConnection *connection, const char *reason)
{
  MrLink *link = mr_link_new (connection, MR_WEBSOCKET_SERVER, &turned_away_events, gate);

  g_hash_table_add (gate->turned_away, link);
  mr_link_close (link, MR_CLOSE_POLICY, reason);
}

static void
send_upgrade (MrConnection *connection, const char *key)
{
  g_autofree char *accept = mr_websocket_accept_key (key);
  g_autoptr (GString) head = g_string_new (NULL);

  mr_http_head_append_status (head, 101);
  mr_http_head_append_field (head, "Upgrade", "websocket");
  mr_http_head_append_field (head, "Connection", "Upgrade");
  mr_http_head_append_field (head, "Sec-WebSocket-Accept", accept);
  g_string_append (head, "\r\n");
  mr_connection_write (connection, head->str, head->len);
}

void
mr_worker_gate_take (MrWorkerGate *gate, MrResponse *response)
{
  g_autoptr (MrHttpRequest) request = NULL;
  g_autofree char *address = NULL;
  MrConnection *connection;
  MrKey *key = NULL;
  const char *reason;

  if (!is_upgrade (mr_response_get_request (response))) {
    answer_without_upgrade (response);
    return;
  }
  request = mr_response_take_request (response);
  connection = mr_http_request_take_connection (request);
  address = mr_auth_client_address (mr_connection_get_remote_address (connection),
                                    mr_http_request_header (request, "forwarded"),
                                    mr_http_request_header (request, "x-forwarded-for"), gate->proxies);
  reason = why_refused (gate, request, address, &key);
  send_upgrade (connection, mr_http_request_header (request, "sec-websocket-key"));
  if (reason == NULL) {
    mr_relay_take_worker (gate->relay, connection, address, key);
  } else {
    mr_log (MR_LOG_WARN, "worker refused", "reason", reason, "address", address, NULL);
    turn_away (gate, connection, reason);
  }
}

MrWorkerGate *
mr_worker_gate_new (MrReactor *reactor, MrRelay *relay, const MrServerConfig *config, MrStats *stats, MrKeyStore *store)
{
  MrWorkerGate *gate = g_new0 (MrWorkerGate, 1);

  gate->reactor = reactor;
  gate->relay = relay;
  gate->config = config;
  gate->stats = stats;
  gate->store = store;
  gate->proxies = g_ptr_array_new ();
  gate->failures = mr_auth_failures_new ();
  gate->turned_away = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) mr_link_free, NULL);
  return gate;
}

void
mr_worker_gate_apply_config (MrWorkerGate *gate)
{
  g_ptr_array_unref (gate->proxies);
  gate->proxies = mr_auth_parse_proxies ((const char *const *) gate->config->trusted_proxies, NULL);
}

void
mr_worker_gate_free (MrWorkerGate *gate)
{
  if (gate == NULL)
    return;
  g_hash_table_unref (gate->turned_away);
  mr_auth_failures_free (gate->failures);
  g_ptr_array_unref (gate->proxies);
  g_free (gate);
}
