/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client that sends exactly what it is told and sees exactly what comes. Stalling, half-closing and resetting
 * are mrt_stream_*() on its stream.
 */
#pragma once

#include "http-message.h"

/** MrtResponse: an answer; its body may still be arriving. */
typedef struct {
  MrtStream *stream; /* Owned when @owns_stream, else borrowed */
  gboolean owns_stream;
  guint status;
  MrtHead *head;
  MrtBody body;
} MrtResponse;

void mrt_response_free (MrtResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtResponse, mrt_response_free)

/**
 * mrt_client_send:
 * @headers: (nullable): further fields, each ended with CR LF
 * @body: (nullable): sent with its Content-Length and as application/json
 */
void mrt_client_send (MrtStream *stream, const char *method, const char *target, const char *headers, const char *body);

/** mrt_client_receive_head: (transfer full): the next answer up to its head; the test fails when there is none. */
MrtResponse *mrt_client_receive_head (MrtStream *stream, gboolean to_head_request);

/** mrt_client_receive: (transfer full): the next answer with its body, to its end. */
MrtResponse *mrt_client_receive (MrtStream *stream);

/** mrt_client_open: (transfer full): sends a request on a connection of its own. */
MrtStream *mrt_client_open (guint16 port, const char *method, const char *target, const char *headers,
                            const char *body);

/** mrt_client_ask: (transfer full): a request on a connection of its own, and its whole answer. */
MrtResponse *mrt_client_ask (guint16 port, const char *method, const char *target, const char *headers,
                             const char *body);
