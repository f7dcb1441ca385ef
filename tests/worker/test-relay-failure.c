/* SPDX-License-Identifier: MIT */
/*
 * Which step failed, by the error of a connection attempt or by what a link was closed with (contract L2: a person is
 * told what is wrong).
 */
#include "relay-failure.h"

#include "error.h"
#include "websocket.h"

#include <gio/gio.h>

static void
check_error (GQuark domain, int code, MrRelayFailure expected)
{
  g_autoptr (GError) error = g_error_new_literal (domain, code, "text");

  g_assert_cmpint (mr_relay_failure_from_error (error), ==, expected);
}

static void
test_errors (void)
{
  check_error (G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, MR_RELAY_FAILURE_NAME);
  check_error (G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE, MR_RELAY_FAILURE_NAME);
  check_error (G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, MR_RELAY_FAILURE_CONNECT);
  check_error (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, MR_RELAY_FAILURE_CONNECT);
  check_error (G_IO_ERROR, G_IO_ERROR_NETWORK_UNREACHABLE, MR_RELAY_FAILURE_CONNECT);
  check_error (G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, MR_RELAY_FAILURE_TLS);
  check_error (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, MR_RELAY_FAILURE_NOT_A_RELAY);
  check_error (MR_ERROR, MR_ERROR_PROTOCOL, MR_RELAY_FAILURE_NOT_A_RELAY);
}

static void
test_closes (void)
{
  g_assert_cmpint (mr_relay_failure_from_close (MR_CLOSE_POLICY, FALSE), ==, MR_RELAY_FAILURE_REFUSED);
  g_assert_cmpint (mr_relay_failure_from_close (MR_CLOSE_POLICY, TRUE), ==, MR_RELAY_FAILURE_REFUSED);
  g_assert_cmpint (mr_relay_failure_from_close (MR_CLOSE_ABNORMAL, TRUE), ==, MR_RELAY_FAILURE_LOST);
  g_assert_cmpint (mr_relay_failure_from_close (MR_CLOSE_NORMAL, TRUE), ==, MR_RELAY_FAILURE_LOST);
  g_assert_cmpint (mr_relay_failure_from_close (MR_CLOSE_ABNORMAL, FALSE), ==, MR_RELAY_FAILURE_NOT_A_RELAY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L2/failure-of-errors", test_errors);
  g_test_add_func ("/contract/L2/failure-of-closes", test_closes);
  return g_test_run ();
}
