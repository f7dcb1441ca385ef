/* SPDX-License-Identifier: MIT */
/*
 * The life of an answer on its connection: it waits for a slot, is written at the token rate, streamed or whole, and
 * stops at once when the client goes away. The shapes are the APIs' (api.h).
 *
 *   WAITING -> WRITING -> completed
 *      \---------\------> cancelled
 */
#pragma once

#include <libsoup/soup.h>

#include "api.h"

typedef struct _MrDemoSlots MrDemoSlots;

/**
 * mr_demo_slots_new:
 * @n: answers written at the same time; the others wait in the order they came
 * @tokens_per_second: pace of each answer, 0 for as fast as the client reads
 */
MrDemoSlots *mr_demo_slots_new (guint n, double tokens_per_second);

/** mr_demo_slots_free: drops what is waiting or being written. */
void mr_demo_slots_free (MrDemoSlots *slots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrDemoSlots, mr_demo_slots_free)

/**
 * mr_demo_slots_answer:
 * @message: the request; kept until it is answered
 * @socket: its connection
 * @api: its shapes, static
 * @answer: (transfer full): composed
 *
 * Answers @message as soon as a slot is free, and logs the outcome and the tokens.
 */
void mr_demo_slots_answer (MrDemoSlots *slots, SoupServerMessage *message, GSocket *socket, const MrDemoApi *api,
                           MrDemoAnswer *answer);

/** mr_demo_log: one line on standard error about one request; @path must not come from the peer unescaped. */
void mr_demo_log (const char *path, const char *outcome, guint prompt_tokens, guint completion_tokens);
