/* SPDX-License-Identifier: MIT */
/*
 * What the owner is told of a relay, step by step.
 */
#include "relay-watch.h"

#define READY -1
#define END -2

static const struct {
  const char *name;
  int steps[12]; /* READY, or an #MrRelayFailure; the last is END */
  const char *told;
} cases[] = {
  { "first-connection", { MR_RELAY_FAILURE_NONE, READY, READY, END }, "" },
  { "never-there", { MR_RELAY_FAILURE_CONNECT, MR_RELAY_FAILURE_CONNECT, MR_RELAY_FAILURE_NAME, END }, "" },
  { "late", { MR_RELAY_FAILURE_CONNECT, MR_RELAY_FAILURE_CONNECT, READY, END }, "" },
  { "lost-and-back", { READY, MR_RELAY_FAILURE_LOST, MR_RELAY_FAILURE_CONNECT, READY, END }, "L+" },
  { "lost-twice", { READY, MR_RELAY_FAILURE_LOST, READY, MR_RELAY_FAILURE_LOST, END }, "L+L" },
  { "on-purpose", { READY, MR_RELAY_FAILURE_NONE, READY, END }, "" },
  { "refused", { MR_RELAY_FAILURE_REFUSED, MR_RELAY_FAILURE_REFUSED, MR_RELAY_FAILURE_REFUSED, END }, "R" },
  { "refused-then-taken", { MR_RELAY_FAILURE_REFUSED, READY, END }, "R+" },
  { "refused-after-a-restart",
    { MR_RELAY_FAILURE_REFUSED, MR_RELAY_FAILURE_CONNECT, MR_RELAY_FAILURE_REFUSED, READY, END },
    "RR+" },
  { "lost-then-refused", { READY, MR_RELAY_FAILURE_LOST, MR_RELAY_FAILURE_REFUSED, READY, END }, "LR+" },
  { "thrown-out", { READY, MR_RELAY_FAILURE_REFUSED, MR_RELAY_FAILURE_CONNECT, READY, END }, "R+" },
};

static void
test_events (void)
{
  static const char letters[] = {
    [MR_SHARING_EVENT_LOST] = 'L', [MR_SHARING_EVENT_RESTORED] = '+', [MR_SHARING_EVENT_REFUSED] = 'R'
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) told = g_string_new (NULL);
    MrRelayWatch watch = { 0 };
    MrSharingEvent event;
    for (const int *step = cases[i].steps; *step != END; step++) {
      gboolean ready = *step == READY;
      if (mr_relay_watch_update (&watch, ready, ready ? MR_RELAY_FAILURE_NONE : (MrRelayFailure) *step, &event)) {
        g_string_append_c (told, letters[event]);
      }
    }
    g_test_message ("%s", cases[i].name);
    g_assert_cmpstr (told->str, ==, cases[i].told);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L4/relay-events", test_events);
  return g_test_run ();
}
