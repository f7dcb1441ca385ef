/* SPDX-License-Identifier: MIT */
/* The relay's table of options: server/server-config.c. How options are parsed is test-options.c's matter. */
#include "server-config.h"

#include "error.h"
#include "limits.h"

#include <string.h>

static gboolean
parse (MrServerConfig *config, GError **error, const char *const *arguments)
{
  static const char *const environment[] = { "WORKER_SECRET=s", NULL };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  MrOptionsAction action;

  g_ptr_array_add (argv, (gpointer) "modelrelay-server");
  for (; *arguments != NULL; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);
  return mr_options_parse (mr_server_program (), (const char *const *) argv->pdata, environment, config, &action,
                           error) &&
         mr_server_config_check (config, error);
}

static void
test_defaults (void)
{
  const char *const arguments[] = { NULL };
  MrServerConfig config = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (parse (&config, &error, arguments));
  g_assert_no_error (error);
  g_assert_cmpstr (config.listen[0], ==, "127.0.0.1:8080");
  g_assert_cmpstr (config.provider, ==, "local");
  g_assert_cmpuint (config.max_queue_len, ==, 100);
  g_assert_cmpint (config.queue_timeout_us, ==, 30 * MR_USEC_PER_SEC);
  g_assert_cmpint (config.request_timeout_us, ==, 300 * MR_USEC_PER_SEC);
  g_assert_cmpint (config.drain_timeout_us, ==, 30 * MR_USEC_PER_SEC);
  g_assert_cmpint (config.heartbeat_us, ==, 15 * MR_USEC_PER_SEC);
  g_assert_cmpint (config.pong_timeout_us, ==, 45 * MR_USEC_PER_SEC);
  g_assert_cmpuint (config.max_requeue_count, ==, 3);
  g_assert_cmpuint (config.max_request_bytes, ==, 64 << 20);
  g_assert_cmpuint (config.max_response_bytes, ==, G_GUINT64_CONSTANT (10) << 30);
  g_assert_cmpint (config.unknown_models, ==, MR_UNKNOWN_AUTO);
  g_assert_true (config.worker_header);
  mr_options_clear (mr_server_program (), &config);
}

static void
test_heartbeats_must_fit (void)
{
  const char *const arguments[] = { "--heartbeat-interval", "50", "--pong-timeout", "50", NULL };
  MrServerConfig config = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (parse (&config, &error, arguments));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "--pong-timeout"));
  mr_options_clear (mr_server_program (), &config);
}

static void
test_empty_values_are_refused (void)
{
  static const char *const flags[] = { "--listen=", "--listen= , ", "--provider=" };

  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++) {
    const char *const arguments[] = { flags[i], NULL };
    MrServerConfig config = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_false (parse (&config, &error, arguments));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, "must not be empty"));
    mr_options_clear (mr_server_program (), &config);
  }
}

static void
check_refused (const char *flag, const char *text)
{
  const char *const arguments[] = { flag, NULL };
  MrServerConfig config = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (parse (&config, &error, arguments));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, text));
  mr_options_clear (mr_server_program (), &config);
}

static void
test_pages (void)
{
  static const char *const bad[] = { "relay.example.org",
                                     "https://",
                                     "ftp://relay.example.org",
                                     "https://relay.example.org/",
                                     "https://relay.example.org/x",
                                     "https://relay.example.org?x",
                                     "https://me@relay.example.org",
                                     "https://relay.example.org\n" };
  static const char *const good[] = { "--public-url=https://relay.example.org", "--public-url=http://[::1]:8080",
                                      "--public-url=http://10.0.0.1:8080", "--downloads-dir=/" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *flag = g_strconcat ("--public-url=", bad[i], NULL);

    check_refused (flag, "--public-url");
  }
  check_refused ("--downloads-dir=/none/such", "--downloads-dir \"/none/such\"");
  check_refused ("--downloads-dir=/dev/null", "--downloads-dir \"/dev/null\"");
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    const char *const arguments[] = { good[i], NULL };
    MrServerConfig config = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_true (parse (&config, &error, arguments));
    g_assert_no_error (error);
    mr_options_clear (mr_server_program (), &config);
  }
}

static void
test_names_are_unique (void)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (const MrOption *option = mr_server_program ()->options; option->name != NULL; option++) {
    g_assert_true (g_hash_table_add (names, (gpointer) option->name));
    if (option->environment != NULL)
      g_assert_true (g_hash_table_add (names, (gpointer) option->environment));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/J/defaults", test_defaults);
  g_test_add_func ("/contract/J/heartbeats-must-fit", test_heartbeats_must_fit);
  g_test_add_func ("/contract/J/empty-values-are-refused", test_empty_values_are_refused);
  g_test_add_func ("/contract/J/pages", test_pages);
  g_test_add_func ("/contract/J/names-are-unique", test_names_are_unique);
  return g_test_run ();
}
