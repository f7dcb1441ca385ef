/* SPDX-License-Identifier: MIT */
/*
 * What the owner is told of one relay's connection: lost, refused, restored; each once per change. Pure.
 */
#pragma once

#include "relay-failure.h"

/** MrSharingEvent: what happened to a relay's connection, for notifications. */
typedef enum {
  MR_SHARING_EVENT_LOST,
  MR_SHARING_EVENT_RESTORED, /* after LOST or REFUSED */
  MR_SHARING_EVENT_REFUSED,
} MrSharingEvent;

/** MrRelayWatch: zeroed memory is a relay of which nothing is known. */
typedef struct {
  gboolean registered; /* and not lost since */
  gboolean in_trouble; /* told, and not restored since */
  MrRelayFailure failure;
} MrRelayWatch;

/**
 * mr_relay_watch_update:
 * @ready: it is registered with the relay
 * @failure: since the last success
 *
 * Returns: %TRUE with an @event to tell
 */
gboolean mr_relay_watch_update (MrRelayWatch *watch, gboolean ready, MrRelayFailure failure, MrSharingEvent *event);
