/* SPDX-License-Identifier: MIT */
/*
 * Who a client is and what its key lets it do (contract B3, B4, B6). Decides; answers nothing itself.
 */
#pragma once

#include "error.h"
#include "http-intake.h"
#include "key-store.h"

/**
 * MrCaller: who sent a request.
 * @key: (nullable): borrowed; %NULL for nobody in particular, where keys are not required
 * @key_header: (nullable): the header field that carried the key, which never travels to a worker; static
 */
typedef struct {
  MrKey *key;
  const char *key_header;
} MrCaller;

/**
 * mr_client_gate_identify:
 * @required: whether a caller needs a key
 * @caller: (out caller-allocates)
 *
 * Looks for a live key of scope client in `Authorization: Bearer`, then in `x-api-key`. What is not one of ours stays
 * untouched: it is the backend's.
 *
 * Returns: %FALSE when a key is required and there is none
 */
gboolean mr_client_gate_identify (MrKeyStore *store, const MrHttpRequest *request, gboolean required, MrCaller *caller);

/** MrRefusal: why a request is not let in. @message: (owned): a sentence for the client. */
typedef struct {
  MrErrorCode code;
  char *message;
  gint64 retry_after_us; /* 0 for none */
} MrRefusal;

void mr_refusal_clear (MrRefusal *refusal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrRefusal, mr_refusal_clear)

/**
 * mr_client_gate_check:
 * @key: the caller's
 * @model: as the client calls it
 * @now_us: monotonic microseconds
 * @now: seconds since 1970
 * @refusal: (out caller-allocates): filled on %FALSE
 *
 * The key's models, requests a minute and tokens a day; a request that passes has used one permit. How many run at once
 * is the queue's business.
 */
gboolean mr_client_gate_check (MrKey *key, const char *model, gint64 now_us, gint64 now, MrRefusal *refusal);
