/* SPDX-License-Identifier: MIT */
/*
 * Cross-origin answers of the client API. See cors.h.
 */
#include "cors.h"

/* How long a browser may keep the answer to a preflight, in seconds. */
#define PREFLIGHT_SECS "86400"

static gboolean
apply (const char *const *allowed, const char *origin, MrHeaders *fields)
{
  if (origin == NULL || allowed == NULL)
    return FALSE;
  if (g_strv_contains (allowed, "*")) {
    mr_headers_set (fields, "access-control-allow-origin", "*");
    return TRUE;
  }
  mr_headers_add (fields, "vary", "Origin");
  if (!g_strv_contains (allowed, origin))
    return FALSE;
  mr_headers_set (fields, "access-control-allow-origin", origin);
  return TRUE;
}

void
mr_cors_apply (const char *const *allowed, const char *origin, MrHeaders *fields)
{
  if (apply (allowed, origin, fields))
    mr_headers_set (fields, "access-control-expose-headers",
                    "x-request-id, request-id, x-modelrelay-worker, retry-after");
}

void
mr_cors_apply_preflight (const char *const *allowed, const char *origin, const char *methods, const char *asked_headers,
                         MrHeaders *fields)
{
  if (!apply (allowed, origin, fields))
    return;
  mr_headers_set (fields, "access-control-allow-methods", methods);
  if (asked_headers != NULL)
    mr_headers_set (fields, "access-control-allow-headers", asked_headers);
  mr_headers_set (fields, "access-control-max-age", PREFLIGHT_SECS);
}
