/* SPDX-License-Identifier: MIT */
/*
 * The requests of one session with a relay: which are taken, which run, and how each that ended is counted. The
 * session itself is relay-link.h's, one request exchange.h's.
 */
#pragma once

#include "exchange.h"
#include "worker-context.h"

typedef struct _MrRelayRequests MrRelayRequests;

/** MrRelayRequestsEvents: may come from within a call of the owner's, who must not free the requests in them. */
typedef struct {
  /* The context's load is new. */
  void (*load_changed) (gpointer data);

  /* The backend could not be reached. */
  void (*unreachable) (gpointer data);
} MrRelayRequestsEvents;

/**
 * mr_relay_requests_new:
 * @context: outlives the requests
 * @link: outlives the requests; registered
 * @extensions: that the relay accepted
 * @window_bytes: of each request in each direction, with flow_control
 * @events: must outlive the requests
 */
MrRelayRequests *mr_relay_requests_new (MrWorkerContext *context, MrLink *link, MrExtensions extensions,
                                        guint64 window_bytes, const MrRelayRequestsEvents *events, gpointer data);

/** mr_relay_requests_free: drops those that run; they count as cancelled. */
void mr_relay_requests_free (MrRelayRequests *requests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrRelayRequests, mr_relay_requests_free)

/** mr_relay_requests_lose: the relay is gone: drops those that run; they count as failed. No event comes. */
void mr_relay_requests_lose (MrRelayRequests *requests);

/**
 * mr_relay_requests_take:
 * @draining: we or the relay take leave: it is refused
 *
 * Returns: %FALSE when the request's id is in use
 */
gboolean mr_relay_requests_take (MrRelayRequests *requests, const MrMessage *request, gboolean draining);

/** mr_relay_requests_cancel: harmless when the request has ended meanwhile, as is the next function. */
void mr_relay_requests_cancel (MrRelayRequests *requests, const MrMessage *cancel);
void mr_relay_requests_add_credit (MrRelayRequests *requests, const MrMessage *update);

/** mr_relay_requests_take_body: as mr_exchange_take_body(); %TRUE when the request has ended meanwhile. */
gboolean mr_relay_requests_take_body (MrRelayRequests *requests, const char *request_id, MrSpan payload);

/** mr_relay_requests_resume: what waited on the link has gone. */
void mr_relay_requests_resume (MrRelayRequests *requests);

/** mr_relay_requests_get_count: how many run. */
guint mr_relay_requests_get_count (MrRelayRequests *requests);

/** mr_relay_requests_append_to: appends each #MrExchange that runs (borrowed), in no order. */
void mr_relay_requests_append_to (MrRelayRequests *requests, GPtrArray *exchanges);
