/* SPDX-License-Identifier: MIT */
/*
 * Prometheus text. See metrics.h. Every family has its HELP and TYPE, also while it has no samples yet.
 */
#include "metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const outcome_names[MR_N_OUTCOMES] = { "completed", "failed", "cancelled" };

/* Counters that stand alone. */
static const struct {
  MrCount what;
  const char *name;
  const char *help;
} plain_counters[] = {
  { MR_COUNT_REQUESTS, "modelrelay_requests_received_total",
    "Inference requests that named a model and passed authentication." },
  { MR_COUNT_REFUSED, "modelrelay_requests_refused_total",
    "Requests refused before the queue: unknown or forbidden model, or over a limit of their key." },
  { MR_COUNT_REQUEUED, "modelrelay_requeues_total",
    "Requests put back into the queue because their worker was lost, busy or draining." },
  { MR_COUNT_QUEUE_FULL, "modelrelay_queue_full_total", "Requests refused because the queue was full." },
  { MR_COUNT_QUEUE_TIMEOUT, "modelrelay_queue_timeouts_total", "Requests that waited too long for a worker." },
  { MR_COUNT_REQUEST_TIMEOUT, "modelrelay_request_timeouts_total",
    "Requests whose worker took too long over the answer." },
  { MR_COUNT_WORKERS_LOST, "modelrelay_workers_lost_total", "Workers whose link broke or fell silent." },
  { MR_COUNT_ZOMBIES, "modelrelay_zombie_slots_total",
    "Slots freed because their worker did not confirm a cancel in time." },
  { MR_COUNT_RELOADS, "modelrelay_reloads_total", "Times the configuration was reloaded." },
};

static const struct {
  MrCount what;
  const char *realm;
} auth_failures[] = {
  { MR_COUNT_CLIENT_AUTH_FAILURES, "client" },
  { MR_COUNT_WORKER_AUTH_FAILURES, "worker" },
  { MR_COUNT_ADMIN_AUTH_FAILURES, "admin" },
};

static void
append_family (GString *out, const char *name, const char *type, const char *help)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
append_number (GString *out, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (out, g_ascii_formatd (text, sizeof text, "%.15g", number));
}

static void
append_integer (GString *out, const char *name, const char *type, const char *help, guint64 value)
{
  append_family (out, name, type, help);
  g_string_append_printf (out, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

/* As the inside of a label's quotes. */
static char *
escape_label (const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  GString *escaped = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p++) {
    if (*p == '\n') {
      g_string_append (escaped, "\\n");
      continue;
    }
    if (*p == '\\' || *p == '"')
      g_string_append_c (escaped, '\\');
    g_string_append_c (escaped, *p);
  }
  return g_string_free (escaped, FALSE);
}

static void
append_histogram (GString *out, const char *name, const char *help, const MrHistogram *histogram)
{
  append_family (out, name, "histogram", help);
  for (guint i = 0; i < MR_HISTOGRAM_N_BOUNDS; i++) {
    gint64 bound_us = mr_histogram_bounds_us[i];

    g_string_append_printf (out, "%s_bucket{le=\"", name);
    append_number (out, (double) bound_us / 1e6);
    g_string_append_printf (out, "\"} %" G_GUINT64_FORMAT "\n", mr_histogram_count_up_to (histogram, bound_us));
  }
  g_string_append_printf (out, "%s_bucket{le=\"+Inf\"} %" G_GUINT64_FORMAT "\n%s_sum ", name,
                          mr_histogram_get_count (histogram), name);
  append_number (out, mr_histogram_get_sum (histogram));
  g_string_append_printf (out, "\n%s_count %" G_GUINT64_FORMAT "\n", name, mr_histogram_get_count (histogram));
}

static void
append_pair (GString *out, const char *name, const char *label, const char *first, guint64 first_value,
             const char *second, guint64 second_value)
{
  g_string_append_printf (out, "%s{%s=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label, first, first_value);
  g_string_append_printf (out, "%s{%s=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label, second, second_value);
}

static void
append_totals (GString *out, const MrStats *stats)
{
  for (gsize i = 0; i < G_N_ELEMENTS (plain_counters); i++)
    append_integer (out, plain_counters[i].name, "counter", plain_counters[i].help,
                    stats->counts[plain_counters[i].what]);

  append_family (out, "modelrelay_auth_failures_total", "counter", "Failed authentications, by who was to be let in.");
  for (gsize i = 0; i < G_N_ELEMENTS (auth_failures); i++)
    g_string_append_printf (out, "modelrelay_auth_failures_total{realm=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            auth_failures[i].realm, stats->counts[auth_failures[i].what]);

  append_family (out, "modelrelay_bytes_total", "counter",
                 "Bytes of request bodies received from clients and of answer bodies sent to them.");
  append_pair (out, "modelrelay_bytes_total", "direction", "received", stats->bytes_from_clients, "sent",
               stats->bytes_to_clients);
  append_family (out, "modelrelay_tokens_total", "counter", "Tokens that backends stated in their usage.");
  append_pair (out, "modelrelay_tokens_total", "direction", "prompt", stats->prompt_tokens, "completion",
               stats->completion_tokens);

  append_histogram (out, "modelrelay_queue_wait_seconds", "Time from the arrival of a request to its dispatch.",
                    stats->queue_wait);
  append_histogram (out, "modelrelay_time_to_first_byte_seconds",
                    "Time from the arrival of a request to the first byte of its answer.", stats->first_byte);
  append_histogram (out, "modelrelay_request_duration_seconds",
                    "Time from the arrival of a request to its end, of completed requests.", stats->total);
}

/* A model and its name as a label. */
typedef struct {
  char *label; /* Owned */
  const MrModelStats *stats;
} ModelRow;

static void
model_row_free (gpointer data)
{
  ModelRow *row = data;

  g_free (row->label);
  g_free (row);
}

static int
compare_rows (gconstpointer a, gconstpointer b)
{
  const ModelRow *const *left = a;
  const ModelRow *const *right = b;

  return strcmp ((*left)->label, (*right)->label);
}

/* Sorted, so that the text does not change without a reason. */
static GPtrArray *
list_models (const MrStats *stats)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func (model_row_free);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, stats->models);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    ModelRow *row = g_new (ModelRow, 1);

    row->stats = value;
    row->label = escape_label (row->stats->model);
    g_ptr_array_add (rows, row);
  }
  g_ptr_array_sort (rows, compare_rows);
  return rows;
}

static void
append_model_requests (GString *out, const GPtrArray *rows)
{
  append_family (out, "modelrelay_requests_total", "counter",
                 "Requests that are over, by the model they named and how they ended.");
  for (guint i = 0; i < rows->len; i++) {
    const ModelRow *row = rows->pdata[i];

    for (guint j = 0; j < MR_N_OUTCOMES; j++)
      g_string_append_printf (out, "modelrelay_requests_total{model=\"%s\",outcome=\"%s\"} %" G_GUINT64_FORMAT "\n",
                              row->label, outcome_names[j], row->stats->outcomes[j]);
  }
}

static void
append_model_tokens (GString *out, const GPtrArray *rows)
{
  append_family (out, "modelrelay_model_tokens_total", "counter", "Tokens that backends stated, by model.");
  for (guint i = 0; i < rows->len; i++) {
    const ModelRow *row = rows->pdata[i];
    g_autofree char *name = g_strdup_printf ("modelrelay_model_tokens_total{model=\"%s\",direction=", row->label);

    g_string_append_printf (out, "%s\"prompt\"} %" G_GUINT64_FORMAT "\n", name, row->stats->prompt_tokens);
    g_string_append_printf (out, "%s\"completion\"} %" G_GUINT64_FORMAT "\n", name, row->stats->completion_tokens);
  }
}

static void
append_model_speeds (GString *out, const GPtrArray *rows)
{
  append_family (out, "modelrelay_model_time_to_first_byte_seconds", "summary",
                 "Time from the arrival of a request to the first byte of its answer, by model.");
  for (guint i = 0; i < rows->len; i++) {
    const ModelRow *row = rows->pdata[i];

    g_string_append_printf (out, "modelrelay_model_time_to_first_byte_seconds_sum{model=\"%s\"} ", row->label);
    append_number (out, mr_histogram_get_sum (row->stats->first_byte));
    g_string_append_printf (out,
                            "\nmodelrelay_model_time_to_first_byte_seconds_count{model=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            row->label, mr_histogram_get_count (row->stats->first_byte));
  }

  append_family (out, "modelrelay_model_tokens_per_second", "gauge",
                 "Completion tokens per second of a model's last answers, smoothed.");
  for (guint i = 0; i < rows->len; i++) {
    const ModelRow *row = rows->pdata[i];

    if (row->stats->tokens_per_second <= 0)
      continue;
    g_string_append_printf (out, "modelrelay_model_tokens_per_second{model=\"%s\"} ", row->label);
    append_number (out, row->stats->tokens_per_second);
    g_string_append_c (out, '\n');
  }
}

static void
append_gauges (GString *out, const MrMetricsGauges *gauges)
{
  const struct {
    const char *name;
    const char *help;
    guint64 value;
  } rows[] = {
    { "modelrelay_workers", "Workers that are connected.", gauges->workers_connected },
    { "modelrelay_workers_draining", "Connected workers that take no new requests.", gauges->workers_draining },
    { "modelrelay_slots", "Requests that the connected workers may run at once.", gauges->slots_total },
    { "modelrelay_slots_busy", "Slots that are held by a request.", gauges->slots_busy },
    { "modelrelay_queue_depth", "Requests that wait for a worker.", gauges->queue_depth },
    { "modelrelay_requests_in_flight", "Requests that a worker has.", gauges->in_flight },
    { "modelrelay_connections", "Open client and worker connections.", gauges->open_connections },
    { "modelrelay_key_store_ready", "1 while the key database can be read and written.",
      gauges->key_store_ready ? 1 : 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    append_integer (out, rows[i].name, "gauge", rows[i].help, rows[i].value);
  if (gauges->certificate_expiry != 0)
    append_integer (out, "modelrelay_tls_certificate_expiry_timestamp_seconds", "gauge",
                    "End of the TLS certificate's validity in seconds since the Unix epoch.",
                    (guint64) gauges->certificate_expiry);
  append_family (out, "modelrelay_build_info", "gauge", "Always 1; the version is in the label.");
  g_string_append (out, "modelrelay_build_info{version=\"" MR_VERSION "\"} 1\n");
}

static void
append_workers (GString *out, const MrMetricsGauges *gauges)
{
  /* Owned: label -> index in @merged. Two series of one name would spoil the whole text. */
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GArray) merged = g_array_new (FALSE, FALSE, sizeof (MrMetricsWorker));

  for (gsize i = 0; i < gauges->n_workers; i++) {
    const MrMetricsWorker *worker = &gauges->workers[i];
    g_autofree char *label = escape_label (worker->name);
    gpointer at;

    if (g_hash_table_lookup_extended (known, label, NULL, &at)) {
      MrMetricsWorker *same = &g_array_index (merged, MrMetricsWorker, GPOINTER_TO_UINT (at));

      same->in_flight += worker->in_flight;
      same->max_concurrent += worker->max_concurrent;
    } else {
      MrMetricsWorker row = { label, worker->in_flight, worker->max_concurrent };

      g_array_append_val (merged, row);
      g_hash_table_insert (known, g_steal_pointer (&label), GUINT_TO_POINTER (merged->len - 1));
    }
  }

  append_family (out, "modelrelay_worker_in_flight", "gauge", "Requests that a worker has.");
  for (guint i = 0; i < merged->len; i++) {
    const MrMetricsWorker *row = &g_array_index (merged, MrMetricsWorker, i);

    g_string_append_printf (out, "modelrelay_worker_in_flight{worker=\"%s\"} %u\n", row->name, row->in_flight);
  }
  append_family (out, "modelrelay_worker_slots", "gauge", "Requests that a worker may run at once.");
  for (guint i = 0; i < merged->len; i++) {
    const MrMetricsWorker *row = &g_array_index (merged, MrMetricsWorker, i);

    g_string_append_printf (out, "modelrelay_worker_slots{worker=\"%s\"} %u\n", row->name, row->max_concurrent);
  }
}

/* The names that Prometheus lays down for every program. */
static void
append_process (GString *out, const MrMetricsGauges *gauges)
{
  const MrMetricsProcess *process = &gauges->process;
  const struct {
    const char *name;
    const char *help;
    gint64 value;
  } rows[] = {
    { "process_start_time_seconds", "Start time of the process since the Unix epoch in seconds.", gauges->start_time },
    { "process_resident_memory_bytes", "Resident memory size in bytes.", process->resident_bytes },
    { "process_virtual_memory_bytes", "Virtual memory size in bytes.", process->virtual_bytes },
    { "process_open_fds", "Number of open file descriptors.", process->open_fds },
    { "process_max_fds", "Maximum number of open file descriptors.", process->max_fds },
  };

  if (process->cpu_seconds >= 0) {
    append_family (out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
    g_string_append (out, "process_cpu_seconds_total ");
    append_number (out, process->cpu_seconds);
    g_string_append_c (out, '\n');
  }
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].value >= 0)
      append_integer (out, rows[i].name, "gauge", rows[i].help, (guint64) rows[i].value);
}

char *
mr_metrics_render (const MrStats *stats, const MrMetricsGauges *gauges)
{
  GString *out = g_string_sized_new (16 * 1024);
  g_autoptr (GPtrArray) models = list_models (stats);

  append_model_requests (out, models);
  append_totals (out, stats);
  append_model_tokens (out, models);
  append_model_speeds (out, models);
  append_gauges (out, gauges);
  append_workers (out, gauges);
  append_process (out, gauges);
  return g_string_free (out, FALSE);
}

static void
read_memory (MrMetricsProcess *process)
{
  g_autofree char *text = NULL;
  gint64 page = sysconf (_SC_PAGESIZE);
  gint64 size, resident;

  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) ||
      sscanf (text, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, &size, &resident) != 2)
    return;
  process->virtual_bytes = size * page;
  process->resident_bytes = resident * page;
}

/* Linux since 6.2 says the number as the directory's size; before, each has to be counted. */
static gint64
count_fds (void)
{
  g_autoptr (GDir) directory = NULL;
  gint64 count = -1; /* the directory's own */
  struct stat status;

  if (stat ("/proc/self/fd", &status) == 0 && status.st_size > 0)
    return status.st_size;
  directory = g_dir_open ("/proc/self/fd", 0, NULL);
  if (directory == NULL)
    return -1;
  while (g_dir_read_name (directory) != NULL)
    count++;
  return count;
}

void
mr_metrics_read_process (MrMetricsProcess *process)
{
  struct timespec cpu;
  struct rlimit files;

  *process = (MrMetricsProcess){ -1, -1, -1, -1, -1 };
  if (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
    process->cpu_seconds = (double) cpu.tv_sec + (double) cpu.tv_nsec / 1e9;
  if (getrlimit (RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
    process->max_fds = (gint64) files.rlim_cur;
  read_memory (process);
  process->open_fds = count_fds ();
}
