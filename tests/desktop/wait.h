/* SPDX-License-Identifier: MIT */
/*
 * Waiting in the main loop for a condition, with a deadline that names it. Looks again at least every 10 ms, as not
 * every condition wakes the loop.
 */
#pragma once

#include <glib.h>

#define WAIT_SECONDS 20

static inline gboolean
wait_look_again (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

#define wait_until(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 deadline_us = g_get_monotonic_time () + WAIT_SECONDS * G_USEC_PER_SEC;                                      \
    guint look_again = g_timeout_add (10, wait_look_again, NULL);                                                      \
    while (!(condition)) {                                                                                             \
      if (g_get_monotonic_time () > deadline_us)                                                                       \
        g_error ("this did not come: %s", #condition);                                                                 \
      g_main_context_iteration (NULL, TRUE);                                                                           \
    }                                                                                                                  \
    g_source_remove (look_again);                                                                                      \
  }                                                                                                                    \
  G_STMT_END
