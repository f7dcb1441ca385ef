/* SPDX-License-Identifier: MIT */
/*
 * What stands behind the main window, scripted: sharing, worker, secrets and tray in any state, without network, bus or
 * settings of a user. It takes the place of the libraries' own functions when a program links it.
 */
#pragma once

#include "application.h"
#include "window.h"

#define STAGE_MAX 32

typedef struct {
  char *model;
  char *relay_url;
  guint seconds;
  guint64 events;
} StageRequest;

typedef struct {
  MrSharingState state;
  gboolean wanted;
  gboolean has_worker;
  gboolean backend_is_up;
  MrPauseVerdict pause;
  const char *headline;
  const char *details;
  const char *config_problem;
  const char *models[STAGE_MAX]; /* of the model server */
  StageRequest requests[STAGE_MAX];
  guint n_requests;
  MrSharingToday today;
  guint history[MR_SHARING_HISTORY_SECONDS];
  double rate;
  MrSecretsState secrets;
  const char *keyring_problem;
  const char *tray_problem; /* NULL: the icon is seen */
  GHashTable *hidden;       /* names of models that are not shared */
  char *last_order;         /* the last mr_sharing_*() that was called to do something */
} WindowStage;

/** window_stage: the one of this program. */
extern WindowStage window_stage;

/** window_stage_new: (transfer full): the application, registered, with the actions of sharing. One per program. */
MrApplication *window_stage_new (void);

/** window_stage_reset: everything as when nothing is set up. */
void window_stage_reset (void);

/** window_stage_changed: tells the window, and lets it follow. */
void window_stage_changed (void);

/** window_stage_serve: connected, with these models (ends with NULL). */
void window_stage_serve (const char *first, ...) G_GNUC_NULL_TERMINATED;

/** window_stage_run: a request; copies nothing. */
void window_stage_run (const char *model, const char *relay_url, guint seconds, guint64 events);
