/* SPDX-License-Identifier: MIT */
/*
 * The states of the worker's side of one relay, and which may follow which. The drawing is in relay-link.h.
 */
#pragma once

#include <glib.h>

typedef enum {
  MR_RELAY_STOPPED,
  MR_RELAY_CONNECTING,
  MR_RELAY_REGISTERING,
  MR_RELAY_READY,
  MR_RELAY_CLOSING, /* we said so; the relay has not answered yet */
  MR_RELAY_WAITING, /* for the next attempt */
  MR_RELAY_N_STATES
} MrRelayState;

const char *mr_relay_state_name (MrRelayState state);
gboolean mr_relay_state_can_become (MrRelayState from, MrRelayState to);
