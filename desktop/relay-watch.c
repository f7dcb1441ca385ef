/* SPDX-License-Identifier: MIT */
/*
 * From states to events. See relay-watch.h.
 */
#include "relay-watch.h"

gboolean
mr_relay_watch_update (MrRelayWatch *self, gboolean ready, MrRelayFailure failure, MrSharingEvent *event)
{
  MrRelayFailure before = self->failure;
  gboolean was_in_trouble = self->in_trouble;

  if (ready) {
    *self = (MrRelayWatch){ .registered = TRUE };
    *event = MR_SHARING_EVENT_RESTORED;
    return was_in_trouble;
  }
  self->failure = failure;
  if (failure == MR_RELAY_FAILURE_NONE) {
    return FALSE;
  }
  gboolean lost = self->registered;
  gboolean refused = failure == MR_RELAY_FAILURE_REFUSED && before != MR_RELAY_FAILURE_REFUSED;
  self->registered = FALSE;
  self->in_trouble |= lost || refused;
  *event = refused ? MR_SHARING_EVENT_REFUSED : MR_SHARING_EVENT_LOST;
  return lost || refused;
}
