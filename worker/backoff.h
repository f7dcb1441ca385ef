/* SPDX-License-Identifier: MIT */
/*
 * When to try a relay again (protocol, "Heartbeat"). Pure: how long a session lived and the random number come from
 * the caller; setting the timer is its business too.
 */
#pragma once

#include <glib.h>

#define MR_BACKOFF_MIN_USEC (1 * G_USEC_PER_SEC)
#define MR_BACKOFF_MAX_USEC (30 * G_USEC_PER_SEC)
#define MR_BACKOFF_JITTER_USEC (G_USEC_PER_SEC / 2)

/* A session that was registered for so long was good: the next failure starts from the shortest wait. */
#define MR_BACKOFF_GOOD_SESSION_USEC (10 * G_USEC_PER_SEC)

/* A relay that said graceful_shutdown is being restarted and comes back soon. */
#define MR_BACKOFF_RESTART_USEC (2 * G_USEC_PER_SEC)

/** MrBackoff: zeroed memory is a fresh one. */
typedef struct {
  guint failures; /* in a row */
} MrBackoff;

/**
 * mr_backoff_session_ended:
 * @lived_us: how long the session was registered; 0 when it never was
 *
 * Forgets the failures after a good session.
 */
void mr_backoff_session_ended (MrBackoff *backoff, gint64 lived_us);

/**
 * mr_backoff_next_us:
 * @random: any 32 random bits
 *
 * Counts one more failure.
 *
 * Returns: how long to wait: 1 s, doubling up to 30 s, plus less than 500 ms of jitter
 */
gint64 mr_backoff_next_us (MrBackoff *backoff, guint32 random);
