/* SPDX-License-Identifier: MIT */
/*
 * A model server that a test plays by hand. What the worker asks on its own account (any GET: models, slots) is
 * answered in the background; the script sees the inference requests only.
 */
#pragma once

#include "http-message.h"

typedef struct _MrtBackend MrtBackend;

/** MrtBackendRequest: one inference request and the connection that waits for its answer. */
typedef struct {
  MrtBackend *backend; /* Borrowed */
  MrtStream *stream;   /* Owned */
  MrtHead *head;
  char *method;
  char *target;
  GString *body;
  gboolean answered; /* completely, so that the connection may carry another request */
} MrtBackendRequest;

/** mrt_backend_new: (transfer full): listens on a free port and lists the model "m". */
MrtBackend *mrt_backend_new (void);
void mrt_backend_free (MrtBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtBackend, mrt_backend_free)

guint16 mrt_backend_get_port (MrtBackend *backend);

/** mrt_backend_set_answer: what `GET @path` gets from now on; a %NULL @body means 404. */
void mrt_backend_set_answer (MrtBackend *backend, const char *path, const char *body);

/** mrt_backend_set_models: comma-separated ids for `GET /v1/models`. */
void mrt_backend_set_models (MrtBackend *backend, const char *ids);

/** mrt_backend_accept: (transfer full): the next inference request; the test fails when none comes. */
MrtBackendRequest *mrt_backend_accept (MrtBackend *backend);

/** mrt_backend_is_quiet: no inference request within @timeout_ms. */
gboolean mrt_backend_is_quiet (MrtBackend *backend, int timeout_ms);

/**
 * mrt_backend_request_free: before its backend's end
 *
 * Closes the connection, or keeps it for another request when the answer was complete.
 */
void mrt_backend_request_free (MrtBackendRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtBackendRequest, mrt_backend_request_free)

/** mrt_backend_write: any bytes. */
void mrt_backend_write (MrtBackendRequest *request, const char *text);

/** mrt_backend_answer: a whole answer with Content-Length. @headers: (nullable): fields, each ended with CR LF */
void mrt_backend_answer (MrtBackendRequest *request, guint status, const char *headers, const char *body);

/** mrt_backend_sse_head: 200, text/event-stream, chunked. */
void mrt_backend_sse_head (MrtBackendRequest *request);

/** mrt_backend_chunk: one chunk of the chunked coding. */
void mrt_backend_chunk (MrtBackendRequest *request, const char *data, gsize length);

/** mrt_backend_event: one chunk from a string. */
void mrt_backend_event (MrtBackendRequest *request, const char *text);

/** mrt_backend_end: the last chunk. */
void mrt_backend_end (MrtBackendRequest *request);

/** mrt_backend_wait_gone: the peer closes or resets within @timeout_ms. */
gboolean mrt_backend_wait_gone (MrtBackendRequest *request, int timeout_ms);
