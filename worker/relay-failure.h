/* SPDX-License-Identifier: MIT */
/*
 * Why the worker is not registered with a relay: the step that failed, so that a person can be told what to do.
 */
#pragma once

#include <glib.h>

/** MrRelayFailure: in the order in which the steps are taken. */
typedef enum {
  MR_RELAY_FAILURE_NONE,        /* nothing failed, or not since the last success */
  MR_RELAY_FAILURE_NAME,        /* the host name cannot be resolved */
  MR_RELAY_FAILURE_CONNECT,     /* no TCP connection */
  MR_RELAY_FAILURE_TLS,         /* the certificate, or the handshake */
  MR_RELAY_FAILURE_NOT_A_RELAY, /* something answered, but not as a relay */
  MR_RELAY_FAILURE_REFUSED,     /* wrong worker secret, unknown provider, or a rule of the relay */
  MR_RELAY_FAILURE_LOST,        /* it was registered, and the connection ended */
} MrRelayFailure;

/**
 * mr_relay_failure_from_error:
 * @error: of mr_link_connect_finish()
 */
MrRelayFailure mr_relay_failure_from_error (const GError *error);

/**
 * mr_relay_failure_from_close:
 * @code: what the link was closed with
 * @registered: the relay had acknowledged us
 */
MrRelayFailure mr_relay_failure_from_close (guint16 code, gboolean registered);

/**
 * mr_relay_failure_describe_close:
 * @reason: (nullable): what came with @code
 *
 * Returns: (transfer full): a sentence for a person
 */
char *mr_relay_failure_describe_close (const char *url, guint16 code, const char *reason);
