/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 exchanges with one backend (RFC 9112), with a pool of connections. Ours, because libsoup 3.2 reports
 * a backend that dies in a chunked body as a clean end and costs ten times as much per chunk.
 *
 *   request -> (pool | connect) -> send -> head -> data* -> done
 *                 ^                 |                |
 *                 +-- once, when a pooled connection died before any byte of the answer
 *                                   +-- failed: unreachable, timeout, broken framing, cut off
 *
 * Framings: Content-Length, chunked (trailers dropped), until-close; bodiless 1xx, 204, 304 and HEAD. A body that ends
 * early is an error, never an end. Redirects, cookies and content codings are not touched; http_proxy is ignored.
 */
#pragma once

#include "headers.h"
#include "reactor.h"
#include "tls-trust.h"

#include <gio/gio.h>

typedef struct _MrHttpClient MrHttpClient;
typedef struct _MrHttpExchange MrHttpExchange;

typedef struct {
  /* Status and header fields (all of them, as they came). Borrowed. */
  void (*head) (MrHttpExchange *exchange, guint status, const MrHeaders *headers, gpointer data);

  /* Bytes of the body, decoded from the framing, as they came: what one read gave (joined chunks of it, never held
   * back). */
  void (*data) (MrHttpExchange *exchange, const char *bytes, gsize length, gpointer data);

  /* Of a streamed request: the backend has taken most of what was given. Nullable. */
  void (*drained) (MrHttpExchange *exchange, gpointer data);

  /* The body is complete; the exchange is over and is freed after the callback. */
  void (*done) (MrHttpExchange *exchange, gpointer data);

  /* %MR_ERROR_BACKEND_UNREACHABLE, _BACKEND_TIMEOUT (connect) or _BACKEND_PROTOCOL (broken or cut answer); the exchange
   * is over and is freed after the callback. */
  void (*failed) (MrHttpExchange *exchange, const GError *error, gpointer data);
} MrHttpExchangeEvents;

/**
 * mr_http_client_new:
 * @uri: `http://host[:port][/prefix]` or `https:`; paths of requests are appended to its path
 *
 * Returns: (transfer full): a client with an empty pool, or %NULL with %MR_ERROR_CONFIG for another scheme
 */
MrHttpClient *mr_http_client_new (MrReactor *reactor, GUri *uri, GError **error);

/** mr_http_client_set_trust: which backend to believe; at first the system's authorities. Nothing for a plain one. */
void mr_http_client_set_trust (MrHttpClient *client, MrTlsTrust *trust);

/** mr_http_client_free: closes the pool; every exchange must be over or cancelled. */
void mr_http_client_free (MrHttpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpClient, mr_http_client_free)

/**
 * mr_http_client_request:
 * @path: path and query
 * @headers: fields to send; `Host`, `Content-Length` and `Connection` are added here and must not be in it
 * @body: (nullable): kept until sent
 * @events: must outlive the exchange
 *
 * No callback comes before this returns.
 *
 * Returns: (transfer none): owned by the client until `done`, `failed` or mr_http_exchange_cancel()
 */
MrHttpExchange *mr_http_client_request (MrHttpClient *client, const char *method, const char *path,
                                        const MrHeaders *headers, GBytes *body, const MrHttpExchangeEvents *events,
                                        gpointer data);

/**
 * mr_http_client_request_streamed:
 * @body_length: bytes that mr_http_exchange_send() will give in all
 *
 * Like mr_http_client_request(), on a connection of its own: what was sent cannot be sent again.
 */
MrHttpExchange *mr_http_client_request_streamed (MrHttpClient *client, const char *method, const char *path,
                                                 const MrHeaders *headers, guint64 body_length,
                                                 const MrHttpExchangeEvents *events, gpointer data);

/** mr_http_exchange_send: the next bytes of a streamed request's body; kept until the backend takes them. */
void mr_http_exchange_send (MrHttpExchange *exchange, const char *data, gsize length);

/** mr_http_exchange_get_unsent: bytes given with mr_http_exchange_send() that wait here for the backend. */
gsize mr_http_exchange_get_unsent (MrHttpExchange *exchange);

/** mr_http_exchange_set_reading: off stops reading from the backend: that is the back-pressure. On at first. */
void mr_http_exchange_set_reading (MrHttpExchange *exchange, gboolean reading);

/** mr_http_exchange_cancel: closes the connection at once, so that the backend stops; frees; no callback follows. */
void mr_http_exchange_cancel (MrHttpExchange *exchange);
