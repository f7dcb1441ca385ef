/* SPDX-License-Identifier: MIT */
/*
 * The admin API (contract G) and /metrics (H1): authenticates the administrator, routes below /admin/, answers in JSON.
 * What is told is gathered in admin-report.c, the stream of events is events.c's.
 */
#pragma once

#include "downloads.h"
#include "relay.h"

typedef struct _MrAdmin MrAdmin;

/** MrAdminParts: what the administrator looks at; everything is borrowed and outlives the MrAdmin. */
typedef struct {
  MrReactor *reactor;
  const MrServerConfig *config;
  MrRelay *relay;
  MrStats *stats;
  MrKeyStore *store;
  MrHttpIntake *intake;
  MrDownloads *downloads;
  gint64 started_at; /* seconds since 1970 */
} MrAdminParts;

MrAdmin *mr_admin_new (const MrAdminParts *parts);

/** mr_admin_free: open event streams are cut. */
void mr_admin_free (MrAdmin *admin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrAdmin, mr_admin_free)

/** mr_admin_apply_config: the configuration's contents have changed; also needed once at first. */
void mr_admin_apply_config (MrAdmin *admin);

/** mr_admin_stop: ends the open event streams, for a drain. */
void mr_admin_stop (MrAdmin *admin);

/** mr_admin_owns: %TRUE for `/metrics` and everything below `/admin/`. */
gboolean mr_admin_owns (const char *path);

/** mr_admin_take: @response: (transfer full): to a request for one of those paths, whatever its method. */
void mr_admin_take (MrAdmin *admin, MrResponse *response);
