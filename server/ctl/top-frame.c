/* SPDX-License-Identifier: MIT */
/* One frame of `top`. See top-frame.h. */
#include "top-frame.h"

#include "fact.h"
#include "units.h"

#include <string.h>

#define WINDOW_US (30 * G_USEC_PER_SEC)
#define METER_CELLS 20
#define LEAST_REQUEST_LINES 4 /* that the workers leave to the requests: a header and three */

void
mr_top_rates_add (MrTopRates *rates, JsonNode *statistics, gint64 now_us)
{
  guint last = (rates->n_samples - 1) % G_N_ELEMENTS (rates->samples);
  double requests = mr_fact_number (statistics, "requests.total", 0);
  guint place;

  if (rates->n_samples > 0 && requests < rates->samples[last].requests)
    rates->n_samples = 0;
  place = rates->n_samples++ % G_N_ELEMENTS (rates->samples);
  rates->samples[place].at_us = now_us;
  rates->samples[place].requests = requests;
  rates->samples[place].tokens = mr_fact_number (statistics, "tokens.completion", 0);
}

void
mr_top_rates_get (const MrTopRates *rates, double *requests, double *tokens)
{
  guint kept = MIN (rates->n_samples, G_N_ELEMENTS (rates->samples));
  guint last = (rates->n_samples - 1) % G_N_ELEMENTS (rates->samples);
  guint first = last;
  double seconds;

  *requests = -1;
  *tokens = -1;
  for (guint i = 1; i < kept; i++) {
    guint older = (rates->n_samples - 1 - i) % G_N_ELEMENTS (rates->samples);

    if (rates->samples[last].at_us - rates->samples[older].at_us > WINDOW_US)
      break;
    first = older;
  }
  if (kept < 2 || rates->samples[last].at_us <= rates->samples[first].at_us)
    return;
  seconds = (double) (rates->samples[last].at_us - rates->samples[first].at_us) / 1e6;
  *requests = (rates->samples[last].requests - rates->samples[first].requests) / seconds;
  *tokens = (rates->samples[last].tokens - rates->samples[first].tokens) / seconds;
}

/* --- Order of the workers --- */

static double
sort_value (JsonNode *worker, MrCtlSort sort)
{
  if (sort == MR_CTL_SORT_LOAD)
    return mr_show_worker_load (worker) / MAX (mr_fact_number (worker, "max_concurrent", 1), 1);
  if (sort == MR_CTL_SORT_SPEED)
    return mr_fact_number (worker, "tokens_per_second", 0);
  return mr_fact_number (worker, "requests_total", 0);
}

static int
compare_workers (gconstpointer a, gconstpointer b, gpointer data)
{
  JsonNode *left = *(JsonNode *const *) a;
  JsonNode *right = *(JsonNode *const *) b;
  MrCtlSort sort = *(const MrCtlSort *) data;
  double difference = sort != MR_CTL_SORT_NAME ? sort_value (right, sort) - sort_value (left, sort) : 0;

  if (difference != 0)
    return difference > 0 ? 1 : -1;
  return strcmp (mr_fact_string (left, "worker_name", ""), mr_fact_string (right, "worker_name", ""));
}

/* (transfer full): the first @max in order. */
static JsonNode *
sort_workers (JsonNode *list, MrCtlSort sort, guint max)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *sorted = json_array_new ();

  for (guint i = 0; i < mr_fact_length (list); i++)
    g_ptr_array_add (items, mr_fact_item (list, i));
  g_ptr_array_sort_with_data (items, compare_workers, &sort);
  for (guint i = 0; i < items->len && i < max; i++)
    json_array_add_element (sorted, json_node_copy (g_ptr_array_index (items, i)));
  json_node_take_array (node, sorted);
  return node;
}

/* --- The lines above the tables --- */

static void
append_meter (const MrTopFrame *frame, const MrStyle *style, GString *out)
{
  JsonNode *workers = frame->snapshot->answers[MR_ASK_WORKERS];
  JsonNode *statistics = frame->snapshot->answers[MR_ASK_STATISTICS];
  double waiting = mr_show_queue_depth (statistics);
  double slots = 0;
  double busy = 0;

  for (guint i = 0; i < mr_fact_length (workers); i++) {
    slots += mr_fact_number (mr_fact_item (workers, i), "max_concurrent", 0);
    busy += mr_show_worker_load (mr_fact_item (workers, i));
  }
  mr_style_append (style, out, MR_COLOR_BOLD, "Slots  ");
  mr_style_bar (style, out, busy >= slots ? MR_COLOR_WARNING : MR_COLOR_GOOD, slots > 0 ? busy / slots : 0,
                METER_CELLS);
  g_string_append_printf (out, " %.0f/%.0f   ", busy, slots);
  mr_style_append (style, out, MR_COLOR_BOLD, "Queue ");
  mr_style_printf (style, out, waiting > 0 ? MR_COLOR_WARNING : MR_COLOR_PLAIN, "%.0f", waiting);
  g_string_append (out, "   ");
  mr_style_append (style, out, MR_COLOR_BOLD, "Running ");
  g_string_append_printf (out, "%.0f\n", mr_fact_number (statistics, "requests.in_flight", 0));
}

static void
append_rates (const MrTopFrame *frame, const MrStyle *style, GString *out)
{
  JsonNode *statistics = frame->snapshot->answers[MR_ASK_STATISTICS];
  double failed = mr_fact_number (statistics, "requests.failed", 0);
  g_autofree char *first = mr_units_span (mr_fact_number (statistics, "latency.time_to_first_byte.p50_ms", -1));
  g_autofree char *slow = mr_units_span (mr_fact_number (statistics, "latency.time_to_first_byte.p95_ms", -1));
  g_autofree char *request_rate = NULL;
  g_autofree char *token_rate = NULL;
  g_autofree char *failures = mr_units_count (failed);
  double requests;
  double tokens;

  mr_top_rates_get (frame->rates, &requests, &tokens);
  request_rate = mr_units_rate (requests);
  token_rate = mr_units_rate (tokens);
  mr_style_append (style, out, MR_COLOR_BOLD, "Rate   ");
  g_string_append_printf (out, "%s req/s, %s tok/s   ", request_rate, token_rate);
  mr_style_append (style, out, MR_COLOR_BOLD, "First byte ");
  g_string_append_printf (out, "%s (p95 %s)   ", first, slow);
  mr_style_append (style, out, MR_COLOR_BOLD, "Failed ");
  mr_style_append (style, out, failed > 0 ? MR_COLOR_BAD : MR_COLOR_PLAIN, failures);
  g_string_append_c (out, '\n');
}

static void
append_last_line (const MrTopFrame *frame, const MrStyle *style, GString *out)
{
  static const char *const names[MR_CTL_N_SORTS] = { "name", "load", "speed", "requests" };
  g_autofree char *clean = frame->problem != NULL ? mr_style_clean (frame->problem) : NULL;
  g_autofree char *fit = clean != NULL ? mr_style_fit (style, clean, style->width) : NULL;

  if (fit != NULL) {
    mr_style_append (style, out, MR_COLOR_BAD, fit);
  } else {
    mr_style_append (style, out, MR_COLOR_BOLD, "q");
    mr_style_append (style, out, MR_COLOR_DIM, " quit   ");
    mr_style_append (style, out, MR_COLOR_BOLD, "s");
    mr_style_printf (style, out, MR_COLOR_DIM, " sort: %s   ", names[frame->sort]);
    mr_style_append (style, out, MR_COLOR_BOLD, "n l t r");
    mr_style_append (style, out, MR_COLOR_DIM, " by name, load, tok/s, reqs");
  }
  g_string_append_c (out, '\n');
}

/* --- Everything together --- */

static guint
count_lines (const GString *out, gsize from)
{
  guint n = 0;

  for (const char *at = strchr (out->str + from, '\n'); at != NULL; at = strchr (at + 1, '\n'))
    n++;
  return n;
}

static void
append_requests (const MrTopFrame *frame, const MrStyle *style, GString *out, guint lines)
{
  JsonNode *requests = frame->snapshot->answers[MR_ASK_REQUESTS];

  if (requests == NULL)
    mr_style_append (style, out, MR_COLOR_DIM, "Requests are shown to root and the relay's own user.\n");
  else
    mr_show_requests (style, out, requests, lines != G_MAXUINT && lines > 0 ? lines - 1 : lines);
}

void
mr_top_frame_render (const MrTopFrame *frame, const MrStyle *style, GString *out)
{
  JsonNode *workers = frame->snapshot->answers[MR_ASK_WORKERS];
  gboolean bounded = frame->lines != G_MAXUINT;
  guint last = frame->keys ? 1 : 0;
  guint used = 7 + last + LEAST_REQUEST_LINES; /* head, blank lines, the workers' header */
  guint max_workers = bounded ? MAX (frame->lines, used + 1) - used : G_MAXUINT;
  g_autoptr (JsonNode) sorted = sort_workers (workers, frame->sort, max_workers);
  gsize start = out->len;
  guint n;

  mr_show_headline (style, out, frame->snapshot, frame->place);
  append_meter (frame, style, out);
  append_rates (frame, style, out);
  g_string_append_c (out, '\n');
  mr_show_workers (style, out, sorted);
  g_string_append_c (out, '\n');
  n = count_lines (out, start) + last;
  append_requests (frame, style, out, bounded ? MAX (frame->lines, n) - n : G_MAXUINT);
  if (!frame->keys)
    return;
  for (n = count_lines (out, start) + 1; bounded && n < frame->lines; n++)
    g_string_append_c (out, '\n');
  append_last_line (frame, style, out);
}
