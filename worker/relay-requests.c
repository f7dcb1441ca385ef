/* SPDX-License-Identifier: MIT */
/*
 * The table of running exchanges, and the totals that each leaves behind. See relay-requests.h.
 */
#include "relay-requests.h"

#include "error.h"
#include "log.h"

struct _MrRelayRequests {
  MrWorkerContext *context; /* Borrowed: outlives us */
  MrExchangeRoute route;
  const MrRelayRequestsEvents *events;
  gpointer data;
  GHashTable *exchanges; /* Owned: request id (borrowed from the exchange) -> MrExchange (owned) */
  gboolean paused;       /* too much waits on the link: no backend is read */
};

typedef enum { OUTCOME_ANSWERED, OUTCOME_FAILED, OUTCOME_CANCELLED } Outcome;

/* --- endings --- */

static void
count (MrRelayRequests *self, MrExchange *exchange, Outcome outcome)
{
  MrWorkerTotals *totals = &self->context->totals;
  MrExchangeFacts facts = mr_exchange_get_facts (exchange);

  totals->requests++;
  totals->failed += outcome == OUTCOME_FAILED;
  totals->cancelled += outcome == OUTCOME_CANCELLED;
  totals->events += facts.events;
  totals->prompt_tokens += (guint64) MAX (facts.usage.prompt_tokens, 0);
  totals->completion_tokens += (guint64) MAX (facts.usage.completion_tokens, 0);
}

static void
forget_exchange (MrRelayRequests *self, MrExchange *exchange, Outcome outcome)
{
  count (self, exchange, outcome);
  g_hash_table_remove (self->exchanges, mr_exchange_get_facts (exchange).request_id);
  self->context->load--;
  self->events->load_changed (self->data);
}

/* The relay hears nothing of them any more. */
static void
drop_all (MrRelayRequests *self, Outcome outcome)
{
  GHashTableIter iter;
  gpointer exchange;

  g_hash_table_iter_init (&iter, self->exchanges);
  while (g_hash_table_iter_next (&iter, NULL, &exchange)) {
    count (self, exchange, outcome);
  }
  self->context->load -= g_hash_table_size (self->exchanges);
  g_hash_table_remove_all (self->exchanges);
}

static void
on_exchange_ended (MrExchange *exchange, gpointer data)
{
  MrRelayRequests *self = data;

  if (mr_exchange_failed_to_connect (exchange)) {
    self->events->unreachable (self->data);
  }
  forget_exchange (self, exchange, mr_exchange_get_facts (exchange).failed ? OUTCOME_FAILED : OUTCOME_ANSWERED);
}

/* --- back-pressure of the link --- */

static void
set_paused (MrRelayRequests *self, gboolean paused)
{
  GHashTableIter iter;
  gpointer exchange;

  if (self->paused == paused) {
    return;
  }
  self->paused = paused;
  g_hash_table_iter_init (&iter, self->exchanges);
  while (g_hash_table_iter_next (&iter, NULL, &exchange)) {
    mr_exchange_set_reading (exchange, !paused);
  }
}

static void
on_exchange_congested (MrExchange *exchange, gpointer data)
{
  set_paused (data, TRUE);
}

void
mr_relay_requests_resume (MrRelayRequests *self)
{
  set_paused (self, FALSE);
}

/* --- what the relay asks --- */

static const MrExchangeEvents exchange_events = { .ended = on_exchange_ended, .congested = on_exchange_congested };

static void
start_exchange (MrRelayRequests *self, const MrMessage *request)
{
  MrExchange *exchange = mr_exchange_new (&self->route, request, &exchange_events, self);

  g_hash_table_insert (self->exchanges, (char *) mr_exchange_get_facts (exchange).request_id, exchange);
  if (self->paused) {
    mr_exchange_set_reading (exchange, FALSE);
  }
  self->context->load++;
  self->events->load_changed (self->data);
}

static void
refuse (MrRelayRequests *self, const MrMessage *request, MrErrorCode code, const char *message)
{
  mr_log (MR_LOG_INFO, "request refused", "request_id", request->request_id, "model", request->model, "code",
          mr_error_info (code)->openai_code, NULL);
  mr_exchange_refuse (self->route.link, self->route.extensions, request->request_id, code, message);
}

/* A relay without request_errors has no word for `busy`; it counts for itself and does not send too much. */
gboolean
mr_relay_requests_take (MrRelayRequests *self, const MrMessage *request, gboolean draining)
{
  MrWorkerContext *context = self->context;
  gboolean can_say_busy = (self->route.extensions & MR_EXTENSION_REQUEST_ERRORS) != 0;

  if (g_hash_table_contains (self->exchanges, request->request_id)) {
    return FALSE;
  }
  if (draining) {
    refuse (self, request, MR_ERROR_DRAINING, "The worker is shutting down");
  } else if (can_say_busy && context->load >= context->max_concurrent) {
    refuse (self, request, MR_ERROR_BUSY, "The worker has no free slot");
  } else if (!mr_exchange_request_is_safe (request)) {
    refuse (self, request, MR_ERROR_INTERNAL, "The request's path or headers cannot be forwarded");
  } else {
    start_exchange (self, request);
  }
  return TRUE;
}

void
mr_relay_requests_cancel (MrRelayRequests *self, const MrMessage *cancel)
{
  MrExchange *exchange = g_hash_table_lookup (self->exchanges, cancel->request_id);

  if (exchange == NULL) {
    return;
  }
  mr_log (MR_LOG_INFO, "cancelled", "request_id", cancel->request_id, "reason", cancel->reason, NULL);
  mr_exchange_cancel (exchange);
  forget_exchange (self, exchange, OUTCOME_CANCELLED);
}

void
mr_relay_requests_add_credit (MrRelayRequests *self, const MrMessage *update)
{
  MrExchange *exchange = g_hash_table_lookup (self->exchanges, update->request_id);

  if (exchange != NULL) {
    mr_exchange_add_credit (exchange, (guint64) update->bytes);
  }
}

gboolean
mr_relay_requests_take_body (MrRelayRequests *self, const char *request_id, MrSpan payload)
{
  MrExchange *exchange = g_hash_table_lookup (self->exchanges, request_id);

  return exchange == NULL || mr_exchange_take_body (exchange, payload);
}

/* --- what runs --- */

guint
mr_relay_requests_get_count (MrRelayRequests *self)
{
  return g_hash_table_size (self->exchanges);
}

void
mr_relay_requests_append_to (MrRelayRequests *self, GPtrArray *exchanges)
{
  GHashTableIter iter;
  gpointer exchange;

  g_hash_table_iter_init (&iter, self->exchanges);
  while (g_hash_table_iter_next (&iter, NULL, &exchange)) {
    g_ptr_array_add (exchanges, exchange);
  }
}

/* --- life --- */

MrRelayRequests *
mr_relay_requests_new (MrWorkerContext *context, MrLink *link, MrExtensions extensions, guint64 window_bytes,
                       const MrRelayRequestsEvents *events, gpointer data)
{
  MrRelayRequests *self = g_new0 (MrRelayRequests, 1);

  self->context = context;
  self->route = (MrExchangeRoute){ context->client, context->backend_headers, link, extensions, window_bytes };
  self->events = events;
  self->data = data;
  self->exchanges = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) mr_exchange_free);
  return self;
}

void
mr_relay_requests_lose (MrRelayRequests *self)
{
  drop_all (self, OUTCOME_FAILED);
}

void
mr_relay_requests_free (MrRelayRequests *self)
{
  if (self == NULL) {
    return;
  }
  drop_all (self, OUTCOME_CANCELLED);
  g_hash_table_unref (self->exchanges);
  g_free (self);
}
