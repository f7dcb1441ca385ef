/* SPDX-License-Identifier: MIT */
/*
 * Errors and close codes as steps that failed. See relay-failure.h.
 */
#include "relay-failure.h"

#include "websocket.h"

#include <gio/gio.h>

MrRelayFailure
mr_relay_failure_from_error (const GError *error)
{
  if (error->domain == G_RESOLVER_ERROR) {
    return MR_RELAY_FAILURE_NAME;
  }
  if (error->domain == G_TLS_ERROR) {
    return MR_RELAY_FAILURE_TLS;
  }
  /* A server that takes the connection and says nothing is there, but speaks something else. */
  if (error->domain == G_IO_ERROR && error->code != G_IO_ERROR_CONNECTION_CLOSED) {
    return MR_RELAY_FAILURE_CONNECT;
  }
  return MR_RELAY_FAILURE_NOT_A_RELAY;
}

MrRelayFailure
mr_relay_failure_from_close (guint16 code, gboolean registered)
{
  if (code == MR_CLOSE_POLICY) {
    return MR_RELAY_FAILURE_REFUSED;
  }
  return registered ? MR_RELAY_FAILURE_LOST : MR_RELAY_FAILURE_NOT_A_RELAY;
}

char *
mr_relay_failure_describe_close (const char *url, guint16 code, const char *reason)
{
  if (code == MR_CLOSE_POLICY && g_strcmp0 (reason, "worker authentication failed") == 0) {
    return g_strdup_printf ("%s refused us: wrong worker secret or unknown provider", url);
  }
  if (code == MR_CLOSE_ABNORMAL) {
    return g_strdup_printf ("connection to %s lost", url);
  }
  return g_strdup_printf ("connection to %s closed: %u %s", url, code, reason != NULL ? reason : "");
}
