/* SPDX-License-Identifier: MIT */
/*
 * HTTP requests from clients: listening sockets, accepting, and the cycle of a connection around SoupServer.
 *
 *   listen -> accept4 -> IDLE (parked, in the reactor only)
 *     -> HEAD    bytes collected until the head is whole, then checked (http-head.h); bad ones are refused here
 *     -> BODY    libsoup parses the head and the body through a metered connection-stream
 *     -> HANDED  stolen from libsoup and given to the handler as an MrHttpRequest; the handler's writer answers
 *     -> IDLE again (keep-alive) or closed
 *
 *   Peer gone: in IDLE and HEAD the connection is dropped; in BODY libsoup sees the end and drops it; in HANDED the
 *   new owner of the connection's events is told.
 *
 * libsoup never answers a request itself but for a head it cannot parse (400, 501, with Connection: close).
 */
#pragma once

#include "connection.h"
#include "headers.h"

#include <libsoup/soup.h>

typedef struct _MrHttpIntake MrHttpIntake;

/**
 * MrHttpRequest: a complete request and the connection that waits for its answer. Fields are read-only.
 */
typedef struct {
  MrHttpIntake *intake;     /* Borrowed: outlives its requests */
  MrConnection *connection; /* Owned; NULL once taken */
  char *method;
  char *target;                /* path and query as the client sent them */
  char *path;                  /* the target without its query, still percent-encoded */
  SoupMessageHeaders *headers; /* Owned */
  GBytes *body;                /* Owned; empty when there was none */
  gboolean http_1_0;
  gboolean keep_alive; /* the connection may carry another request after the answer */
} MrHttpRequest;

/**
 * MrHttpIntakeHandler:
 * @request: (transfer full): answer it, then mr_http_request_release() or mr_http_request_free()
 *
 * The handler sets the connection's events when it does not answer at once.
 */
typedef void (*MrHttpIntakeHandler) (MrHttpRequest *request, gpointer user_data);

/** mr_http_request_free: closes the connection if it was not taken. */
void mr_http_request_free (MrHttpRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpRequest, mr_http_request_free)

/** mr_http_request_take_connection: (transfer full): for an upgrade; the caller owns connection and events from now on.
 */
MrConnection *mr_http_request_take_connection (MrHttpRequest *request);

/**
 * mr_http_request_release:
 * @request: (transfer full): answered completely
 *
 * Parks the connection for its next request, or sends what is queued and closes when it is not to be kept.
 */
void mr_http_request_release (MrHttpRequest *request);

/** mr_http_request_header: (nullable) (transfer none): a request header's value; repeated ones joined with commas. */
const char *mr_http_request_header (const MrHttpRequest *request, const char *name);

/** mr_http_request_dup_travelling_headers: (transfer full): what goes on to the backend (see mr_header_travels()). */
MrHeaders *mr_http_request_dup_travelling_headers (const MrHttpRequest *request);

MrHttpIntake *mr_http_intake_new (MrReactor *reactor, MrHttpIntakeHandler handler, gpointer user_data);

/** mr_http_intake_free: closes listeners, parked connections and those still inside libsoup. */
void mr_http_intake_free (MrHttpIntake *intake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpIntake, mr_http_intake_free)

/**
 * mr_http_intake_listen:
 * @address: `127.0.0.1:8080`, `[::]:8080`, `localhost:0`, `unix:/path` (a socket file nobody listens on is replaced)
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG (malformed) or %G_IO_ERROR (cannot bind), naming the address
 */
gboolean mr_http_intake_listen (MrHttpIntake *intake, const char *address, GError **error);

/** mr_http_intake_listen_passed: the same on a socket that was passed to the process; see mr_listener_new_passed(). */
gboolean mr_http_intake_listen_passed (MrHttpIntake *intake, guint number, GError **error);

/** mr_http_intake_get_addresses: (transfer full): where it listens, with real ports: host:port, https://host:port with
 * TLS, or unix:/path. */
char **mr_http_intake_get_addresses (MrHttpIntake *intake);

/** mr_http_intake_stop: stops accepting; parked connections are kept until their idle time. */
void mr_http_intake_stop (MrHttpIntake *intake);

/** mr_http_intake_finish: ends every parked connection once the client has taken what was sent to it. */
void mr_http_intake_finish (MrHttpIntake *intake);

/**
 * mr_http_intake_set_identity:
 * @identity: (nullable): what new TCP connections are shown, which speak TLS then; %NULL for plain ones
 *
 * Connections that are open go on as they began. Those on unix sockets are always plain.
 */
void mr_http_intake_set_identity (MrHttpIntake *intake, MrTlsIdentity *identity);

/** mr_http_intake_get_identity: (nullable) (transfer none). */
MrTlsIdentity *mr_http_intake_get_identity (MrHttpIntake *intake);

/** mr_http_intake_set_max_connections: what is beyond gets 503 at once (with TLS it is
 * closed without an answer); see mr_connection_limit_set(). At first no
 * limit. */
void mr_http_intake_set_max_connections (MrHttpIntake *intake, guint max_total, guint max_per_address);

/** mr_http_intake_set_max_body: in bytes; at first %MR_LIMIT_REQUEST_BODY_BYTES. */
void mr_http_intake_set_max_body (MrHttpIntake *intake, guint64 bytes);

/** mr_http_intake_get_connections: how many that were accepted here are open, upgraded ones too. */
guint mr_http_intake_get_connections (MrHttpIntake *intake);
