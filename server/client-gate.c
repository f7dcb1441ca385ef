/* SPDX-License-Identifier: MIT */
/*
 * Clients and their keys. See client-gate.h.
 */
#include "client-gate.h"

#include <string.h>

#define BEARER "Bearer "

static MrKey *
find_client_key (MrKeyStore *store, const char *secret)
{
  MrKey *key = mr_key_store_find (store, secret);

  return key != NULL && key->spec.scope == MR_KEY_SCOPE_CLIENT ? key : NULL;
}

gboolean
mr_client_gate_identify (MrKeyStore *store, const MrHttpRequest *request, gboolean required, MrCaller *caller)
{
  const char *authorization = mr_http_request_header (request, "authorization");
  const char *api_key = mr_http_request_header (request, "x-api-key");

  *caller = (MrCaller){ NULL };
  if (authorization != NULL && g_ascii_strncasecmp (authorization, BEARER, strlen (BEARER)) == 0) {
    caller->key = find_client_key (store, authorization + strlen (BEARER));
    caller->key_header = "authorization";
  }
  if (caller->key == NULL && api_key != NULL) {
    caller->key = find_client_key (store, api_key);
    caller->key_header = "x-api-key";
  }
  if (caller->key == NULL)
    caller->key_header = NULL;
  return caller->key != NULL || !required;
}

void
mr_refusal_clear (MrRefusal *refusal)
{
  g_clear_pointer (&refusal->message, g_free);
}

gboolean
mr_client_gate_check (MrKey *key, const char *model, gint64 now_us, gint64 now, MrRefusal *refusal)
{
  const MrKeySpec *spec = &key->spec;
  MrRefusal why = { MR_ERROR_RATE_LIMIT, NULL, 0 };

  if (!mr_key_allows_model (key, model)) {
    why.code = MR_ERROR_MODEL_NOT_ALLOWED;
    why.message = g_strdup_printf ("This API key may not use the model \"%s\".", model);
  } else if (!mr_rate_limit_has_tokens (&key->limit, spec->tokens_per_day, now, &why.retry_after_us)) {
    why.message = g_strdup_printf ("This API key has used its %" G_GUINT64_FORMAT " tokens of today (UTC).",
                                   spec->tokens_per_day);
  } else if (!mr_rate_limit_take_request (&key->limit, spec->requests_per_minute, now_us, &why.retry_after_us)) {
    why.message = g_strdup_printf ("This API key may send %u requests a minute.", spec->requests_per_minute);
  } else {
    return TRUE;
  }
  *refusal = why;
  return FALSE;
}
