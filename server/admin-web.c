/* SPDX-License-Identifier: MIT */
/*
 * Routes of the admin API that the web pages live on: the last hour, and what they must know of this relay. Also who
 * takes the samples of that hour: a timer that runs only while something changes or somebody listens. See
 * admin-private.h.
 */
#include "admin-private.h"

#include "admin-json.h"
#include "admin-report.h"

#include <string.h>

/* --- the last hour --- */

static MrHistoryGauges
read_gauges (const MrAdminParts *parts)
{
  const MrWorkerSums sums = mr_worker_registry_sum (mr_relay_get_registry (parts->relay));

  return (MrHistoryGauges){ .queue_depth = mr_relay_get_queue_depth (parts->relay),
                            .running = mr_admin_report_count_in_flight (parts),
                            .workers = sums.workers,
                            .slots = sums.slots };
}

static char *
show_samples (MrAdmin *admin, guint n)
{
  return mr_history_to_json (admin->history, n, mr_reactor_now (admin->parts.reactor), g_get_real_time ());
}

static void
on_sample (MrTimer *timer)
{
  MrAdmin *admin = MR_OWNER_OF (timer, MrAdmin, sample);
  const MrHistoryGauges gauges = read_gauges (&admin->parts);
  guint n = mr_history_sample (admin->history, mr_reactor_now (admin->parts.reactor), &gauges);

  if (!mr_events_are_heard (admin->events))
    return;
  mr_timer_set (timer, mr_history_get_due (admin->history));
  if (n > 0) {
    g_autofree char *json = show_samples (admin, n);

    mr_events_tell (admin->events, "history", json);
  }
}

/* Nothing has changed since the last sample, or the timer would run. */
static void
catch_up (MrAdmin *admin)
{
  if (admin->sample.position == 0)
    mr_history_skip (admin->history, mr_reactor_now (admin->parts.reactor));
}

void
mr_admin_expect_sample (MrAdmin *admin)
{
  if (admin->sample.position != 0) /* comes with every change of a request */
    return;
  catch_up (admin);
  mr_timer_set (&admin->sample, mr_history_get_due (admin->history));
}

static void
on_job_changed (MrRelay *relay, const MrJob *job, gpointer data)
{
  mr_admin_expect_sample (data);
}

static void
on_worker_changed (MrRelay *relay, const MrWorkerSession *session, MrWorkerChange change, gpointer data)
{
  mr_admin_expect_sample (data);
}

static const MrRelayObserver observer = { .job_changed = on_job_changed, .worker_changed = on_worker_changed };

void
mr_admin_begin_history (MrAdmin *admin)
{
  admin->history = mr_history_new (admin->parts.stats, mr_reactor_now (admin->parts.reactor));
  mr_timer_init (&admin->sample, admin->parts.reactor, on_sample);
  mr_relay_observe (admin->parts.relay, &observer, admin);
}

void
mr_admin_end_history (MrAdmin *admin)
{
  mr_relay_unobserve (admin->parts.relay, admin);
  mr_timer_clear (&admin->sample);
  mr_history_free (admin->history);
}

void
mr_admin_on_history (const MrAdminCall *call)
{
  g_autofree char *json = NULL;

  catch_up (call->admin);
  json = show_samples (call->admin, MR_HISTORY_SAMPLES);
  mr_headers_set (mr_response_get_fields (call->response), "content-type", "application/json");
  mr_response_send (call->response, 200, NULL, json, strlen (json));
  mr_response_free (call->response);
}

/* --- this relay --- */

static void
on_downloads (MrResponse *response, JsonNode *downloads, gpointer user_data)
{
  const MrAdmin *admin = user_data;
  const MrServerConfig *config = admin->parts.config;
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_auto (GStrv) addresses = mr_http_intake_get_addresses (admin->parts.intake);

  json_builder_begin_object (out);
  mr_json_add_string (out, "version", MR_VERSION);
  mr_json_add_string (out, "provider", config->provider);
  mr_json_add_strings (out, "addresses", addresses);
  mr_json_add_string (out, "public_url", config->public_url);
  mr_json_add_bool (out, "require_api_keys", config->require_api_keys);
  mr_json_add_bool (out, "worker_secret_set", config->worker_secret != NULL);
  json_builder_set_member_name (out, "downloads");
  json_builder_add_value (out, downloads);
  json_builder_end_object (out);
  mr_admin_send (response, 200, json_builder_get_root (out));
}

void
mr_admin_on_config (const MrAdminCall *call)
{
  mr_downloads_list (call->admin->parts.downloads, call->response, on_downloads, call->admin);
}
