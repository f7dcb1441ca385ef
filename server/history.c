/* SPDX-License-Identifier: MIT */
/*
 * A ring of samples, each the difference of what the statistics said at its two ends. See history.h.
 */
#include "history.h"

#include "json.h"

#include <string.h>

#define OTHER_MODELS "(other)"
#define INTERVAL_SECS (MR_HISTORY_INTERVAL_USEC / G_USEC_PER_SEC)

/* Beyond it whole numbers are exact enough, and shorter. */
#define FRACTIONS_BELOW 1000

typedef struct {
  const MrModelStats *model; /* borrowed from the statistics, which drop none; NULL: others, added up */
  guint64 tokens;
} Share;

typedef struct {
  MrHistoryGauges gauges;
  guint64 completed;
  guint64 failed;
  guint64 tokens;
  gint64 first_byte_p50_us; /* -1: no answer began */
  gint64 first_byte_p95_us;
  Share shares[MR_HISTORY_MODELS + 1]; /* those with tokens, the busiest first */
  guint n_shares;
} Sample;

struct _MrHistory {
  const MrStats *stats; /* Borrowed */
  gint64 open_us;       /* where the interval began that is not over */
  Sample samples[MR_HISTORY_SAMPLES];
  guint first; /* the oldest */
  guint length;
  MrHistoryGauges gauges; /* at the last sample */

  /* What the statistics said at the last sample. */
  guint64 completed;
  guint64 failed;
  guint64 tokens;
  MrHistogram *first_byte;  /* Owned */
  GHashTable *model_tokens; /* const MrModelStats * -> guint64 *, owned */
};

/* --- taking samples --- */

static Sample *
push (MrHistory *history)
{
  guint at = (history->first + history->length) % MR_HISTORY_SAMPLES;

  if (history->length < MR_HISTORY_SAMPLES)
    history->length++;
  else
    history->first = (history->first + 1) % MR_HISTORY_SAMPLES;
  history->samples[at] = (Sample){ .gauges = history->gauges, .first_byte_p50_us = -1, .first_byte_p95_us = -1 };
  return &history->samples[at];
}

static guint64
advance (guint64 *seen, guint64 now)
{
  guint64 difference = now - *seen;

  *seen = now;
  return difference;
}

static void
take_first_byte (MrHistory *history, Sample *sample)
{
  g_autoptr (MrHistogram) before = g_steal_pointer (&history->first_byte);
  g_autoptr (MrHistogram) since = mr_histogram_copy (history->stats->first_byte);

  history->first_byte = mr_histogram_copy (history->stats->first_byte);
  mr_histogram_subtract (since, before);
  if (mr_histogram_get_count (since) > 0) {
    sample->first_byte_p50_us = mr_histogram_get_quantile (since, 0.50);
    sample->first_byte_p95_us = mr_histogram_get_quantile (since, 0.95);
  }
}

static guint64 *
find_seen (MrHistory *history, const MrModelStats *model)
{
  guint64 *seen = g_hash_table_lookup (history->model_tokens, model);

  if (seen == NULL) {
    seen = g_new0 (guint64, 1);
    g_hash_table_insert (history->model_tokens, (gpointer) model, seen);
  }
  return seen;
}

static int
compare_shares (gconstpointer a, gconstpointer b)
{
  const Share *left = a;
  const Share *right = b;

  if (left->tokens != right->tokens)
    return left->tokens > right->tokens ? -1 : 1;
  return strcmp (left->model->model, right->model->model);
}

static gboolean
is_others (const MrModelStats *model)
{
  return model == NULL || g_str_equal (model->model, OTHER_MODELS);
}

static void
keep_busiest (Sample *sample, const Share *shares, guint n)
{
  Share others = { NULL, 0 };

  for (guint i = 0; i < n; i++) {
    if (!is_others (shares[i].model) && sample->n_shares < MR_HISTORY_MODELS)
      sample->shares[sample->n_shares++] = shares[i];
    else
      others.tokens += shares[i].tokens;
  }
  if (others.tokens > 0)
    sample->shares[sample->n_shares++] = others;
}

static void
take_models (MrHistory *history, Sample *sample)
{
  g_autoptr (GArray) shares = g_array_new (FALSE, FALSE, sizeof (Share));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, history->stats->models);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const MrModelStats *model = value;
    const Share share = { model, advance (find_seen (history, model), model->completion_tokens) };

    if (share.tokens > 0)
      g_array_append_val (shares, share);
  }
  g_array_sort (shares, compare_shares);
  keep_busiest (sample, (const Share *) (gpointer) shares->data, shares->len);
}

static void
take_counts (MrHistory *history, Sample *sample)
{
  const MrStats *stats = history->stats;

  sample->completed = advance (&history->completed, stats->outcomes[MR_OUTCOME_COMPLETED]);
  sample->failed = advance (&history->failed, stats->outcomes[MR_OUTCOME_FAILED]);
  sample->tokens = advance (&history->tokens, stats->completion_tokens);
  take_first_byte (history, sample);
  take_models (history, sample);
}

gint64
mr_history_get_due (MrHistory *history)
{
  return history->open_us + MR_HISTORY_INTERVAL_USEC;
}

void
mr_history_skip (MrHistory *history, gint64 now_us)
{
  gint64 n = (now_us - history->open_us) / MR_HISTORY_INTERVAL_USEC;

  for (gint64 i = 0; i < MIN (n, MR_HISTORY_SAMPLES); i++)
    push (history);
  history->open_us += n * MR_HISTORY_INTERVAL_USEC;
}

guint
mr_history_sample (MrHistory *history, gint64 now_us, const MrHistoryGauges *gauges)
{
  gint64 n = (now_us - history->open_us) / MR_HISTORY_INTERVAL_USEC;

  if (n == 0)
    return 0;
  history->gauges = *gauges;
  take_counts (history, push (history));
  history->open_us += MR_HISTORY_INTERVAL_USEC;
  mr_history_skip (history, now_us);
  return (guint) n;
}

/* --- showing them --- */

/* The column of @sample; negative where it is not known. */
typedef double (*Column) (const Sample *sample);

static double
get_completed (const Sample *sample)
{
  return (double) sample->completed / INTERVAL_SECS;
}

static double
get_failed (const Sample *sample)
{
  return (double) sample->failed / INTERVAL_SECS;
}

static double
get_queue_depth (const Sample *sample)
{
  return sample->gauges.queue_depth;
}

static double
get_running (const Sample *sample)
{
  return sample->gauges.running;
}

static double
get_workers (const Sample *sample)
{
  return sample->gauges.workers;
}

static double
get_slots (const Sample *sample)
{
  return sample->gauges.slots;
}

static double
get_first_byte_p50 (const Sample *sample)
{
  return (double) sample->first_byte_p50_us / 1000;
}

static double
get_first_byte_p95 (const Sample *sample)
{
  return (double) sample->first_byte_p95_us / 1000;
}

static double
get_tokens (const Sample *sample)
{
  return (double) sample->tokens / INTERVAL_SECS;
}

static const struct {
  const char *name;
  Column get;
} columns[] = {
  { "completed_per_second", get_completed },
  { "failed_per_second", get_failed },
  { "queue_depth", get_queue_depth },
  { "running", get_running },
  { "workers", get_workers },
  { "slots", get_slots },
  { "first_byte_p50_ms", get_first_byte_p50 },
  { "first_byte_p95_ms", get_first_byte_p95 },
  { "tokens_per_second", get_tokens },
};

static void
append_number (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (value < 0)
    g_string_append (out, "null");
  else if (value == (double) (gint64) MIN (value, 1e15))
    g_string_append_printf (out, "%" G_GINT64_FORMAT, (gint64) value);
  else
    g_string_append (out, g_ascii_formatd (text, sizeof text, value < FRACTIONS_BELOW ? "%.4g" : "%.0f", value));
}

static const Sample *
get_sample (MrHistory *history, guint i)
{
  return &history->samples[(history->first + i) % MR_HISTORY_SAMPLES];
}

/* Of the last @n samples. */
static void
append_column (MrHistory *history, GString *out, guint n, Column get)
{
  for (guint i = history->length - n; i < history->length; i++) {
    append_number (out, get (get_sample (history, i)));
    g_string_append_c (out, ',');
  }
  if (n > 0)
    g_string_truncate (out, out->len - 1);
}

static GArray *
rank_models (MrHistory *history, guint n)
{
  GArray *ranks = g_array_new (FALSE, TRUE, sizeof (Share));
  g_autoptr (GHashTable) totals = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  GHashTableIter iter;
  gpointer model, tokens;

  for (guint i = history->length - n; i < history->length; i++) {
    const Sample *sample = get_sample (history, i);

    for (guint k = 0; k < sample->n_shares; k++) {
      guint64 *total = g_hash_table_lookup (totals, sample->shares[k].model);

      if (is_others (sample->shares[k].model))
        continue;
      if (total == NULL) {
        total = g_new0 (guint64, 1);
        g_hash_table_insert (totals, (gpointer) sample->shares[k].model, total);
      }
      *total += sample->shares[k].tokens;
    }
  }
  g_hash_table_iter_init (&iter, totals);
  while (g_hash_table_iter_next (&iter, &model, &tokens)) {
    const Share rank = { model, *(guint64 *) tokens };

    g_array_append_val (ranks, rank);
  }
  g_array_sort (ranks, compare_shares);
  g_array_set_size (ranks, MIN (ranks->len, MR_HISTORY_MODELS));
  return ranks;
}

static gboolean
is_ranked (const GArray *ranks, const MrModelStats *model)
{
  for (guint i = 0; i < ranks->len; i++)
    if (g_array_index (ranks, Share, i).model == model)
      return TRUE;
  return FALSE;
}

/* The tokens of @model; of all that are not ranked when it is NULL. */
static guint64
count_tokens (const Sample *sample, const GArray *ranks, const MrModelStats *model)
{
  guint64 tokens = 0;

  for (guint i = 0; i < sample->n_shares; i++)
    if (model != NULL ? sample->shares[i].model == model : !is_ranked (ranks, sample->shares[i].model))
      tokens += sample->shares[i].tokens;
  return tokens;
}

/* Nothing when there were none. */
static void
append_model (MrHistory *history, GString *out, guint n, const GArray *ranks, const MrModelStats *model)
{
  gsize before = out->len;
  gboolean any = FALSE;

  mr_json_append_cstring (out, model != NULL ? model->model : OTHER_MODELS);
  g_string_append (out, ":[");
  for (guint i = history->length - n; i < history->length; i++) {
    guint64 tokens = count_tokens (get_sample (history, i), ranks, model);

    any = any || tokens > 0;
    append_number (out, (double) tokens / INTERVAL_SECS);
    g_string_append_c (out, ',');
  }
  if (any) {
    g_string_overwrite (out, out->len - 1, "]");
    g_string_append_c (out, ',');
  } else {
    g_string_truncate (out, before);
  }
}

static void
append_models (MrHistory *history, GString *out, guint n)
{
  g_autoptr (GArray) ranks = rank_models (history, n);
  gsize before = out->len;

  for (guint i = 0; i < ranks->len; i++)
    append_model (history, out, n, ranks, g_array_index (ranks, Share, i).model);
  append_model (history, out, n, ranks, NULL);
  if (out->len > before)
    g_string_truncate (out, out->len - 1);
}

char *
mr_history_to_json (MrHistory *history, guint n, gint64 now_us, gint64 real_us)
{
  GString *out = g_string_new (NULL);
  gint64 end = (real_us - (now_us - history->open_us)) / G_USEC_PER_SEC;
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (end);
  g_autofree char *end_text = g_date_time_format_iso8601 (time);

  n = MIN (n, history->length);
  g_string_append_printf (out, "{\"interval_s\":%d,\"end\":\"%s\",\"columns\":{", (int) INTERVAL_SECS, end_text);
  for (gsize i = 0; i < G_N_ELEMENTS (columns); i++) {
    g_string_append_printf (out, "%s\"%s\":[", i > 0 ? "," : "", columns[i].name);
    append_column (history, out, n, columns[i].get);
    g_string_append_c (out, ']');
  }
  g_string_append (out, "},\"models\":{");
  append_models (history, out, n);
  g_string_append (out, "}}");
  return g_string_free (out, FALSE);
}

/* --- the history itself --- */

MrHistory *
mr_history_new (const MrStats *stats, gint64 now_us)
{
  MrHistory *history = g_new0 (MrHistory, 1);

  history->stats = stats;
  history->open_us = now_us;
  history->first_byte = mr_histogram_new ();
  history->model_tokens = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return history;
}

void
mr_history_free (MrHistory *history)
{
  if (history == NULL)
    return;
  mr_histogram_free (history->first_byte);
  g_hash_table_unref (history->model_tokens);
  g_free (history);
}
