/* SPDX-License-Identifier: MIT */
/*
 * Samples of process-sample.h: the CPU clock of a process (nanoseconds, all threads) and its smaps_rollup.
 */
#include "process-sample.h"

#include "bench-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROCESSES_MAX 8

typedef struct {
  char name[32];
  pid_t pid;
  long baseline_kb;
  long end_kb;
  double begin_us;
  double end_us;
} Process;

static Process processes[PROCESSES_MAX];
static unsigned n_processes;

void
process_watch (const char *spec)
{
  const char *equals = strchr (spec, '=');
  Process *process = &processes[n_processes];

  if (equals == NULL || n_processes == PROCESSES_MAX) {
    errno = EINVAL;
    bench_die ("--pid NAME=PID");
  }
  (void) snprintf (process->name, sizeof (process->name), "%.*s", (int) (equals - spec), spec);
  process->pid = (pid_t) bench_number ("--pid", equals + 1);
  n_processes++;
}

static long
read_rss_kb (pid_t pid)
{
  char path[64];
  char line[256];
  long rss_kb = 0;
  FILE *file;

  (void) snprintf (path, sizeof (path), "/proc/%d/smaps_rollup", (int) pid);
  file = fopen (path, "r");
  if (file == NULL) {
    bench_die (path);
  }
  while (fgets (line, sizeof (line), file) != NULL) {
    if (strncmp (line, "Rss:", 4) == 0) {
      rss_kb = strtol (line + 4, NULL, 10);
    }
  }
  (void) fclose (file);
  return rss_kb;
}

static double
read_cpu_us (pid_t pid)
{
  struct timespec used = { 0 };
  clockid_t clock;

  if (clock_getcpuclockid (pid, &clock) != 0 || clock_gettime (clock, &used) != 0) {
    bench_die ("a process under test is gone");
  }
  return (double) used.tv_sec * 1e6 + (double) used.tv_nsec / 1e3;
}

void
process_baseline (void)
{
  for (unsigned i = 0; i < n_processes; i++) {
    processes[i].baseline_kb = read_rss_kb (processes[i].pid);
  }
}

void
process_begin (void)
{
  for (unsigned i = 0; i < n_processes; i++) {
    processes[i].begin_us = read_cpu_us (processes[i].pid);
  }
}

void
process_end (void)
{
  for (unsigned i = 0; i < n_processes; i++) {
    processes[i].end_us = read_cpu_us (processes[i].pid);
    processes[i].end_kb = read_rss_kb (processes[i].pid);
  }
}

void
process_print (FILE *out)
{
  (void) fputs (",\"processes\":{", out);
  for (unsigned i = 0; i < n_processes; i++) {
    const Process *process = &processes[i];
    (void) fprintf (out, "%s\"%s\":{\"cpu_us\":%.0f,\"rss_kb\":%ld,\"rss_kb_grown\":%ld}", i > 0 ? "," : "",
                    process->name, process->end_us - process->begin_us, process->end_kb,
                    process->end_kb - process->baseline_kb);
  }
  (void) fputs ("}", out);
}
