/* SPDX-License-Identifier: MIT */
/*
 * A relay that a test plays by hand against the real worker.
 */
#pragma once

#include "raw-websocket.h"

typedef struct {
  int fd;
  guint16 port;
} MrtRelay;

MrtRelay *mrt_relay_new (void);
void mrt_relay_free (MrtRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtRelay, mrt_relay_free)

/** mrt_relay_accept: (nullable) (transfer full): the next link after its upgrade; %NULL when none comes in time. */
MrtWebsocket *mrt_relay_accept (MrtRelay *relay, int timeout_ms);

/**
 * mrt_relay_welcome:
 * @extensions: (nullable): JSON array for the acknowledgement; %NULL plays the original server
 *
 * Accepts a link, takes its register message and acknowledges all of its models.
 *
 * Returns: (transfer full): the link
 */
MrtWebsocket *mrt_relay_welcome (MrtRelay *relay, const char *extensions);

/** mrt_relay_request: @headers: (nullable): JSON object */
void mrt_relay_request (MrtWebsocket *link, const char *request_id, const char *path, gboolean streaming,
                        const char *headers, const char *body);
