/* SPDX-License-Identifier: MIT */
/*
 * The facts that the admin API, its event stream and D-Bus show, as JSON documents of one shape (contract G). Reads,
 * changes nothing. Never in them: secrets, prompts, answers (contract B7, H3).
 */
#pragma once

#include "admin.h"

#include <json-glib/json-glib.h>

/** mr_admin_report_worker: (transfer full): an object as G1 lists it. */
JsonNode *mr_admin_report_worker (const MrAdminParts *parts, const MrWorkerSession *session);

/** mr_admin_report_workers: (transfer full): an array of the registered workers, by their names. */
JsonNode *mr_admin_report_workers (const MrAdminParts *parts);

/** MrRequestFacts: what is shown of a request; taken down while its job lives, to be told later. */
typedef struct {
  char *id;
  char *request_id;
  const char *state;  /* static */
  char *model;        /* as the client calls it */
  char *served_model; /* nullable: the real name, once it was given to a worker */
  char *key_id;       /* nullable, as the next three */
  char *key_name;
  char *worker_id;
  char *worker_name;
  char *endpoint; /* without its query, which may hold anything */
  gboolean streaming;
  gint64 arrived_at; /* seconds since 1970 */
  gint64 age_ms;
  gint64 wait_ms; /* in the queue, up to the last dispatch */
  guint64 answer_bytes;
  guint requeues;
} MrRequestFacts;

/** mr_request_facts_init: @now_us: monotonic; cleared with mr_request_facts_clear(). */
void mr_request_facts_init (MrRequestFacts *facts, const MrJob *job, gint64 now_us);
void mr_request_facts_clear (MrRequestFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrRequestFacts, mr_request_facts_clear)

/** mr_admin_report_facts: (transfer full): the object of mr_admin_report_request(). */
JsonNode *mr_admin_report_facts (const MrRequestFacts *facts);

/** mr_admin_report_request: (transfer full): an object: id, request_id, state, model, key name, worker, age. */
JsonNode *mr_admin_report_request (const MrAdminParts *parts, const MrJob *job);

/** mr_admin_report_requests: (transfer full): an array of those waiting and running, in order of arrival. */
JsonNode *mr_admin_report_requests (const MrAdminParts *parts);

/** mr_admin_report_status: the relay in one word: `draining`, `degraded` (the key store has a problem), or `ok`. */
const char *mr_admin_report_status (MrRelay *relay, MrKeyStore *store);

/** mr_admin_report_stats: (transfer full): the object of G2. */
JsonNode *mr_admin_report_stats (const MrAdminParts *parts);

/** mr_admin_report_count_in_flight: requests that are with a worker and not over. */
guint mr_admin_report_count_in_flight (const MrAdminParts *parts);

/** mr_admin_report_models: (transfer full): an array of what clients can use now: name, what an alias stands for, how
 * many workers serve it. */
JsonNode *mr_admin_report_models (const MrAdminParts *parts);

/** mr_admin_report_key: (transfer full): an object as G3 lists it, with its use today; without the secret. */
JsonNode *mr_admin_report_key (const MrKey *key);

/** mr_admin_report_keys: (transfer full): an array, dead keys too, in order of creation. */
JsonNode *mr_admin_report_keys (const MrAdminParts *parts);

/**
 * mr_admin_report_read_days:
 * @first: (nullable): YYYY-MM-DD; none or empty for 29 days before the last one
 * @last: (nullable): likewise; none or empty for today
 * @from: (out): days since 1970
 * @to: (out): not before @from
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_REQUEST, whose message names the day and what is allowed
 */
gboolean mr_admin_report_read_days (const char *first, const char *last, gint64 *from, gint64 *to, GError **error);

/** mr_admin_report_usage: (transfer full): an array of objects: day (YYYY-MM-DD), key, model, counts. */
JsonNode *mr_admin_report_usage (const MrUsageRow *rows, gsize n);

/**
 * mr_admin_read_key_spec:
 * @object: as in the body of POST /admin/keys
 * @spec: (out caller-allocates): cleared with mr_key_spec_clear()
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_REQUEST that names the member, what was wrong and what is allowed
 */
gboolean mr_admin_read_key_spec (JsonObject *object, MrKeySpec *spec, GError **error);
