/* SPDX-License-Identifier: MIT */
/*
 * Whether and how this machine is shared now: the worker library under the owner's settings, secrets and pause rules.
 * Windows, tray and notifications show it and give it orders; none of them touches the worker's life.
 *
 *   wanted (connect/disconnect) and not paused:  worker started
 *   pause:      drains (running requests end, no new ones); resumed: started again, also out of a drain
 *   hand back:  stopped at once, then paused until resumed
 *   settings or secrets changed: a new worker takes the place of the old one, which is drained
 */
#pragma once

#include "conditions.h"
#include "pause-rules.h"
#include "rate.h"
#include "relay-watch.h"
#include "secrets.h"
#include "today.h"
#include "worker.h"

#include <gio/gio.h>

typedef enum {
  MR_SHARING_DISCONNECTED, /* the owner does not want it, or the settings are not complete */
  MR_SHARING_CONNECTING,
  MR_SHARING_CONNECTED,
  MR_SHARING_RELAYING, /* requests are running, also the last ones before a pause */
  MR_SHARING_PAUSED,
  MR_SHARING_ERROR, /* no relay, and the last attempt failed; or the model server is down */
} MrSharingState;

/**
 * MrSharing: signal `changed`: any getter has something new; at most once a main loop turn, and once a second while
 * requests are running. Signal `relay-event` (#MrSharingEvent as guint, URL of the relay).
 */
#define MR_TYPE_SHARING (mr_sharing_get_type ())
G_DECLARE_FINAL_TYPE (MrSharing, mr_sharing, MR, SHARING, GObject)

/**
 * mr_sharing_new:
 * @reactor: outlives it
 * @settings: of org.modelrelay.Desktop; changes take effect as they come, joined for a moment
 * @secrets: a reference is taken
 * @conditions: a reference is taken
 * @state_dir: where the day's sums are kept, e.g. the user's XDG state directory for the app; made when missing
 */
MrSharing *mr_sharing_new (MrReactor *reactor, GSettings *settings, MrSecrets *secrets, MrConditions *conditions,
                           const char *state_dir);

/* --- orders --- */

/** mr_sharing_connect: loads the secrets and starts. */
void mr_sharing_connect (MrSharing *sharing);

/** mr_sharing_disconnect: drains, then stays away until mr_sharing_connect(). */
void mr_sharing_disconnect (MrSharing *sharing);

/** mr_sharing_pause: @until_unix: seconds, or %MR_PAUSED_UNTIL_RESUMED. Kept in the settings. */
void mr_sharing_pause (MrSharing *sharing, gint64 until_unix);

/** mr_sharing_resume: takes back the owner's own pause; a rule may still hold. */
void mr_sharing_resume (MrSharing *sharing);

/** mr_sharing_hand_back: drops running requests at once and pauses until resumed. */
void mr_sharing_hand_back (MrSharing *sharing);

/** mr_sharing_refresh_models: asks the model server now. */
void mr_sharing_refresh_models (MrSharing *sharing);

/** mr_sharing_set_model_shared: shows or hides one model; kept in the settings. */
void mr_sharing_set_model_shared (MrSharing *sharing, const char *model, gboolean shared);

/** mr_sharing_quit: drains for at most @seconds, then stops; @done is called once, from the main loop. Called again
 * while it drains, the later call counts instead: 0 seconds to be impatient. */
void mr_sharing_quit (MrSharing *sharing, guint seconds, void (*done) (gpointer data), gpointer data);

/* --- how it is --- */

MrSharingState mr_sharing_get_state (MrSharing *sharing);

/** mr_sharing_is_wanted: %TRUE between connect and disconnect. */
gboolean mr_sharing_is_wanted (MrSharing *sharing);

/** mr_sharing_dup_headline: (transfer full): translated, a few words: e.g. "Relaying 2 requests". */
char *mr_sharing_dup_headline (MrSharing *sharing);

/** mr_sharing_dup_details: (transfer full): translated sentences: what is connected to what; what is wrong, and what
 * can be done about it. One a line. */
char *mr_sharing_dup_details (MrSharing *sharing);

/** mr_sharing_dup_config_problem: (transfer full) (nullable): translated: what is missing or wrong in the settings. */
char *mr_sharing_dup_config_problem (MrSharing *sharing);

/** mr_sharing_get_pause: (transfer none): the verdict of the rules now. */
const MrPauseVerdict *mr_sharing_get_pause (MrSharing *sharing);

/** mr_sharing_get_worker: (nullable) (transfer none): the present one; another one after a change of settings. */
MrWorker *mr_sharing_get_worker (MrSharing *sharing);

/** mr_sharing_is_model_shared: as the settings say. */
gboolean mr_sharing_is_model_shared (MrSharing *sharing, const char *model);

/** mr_sharing_get_today: */
void mr_sharing_get_today (MrSharing *sharing, MrSharingToday *today);

/** mr_sharing_get_rate: events of streams a second, about tokens a second, over the last few seconds. */
double mr_sharing_get_rate (MrSharing *sharing);

/** mr_sharing_get_history: (transfer none): events in each of the last %MR_SHARING_HISTORY_SECONDS seconds, the present
 * one last. */
const guint *mr_sharing_get_history (MrSharing *sharing);

/** mr_sharing_get_running: how many requests run, also those that earlier settings still finish. */
guint mr_sharing_get_running (MrSharing *sharing);

/** mr_sharing_foreach_request: calls @visit for each of them. */
void mr_sharing_foreach_request (MrSharing *sharing, void (*visit) (const MrWorkerRequest *request, gpointer data),
                                 gpointer data);

/** mr_sharing_describe_failure: (transfer full) (nullable): translated: which step towards @relay_url failed, and what
 * to do; %NULL for %MR_RELAY_FAILURE_NONE. */
char *mr_sharing_describe_failure (const char *relay_url, MrRelayFailure failure);

/**
 * mr_sharing_new_config:
 * @settings: of org.modelrelay.Desktop
 * @secrets: for the relays' secrets
 *
 * Returns: (transfer full): a checked configuration of these settings; %NULL with %MR_ERROR_CONFIG and a translated
 *   sentence, or with %MR_ERROR_NOT_FOUND when a worker secret is missing
 */
MrWorkerConfig *mr_sharing_new_config (GSettings *settings, MrSecrets *secrets, GError **error);
