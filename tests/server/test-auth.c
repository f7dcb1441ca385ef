/* SPDX-License-Identifier: MIT */
/* Secrets, failures by address and proxies: server/auth.c. */
#include "auth.h"

#include "error.h"
#include "limits.h"

static void
test_secret (void)
{
  g_assert_true (mr_auth_secret_matches ("secret", "secret"));
  g_assert_false (mr_auth_secret_matches ("secret", "Secret"));
  g_assert_false (mr_auth_secret_matches ("secret", "secre"));
  g_assert_false (mr_auth_secret_matches ("secret", "secretsecret"));
  g_assert_false (mr_auth_secret_matches ("secret", ""));
  g_assert_false (mr_auth_secret_matches ("", ""));
}

static void
test_cooldown (void)
{
  g_autoptr (MrAuthFailures) failures = mr_auth_failures_new ();
  gint64 now = 1000;
  gint64 cooldown = MR_USEC_PER_SEC;

  for (int i = 0; i < 2; i++) {
    mr_auth_failures_note_failure (failures, "a", now);
    g_assert_false (mr_auth_failures_is_refused (failures, "a", now));
  }
  for (int i = 0; i < 10; i++) {
    mr_auth_failures_note_failure (failures, "a", now);
    g_assert_true (mr_auth_failures_is_refused (failures, "a", now + cooldown - 1));
    g_assert_false (mr_auth_failures_is_refused (failures, "a", now + cooldown));
    g_assert_false (mr_auth_failures_is_refused (failures, "b", now));
    now += cooldown;
    cooldown = MIN (cooldown * 2, 60 * MR_USEC_PER_SEC);
  }
}

static void
test_forget (void)
{
  g_autoptr (MrAuthFailures) failures = mr_auth_failures_new ();

  for (int i = 0; i < 3; i++)
    mr_auth_failures_note_failure (failures, "a", 0);
  g_assert_true (mr_auth_failures_is_refused (failures, "a", 1));
  mr_auth_failures_note_success (failures, "a");
  g_assert_false (mr_auth_failures_is_refused (failures, "a", 1));
  for (int i = 0; i < 3; i++)
    mr_auth_failures_note_failure (failures, "a", 0);
  g_assert_false (mr_auth_failures_is_refused (failures, "a", 600 * MR_USEC_PER_SEC));
  mr_auth_failures_note_failure (failures, "a", 600 * MR_USEC_PER_SEC);
  g_assert_false (mr_auth_failures_is_refused (failures, "a", 600 * MR_USEC_PER_SEC));
}

static void
test_bounded (void)
{
  g_autoptr (MrAuthFailures) failures = mr_auth_failures_new ();

  for (int i = 0; i < 3; i++)
    mr_auth_failures_note_failure (failures, "first", 0);
  for (int i = 0; i < MR_LIMIT_AUTH_PEERS; i++) {
    g_autofree char *address = g_strdup_printf ("10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);

    mr_auth_failures_note_failure (failures, address, 1);
  }
  g_assert_false (mr_auth_failures_is_refused (failures, "first", 1));
}

static void
test_client_address (void)
{
  static const struct {
    const char *peer, *forwarded, *x_forwarded_for, *expected;
  } cases[] = {
    { "127.0.0.1", NULL, NULL, "127.0.0.1" },
    { "127.0.0.1", NULL, "192.0.2.7", "192.0.2.7" },
    { "127.0.0.1", NULL, "203.0.113.9, 192.0.2.7", "192.0.2.7" },
    { "127.0.0.1", NULL, "203.0.113.9, 10.1.2.3", "203.0.113.9" },
    { "127.0.0.1", NULL, "garbage", "127.0.0.1" },
    { "192.0.2.1", NULL, "192.0.2.7", "192.0.2.1" },
    { "unix", NULL, "192.0.2.7", "192.0.2.7" },
    { "::1", "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.7", "192.0.2.60" },
    { "::1", "For=\"[2001:db8:cafe::17]:4711\"", NULL, "2001:db8:cafe::17" },
    { "::1", "for=192.0.2.43, for=192.0.2.44:80", NULL, "192.0.2.44" },
    { "::1", "for=_hidden", NULL, "::1" },
  };
  const char *const texts[] = { "127.0.0.0/8", "::1", "10.0.0.0/8", NULL };
  g_autoptr (GPtrArray) proxies = mr_auth_parse_proxies (texts, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *address =
        mr_auth_client_address (cases[i].peer, cases[i].forwarded, cases[i].x_forwarded_for, proxies);

    g_assert_cmpstr (address, ==, cases[i].expected);
  }
}

static void
test_bad_proxy (void)
{
  const char *const texts[] = { "10.0.0.0/99", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (mr_auth_parse_proxies (texts, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "10.0.0.0/99"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/B1/secret", test_secret);
  g_test_add_func ("/contract/B1/cooldown-doubles", test_cooldown);
  g_test_add_func ("/contract/B1/forgotten", test_forget);
  g_test_add_func ("/contract/B1/bounded", test_bounded);
  g_test_add_func ("/contract/B1/address-behind-proxies", test_client_address);
  g_test_add_func ("/contract/B1/bad-proxy", test_bad_proxy);
  return g_test_run ();
}
