/* SPDX-License-Identifier: MIT */
/*
 * A worker that connects and never registers loses its link after 10 s. Alone in its program, because it takes so long.
 */
#include "stage.h"

static void
test_deadline (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  gint64 start = mrt_now_ms ();

  g_assert_true (mrt_websocket_is_quiet (worker, 9000));
  mrt_websocket_expect_close (worker, 1002, "worker registration protocol error");
  g_assert_cmpint (mrt_now_ms () - start, <, 12000);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/protocol/register-deadline", test_deadline);
  return g_test_run ();
}
