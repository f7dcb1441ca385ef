/* SPDX-License-Identifier: MIT */
/*
 * What a client sees: head, chunks, errors in the shape of its API, and endings that cannot be mistaken (contract A5,
 * D1-D4). Writes straight to the client's connection; every byte of a turn leaves in one send.
 *
 *   IDLE --send--> OVER       IDLE --begin--> STREAMING --end | fail--> OVER       IDLE --fail--> OVER
 */
#pragma once

#include "error.h"
#include "headers.h"
#include "http-intake.h"

typedef struct _MrResponse MrResponse;

typedef struct {
  /* The client went away; the owner frees the response, in the callback or later. */
  void (*gone) (MrResponse *response, gpointer user_data);

  /* The client has taken most of what waited for it (see mr_response_set_water()). */
  void (*drained) (MrResponse *response, gpointer user_data);
} MrResponseEvents;

/**
 * mr_response_new:
 * @request: (transfer full): to be answered
 * @api: whose error shape
 *
 * Returns: (transfer full): a response; once over it has given the connection back to the intake
 */
MrResponse *mr_response_new (MrHttpRequest *request, MrApi api);

/** mr_response_free: a response that is not over closes the client's connection at once. */
void mr_response_free (MrResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrResponse, mr_response_free)

/** mr_response_get_request: (transfer none) (nullable): the request; %NULL once over. */
const MrHttpRequest *mr_response_get_request (MrResponse *response);

/**
 * mr_response_take_request:
 * @response: (transfer full): freed here; nothing may have been sent
 *
 * Returns: (transfer full): the request with its connection, for an upgrade
 */
MrHttpRequest *mr_response_take_request (MrResponse *response);

/** mr_response_get_fields: (transfer none): header fields of ours for any answer; they replace a backend's of that
 * name. */
MrHeaders *mr_response_get_fields (MrResponse *response);

/**
 * mr_response_get_request_id:
 *
 * Returns: (transfer none): the request's `x-request-id`, if it is made of 1 to 128 letters, digits and `-_.:=+/`, else
 * a new one. Goes into every answer and into Anthropic error bodies
 */
const char *mr_response_get_request_id (MrResponse *response);

/** mr_response_is_request_id_ours: %TRUE when it was made here, and so is unique. */
gboolean mr_response_is_request_id_ours (MrResponse *response);

/** mr_response_watch: from now on @events come (contract E1); they must outlive the response. */
void mr_response_watch (MrResponse *response, const MrResponseEvents *events, gpointer user_data);

/** mr_response_set_water: `drained` comes when at most @low_bytes are unsent after more than @high_bytes were. */
void mr_response_set_water (MrResponse *response, gsize high_bytes, gsize low_bytes);

/** mr_response_send: a complete answer. @headers: (nullable): the backend's, filtered here. */
void mr_response_send (MrResponse *response, guint status, const MrHeaders *headers, const char *body, gsize length);

/**
 * mr_response_begin:
 * @body_bytes: what will follow in chunks, if that is known; else -1
 *
 * The head of an answer whose body follows in chunks.
 */
void mr_response_begin (MrResponse *response, guint status, const MrHeaders *headers, gint64 body_bytes);

/** mr_response_chunk: bytes of a streamed answer, passed on untouched. */
void mr_response_chunk (MrResponse *response, const char *data, gsize length);

/** mr_response_end: the clean end of a streamed answer. */
void mr_response_end (MrResponse *response);

/**
 * mr_response_fail:
 * @code: a code of %MR_ERROR
 * @message: a sentence for the client
 *
 * Before the head: an error answer, with a `Retry-After` of the owner's fields or of the table. After it: an error
 * event if the stream is one of events, and a body that is visibly cut off (contract D4).
 */
void mr_response_fail (MrResponse *response, MrErrorCode code, const char *message);

/** mr_response_has_begun: %TRUE when the client has got a byte. */
gboolean mr_response_has_begun (MrResponse *response);

/** mr_response_get_unsent: bytes that the client has not taken. */
gsize mr_response_get_unsent (MrResponse *response);
