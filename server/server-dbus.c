/* SPDX-License-Identifier: MIT */
/*
 * org.modelrelay.Server1: what its properties show and what its methods do. How a bus is joined, callers are checked
 * and changes are paced is bus.h's and bus-object.h's business. See server-dbus.h.
 */
#include "server-dbus.h"

#include "admin-report.h"
#include "bus.h"
#include "dbus-server1.h"
#include "error.h"
#include "json-variant.h"
#include "limits.h"

#include <string.h>

#define NAME "org.modelrelay.Server1"
#define PATH "/org/modelrelay/Server1"

/* A message of D-Bus holds an array of 64 MiB, and a row has some 200 bytes. */
#define MAX_USAGE_ROWS 100000

struct _MrServerDBus {
  MrAdminParts parts;
  MrDBusServer1 *skeleton; /* Owned */
  MrBusObject *object;     /* Owned */
  MrBus *bus;              /* Owned */
  GPtrArray *waiting;      /* Owned Waiting: calls that the key store will answer */
};

/* --- errors --- */

/* `not_found` is org.modelrelay.Error.NotFound. */
static char *
error_name (int code)
{
  GString *name = g_string_new ("org.modelrelay.Error.");
  gboolean upper = TRUE;

  for (const char *at = mr_error_info (code)->openai_code; *at != '\0'; at++) {
    if (*at != '_')
      g_string_append_c (name, upper ? g_ascii_toupper (*at) : *at);
    upper = *at == '_';
  }
  return g_string_free (name, FALSE);
}

/* Codes that share their word with an earlier one have no name of their own; no method here fails with them. */
static void
register_errors (void)
{
  static gsize done;

  if (!g_once_init_enter (&done))
    return;
  for (int code = 0; code < MR_ERROR_N_CODES; code++) {
    g_autofree char *name = error_name (code);

    g_dbus_error_register_error (MR_ERROR, code, name);
  }
  g_once_init_leave (&done, 1);
}

/* --- properties --- */

static void
publish_workers (MrServerDBus *dbus)
{
  MrWorkerRegistry *registry = mr_relay_get_registry (dbus->parts.relay);
  const MrWorkerSums sums = mr_worker_registry_sum (registry);
  guint n_known = 0;
  double speed = 0;

  for (guint i = 0; i < sums.workers; i++) {
    const MrWorkerSession *session = mr_worker_registry_index (registry, i);

    if (session->tokens_per_second > 0) {
      speed += session->tokens_per_second;
      n_known++;
    }
  }
  mr_dbus_server1_set_workers (dbus->skeleton, sums.workers);
  mr_dbus_server1_set_total_slots (dbus->skeleton, sums.slots);
  mr_dbus_server1_set_free_slots (dbus->skeleton, sums.free_slots);
  mr_dbus_server1_set_tokens_per_second (dbus->skeleton, n_known > 0 ? speed / n_known : 0);
}

static void
publish (gpointer data)
{
  MrServerDBus *dbus = data;
  g_auto (GStrv) addresses = mr_http_intake_get_addresses (dbus->parts.intake);
  g_auto (GStrv) models = mr_relay_dup_models (dbus->parts.relay, NULL);

  mr_dbus_server1_set_addresses (dbus->skeleton, (const char *const *) addresses);
  mr_dbus_server1_set_status (dbus->skeleton, mr_admin_report_status (dbus->parts.relay, dbus->parts.store));
  mr_dbus_server1_set_models (dbus->skeleton, (const char *const *) models);
  mr_dbus_server1_set_queue_depth (dbus->skeleton, mr_relay_get_queue_depth (dbus->parts.relay));
  mr_dbus_server1_set_requests_total (dbus->skeleton, dbus->parts.stats->counts[MR_COUNT_REQUESTS]);
  mr_dbus_server1_set_running_requests (dbus->skeleton, mr_admin_report_count_in_flight (&dbus->parts));
  publish_workers (dbus);
}

static void
on_job_changed (MrRelay *relay, const MrJob *job, gpointer data)
{
  MrServerDBus *dbus = data;

  mr_bus_object_changed (dbus->object);
}

static void
on_worker_changed (MrRelay *relay, const MrWorkerSession *session, MrWorkerChange change, gpointer data)
{
  MrServerDBus *dbus = data;

  mr_bus_object_changed (dbus->object);
}

static const MrRelayObserver observer = { .job_changed = on_job_changed, .worker_changed = on_worker_changed };

/* --- answers --- */

static void
answer_empty (GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

/* @report: (transfer full): an array of objects */
static void
answer_list (GDBusMethodInvocation *invocation, JsonNode *report)
{
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", mr_json_variant_new_list (report)));
  json_node_unref (report);
}

static void
answer_found (GDBusMethodInvocation *invocation, gboolean found, const char *what)
{
  if (found)
    answer_empty (invocation);
  else
    g_dbus_method_invocation_return_error (invocation, MR_ERROR, MR_ERROR_NOT_FOUND, "There is no such %s", what);
}

/* A call that the key store answers later, unless we go before. */
typedef struct {
  MrServerDBus *dbus;                /* Borrowed: owns this */
  GDBusMethodInvocation *invocation; /* Owned; NULL once answered */
} Waiting;

static Waiting *
wait_for_store (MrServerDBus *dbus, GDBusMethodInvocation *invocation)
{
  Waiting *waiting = g_new (Waiting, 1);

  *waiting = (Waiting){ dbus, invocation };
  g_ptr_array_add (dbus->waiting, waiting);
  return waiting;
}

/* (transfer full): to be answered */
static GDBusMethodInvocation *
end_waiting (Waiting *waiting)
{
  GDBusMethodInvocation *invocation = g_steal_pointer (&waiting->invocation);

  g_ptr_array_remove_fast (waiting->dbus->waiting, waiting);
  return invocation;
}

static void
waiting_free (gpointer data)
{
  Waiting *waiting = data;

  if (waiting->invocation != NULL)
    g_dbus_method_invocation_return_error_literal (waiting->invocation, MR_ERROR, MR_ERROR_SHUTTING_DOWN,
                                                   "The relay is shutting down");
  g_free (waiting);
}

/* --- methods that only look --- */

static void
list_workers (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;

  answer_list (invocation, mr_admin_report_workers (&dbus->parts));
}

static void
list_models (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;

  answer_list (invocation, mr_admin_report_models (&dbus->parts));
}

static void
get_statistics (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  g_autoptr (JsonNode) report = mr_admin_report_stats (&dbus->parts);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", mr_json_variant_new (report)));
}

static void
list_requests (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;

  answer_list (invocation, mr_admin_report_requests (&dbus->parts));
}

static void
list_keys (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;

  answer_list (invocation, mr_admin_report_keys (&dbus->parts));
}

/* --- usage --- */

static void
on_usage (const MrUsageRow *rows, gsize n, const GError *error, gpointer data)
{
  GDBusMethodInvocation *invocation = end_waiting (data);

  if (error != NULL)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else if (n > MAX_USAGE_ROWS)
    g_dbus_method_invocation_return_error_literal (invocation, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                                                   "That is too much for one answer: ask for fewer days");
  else
    answer_list (invocation, mr_admin_report_usage (rows, n));
}

static void
get_usage (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  const char *first;
  const char *last;
  gint64 from;
  gint64 to;
  GError *error = NULL;

  g_variant_get (parameters, "(&s&s)", &first, &last);
  if (mr_admin_report_read_days (first, last, &from, &to, &error))
    mr_key_store_query_usage (dbus->parts.store, from, to, on_usage, wait_for_store (dbus, invocation));
  else
    g_dbus_method_invocation_take_error (invocation, error);
}

/* --- methods that change something --- */

static void
cancel_request (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  const char *id;

  g_variant_get (parameters, "(&s)", &id);
  answer_found (invocation, mr_relay_cancel_request (dbus->parts.relay, id), "request");
}

static void
drain_worker (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  const char *id;

  g_variant_get (parameters, "(&s)", &id);
  answer_found (invocation, mr_relay_drain_worker (dbus->parts.relay, id), "worker");
}

static void
refresh_models (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  MrWorkerRegistry *registry = mr_relay_get_registry (dbus->parts.relay);
  const char *id;

  g_variant_get (parameters, "(&s)", &id);
  if (*id != '\0') {
    answer_found (invocation, mr_relay_refresh_worker (dbus->parts.relay, id), "worker");
    return;
  }
  for (guint i = 0; i < mr_worker_registry_get_length (registry); i++)
    mr_worker_session_refresh (mr_worker_registry_index (registry, i));
  answer_empty (invocation);
}

static void
on_key_created (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  GDBusMethodInvocation *invocation = end_waiting (data);
  g_autoptr (JsonNode) report = NULL;

  if (error != NULL) {
    g_dbus_method_invocation_return_gerror (invocation, error);
    return;
  }
  report = mr_admin_report_key (key);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv}s)", mr_json_variant_new (report), secret));
}

static void
create_key (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  g_autoptr (GVariant) argument = g_variant_get_child_value (parameters, 0);
  g_autoptr (JsonNode) node = json_gvariant_serialize (argument);
  g_auto (MrKeySpec) spec = { 0 };
  GError *error = NULL;

  if (mr_admin_read_key_spec (json_node_get_object (node), &spec, &error))
    mr_key_store_create (dbus->parts.store, &spec, on_key_created, wait_for_store (dbus, invocation));
  else
    g_dbus_method_invocation_take_error (invocation, error);
}

static void
on_key_revoked (gboolean found, const GError *error, gpointer data)
{
  GDBusMethodInvocation *invocation = end_waiting (data);

  if (error != NULL)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else
    answer_found (invocation, found, "key");
}

static void
revoke_key (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data)
{
  MrServerDBus *dbus = data;
  const char *id;

  g_variant_get (parameters, "(&s)", &id);
  mr_key_store_revoke (dbus->parts.store, id, on_key_revoked, wait_for_store (dbus, invocation));
}

static const MrBusMethod methods[] = {
  { "ListWorkers", FALSE, list_workers },
  { "ListModels", FALSE, list_models },
  { "GetStatistics", FALSE, get_statistics },
  { "ListRequests", TRUE, list_requests },
  { "CancelRequest", TRUE, cancel_request },
  { "DrainWorker", TRUE, drain_worker },
  { "RefreshModels", TRUE, refresh_models },
  { "ListKeys", TRUE, list_keys },
  { "CreateKey", TRUE, create_key },
  { "RevokeKey", TRUE, revoke_key },
  { "GetUsage", TRUE, get_usage },
  { NULL },
};

/* --- life --- */

void
mr_server_dbus_note_status (MrServerDBus *dbus)
{
  if (dbus != NULL)
    mr_bus_object_changed (dbus->object);
}

MrServerDBus *
mr_server_dbus_new (const MrAdminParts *parts)
{
  g_autoptr (MrServerDBus) dbus = g_new0 (MrServerDBus, 1);

  register_errors ();
  dbus->parts = *parts;
  dbus->skeleton = mr_dbus_server1_skeleton_new ();
  dbus->waiting = g_ptr_array_new_with_free_func (waiting_free);
  mr_dbus_server1_set_version (dbus->skeleton, MR_VERSION);
  mr_dbus_server1_set_started_at (dbus->skeleton, (guint64) parts->started_at);
  dbus->object =
      mr_bus_object_new (parts->reactor, G_DBUS_INTERFACE_SKELETON (dbus->skeleton), PATH, methods, publish, dbus);
  mr_relay_observe (parts->relay, &observer, dbus);
  dbus->bus = mr_bus_new (parts->reactor, (MrBusChoice) parts->config->dbus, NAME, dbus->object);
  return dbus->bus != NULL ? g_steal_pointer (&dbus) : NULL;
}

void
mr_server_dbus_free (MrServerDBus *dbus)
{
  if (dbus == NULL)
    return;
  mr_relay_unobserve (dbus->parts.relay, dbus);
  g_ptr_array_unref (dbus->waiting);
  mr_bus_free (dbus->bus);
  mr_bus_object_free (dbus->object);
  g_object_unref (dbus->skeleton);
  g_free (dbus);
}
