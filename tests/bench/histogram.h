/* SPDX-License-Identifier: MIT */
/*
 * Counts of durations in buckets that grow with them: at most 1.6 % off, constant memory. Pure.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BUCKETS 4096

typedef struct {
  uint64_t count;
  uint64_t max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add (Histogram *histogram, uint64_t value);

/** histogram_at: the value below which @share (0 to 1) of all lies; 0 where there is none. */
uint64_t histogram_at (const Histogram *histogram, double share);

/** histogram_print: `,"NAME":{"count":N,"p50":US,"p90":US,"p99":US,"p999":US,"max":US}` of values in ns. */
void histogram_print (const Histogram *histogram, const char *name, FILE *out);
