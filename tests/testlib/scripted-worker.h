/* SPDX-License-Identifier: MIT */
/*
 * A worker that a test plays by hand against the real relay.
 */
#pragma once

#include "raw-websocket.h"

/** mrt_worker_connect: (transfer full): the upgrade only. @headers: (nullable): fields, each ended with CR LF */
MrtWebsocket *mrt_worker_connect (guint16 port, const char *target, const char *headers);

/** mrt_worker_connect_secret: (transfer full): the upgrade with this secret, at the usual address. */
MrtWebsocket *mrt_worker_connect_secret (guint16 port, const char *secret);

/**
 * mrt_worker_join:
 * @models: JSON array
 *
 * Returns: (transfer full): a registered worker that negotiated `request_errors` and `response_start`
 */
MrtWebsocket *mrt_worker_join (guint16 port, const char *secret, const char *name, const char *models,
                               guint max_concurrent);

/** mrt_worker_join_original: (transfer full): the same as the original program does it: without extensions. */
MrtWebsocket *mrt_worker_join_original (guint16 port, const char *secret, const char *name, const char *models,
                                        guint max_concurrent);

/** mrt_worker_take: (transfer full): the id of the next message, which must be a request. */
char *mrt_worker_take (MrtWebsocket *worker);

/** mrt_worker_start: @headers: JSON object */
void mrt_worker_start (MrtWebsocket *worker, const char *request_id, guint status, const char *headers);
void mrt_worker_chunk (MrtWebsocket *worker, const char *request_id, const char *chunk);

/** mrt_worker_complete: @headers: (nullable): JSON object; @body: (nullable) */
void mrt_worker_complete (MrtWebsocket *worker, const char *request_id, guint status, const char *headers,
                          const char *body);
void mrt_worker_fail (MrtWebsocket *worker, const char *request_id, const char *code);
