/* SPDX-License-Identifier: MIT */
/*
 * CPU time and memory of the processes under test, between two moments that the load client chooses.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

/** process_watch: @spec is NAME=PID. */
void process_watch (const char *spec);

/** process_baseline: memory before the load. */
void process_baseline (void);

/** process_begin: CPU time from here on. */
void process_begin (void);

/** process_end: CPU time up to here, and memory under load. */
void process_end (void);

/** process_print: `,"processes":{NAME:{"cpu_us":N,"rss_kb":N,"rss_kb_grown":N},...}`. */
void process_print (FILE *out);
