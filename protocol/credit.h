/* SPDX-License-Identifier: MIT */
/*
 * The byte window of one request in one direction (extension `flow_control`): how much the sender may still send, and
 * what the receiver gives back as its own taker takes it. Pure.
 *
 *   sender:   available = window; - each payload byte; + each window_update
 *   receiver: outstanding = received - taken; gives back in steps of half a window
 */
#pragma once

#include <glib.h>

/** MrCredit: the sender's side. */
typedef struct {
  guint64 available;
} MrCredit;

#define MR_CREDIT_UNLIMITED ((MrCredit){ G_MAXUINT64 })

/** mr_credit_take: as much of @wanted as may be sent now; it counts as sent. */
gsize mr_credit_take (MrCredit *credit, gsize wanted);

/** mr_credit_add: a window_update came. Never overflows. */
void mr_credit_add (MrCredit *credit, guint64 bytes);

/** MrCreditWindow: the receiver's side. */
typedef struct {
  guint64 window;
  guint64 received;
  guint64 returned;
} MrCreditWindow;

/**
 * mr_credit_window_receive:
 *
 * Returns: %FALSE when the peer sent more than it was allowed to
 */
gboolean mr_credit_window_receive (MrCreditWindow *window, gsize bytes);

/**
 * mr_credit_window_give_back:
 * @unsent: bytes of what was received that wait here for their taker
 *
 * Returns: bytes for a window_update, which count as given back; 0 when it is not yet worth a message
 */
guint64 mr_credit_window_give_back (MrCreditWindow *window, guint64 unsent);
