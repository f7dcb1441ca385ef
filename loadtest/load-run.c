/* SPDX-License-Identifier: MIT */
/* Starting requests. See load-run.h. */
#include "load-run.h"

/* Below that a request is not late: timers are not exact. */
#define LATE_US (10 * G_TIME_SPAN_MILLISECOND)

struct _MrLoadRun {
  MrReactor *reactor;           /* Borrowed: outlives the run */
  MrHttpClient *client;         /* Borrowed: outlives the run */
  const MrLoadOptions *options; /* Borrowed: outlives the run */
  MrLoadQuestion *question;
  MrLoadTally *tally;
  GHashTable *running; /* set of MrLoadRequest, which own themselves */
  MrTimer timer;       /* the next start, or the end of the time */
  gint64 begin_us;
  gint64 end_us; /* 0 while it runs */
  MrLoadRunOver over;
  gpointer data;
};

static void pump (MrLoadRun *run);

static gint64
due_time (const MrLoadRun *run, gint64 now)
{
  if (run->options->rate <= 0)
    return now;
  return run->begin_us + (gint64) ((double) run->tally->started * G_USEC_PER_SEC / run->options->rate);
}

/* When no request starts any more; G_MAXINT64 for never. */
static gint64
deadline (const MrLoadRun *run)
{
  return run->options->duration_us > 0 ? run->begin_us + run->options->duration_us : G_MAXINT64;
}

static gboolean
all_started (const MrLoadRun *run, gint64 now)
{
  return run->tally->started >= run->options->requests || now >= deadline (run);
}

static void
on_request_over (MrLoadRequest *request, gpointer data)
{
  MrLoadRun *run = data;

  g_hash_table_remove (run->running, request);
  pump (run);
}

/* Starts what is due and has a place. */
static void
pump (MrLoadRun *run)
{
  gint64 now = g_get_monotonic_time ();
  gint64 due = due_time (run, now);
  gint64 next;

  while (!all_started (run, now) && due <= now && g_hash_table_size (run->running) < run->options->concurrency) {
    run->tally->late += now - due > LATE_US;
    g_hash_table_add (run->running, mr_load_request_start (run->reactor, run->client, run->question, due, run->tally,
                                                           on_request_over, run));
    due = due_time (run, now);
  }
  mr_timer_clear (&run->timer);
  /* With all places taken, the end of a request comes next. */
  next = due > now ? MIN (due, deadline (run)) : deadline (run);
  if (!all_started (run, now) && next != G_MAXINT64)
    mr_timer_set (&run->timer, next);
  if (all_started (run, now) && g_hash_table_size (run->running) == 0) {
    run->end_us = now;
    run->over (run, run->data);
  }
}

static void
on_timer (MrTimer *timer)
{
  pump (MR_OWNER_OF (timer, MrLoadRun, timer));
}

MrLoadRun *
mr_load_run_new (MrReactor *reactor, MrHttpClient *client, const MrLoadOptions *options, const char *model,
                 MrLoadRunOver over, gpointer data)
{
  MrLoadRun *run = g_new0 (MrLoadRun, 1);

  run->reactor = reactor;
  run->client = client;
  run->options = options;
  run->question = mr_load_question_new (options, model);
  run->tally = mr_load_tally_new ();
  run->running = g_hash_table_new (NULL, NULL);
  run->begin_us = g_get_monotonic_time ();
  run->over = over;
  run->data = data;
  mr_timer_init (&run->timer, reactor, on_timer);
  pump (run);
  return run;
}

void
mr_load_run_stop (MrLoadRun *run)
{
  GHashTableIter iter;
  gpointer request;

  mr_timer_clear (&run->timer);
  if (run->end_us == 0)
    run->end_us = g_get_monotonic_time ();
  g_hash_table_iter_init (&iter, run->running);
  while (g_hash_table_iter_next (&iter, &request, NULL)) {
    g_hash_table_iter_steal (&iter);
    mr_load_request_stop (request);
  }
}

void
mr_load_run_free (MrLoadRun *run)
{
  if (run == NULL)
    return;
  mr_load_run_stop (run);
  g_hash_table_unref (run->running);
  mr_load_question_free (run->question);
  mr_load_tally_free (run->tally);
  g_free (run);
}

MrLoadTally *
mr_load_run_get_tally (MrLoadRun *run)
{
  return run->tally;
}

guint
mr_load_run_get_running (MrLoadRun *run)
{
  return g_hash_table_size (run->running);
}

gint64
mr_load_run_get_elapsed (MrLoadRun *run)
{
  return (run->end_us != 0 ? run->end_us : g_get_monotonic_time ()) - run->begin_us;
}

double
mr_load_run_get_progress (MrLoadRun *run)
{
  guint64 over = run->tally->ok + run->tally->failed;
  double by_count = (double) over / run->options->requests;
  double by_time = 0;

  if (run->options->duration_us > 0)
    by_time = (double) mr_load_run_get_elapsed (run) / (double) run->options->duration_us;
  return MIN (MAX (by_count, by_time), 1);
}
