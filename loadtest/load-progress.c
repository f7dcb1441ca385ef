/* SPDX-License-Identifier: MIT */
/* The progress line. See load-progress.h. */
#include "load-progress.h"

#include <stdio.h>
#include <string.h>

#define REDRAW_US (200 * G_TIME_SPAN_MILLISECOND)
#define BAR_CELLS 24

/* To the first column, and everything away from there. */
#define CLEAR_LINE "\r\033[K"

struct _MrLoadProgress {
  MrLoadRun *run;       /* Borrowed: outlives it */
  const MrStyle *style; /* Borrowed: outlives it */
  MrTimer timer;
};

void
mr_load_progress_append (GString *out, MrLoadRun *run, const MrStyle *style)
{
  const MrLoadTally *tally = mr_load_run_get_tally (run);
  double progress = mr_load_run_get_progress (run);
  double seconds = (double) mr_load_run_get_elapsed (run) / G_USEC_PER_SEC;
  g_autoptr (GString) figures = g_string_new (NULL);
  g_autofree char *fit = NULL;

  g_string_append_printf (figures, " %3.0f%%  %" G_GUINT64_FORMAT " ok", progress * 100, tally->ok);
  if (tally->failed > 0)
    g_string_append_printf (figures, "  %" G_GUINT64_FORMAT " failed", tally->failed);
  g_string_append_printf (figures, "  %u running  %.0fs", mr_load_run_get_running (run), seconds);
  if (style->width < BAR_CELLS)
    return;
  mr_style_bar (style, out, tally->failed > 0 ? MR_COLOR_WARNING : MR_COLOR_GOOD, progress, BAR_CELLS);
  fit = mr_style_fit (style, figures->str, style->width - BAR_CELLS);
  mr_style_append (style, out, MR_COLOR_PLAIN, fit);
}

static void
draw (MrLoadProgress *progress)
{
  g_autoptr (GString) line = g_string_new (CLEAR_LINE);

  mr_load_progress_append (line, progress->run, progress->style);
  fputs (line->str, stderr);
  fflush (stderr);
  mr_timer_set (&progress->timer, g_get_monotonic_time () + REDRAW_US);
}

static void
on_timer (MrTimer *timer)
{
  draw (MR_OWNER_OF (timer, MrLoadProgress, timer));
}

MrLoadProgress *
mr_load_progress_new (MrReactor *reactor, MrLoadRun *run, const MrStyle *style)
{
  MrLoadProgress *progress = g_new0 (MrLoadProgress, 1);

  progress->run = run;
  progress->style = style;
  mr_timer_init (&progress->timer, reactor, on_timer);
  draw (progress);
  return progress;
}

void
mr_load_progress_free (MrLoadProgress *progress)
{
  if (progress == NULL)
    return;
  mr_timer_clear (&progress->timer);
  fputs (CLEAR_LINE, stderr);
  fflush (stderr);
  g_free (progress);
}
