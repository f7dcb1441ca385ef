/* SPDX-License-Identifier: MIT */
/*
 * A program under test: start, its output, signals, exit, and what /proc says of it. It never outlives the test.
 */
#pragma once

#include "stream.h"

typedef struct _MrtProcess MrtProcess;

/**
 * mrt_process_start:
 * @argv: program and arguments
 * @env: (nullable): "NAME=value" strings beside a minimal environment: no bus, and keys in memory
 *
 * Returns: (transfer full): the running process; the kernel kills it when the test program dies
 */
MrtProcess *mrt_process_start (const char *const *argv, const char *const *env);

/**
 * mrt_process_free:
 *
 * Stops it with SIGTERM (twice, if once is not enough; then SIGKILL). The test fails when it crashed, or when its log
 * has a GLib critical or a sanitizer's report.
 */
void mrt_process_free (MrtProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtProcess, mrt_process_free)

void mrt_process_signal (MrtProcess *process, int signal);

/** mrt_process_wait_exit: exit code, or 128 + signal; -1 when it still runs after @timeout_ms. */
int mrt_process_wait_exit (MrtProcess *process, int timeout_ms);

/** mrt_process_wait_log: (transfer full): the first line of standard error with @text; the test fails when none comes.
 */
char *mrt_process_wait_log (MrtProcess *process, const char *text);

/** mrt_process_wait_log_count: until @text was logged @n times. */
void mrt_process_wait_log_count (MrtProcess *process, const char *text, guint n);

/** mrt_process_get_log: (transfer full): standard error so far. */
char *mrt_process_get_log (MrtProcess *process);

/** mrt_process_get_output: (transfer full): standard output so far; complete after mrt_process_wait_exit(). */
char *mrt_process_get_output (MrtProcess *process);

/** mrt_process_read_proc: (transfer full): /proc/PID/@name, its NUL bytes as spaces. */
char *mrt_process_read_proc (MrtProcess *process, const char *name);

guint mrt_process_count_fds (MrtProcess *process);
gsize mrt_process_get_rss_bytes (MrtProcess *process);

/** mrt_process_get_cpu_us: user and system time so far, in microseconds. */
gint64 mrt_process_get_cpu_us (MrtProcess *process);
