/* SPDX-License-Identifier: MIT */
/*
 * A listening socket without descriptors for what it accepts: transport/listener.c. Not for valgrind, which keeps a limit of
 * its own and closes what goes beyond.
 */
#include "limits.h"
#include "listener.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
  guint n_accepted;
  int fds[4];
} Door;

static void
on_accepted (int fd, gpointer user_data)
{
  Door *door = user_data;

  door->fds[door->n_accepted++] = fd;
}

static void
set_descriptor_limit (rlim_t limit)
{
  struct rlimit files;

  getrlimit (RLIMIT_NOFILE, &files);
  files.rlim_cur = MIN (limit, files.rlim_max);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &files), ==, 0);
}

/* Turns of the main loop within @time_us: a spinning listener has thousands. */
static guint
count_turns (gint64 time_us)
{
  gint64 end = g_get_monotonic_time () + time_us;
  guint n = 0;

  for (; g_get_monotonic_time () < end; n++)
    g_main_context_iteration (NULL, TRUE);
  return n;
}

static void
test_emfile_is_survived (void)
{
  Door door = { 0 };
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (MrListener) listener = mr_listener_new (reactor, "127.0.0.1:0", on_accepted, &door, NULL);
  guint16 port = (guint16) atoi (strrchr (mr_listener_get_address (listener), ':') + 1);
  g_autoptr (MrtStream) first = mrt_stream_connect (port);
  g_autoptr (MrtStream) second = mrt_stream_connect (port);

  set_descriptor_limit (3); /* what is open stays, nothing more may be opened */
  g_assert_cmpuint (count_turns (4 * MR_LIMIT_ACCEPT_BACKOFF_USEC), <, 50);
  g_assert_cmpuint (door.n_accepted, ==, 0);
  set_descriptor_limit (RLIM_INFINITY);
  while (door.n_accepted < 2)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < door.n_accepted; i++)
    close (door.fds[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/listener/emfile-is-survived", test_emfile_is_survived);
  return g_test_run ();
}
