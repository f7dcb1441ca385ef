/* SPDX-License-Identifier: MIT */
/* Numbers as people read them. See units.h. */
#include "units.h"

#define SECOND_MS 1000.0
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* Three digits at most, with a unit from @units for each power of 1000. */
static char *
scale (double value, const char *const *units, gboolean fraction)
{
  guint unit = 0;

  /* What would be rounded up to 1000 goes to the next unit. */
  while (value >= 999.5 && units[unit + 1] != NULL) {
    value /= 1000;
    unit++;
  }
  if ((unit > 0 || fraction) && value > 0 && value < 9.95)
    return g_strdup_printf ("%.1f%s", value, units[unit]);
  return g_strdup_printf ("%.0f%s", value, units[unit]);
}

char *
mr_units_count (double count)
{
  static const char *const units[] = { "", "k", "M", "G", "T", NULL };

  return count < 0 ? g_strdup ("-") : scale (count, units, FALSE);
}

char *
mr_units_rate (double rate)
{
  static const char *const units[] = { "", "k", "M", "G", NULL };

  return rate < 0 ? g_strdup ("-") : scale (rate, units, TRUE);
}

char *
mr_units_bytes (double bytes)
{
  static const char *const units[] = { " B", " kB", " MB", " GB", " TB", NULL };

  return bytes < 0 ? g_strdup ("-") : scale (bytes, units, FALSE);
}

char *
mr_units_span (double ms)
{
  guint64 minutes;

  if (ms < 0)
    return g_strdup ("-");
  if (ms < 999.5)
    return g_strdup_printf ("%.0fms", ms);
  if (ms < 9.95 * SECOND_MS)
    return g_strdup_printf ("%.1fs", ms / SECOND_MS);
  if (ms < 59.5 * SECOND_MS)
    return g_strdup_printf ("%.0fs", ms / SECOND_MS);
  if (ms < HOUR_MS - SECOND_MS / 2) {
    guint64 seconds = (guint64) (ms / SECOND_MS + 0.5);

    return g_strdup_printf ("%um%02us", (guint) (seconds / 60), (guint) (seconds % 60));
  }
  minutes = (guint64) (MIN (ms, 1e15) / MINUTE_MS);
  if (ms < DAY_MS)
    return g_strdup_printf ("%uh%02um", (guint) (minutes / 60), (guint) (minutes % 60));
  return g_strdup_printf ("%ud%uh", (guint) (minutes / 1440), (guint) (minutes / 60 % 24));
}

char *
mr_units_ago (gint64 then, gint64 now)
{
  g_autofree char *span = NULL;

  if (then <= 0)
    return g_strdup ("never");
  if (now - then < 1)
    return g_strdup ("now");
  span = now - then < 60 ? g_strdup_printf ("%us", (guint) (now - then)) : mr_units_span ((double) (now - then) * 1e3);
  return g_strconcat (span, " ago", NULL);
}
