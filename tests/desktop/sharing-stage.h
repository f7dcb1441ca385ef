/* SPDX-License-Identifier: MIT */
/*
 * MrSharing between the real relay and a scripted model server, without display, bus and keyring. Everything is in one
 * thread: what would block it while it waits for us runs in threads of the stage's.
 */
#pragma once

#include "process.h"
#include "raw-client.h"
#include "scripted-backend.h"
#include "sharing.h"

#define STAGE_SECRET "stage-secret-77a0"
#define STAGE_BODY "{\"model\":\"m\",\"messages\":[]}"
#define STAGE_STREAM "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"

typedef struct {
  MrtProcess *relay; /* Owned; NULL while it is gone */
  guint16 port;
  char *url;           /* Owned: of the relay */
  MrtBackend *backend; /* Owned; NULL while it is gone */
  char *directory;     /* Owned: the state directory is in it */

  MrReactor *reactor;       /* Owned */
  GSettings *settings;      /* Owned */
  MrSecrets *secrets;       /* Owned */
  MrConditions *conditions; /* Owned */
  MrSharing *sharing;       /* Owned */
  guint events[3];          /* by #MrSharingEvent */
  guint changed;
} Stage;

/** stage_init: instead of g_test_init(). @argv: the path of the relay's program as its argument */
void stage_init (int argc, char **argv);

/** stage_new: (transfer full): nothing is set up: no relay in the settings, no secret. */
Stage *stage_new (void);

/** stage_new_connected: (transfer full): set up, and connected. */
Stage *stage_new_connected (void);
void stage_free (Stage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stage, stage_free)

/** stage_set_relay: the only one of the settings. */
void stage_set_relay (Stage *stage, const char *url);

/** stage_store_secret: (nullable) @secret */
void stage_store_secret (Stage *stage, const char *url, const char *secret);

/** stage_start_sharing, stage_stop_sharing: done by the others; for a second life over the same files. */
void stage_start_sharing (Stage *stage);
void stage_stop_sharing (Stage *stage);

/** stage_start_relay, stage_stop_relay: on the same port again. */
void stage_start_relay (Stage *stage);
void stage_stop_relay (Stage *stage);

/** stage_start_backend: on a port of its own; the settings name it. */
void stage_start_backend (Stage *stage);

/** stage_post: (transfer full): sends a chat completion to the relay and does not wait. */
MrtStream *stage_post (Stage *stage, const char *body);

/** stage_accept: (transfer full): the next request at the model server. */
MrtBackendRequest *stage_accept (Stage *stage);

/** stage_receive: (transfer full): a client's whole answer. */
MrtResponse *stage_receive (MrtStream *client);

/** stage_is_gone: the worker closed the connection of this request within @timeout_ms. */
gboolean stage_is_gone (MrtBackendRequest *request, int timeout_ms);

/** stage_count_workers, stage_count_models: what the relay says now. */
guint stage_count_workers (Stage *stage);
guint stage_count_models (Stage *stage);

/** stage_details_have: @text is in the details now. */
gboolean stage_details_have (Stage *stage, const char *text);

/** stage_wait_until: runs the main loop until @condition holds. */
#define stage_wait_until(stage, condition)                                                                             \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    guint watchdog = stage_watch ((stage), #condition);                                                                \
    while (!(condition)) {                                                                                             \
      g_main_context_iteration (NULL, TRUE);                                                                           \
    }                                                                                                                  \
    g_source_remove (watchdog);                                                                                        \
  }                                                                                                                    \
  G_STMT_END

#define stage_wait_state(stage, state_name)                                                                            \
  stage_wait_until ((stage), mr_sharing_get_state ((stage)->sharing) == MR_SHARING_##state_name)

/** stage_watch: for the macros: a source that turns the loop ten times a second, and fails after its time. */
guint stage_watch (Stage *stage, const char *condition);
