/* SPDX-License-Identifier: MIT */
/* Counts of open connections: transport/connection-limit.c. */
#include "connection-limit.h"

static void
test_per_address (void)
{
  g_autoptr (MrConnectionLimit) limit = mr_connection_limit_new ();

  mr_connection_limit_set (limit, 100, 2);
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.1"));
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.1"));
  g_assert_false (mr_connection_limit_enter (limit, "192.0.2.1"));
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.2"));
  mr_connection_limit_leave (limit, "192.0.2.1");
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.1"));
  g_assert_false (mr_connection_limit_enter (limit, "192.0.2.1"));
}

static void
test_local_addresses_are_exempt (void)
{
  static const char *const local[] = { "127.0.0.1", "127.9.9.9", "::1", "unix" };
  g_autoptr (MrConnectionLimit) limit = mr_connection_limit_new ();

  mr_connection_limit_set (limit, 100, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (local); i++)
    for (int n = 0; n < 5; n++)
      g_assert_true (mr_connection_limit_enter (limit, local[i]));
}

static void
test_total (void)
{
  g_autoptr (MrConnectionLimit) limit = mr_connection_limit_new ();

  mr_connection_limit_set (limit, 3, 100);
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.1"));
  g_assert_true (mr_connection_limit_enter (limit, "192.0.2.2"));
  g_assert_true (mr_connection_limit_enter (limit, "127.0.0.1"));
  g_assert_false (mr_connection_limit_enter (limit, "127.0.0.1"));
  mr_connection_limit_leave (limit, "192.0.2.2");
  g_assert_true (mr_connection_limit_enter (limit, "127.0.0.1"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/E5/connections-per-address", test_per_address);
  g_test_add_func ("/contract/E5/local-addresses-are-exempt", test_local_addresses_are_exempt);
  g_test_add_func ("/contract/E5/connections-in-all", test_total);
  return g_test_run ();
}
