/* SPDX-License-Identifier: MIT */
/*
 * A relay as it is entered: address, worker secret, and a test of both. Settings and assistant show it; what is done
 * with the values is theirs.
 */
#pragma once

#include "reactor.h"
#include "test-line.h"

/**
 * MrRelayCard: signals, each with a checked text: `url-applied` (char *), `secret-applied` (char *); and `changed`: the
 * owner typed in one of the fields.
 */
#define MR_TYPE_RELAY_CARD (mr_relay_card_get_type ())
G_DECLARE_FINAL_TYPE (MrRelayCard, mr_relay_card, MR, RELAY_CARD, GtkBox)

/** MrRelayCardTaken: whether another card has this address already. */
typedef gboolean (*MrRelayCardTaken) (MrRelayCard *card, const char *url, gpointer data);

/**
 * mr_relay_card_set_up: before it is used
 * @reactor: for the test; outlives the card
 * @settings: a reference is taken: provider, certificates and worker name for the test
 * @taken: (nullable): with @data, which outlives the card
 */
void mr_relay_card_set_up (MrRelayCard *card, MrReactor *reactor, GSettings *settings, MrRelayCardTaken taken,
                           gpointer data);

/** mr_relay_card_set_url: one that is in effect already. */
void mr_relay_card_set_url (MrRelayCard *card, const char *url);

/**
 * mr_relay_card_set_secret: one that is in effect already
 * @secret: (nullable): %NULL when none is known
 * @hint: (nullable): translated: what stands in the empty field, e.g. why it is not known
 */
void mr_relay_card_set_secret (MrRelayCard *card, const char *secret, const char *hint);

/** mr_relay_card_get_url: (transfer full): as it stands there. */
char *mr_relay_card_get_url (MrRelayCard *card);

/** mr_relay_card_get_secret: (transfer full): as it stands there. */
char *mr_relay_card_get_secret (MrRelayCard *card);

/** mr_relay_card_settle: names what is wrong or missing. Returns: whether both fields are good */
gboolean mr_relay_card_settle (MrRelayCard *card);

/** mr_relay_card_get_test: (transfer none) */
MrTestLine *mr_relay_card_get_test (MrRelayCard *card);
