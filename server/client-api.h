/* SPDX-License-Identifier: MIT */
/*
 * The JSON documents of the client API that the relay answers itself: models and health (contract A3, A8). Pure.
 */
#pragma once

#include <glib.h>

/** MrModelEntry: @created: seconds since 1970. Borrowed strings. */
typedef struct {
  const char *id;
  gint64 created;
} MrModelEntry;

/** mr_client_api_models: (transfer full): the list, in Anthropic's shape if @anthropic. */
char *mr_client_api_models (const MrModelEntry *models, gsize n, gboolean anthropic);

/** mr_client_api_model: (transfer full): one model. */
char *mr_client_api_model (const MrModelEntry *model, gboolean anthropic);

/** mr_client_api_health: (transfer full): @status: "ok" or "draining". */
char *mr_client_api_health (const char *status, guint workers, guint queue_depth, gint64 uptime_secs);
