/* SPDX-License-Identifier: MIT */
/*
 * The table of usage that waits to be written. When it is written, and how, lives elsewhere.
 */
#include "key-usage.h"

#include "limits.h"

#include <string.h>

/* More in one request is no count but a fault of the backend; without a cap a few of them would overflow the sums. */
#define REQUEST_TOKENS_MAX G_GINT64_CONSTANT (1000000000)

guint64
mr_key_usage_sane_tokens (gint64 stated)
{
  return (guint64) CLAMP (stated, 0, REQUEST_TOKENS_MAX);
}

MrKeyUsage *
mr_key_usage_new (const char *key_id, const char *model, gint64 day)
{
  MrKeyUsage *usage = g_new0 (MrKeyUsage, 1);

  usage->key_id = g_strdup (key_id);
  usage->model = g_strdup (model);
  usage->day = day;
  return usage;
}

void
mr_key_usage_free (MrKeyUsage *usage)
{
  g_free (usage->key_id);
  g_free (usage->model);
  g_free (usage);
}

static guint
hash_usage (gconstpointer data)
{
  const MrKeyUsage *usage = data;

  return g_str_hash (usage->key_id) * 31 + g_str_hash (usage->model) + (guint) usage->day;
}

static gboolean
equal_usage (gconstpointer a, gconstpointer b)
{
  const MrKeyUsage *left = a, *right = b;

  return left->day == right->day && strcmp (left->key_id, right->key_id) == 0 &&
         strcmp (left->model, right->model) == 0;
}

GHashTable *
mr_key_usage_table_new (void)
{
  return g_hash_table_new_full (hash_usage, equal_usage, (GDestroyNotify) mr_key_usage_free, NULL);
}

static MrKeyUsage *
find_usage (GHashTable *table, const char *key_id, const char *model, gint64 day)
{
  MrKeyUsage wanted = { .key_id = (char *) key_id, .model = (char *) model, .day = day };

  return g_hash_table_lookup (table, &wanted);
}

void
mr_key_usage_table_add (GHashTable *table, const char *key_id, const char *model, gint64 day, guint64 prompt_tokens,
                        guint64 completion_tokens)
{
  MrKeyUsage *usage = find_usage (table, key_id, model, day);

  if (usage == NULL && g_hash_table_size (table) >= MR_LIMIT_USAGE_ROWS) {
    model = "";
    usage = find_usage (table, key_id, model, day);
  }
  if (usage == NULL) {
    usage = mr_key_usage_new (key_id, model, day);
    g_hash_table_add (table, usage);
  }
  usage->requests++;
  usage->prompt_tokens += prompt_tokens;
  usage->completion_tokens += completion_tokens;
}
