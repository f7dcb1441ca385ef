/* SPDX-License-Identifier: MIT */
/*
 * A key store and what it said, in blocking style with deadlines, for the tests of both databases.
 */
#pragma once

#include "key-store.h"

typedef struct {
  char *url;
  MrKeyStore *store;
  GPtrArray *died; /* ids, in the order they were announced */
} StoreStage;

#define STAGE_WAIT_USEC (15 * G_USEC_PER_SEC)

StoreStage *stage_new (const char *url);
void stage_free (StoreStage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StoreStage, stage_free)

/** stage_reopen: ends the store and starts another on the same database. */
void stage_reopen (StoreStage *stage);

/** stage_turn: one turn of the main loop; the test fails when it is later than @deadline_us. */
void stage_turn (gint64 deadline_us);

/** stage_deadline: from now on. */
gint64 stage_deadline (void);

void stage_wait_ready (StoreStage *stage);
void stage_wait_degraded (StoreStage *stage);
void stage_wait_died (StoreStage *stage, const char *id);

/** stage_create: (transfer full): @secret: (out) (optional); %NULL with @error */
MrKey *stage_create (StoreStage *stage, const MrKeySpec *spec, char **secret, GError **error);

/** stage_create_named: (transfer full): the secret of a key without limits; the test fails when it cannot be made. */
char *stage_create_named (StoreStage *stage, const char *name, char **id);

/** stage_revoke: whether it was found; %FALSE with @error */
gboolean stage_revoke (StoreStage *stage, const char *id, GError **error);

/** stage_query: (transfer full): a line for each row: `day key-name model requests prompt completion`. */
char *stage_query (StoreStage *stage, gint64 from, gint64 to);

/** stage_wait_usage: until stage_query() of today, without the days, is @expected. */
void stage_wait_usage (StoreStage *stage, const char *expected);

/** stage_note: one request with so many tokens. */
void stage_note (StoreStage *stage, MrKey *key, const char *model, gint64 prompt_tokens, gint64 completion_tokens);

gint64 stage_today (void);
