/* SPDX-License-Identifier: MIT */
/*
 * Counters and distributions since the start. See stats.h.
 */
#include "stats.h"

#include "limits.h"

/* What the newest answer weighs in the smoothed rate: about the last ten count. */
#define SMOOTHING 0.2

#define OTHER_MODELS "(other)"

static void
model_stats_free (gpointer data)
{
  MrModelStats *model = data;

  g_free (model->model);
  mr_histogram_free (model->first_byte);
  g_free (model);
}

MrStats *
mr_stats_new (void)
{
  MrStats *stats = g_new0 (MrStats, 1);

  stats->queue_wait = mr_histogram_new ();
  stats->first_byte = mr_histogram_new ();
  stats->total = mr_histogram_new ();
  stats->models = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, model_stats_free);
  return stats;
}

void
mr_stats_free (MrStats *stats)
{
  if (stats == NULL)
    return;
  mr_histogram_free (stats->queue_wait);
  mr_histogram_free (stats->first_byte);
  mr_histogram_free (stats->total);
  g_hash_table_unref (stats->models);
  g_free (stats);
}

static MrModelStats *
add_model (MrStats *stats, const char *name)
{
  MrModelStats *model = g_new0 (MrModelStats, 1);

  model->model = g_strdup (name);
  model->first_byte = mr_histogram_new ();
  g_hash_table_insert (stats->models, model->model, model);
  return model;
}

/* Names come from outside: what is not UTF-8 is made so here, for all who show it. */
static MrModelStats *
find_model (MrStats *stats, const char *name)
{
  MrModelStats *model = g_hash_table_lookup (stats->models, name);
  g_autofree char *valid = NULL;

  if (model != NULL)
    return model;
  valid = g_utf8_make_valid (name, -1);
  model = g_hash_table_lookup (stats->models, valid);
  if (model == NULL && g_hash_table_size (stats->models) < MR_LIMIT_STAT_MODELS)
    return add_model (stats, valid);
  if (model == NULL)
    model = g_hash_table_lookup (stats->models, OTHER_MODELS);
  return model != NULL ? model : add_model (stats, OTHER_MODELS);
}

void
mr_stats_count (MrStats *stats, MrCount what)
{
  stats->counts[what]++;
}

void
mr_stats_note_dispatch (MrStats *stats, gint64 waited_us)
{
  mr_histogram_add (stats->queue_wait, waited_us);
}

/* A worker may state any number: a counter that is full stays so and does not start again. */
static void
add_tokens (guint64 *all, guint64 *of_model, gint64 tokens)
{
  if (tokens <= 0)
    return;
  if (!g_uint64_checked_add (all, *all, (guint64) tokens))
    *all = G_MAXUINT64;
  if (!g_uint64_checked_add (of_model, *of_model, (guint64) tokens))
    *of_model = G_MAXUINT64;
}

void
mr_stats_note_end (MrStats *stats, const MrRequestEnd *end)
{
  MrModelStats *model = find_model (stats, end->model);
  double rate = mr_stats_tokens_per_second (end);

  stats->outcomes[end->outcome]++;
  model->outcomes[end->outcome]++;
  stats->bytes_from_clients += end->request_bytes;
  stats->bytes_to_clients += end->answer_bytes;
  if (end->usage != NULL) {
    add_tokens (&stats->prompt_tokens, &model->prompt_tokens, end->usage->prompt_tokens);
    add_tokens (&stats->completion_tokens, &model->completion_tokens, end->usage->completion_tokens);
  }
  if (end->first_byte_us != 0) {
    mr_histogram_add (stats->first_byte, end->first_byte_us - end->arrived_us);
    mr_histogram_add (model->first_byte, end->first_byte_us - end->arrived_us);
  }
  if (end->outcome == MR_OUTCOME_COMPLETED)
    mr_histogram_add (stats->total, end->ended_us - end->arrived_us);
  if (rate > 0) {
    if (model->tokens_per_second > 0)
      rate = model->tokens_per_second + SMOOTHING * (rate - model->tokens_per_second);
    model->tokens_per_second = rate;
  }
}

double
mr_stats_tokens_per_second (const MrRequestEnd *end)
{
  if (end->usage == NULL || end->usage->completion_tokens <= 0 || end->first_byte_us == 0 ||
      end->ended_us <= end->first_byte_us)
    return 0;
  return (double) end->usage->completion_tokens * 1e6 / (double) (end->ended_us - end->first_byte_us);
}
