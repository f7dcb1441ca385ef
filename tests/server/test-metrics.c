/* SPDX-License-Identifier: MIT */
/*
 * Prometheus text: server/metrics.c. Prometheus' own promtool judges the form; here it is read back for what promtool
 * does not see: series that appear twice, counters that shrink, buckets that do not add up.
 */
#include "metrics.h"

#include "limits.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#define SECOND MR_USEC_PER_SEC

/* Names that a client or a worker may choose. */
static const char *const nasty_names[] = {
  "llama-3.3-70b",  "a\"b",         "back\\slash", "new\nline", "\\n",   "\xff\xc3 not UTF-8", "", "tab\tand\rreturn",
  "m\"} 1\nx{a=\"", "Grüße \u2028", "(other)",     "a b\\",     "{}=,#",
};

static void
note (MrStats *stats, const char *model, MrOutcome outcome, gint64 seconds)
{
  MrUsage usage = { 100, 10 * seconds, -1 };
  MrRequestEnd end = {
    .model = model,
    .outcome = outcome,
    .arrived_us = SECOND,
    .first_byte_us = SECOND + SECOND / 10,
    .ended_us = SECOND + seconds * SECOND,
    .request_bytes = 5000,
    .answer_bytes = 70000,
    .usage = &usage,
  };

  mr_stats_note_dispatch (stats, seconds * SECOND / 20);
  mr_stats_note_end (stats, &end);
}

static void
fill (MrStats *stats)
{
  for (guint i = 0; i < MR_N_COUNTS; i++)
    mr_stats_count (stats, i);
  for (gsize i = 0; i < G_N_ELEMENTS (nasty_names); i++) {
    for (guint outcome = 0; outcome < MR_N_OUTCOMES; outcome++)
      note (stats, nasty_names[i], outcome, 1 + (gint64) i * 60);
  }
}

static const MrMetricsWorker some_workers[] = {
  { "gpu-0", 1, 4 }, { "gpu-0", 2, 8 }, { "g\"p\nu\\", 0, 1 }, { "\xff", 0, 1 }, { "\xfe", 0, 1 },
};

static MrMetricsGauges
some_gauges (void)
{
  MrMetricsGauges gauges = {
    .start_time = 1763000000,
    .workers_connected = 5,
    .workers_draining = 1,
    .slots_total = 15,
    .slots_busy = 3,
    .queue_depth = 17,
    .in_flight = 4,
    .open_connections = 21,
    .key_store_ready = TRUE,
    .workers = some_workers,
    .n_workers = G_N_ELEMENTS (some_workers),
  };

  mr_metrics_read_process (&gauges.process);
  return gauges;
}

static void
check_with_promtool (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) promtool = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                                           G_SUBPROCESS_FLAGS_STDERR_MERGE,
                                                       &error, "promtool", "check", "metrics", NULL);
  g_autofree char *said = NULL;

  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (promtool, text, NULL, &said, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (said, ==, "");
  g_assert_true (g_subprocess_get_successful (promtool));
}

/* A sample stands below the HELP and TYPE of its own family. */
static void
check_family (const char *line, const char *family)
{
  static const char *const endings[] = { "{", " ", "_bucket{", "_sum{", "_sum ", "_count{", "_count " };
  gboolean found = FALSE;

  g_assert_true (g_str_has_prefix (line, family));
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    found |= g_str_has_prefix (line + strlen (family), endings[i]);
  g_assert_true (found);
}

/* (transfer full): series with its labels -> value as text. Each family once, with HELP and TYPE, each series once. */
static GHashTable *
parse (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GHashTable) families = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTable *samples = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *family = NULL;

  for (char **line = lines; *line != NULL; line++) {
    char *value;

    if (**line == '\0') {
      g_assert_null (line[1]);
      break;
    }
    if (g_str_has_prefix (*line, "# HELP ")) {
      g_auto (GStrv) words = g_strsplit (*line, " ", 4);
      g_autofree char *type = g_strdup_printf ("# TYPE %s ", words[2]);

      g_assert_cmpuint (g_strv_length (words), ==, 4);
      g_assert_true (g_str_has_prefix (line[1], type));
      g_free (family);
      family = g_strdup (words[2]);
      g_assert_true (g_hash_table_add (families, g_strdup (family)));
      line++;
      continue;
    }
    check_family (*line, family);
    value = strrchr (*line, ' ');
    g_assert_nonnull (value);
    *value++ = '\0';
    g_assert_true (g_hash_table_insert (samples, g_strdup (*line), g_strdup (value)));
  }
  return samples;
}

static double
get (GHashTable *samples, const char *series)
{
  const char *value = g_hash_table_lookup (samples, series);
  double number;
  char *end;

  g_test_message ("%s", series);
  g_assert_nonnull (value);
  number = g_ascii_strtod (value, &end);
  g_assert_true (end != value && *end == '\0');
  return number;
}

static void
test_promtool_empty (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrMetricsGauges gauges = { .process = { -1, -1, -1, -1, -1 } };
  g_autofree char *text = mr_metrics_render (stats, &gauges);
  g_autoptr (GHashTable) samples = parse (text);

  check_with_promtool (text);
  g_assert_cmpfloat (get (samples, "modelrelay_workers"), ==, 0);
  g_assert_cmpfloat (get (samples, "modelrelay_requeues_total"), ==, 0);
  g_assert_cmpfloat (get (samples, "modelrelay_queue_wait_seconds_count"), ==, 0);
  g_assert_false (g_hash_table_contains (samples, "process_open_fds"));
  g_assert_false (g_hash_table_contains (samples, "process_cpu_seconds_total"));
}

static void
test_promtool_rich (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrMetricsGauges gauges = some_gauges ();
  g_autofree char *text = NULL;
  g_autoptr (GHashTable) samples = NULL;

  fill (stats);
  text = mr_metrics_render (stats, &gauges);
  samples = parse (text);
  check_with_promtool (text);
  g_assert_true (g_utf8_validate (text, -1, NULL));
}

/* The check above can fail: promtool complains where it should. */
static void
test_promtool_complains (void)
{
  if (g_test_subprocess ()) {
    check_with_promtool ("# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"un\"quoted\"} 1\n");
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
}

static void
test_values (void)
{
  static const struct {
    const char *series;
    double value;
  } expected[] = {
    { "modelrelay_requests_total{model=\"a\\\"b\",outcome=\"completed\"}", 1 },
    { "modelrelay_requests_total{model=\"back\\\\slash\",outcome=\"failed\"}", 1 },
    { "modelrelay_requests_total{model=\"new\\nline\",outcome=\"cancelled\"}", 1 },
    { "modelrelay_requests_total{model=\"\\\\n\",outcome=\"cancelled\"}", 1 },
    { "modelrelay_requests_total{model=\"m\\\"} 1\\nx{a=\\\"\",outcome=\"completed\"}", 1 },
    { "modelrelay_requests_received_total", 1 },
    { "modelrelay_requests_refused_total", 2 },
    { "modelrelay_requeues_total", 3 },
    { "modelrelay_queue_full_total", 4 },
    { "modelrelay_queue_timeouts_total", 5 },
    { "modelrelay_request_timeouts_total", 6 },
    { "modelrelay_workers_lost_total", 7 },
    { "modelrelay_zombie_slots_total", 8 },
    { "modelrelay_auth_failures_total{realm=\"client\"}", 9 },
    { "modelrelay_auth_failures_total{realm=\"worker\"}", 10 },
    { "modelrelay_auth_failures_total{realm=\"admin\"}", 11 },
    { "modelrelay_bytes_total{direction=\"received\"}", 5000. * 3 * G_N_ELEMENTS (nasty_names) },
    { "modelrelay_bytes_total{direction=\"sent\"}", 70000. * 3 * G_N_ELEMENTS (nasty_names) },
    { "modelrelay_tokens_total{direction=\"prompt\"}", 100. * 3 * G_N_ELEMENTS (nasty_names) },
    { "modelrelay_model_tokens_total{model=\"llama-3.3-70b\",direction=\"prompt\"}", 300 },
    { "modelrelay_model_tokens_total{model=\"llama-3.3-70b\",direction=\"completion\"}", 30 },
    { "modelrelay_model_time_to_first_byte_seconds_count{model=\"llama-3.3-70b\"}", 3 },
    { "modelrelay_model_time_to_first_byte_seconds_sum{model=\"llama-3.3-70b\"}", 0.3 },
    { "modelrelay_model_tokens_per_second{model=\"llama-3.3-70b\"}", 10 / 0.9 },
    { "modelrelay_workers", 5 },
    { "modelrelay_workers_draining", 1 },
    { "modelrelay_slots", 15 },
    { "modelrelay_slots_busy", 3 },
    { "modelrelay_queue_depth", 17 },
    { "modelrelay_requests_in_flight", 4 },
    { "modelrelay_connections", 21 },
    { "modelrelay_reloads_total", 12 },
    { "modelrelay_key_store_ready", 1 },
    { "modelrelay_build_info{version=\"" MR_VERSION "\"}", 1 },
    { "modelrelay_worker_in_flight{worker=\"gpu-0\"}", 3 },
    { "modelrelay_worker_slots{worker=\"gpu-0\"}", 12 },
    { "modelrelay_worker_slots{worker=\"g\\\"p\\nu\\\\\"}", 1 },
    { "modelrelay_worker_slots{worker=\"\xef\xbf\xbd\"}", 2 },
    { "process_start_time_seconds", 1763000000 },
  };
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrMetricsGauges gauges = some_gauges ();
  g_autofree char *text = NULL;
  g_autoptr (GHashTable) samples = NULL;

  fill (stats);
  for (guint what = 0; what < MR_N_COUNTS; what++)
    for (guint i = 0; i < what; i++)
      mr_stats_count (stats, what);
  text = mr_metrics_render (stats, &gauges);
  samples = parse (text);
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpfloat_with_epsilon (get (samples, expected[i].series), expected[i].value, 1e-6);
}

static void
check_histogram (GHashTable *samples, const char *name, double expected_count)
{
  g_autofree char *infinite = g_strdup_printf ("%s_bucket{le=\"+Inf\"}", name);
  g_autofree char *count = g_strdup_printf ("%s_count", name);
  g_autofree char *sum = g_strdup_printf ("%s_sum", name);
  double before = 0;

  for (guint i = 0; i < MR_HISTOGRAM_N_BOUNDS; i++) {
    g_autofree char *bucket = g_strdup_printf ("%s_bucket{le=\"%g\"}", name, (double) mr_histogram_bounds_us[i] / 1e6);

    g_assert_cmpfloat (get (samples, bucket), >=, before);
    before = get (samples, bucket);
  }
  g_assert_cmpfloat (get (samples, infinite), >=, before);
  g_assert_cmpfloat (get (samples, infinite), ==, get (samples, count));
  g_assert_cmpfloat (get (samples, count), ==, expected_count);
  g_assert_cmpfloat (get (samples, sum), >, 0);
}

static void
test_histograms (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrMetricsGauges gauges = some_gauges ();
  g_autofree char *text = NULL;
  g_autoptr (GHashTable) samples = NULL;

  fill (stats);
  text = mr_metrics_render (stats, &gauges);
  samples = parse (text);
  check_histogram (samples, "modelrelay_queue_wait_seconds", 3 * G_N_ELEMENTS (nasty_names));
  check_histogram (samples, "modelrelay_time_to_first_byte_seconds", 3 * G_N_ELEMENTS (nasty_names));
  check_histogram (samples, "modelrelay_request_duration_seconds", G_N_ELEMENTS (nasty_names));
  /* All first bytes came after 0.1 s, which is a bound. */
  g_assert_cmpfloat (get (samples, "modelrelay_time_to_first_byte_seconds_bucket{le=\"0.05\"}"), ==, 0);
  g_assert_cmpfloat (get (samples, "modelrelay_time_to_first_byte_seconds_bucket{le=\"0.1\"}"), ==,
                     3 * G_N_ELEMENTS (nasty_names));
}

static gboolean
is_gauge (const char *series)
{
  return strstr (series, "_total") == NULL && strstr (series, "_bucket") == NULL && strstr (series, "_sum") == NULL &&
         strstr (series, "_count") == NULL;
}

/* From look to look, whatever happens in between, nothing that counts gets less, and nothing goes away. */
static void
test_counters_only_grow (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  g_autoptr (GHashTable) before = NULL;
  guint n_grown = 0;

  for (guint round = 0; round < 50; round++) {
    MrMetricsGauges gauges = some_gauges ();
    g_autofree char *text = mr_metrics_render (stats, &gauges);
    g_autoptr (GHashTable) now = parse (text);
    GHashTableIter iter;
    gpointer series;

    if (before != NULL)
      g_hash_table_iter_init (&iter, before);
    while (before != NULL && g_hash_table_iter_next (&iter, &series, NULL)) {
      if (is_gauge (series))
        continue;
      g_assert_cmpfloat (get (now, series), >=, get (before, series));
      n_grown += get (now, series) > get (before, series);
    }
    g_clear_pointer (&before, g_hash_table_unref);
    before = g_steal_pointer (&now);

    for (guint i = 0; i < 20; i++)
      note (stats, nasty_names[g_test_rand_int_range (0, G_N_ELEMENTS (nasty_names))],
            (MrOutcome) g_test_rand_int_range (0, MR_N_OUTCOMES), g_test_rand_int_range (1, 1000));
    mr_stats_count (stats, (MrCount) g_test_rand_int_range (0, MR_N_COUNTS));
  }
  g_assert_cmpuint (n_grown, >, 1000);
}

static void
test_process (void)
{
  MrMetricsProcess before, after;
  int fds[2];

  mr_metrics_read_process (&before);
  g_assert_cmpint (before.open_fds, >=, 3);
  g_assert_cmpint (before.max_fds, >=, before.open_fds);
  g_assert_cmpint (before.resident_bytes, >, 100 * 1024);
  g_assert_cmpint (before.virtual_bytes, >, before.resident_bytes);
  g_assert_cmpfloat (before.cpu_seconds, >, 0);

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  do
    mr_metrics_read_process (&after);
  while (after.cpu_seconds == before.cpu_seconds);
  g_assert_cmpfloat (after.cpu_seconds, >, before.cpu_seconds);
  g_assert_cmpint (after.open_fds, ==, before.open_fds + 2);
  close (fds[0]);
  close (fds[1]);
}

/* A full table of models and 100 workers: bounded, and no burden on the loop. */
static void
test_size_and_cost (void)
{
  g_autoptr (MrStats) stats = mr_stats_new ();
  MrMetricsWorker workers[100];
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  MrMetricsGauges gauges = some_gauges ();
  g_autofree char *text = NULL;
  double ms;

  for (guint i = 0; i < 2 * MR_LIMIT_STAT_MODELS; i++) {
    g_autofree char *name = g_strdup_printf ("organisation/model-%u", i);

    note (stats, name, MR_OUTCOME_COMPLETED, 3);
  }
  for (guint i = 0; i < G_N_ELEMENTS (workers); i++) {
    g_ptr_array_add (names, g_strdup_printf ("worker-%u", i));
    workers[i] = (MrMetricsWorker){ names->pdata[i], 1, 2 };
  }
  gauges.workers = workers;
  gauges.n_workers = G_N_ELEMENTS (workers);
  g_test_timer_start ();
  text = mr_metrics_render (stats, &gauges);
  ms = g_test_timer_elapsed () * 1e3;
  g_test_minimized_result (ms, "%zu bytes in %.3f ms", strlen (text), ms);
  g_assert_cmpuint (strlen (text), <, 1024 * 1024);
  g_assert_cmpfloat (ms, <, 500);
  check_with_promtool (text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/H1/promtool/empty", test_promtool_empty);
  g_test_add_func ("/contract/H1/promtool/rich", test_promtool_rich);
  g_test_add_func ("/contract/H1/promtool/complains", test_promtool_complains);
  g_test_add_func ("/contract/H1/values", test_values);
  g_test_add_func ("/contract/H1/histograms", test_histograms);
  g_test_add_func ("/contract/H1/counters-only-grow", test_counters_only_grow);
  g_test_add_func ("/server/metrics/process", test_process);
  g_test_add_func ("/server/metrics/size-and-cost", test_size_and_cost);
  return g_test_run ();
}
