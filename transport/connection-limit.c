/* SPDX-License-Identifier: MIT */
/*
 * Counts of open connections. See connection-limit.h.
 */
#include "connection-limit.h"

struct _MrConnectionLimit {
  guint max_total;
  guint max_per_address;
  guint total;
  GHashTable *by_address; /* char * -> count; addresses without a connection are not in it */
};

MrConnectionLimit *
mr_connection_limit_new (void)
{
  MrConnectionLimit *limit = g_rc_box_new0 (MrConnectionLimit);

  limit->max_total = G_MAXUINT;
  limit->max_per_address = G_MAXUINT;
  limit->by_address = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return limit;
}

MrConnectionLimit *
mr_connection_limit_ref (MrConnectionLimit *limit)
{
  return g_rc_box_acquire (limit);
}

static void
clear (gpointer data)
{
  g_hash_table_unref (((MrConnectionLimit *) data)->by_address);
}

void
mr_connection_limit_unref (MrConnectionLimit *limit)
{
  g_rc_box_release_full (limit, clear);
}

void
mr_connection_limit_set (MrConnectionLimit *limit, guint max_total, guint max_per_address)
{
  limit->max_total = max_total;
  limit->max_per_address = max_per_address;
}

static gboolean
is_local (const char *address)
{
  return g_str_has_prefix (address, "127.") || g_str_equal (address, "::1") || g_str_equal (address, "unix");
}

gboolean
mr_connection_limit_enter (MrConnectionLimit *limit, const char *address)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (limit->by_address, address));

  if (limit->total >= limit->max_total || (count >= limit->max_per_address && !is_local (address)))
    return FALSE;
  limit->total++;
  g_hash_table_replace (limit->by_address, g_strdup (address), GUINT_TO_POINTER (count + 1));
  return TRUE;
}

void
mr_connection_limit_leave (MrConnectionLimit *limit, const char *address)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (limit->by_address, address));

  limit->total--;
  if (count > 1)
    g_hash_table_replace (limit->by_address, g_strdup (address), GUINT_TO_POINTER (count - 1));
  else
    g_hash_table_remove (limit->by_address, address);
}

guint
mr_connection_limit_get_total (MrConnectionLimit *limit)
{
  return limit->total;
}
