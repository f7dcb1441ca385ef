/* SPDX-License-Identifier: MIT */
/*
 * Names and legal edges of a relay's states. See relay-state.h.
 */
#include "relay-state.h"

#define TO(state) (1u << MR_RELAY_##state)

static const struct {
  const char *name;
  guint next; /* set of legal successors */
} states[MR_RELAY_N_STATES] = {
  [MR_RELAY_STOPPED] = { "stopped", TO (CONNECTING) },
  [MR_RELAY_CONNECTING] = { "connecting", TO (REGISTERING) | TO (WAITING) | TO (STOPPED) },
  [MR_RELAY_REGISTERING] = { "registering", TO (READY) | TO (CLOSING) | TO (WAITING) },
  [MR_RELAY_READY] = { "ready", TO (CLOSING) | TO (WAITING) | TO (STOPPED) },
  [MR_RELAY_CLOSING] = { "closing", TO (CONNECTING) | TO (WAITING) | TO (STOPPED) },
  [MR_RELAY_WAITING] = { "waiting", TO (CONNECTING) | TO (STOPPED) },
};

const char *
mr_relay_state_name (MrRelayState state)
{
  return states[state].name;
}

gboolean
mr_relay_state_can_become (MrRelayState from, MrRelayState to)
{
  return (states[from].next & (1u << to)) != 0;
}
