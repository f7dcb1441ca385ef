/* SPDX-License-Identifier: MIT */
/*
 * The model server as it is entered: its address, a test, and those that were found on this machine. Settings and
 * assistant show it; what is done with the values is theirs.
 */
#pragma once

#include "reactor.h"
#include "test-line.h"

/**
 * MrServerCard: signals `url-applied` (char *): a checked address; `models` (GStrv): a test has passed, this is what
 * the server offers; `changed`: the owner typed or chose.
 */
#define MR_TYPE_SERVER_CARD (mr_server_card_get_type ())
G_DECLARE_FINAL_TYPE (MrServerCard, mr_server_card, MR, SERVER_CARD, GtkBox)

/** mr_server_card_set_up: before it is used. @reactor: for test and search; outlives the card */
void mr_server_card_set_up (MrServerCard *card, MrReactor *reactor);

/** mr_server_card_search: looks again for model servers on this machine. Also when the card is first seen. */
void mr_server_card_search (MrServerCard *card);

/** mr_server_card_set_url: one that is in effect already. */
void mr_server_card_set_url (MrServerCard *card, const char *url);

/** mr_server_card_get_url: (transfer full): as it stands there. */
char *mr_server_card_get_url (MrServerCard *card);

/** mr_server_card_settle: names what is wrong or missing. Returns: whether the address is good */
gboolean mr_server_card_settle (MrServerCard *card);

/** mr_server_card_get_test: (transfer none) */
MrTestLine *mr_server_card_get_test (MrServerCard *card);
