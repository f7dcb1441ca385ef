/* SPDX-License-Identifier: MIT */
/*
 * The relay's side of a service manager: what it says in the line of status, and when. How it is said is notify.h's
 * business.
 */
#pragma once

#include "admin.h"

typedef struct _MrServerNotify MrServerNotify;

/** mr_server_notify_new: (transfer full): @parts outlives it. */
MrServerNotify *mr_server_notify_new (const MrAdminParts *parts);
void mr_server_notify_free (MrServerNotify *notify);

/** mr_server_notify_ready: it listens, or is done with a reload. */
void mr_server_notify_ready (MrServerNotify *notify);
void mr_server_notify_reloading (MrServerNotify *notify);

/** mr_server_notify_stopping: @time_us: how long the drain may take. */
void mr_server_notify_stopping (MrServerNotify *notify, gint64 time_us);
