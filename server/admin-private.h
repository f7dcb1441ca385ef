/* SPDX-License-Identifier: MIT */
/*
 * What the files of the admin API share: admin.c has authentication and routes, admin-lists.c what is there and what is
 * done to it at once, admin-keys.c what the key store is asked, admin-web.c what the pages live on. Not for others.
 */
#pragma once

#include "admin.h"
#include "auth.h"
#include "events.h"
#include "history.h"
#include "response.h"

#include <json-glib/json-glib.h>

struct _MrAdmin {
  MrAdminParts parts;
  GPtrArray *proxies;       /* Owned GInetAddressMask */
  MrAuthFailures *failures; /* Owned */
  char *token;              /* Owned, nullable: that the open event streams were opened with */
  MrEvents *events;         /* Owned */
  GQueue waiting;           /* Owned: answers that wait for the key store; admin-keys.c's */
  MrHistory *history;       /* Owned, as the timer admin-web.c's */
  MrTimer sample;           /* the next one is due: something has changed since the last, or somebody listens */
};

/** MrAdminCall: an authenticated request; borrowed by its handler, but for the response. */
typedef struct {
  MrAdmin *admin;
  MrResponse *response; /* the handler's to answer and free */
  const char *id;       /* nullable: the part of the path that names one thing */
  GHashTable *query;    /* char * -> char * */
} MrAdminCall;

/** MrAdminHandler: answers, now or later, and frees the response. */
typedef void (*MrAdminHandler) (const MrAdminCall *call);

/** mr_admin_send: @response, @node: (transfer full) */
void mr_admin_send (MrResponse *response, guint status, JsonNode *node);

/** mr_admin_send_nothing: 204. @response: (transfer full) */
void mr_admin_send_nothing (MrResponse *response);

/** mr_admin_fail: @response: (transfer full) */
void mr_admin_fail (MrResponse *response, MrErrorCode code, const char *message);

/**
 * mr_admin_read_limit:
 *
 * The query's `limit`: 1 to %MR_LIMIT_ADMIN_PAGE, 100 when it is not there.
 *
 * Returns: 0 when it is something else; the response is then answered
 */
guint mr_admin_read_limit (const MrAdminCall *call);

/** mr_admin_new_page: (transfer full): `{"name": entries, "next": next}`. @entries: (transfer full); @next: (nullable)
 */
JsonNode *mr_admin_new_page (const char *name, JsonNode *entries, const char *next);

/* admin-lists.c */
void mr_admin_on_workers (const MrAdminCall *call);
void mr_admin_on_drain (const MrAdminCall *call);
void mr_admin_on_refresh (const MrAdminCall *call);
void mr_admin_on_models (const MrAdminCall *call);
void mr_admin_on_stats (const MrAdminCall *call);
void mr_admin_on_requests (const MrAdminCall *call);
void mr_admin_on_cancel (const MrAdminCall *call);
void mr_admin_on_metrics (const MrAdminCall *call);

/* admin-keys.c */
void mr_admin_on_keys (const MrAdminCall *call);
void mr_admin_on_key (const MrAdminCall *call);
void mr_admin_on_create_key (const MrAdminCall *call);
void mr_admin_on_revoke_key (const MrAdminCall *call);
void mr_admin_on_usage (const MrAdminCall *call);

/** mr_admin_drop_waiting: cuts those who wait for the key store, which will not call back any more. */
void mr_admin_drop_waiting (MrAdmin *admin);

/* admin-web.c */
void mr_admin_on_history (const MrAdminCall *call);
void mr_admin_on_config (const MrAdminCall *call);
void mr_admin_begin_history (MrAdmin *admin);
void mr_admin_end_history (MrAdmin *admin);

/** mr_admin_expect_sample: something changes, or somebody listens: the next sample is taken on time. */
void mr_admin_expect_sample (MrAdmin *admin);
