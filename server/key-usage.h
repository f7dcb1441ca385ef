/* SPDX-License-Identifier: MIT */
/*
 * What was used and is not in the database yet, added up by key, model and day. Pure.
 */
#pragma once

#include <glib.h>

/** MrKeyUsage: what one key used of one model on one day. */
typedef struct {
  char *key_id; /* "" for requests without a key */
  char *model;  /* "" when the table was full */
  gint64 day;   /* days since 1970 (UTC) */
  guint64 requests;
  guint64 prompt_tokens;
  guint64 completion_tokens;
} MrKeyUsage;

MrKeyUsage *mr_key_usage_new (const char *key_id, const char *model, gint64 day);
void mr_key_usage_free (MrKeyUsage *usage);

/** mr_key_usage_sane_tokens: what counts of a number that a backend stated; negative (unknown) is 0. */
guint64 mr_key_usage_sane_tokens (gint64 stated);

/** mr_key_usage_table_new: (transfer full) (element-type MrKeyUsage): a set by key, model and day. */
GHashTable *mr_key_usage_table_new (void);

/**
 * mr_key_usage_table_add: one request.
 *
 * A table that has %MR_LIMIT_USAGE_ROWS rows takes further models under the name "".
 */
void mr_key_usage_table_add (GHashTable *table, const char *key_id, const char *model, gint64 day,
                             guint64 prompt_tokens, guint64 completion_tokens);
