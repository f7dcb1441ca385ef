/* SPDX-License-Identifier: MIT */
/*
 * Hot path (b): one request of a relay against the backend, from the request to the last word about it. Which
 * requests are taken, and the table of those that run, are relay-link.h's.
 */
#pragma once

#include "error.h"
#include "http-client.h"
#include "link.h"

typedef struct _MrExchange MrExchange;

typedef struct {
  /* The relay was told that the request is over. The owner frees the exchange, now or later. */
  void (*ended) (MrExchange *exchange, gpointer data);

  /* After a chunk more than %MR_LIMIT_WORKER_HIGH_BYTES wait on the link. The owner stops reading until they have gone.
   */
  void (*congested) (MrExchange *exchange, gpointer data);
} MrExchangeEvents;

/**
 * MrExchangeRoute: the two ends of an exchange.
 */
typedef struct {
  MrHttpClient *client;             /* Borrowed: outlives the exchange */
  const MrHeaders *backend_headers; /* Borrowed: replace the request's own; only used while starting */
  MrLink *link;                     /* Borrowed: outlives the exchange */
  MrExtensions extensions;          /* that the relay accepted */
  guint64 window_bytes;             /* of each request in each direction, with flow_control */
} MrExchangeRoute;

/**
 * mr_exchange_new:
 * @request: a `request` message; copied where needed
 * @events: must outlive the exchange; none comes from within a call of the owner's but mr_exchange_add_credit(), nor
 *   after a cancel
 */
MrExchange *mr_exchange_new (const MrExchangeRoute *route, const MrMessage *request, const MrExchangeEvents *events,
                             gpointer data);

/** mr_exchange_free: closes the backend's connection if the exchange is not over; the relay hears nothing. */
void mr_exchange_free (MrExchange *exchange);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrExchange, mr_exchange_free)

/** mr_exchange_cancel: closes the backend's connection at once, then tells the relay that the request is over. */
void mr_exchange_cancel (MrExchange *exchange);

/**
 * mr_exchange_take_body:
 * @payload: the next bytes of the request's body, of a binary frame
 *
 * Returns: %FALSE when it is more than was announced, or more than the relay had credit for
 */
gboolean mr_exchange_take_body (MrExchange *exchange, MrSpan payload);

/** mr_exchange_add_credit: a window_update came. May end the exchange, with the event. */
void mr_exchange_add_credit (MrExchange *exchange, guint64 bytes);

/** mr_exchange_set_reading: off lets the backend wait, because the relay does not take what was sent. */
void mr_exchange_set_reading (MrExchange *exchange, gboolean reading);

/** MrExchangeFacts: what is known of an exchange so far. Borrowed. */
typedef struct {
  const char *request_id;
  const char *model;
  gint64 started_us; /* monotonic */
  guint64 events;    /* of a stream, as mr_sse_scanner_get_events() counts them; 0 when the answer is no stream */
  MrUsage usage;     /* as the relay was told with the end of the answer; unknown before */
  gboolean failed;   /* the relay was told that the request ended in an error */
} MrExchangeFacts;

MrExchangeFacts mr_exchange_get_facts (MrExchange *exchange);

/** mr_exchange_failed_to_connect: %TRUE when the backend could not be reached. */
gboolean mr_exchange_failed_to_connect (MrExchange *exchange);

/**
 * mr_exchange_request_is_safe:
 *
 * Returns: %FALSE when the request's path or headers cannot be written into an HTTP head
 */
gboolean mr_exchange_request_is_safe (const MrMessage *request);

/**
 * mr_exchange_refuse:
 * @code: why the request ends, a code of %MR_ERROR's worker group
 *
 * The word about a request that ends in an error, in the form that the relay understands: `error` where it
 * accepted request_errors, else `response_complete` with a status and an error body (protocol, "Per-request errors").
 */
void mr_exchange_refuse (MrLink *link, MrExtensions extensions, const char *request_id, MrErrorCode code,
                         const char *message);
