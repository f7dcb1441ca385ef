/* SPDX-License-Identifier: MIT */
/* Counting and sorting. See load-tally.h. */
#include "load-tally.h"

#include <math.h>

#define MAX_KIND_BYTES 80

static void
failure_free (MrLoadFailure *failure)
{
  g_free (failure->kind);
  g_free (failure);
}

MrLoadTally *
mr_load_tally_new (void)
{
  MrLoadTally *tally = g_new0 (MrLoadTally, 1);

  tally->failures = g_ptr_array_new_with_free_func ((GDestroyNotify) failure_free);
  for (guint i = 0; i < MR_LOAD_N_TIMES; i++)
    tally->times[i] = g_array_new (FALSE, FALSE, sizeof (gint64));
  return tally;
}

void
mr_load_tally_free (MrLoadTally *tally)
{
  if (tally == NULL)
    return;
  g_ptr_array_unref (tally->failures);
  for (guint i = 0; i < MR_LOAD_N_TIMES; i++)
    g_array_unref (tally->times[i]);
  g_free (tally);
}

void
mr_load_tally_add_time (MrLoadTally *tally, MrLoadTime which, gint64 time_us)
{
  if (tally->times[which]->len < MR_LOAD_MAX_SAMPLES)
    g_array_append_val (tally->times[which], time_us);
  tally->n_times[which]++;
}

static MrLoadFailure *
find_failure (MrLoadTally *tally, const char *kind)
{
  MrLoadFailure *failure = NULL;

  for (guint i = 0; i < tally->failures->len; i++) {
    failure = g_ptr_array_index (tally->failures, i);
    if (g_str_equal (failure->kind, kind))
      return failure;
  }
  if (tally->failures->len == MR_LOAD_MAX_FAILURES)
    return failure;
  failure = g_new0 (MrLoadFailure, 1);
  failure->kind = g_strdup (tally->failures->len + 1 < MR_LOAD_MAX_FAILURES ? kind : "other");
  g_ptr_array_add (tally->failures, failure);
  return failure;
}

void
mr_load_tally_add_failure (MrLoadTally *tally, const char *kind)
{
  g_autofree char *cut = g_strndup (kind, MAX_KIND_BYTES);
  g_autofree char *valid = g_utf8_make_valid (cut, -1);

  tally->failed++;
  find_failure (tally, valid)->count++;
}

/* No sum that a backend could mean exceeds 64 bits. */
static void
add_count (gint64 *sum, gint64 stated)
{
  if (stated >= 0)
    *sum = MAX (*sum, 0) <= G_MAXINT64 - stated ? MAX (*sum, 0) + stated : G_MAXINT64;
}

void
mr_load_tally_add_usage (MrLoadTally *tally, const MrUsage *usage)
{
  if (!mr_usage_is_known (usage))
    return;
  if (tally->n_stated++ == 0)
    tally->usage = MR_USAGE_UNKNOWN;
  add_count (&tally->usage.prompt_tokens, usage->prompt_tokens);
  add_count (&tally->usage.completion_tokens, usage->completion_tokens);
  add_count (&tally->usage.total_tokens, usage->total_tokens);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 left = *(const gint64 *) a;
  gint64 right = *(const gint64 *) b;

  return (left > right) - (left < right);
}

void
mr_load_tally_sort (MrLoadTally *tally)
{
  for (guint i = 0; i < MR_LOAD_N_TIMES; i++)
    g_array_sort (tally->times[i], compare);
}

gint64
mr_load_tally_percentile (const MrLoadTally *tally, MrLoadTime which, double percent)
{
  const GArray *times = tally->times[which];
  guint rank = (guint) ceil (percent / 100 * times->len);

  return times->len > 0 ? g_array_index (times, gint64, CLAMP (rank, 1, times->len) - 1) : -1;
}
