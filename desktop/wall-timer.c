/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create(2) on CLOCK_REALTIME. See wall-timer.h.
 */
#include "wall-timer.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct _MrWallTimer {
  int fd;          /* Owned */
  GSource *source; /* Owned */
  void (*func) (gpointer data);
  gpointer data;
};

static gboolean
on_ready (int fd, GIOCondition condition, gpointer data)
{
  MrWallTimer *self = data;
  guint64 times;

  /* ECANCELED tells that the clock was set. */
  if (read (fd, &times, sizeof times) == sizeof times || errno == ECANCELED) {
    self->func (self->data);
  }
  return G_SOURCE_CONTINUE;
}

MrWallTimer *
mr_wall_timer_new (void (*func) (gpointer data), gpointer data)
{
  MrWallTimer *self = g_new0 (MrWallTimer, 1);

  self->fd = timerfd_create (CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (self->fd < 0) {
    g_error ("timerfd_create: %s", g_strerror (errno));
  }
  self->func = func;
  self->data = data;
  self->source = g_unix_fd_source_new (self->fd, G_IO_IN);
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_ready), self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return self;
}

void
mr_wall_timer_free (MrWallTimer *self)
{
  if (self == NULL) {
    return;
  }
  g_source_destroy (self->source);
  g_source_unref (self->source);
  close (self->fd);
  g_free (self);
}

void
mr_wall_timer_set (MrWallTimer *self, gint64 at_unix)
{
  const struct itimerspec at = { .it_value.tv_sec = at_unix };

  timerfd_settime (self->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
}
