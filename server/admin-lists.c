/* SPDX-License-Identifier: MIT */
/*
 * Routes of the admin API that are answered at once: workers, models, figures, requests, metrics. See admin-private.h.
 */
#include "admin-private.h"

#include "admin-report.h"
#include "limits.h"
#include "log.h"
#include "metrics.h"

#include <string.h>

/* --- workers and models --- */

static JsonNode *
object_of (const char *name, JsonNode *value)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_init_object (json_node_alloc (), object);

  json_object_set_member (object, name, value);
  json_object_unref (object);
  return node;
}

void
mr_admin_on_workers (const MrAdminCall *call)
{
  mr_admin_send (call->response, 200, object_of ("workers", mr_admin_report_workers (&call->admin->parts)));
}

void
mr_admin_on_models (const MrAdminCall *call)
{
  mr_admin_send (call->response, 200, object_of ("models", mr_admin_report_models (&call->admin->parts)));
}

static MrWorkerSession *
find_worker (MrAdmin *admin, const char *id)
{
  MrWorkerRegistry *registry = mr_relay_get_registry (admin->parts.relay);

  for (guint i = 0; i < mr_worker_registry_get_length (registry); i++)
    if (g_str_equal (mr_worker_registry_index (registry, i)->id, id))
      return mr_worker_registry_index (registry, i);
  return NULL;
}

/* 202: the worker has been told; what it does about it shows later. */
static void
command_worker (const MrAdminCall *call, gboolean (*command) (MrRelay *relay, const char *worker_id),
                const char *command_name)
{
  MrWorkerSession *session = find_worker (call->admin, call->id);

  if (session == NULL || !command (call->admin->parts.relay, call->id)) {
    mr_admin_fail (call->response, MR_ERROR_NOT_FOUND,
                   "There is no worker with this id; GET /admin/workers lists them.");
    return;
  }
  mr_log (MR_LOG_INFO, "admin command", "command", command_name, "worker", session->name, "worker_id", call->id, NULL);
  mr_admin_send (call->response, 202, mr_admin_report_worker (&call->admin->parts, session));
}

void
mr_admin_on_drain (const MrAdminCall *call)
{
  command_worker (call, mr_relay_drain_worker, "drain");
}

void
mr_admin_on_refresh (const MrAdminCall *call)
{
  command_worker (call, mr_relay_refresh_worker, "refresh");
}

/* --- requests --- */

static JsonNode *
page_of_jobs (const MrAdminCall *call, guint limit, guint64 after)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (call->admin->parts.relay);
  g_autofree char *next = NULL;
  guint n = 0;
  guint i;

  json_builder_begin_array (out);
  for (i = 0; i < jobs->len && n < limit; i++) {
    const MrJob *job = g_ptr_array_index (jobs, i);

    if (job->number > after) {
      json_builder_add_value (out, mr_admin_report_request (&call->admin->parts, job));
      n++;
    }
  }
  json_builder_end_array (out);
  if (i > 0 && i < jobs->len)
    next = g_strdup_printf ("%" G_GUINT64_FORMAT, ((const MrJob *) g_ptr_array_index (jobs, i - 1))->number);
  return mr_admin_new_page ("requests", json_builder_get_root (out), next);
}

void
mr_admin_on_requests (const MrAdminCall *call)
{
  const char *cursor = g_hash_table_lookup (call->query, "after");
  guint64 after = 0; /* numbers of arrival go on when the request that had one is over */
  guint limit;

  if (cursor != NULL && !g_ascii_string_to_unsigned (cursor, 10, 0, G_MAXUINT64, &after, NULL)) {
    mr_admin_fail (call->response, MR_ERROR_INVALID_REQUEST,
                   "The parameter \"after\" must be the \"next\" of the page before.");
    return;
  }
  limit = mr_admin_read_limit (call);
  if (limit > 0)
    mr_admin_send (call->response, 200, page_of_jobs (call, limit, after));
}

void
mr_admin_on_cancel (const MrAdminCall *call)
{
  if (!mr_relay_cancel_request (call->admin->parts.relay, call->id)) {
    mr_admin_fail (call->response, MR_ERROR_NOT_FOUND,
                   "There is no request with this id that waits or runs; GET /admin/requests lists them.");
    return;
  }
  mr_log (MR_LOG_INFO, "admin command", "command", "cancel", "id", call->id, NULL);
  mr_admin_send_nothing (call->response);
}

/* --- figures --- */

void
mr_admin_on_stats (const MrAdminCall *call)
{
  mr_admin_send (call->response, 200, mr_admin_report_stats (&call->admin->parts));
}

static GArray *
gather_workers (MrRelay *relay, MrMetricsGauges *gauges)
{
  MrWorkerRegistry *registry = mr_relay_get_registry (relay);
  const MrWorkerSums sums = mr_worker_registry_sum (registry);
  GArray *workers = g_array_new (FALSE, FALSE, sizeof (MrMetricsWorker));

  gauges->workers_connected = sums.workers;
  gauges->workers_draining = sums.draining;
  gauges->slots_total = sums.slots;
  gauges->slots_busy = sums.busy_slots;
  for (guint i = 0; i < sums.workers; i++) {
    const MrWorkerSession *session = mr_worker_registry_index (registry, i);
    const MrDispatchWorker *dispatch = &session->dispatch;
    const MrMetricsWorker worker = { session->name, dispatch->in_flight, dispatch->max_concurrent };

    g_array_append_val (workers, worker);
  }
  return workers;
}

void
mr_admin_on_metrics (const MrAdminCall *call)
{
  const MrAdminParts *parts = &call->admin->parts;
  MrTlsIdentity *identity = mr_http_intake_get_identity (parts->intake);
  MrMetricsGauges gauges = {
    .start_time = parts->started_at,
    .queue_depth = mr_relay_get_queue_depth (parts->relay),
    .in_flight = mr_admin_report_count_in_flight (parts),
    .open_connections = mr_http_intake_get_connections (parts->intake),
    .key_store_ready = mr_key_store_get_problem (parts->store) == NULL,
    .certificate_expiry = identity != NULL ? mr_tls_identity_get_expiry (identity) : 0,
  };
  g_autoptr (GArray) workers = gather_workers (parts->relay, &gauges);
  g_autofree char *text = NULL;

  gauges.workers = (const MrMetricsWorker *) (gpointer) workers->data;
  gauges.n_workers = workers->len;
  mr_metrics_read_process (&gauges.process);
  text = mr_metrics_render (parts->stats, &gauges);
  mr_headers_set (mr_response_get_fields (call->response), "content-type", MR_METRICS_CONTENT_TYPE);
  mr_response_send (call->response, 200, NULL, text, strlen (text));
  mr_response_free (call->response);
}
