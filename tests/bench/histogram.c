/* SPDX-License-Identifier: MIT */
/*
 * The buckets of histogram.h: 64 for each power of two.
 */
#include "histogram.h"

#define SUB_BITS 6
#define SUB_COUNT (1U << SUB_BITS)

static unsigned
bucket_of (uint64_t value)
{
  unsigned shift = 0;

  while ((value >> shift) >= 2 * SUB_COUNT) {
    shift++;
  }
  return shift * SUB_COUNT + (unsigned) (value >> shift);
}

static uint64_t
value_of (unsigned bucket)
{
  unsigned shift = bucket < 2 * SUB_COUNT ? 0 : bucket / SUB_COUNT - 1;

  return (uint64_t) (bucket - shift * SUB_COUNT) << shift;
}

void
histogram_add (Histogram *histogram, uint64_t value)
{
  histogram->buckets[bucket_of (value)]++;
  histogram->count++;
  if (value > histogram->max) {
    histogram->max = value;
  }
}

uint64_t
histogram_at (const Histogram *histogram, double share)
{
  uint64_t wanted = (uint64_t) ((double) histogram->count * share);
  uint64_t seen = 0;

  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > wanted) {
      return value_of (i);
    }
  }
  return histogram->max;
}

void
histogram_print (const Histogram *histogram, const char *name, FILE *out)
{
  static const struct {
    const char *name;
    double share;
  } shown[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };

  (void) fprintf (out, ",\"%s\":{\"count\":%llu", name, (unsigned long long) histogram->count);
  for (unsigned i = 0; i < sizeof (shown) / sizeof (shown[0]); i++) {
    (void) fprintf (out, ",\"%s\":%.1f", shown[i].name, (double) histogram_at (histogram, shown[i].share) / 1000);
  }
  (void) fprintf (out, ",\"max\":%.1f}", (double) histogram->max / 1000);
}
