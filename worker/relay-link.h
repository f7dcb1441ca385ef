/* SPDX-License-Identifier: MIT */
/*
 * The worker's side of one relay, for as long as the worker runs: connects, registers, keeps the relay informed, gives
 * its requests to exchanges, and comes back after a loss. How one request is served is exchange.h's business.
 *
 *                         +--------------- failed, closed: back-off ----------------+
 *                         v                                                         |
 *   STOPPED --start--> CONNECTING --upgraded, register--> REGISTERING --ack--> READY
 *                         ^                                    |                |
 *                      WAITING <--closed-- CLOSING <-----------+----------------+
 *   (draining: CLOSING --closed--> STOPPED)
 */
#pragma once

#include "relay-failure.h"
#include "relay-state.h"
#include "worker-context.h"

typedef struct _MrRelayLink MrRelayLink;

/** MrRelayLinkEvents: may come from within a call of the owner's, who must not free the link in them. */
typedef struct {
  /* State or status are new. */
  void (*changed) (MrRelayLink *link, gpointer data);

  /* The context's load is new. Every link has to report. */
  void (*load_changed) (MrRelayLink *link, gpointer data);

  /* The backend is to be asked again: the relay wants it, or the backend could not be reached. */
  void (*refresh) (MrRelayLink *link, gpointer data);
} MrRelayLinkEvents;

/**
 * mr_relay_link_new:
 * @context: outlives the link
 * @relay: which of the relays of the context's config
 * @events: must outlive the link
 */
MrRelayLink *mr_relay_link_new (MrWorkerContext *context, guint relay, const MrRelayLinkEvents *events, gpointer data);

/** mr_relay_link_free: drops the link and its requests at once. No callback follows. */
void mr_relay_link_free (MrRelayLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrRelayLink, mr_relay_link_free)

/** mr_relay_link_start: of a stopped link. */
void mr_relay_link_start (MrRelayLink *link);

/** mr_relay_link_report: the context is new: tells the relay what it cannot know; closes when draining is done. */
void mr_relay_link_report (MrRelayLink *link);

/** mr_relay_link_drain: the context is draining from now on: takes leave of the relay, then STOPPED. */
void mr_relay_link_drain (MrRelayLink *link);

/** mr_relay_link_undrain: the context is draining no more: offers the models again, or comes back. */
void mr_relay_link_undrain (MrRelayLink *link);

MrRelayState mr_relay_link_get_state (MrRelayLink *link);

/** mr_relay_link_get_status: a sentence for a person. Borrowed. */
const char *mr_relay_link_get_status (MrRelayLink *link);

/** mr_relay_link_get_failure: why the last attempt or session ended; none once registered, and when the relay said that
 * it restarts. */
MrRelayFailure mr_relay_link_get_failure (MrRelayLink *link);

/** mr_relay_link_append_exchanges: appends each #MrExchange that runs (borrowed), in no order. */
void mr_relay_link_append_exchanges (MrRelayLink *link, GPtrArray *exchanges);
