/* SPDX-License-Identifier: MIT */
/*
 * Sampling once a second. See tally.h.
 */
#include "tally.h"

#define SAVE_USEC (30 * G_USEC_PER_SEC)

struct _MrTally {
  MrTallyLook look;
  gpointer data;
  MrToday *today; /* Owned */
  MrRate rate;
  guint64 events;     /* not in the rate yet */
  gint64 busy_us;     /* not in the day's sums yet */
  gint64 sampled_us;  /* monotonic */
  gint64 save_due_us; /* monotonic */
  guint source;       /* 0 while it sleeps */
};

MrTally *
mr_tally_new (const char *state_dir, MrTallyLook look, gpointer data)
{
  MrTally *self = g_new0 (MrTally, 1);

  self->look = look;
  self->data = data;
  self->today = mr_today_new (state_dir);
  return self;
}

void
mr_tally_free (MrTally *self)
{
  if (self == NULL) {
    return;
  }
  if (self->source != 0) {
    g_source_remove (self->source);
  }
  mr_today_free (self->today);
  g_free (self);
}

static gboolean on_second (gpointer data);

void
mr_tally_wake (MrTally *self)
{
  if (self->source == 0) {
    self->sampled_us = g_get_monotonic_time ();
    self->save_due_us = self->sampled_us + SAVE_USEC;
    self->source = g_timeout_add (1000, on_second, self);
  }
}

void
mr_tally_add (MrTally *self, const MrSharingToday *more, guint64 events)
{
  g_autoptr (GDateTime) local = g_date_time_new_now_local ();

  mr_today_add (self->today, local, more);
  self->events += events;
  mr_tally_wake (self);
}

static void
add_busy_time (MrTally *self, gint64 elapsed_us)
{
  self->busy_us += elapsed_us;
  if (self->busy_us >= G_USEC_PER_SEC) {
    const MrSharingToday more = { .busy_seconds = (guint64) (self->busy_us / G_USEC_PER_SEC) };
    mr_tally_add (self, &more, 0);
    self->busy_us %= G_USEC_PER_SEC;
  }
}

static gboolean
on_second (gpointer data)
{
  MrTally *self = data;
  gint64 now_us = g_get_monotonic_time ();
  guint running = self->look (self->data);

  mr_rate_sample (&self->rate, now_us, self->events);
  self->events = 0;
  if (running > 0) {
    add_busy_time (self, now_us - self->sampled_us);
  }
  self->sampled_us = now_us;

  gboolean over = running == 0 && mr_rate_get (&self->rate) <= 0;
  if (over || now_us >= self->save_due_us) {
    mr_today_save (self->today);
    self->save_due_us = now_us + SAVE_USEC;
  }
  if (over) {
    self->source = 0;
  }
  return over ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

void
mr_tally_save (MrTally *self)
{
  mr_today_save (self->today);
}

void
mr_tally_get_today (MrTally *self, MrSharingToday *today)
{
  g_autoptr (GDateTime) local = g_date_time_new_now_local ();

  mr_today_get (self->today, local, today);
}

const MrRate *
mr_tally_get_rate (MrTally *self)
{
  gint64 now_us = g_get_monotonic_time ();

  /* Nothing is sampled while nothing runs, but time goes on. */
  if (self->source == 0 && now_us - self->rate.sampled_us >= G_USEC_PER_SEC) {
    mr_rate_sample (&self->rate, now_us, 0);
  }
  return &self->rate;
}
