/* SPDX-License-Identifier: MIT */
/*
 * The option table of the worker: defaults, where values come from, what is refused and how it is said.
 */
#include "worker-config.h"

#include "error.h"

#include <string.h>

#define MAX_ARGS 8

static MrWorkerConfig *
parse (const char *const *args, const char *const *environment, GError **error)
{
  const char *const nothing[] = { NULL };
  const char *argv[MAX_ARGS] = { "modelrelay-worker" };
  MrOptionsAction action;

  for (guint i = 0; args[i] != NULL; i++) {
    argv[i + 1] = args[i];
  }
  return mr_worker_config_new_from_args (argv, environment != NULL ? environment : nothing, &action, error);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = parse (ARGS ("--worker-secret", "s"), NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (config->proxy_urls[0], ==, "http://127.0.0.1:8080");
  g_assert_null (config->proxy_urls[1]);
  g_assert_cmpstr (config->backend_url, ==, "http://127.0.0.1:8000");
  g_assert_cmpstr (config->provider, ==, "local");
  g_assert_null (config->worker_name);
  g_assert_true (mr_worker_config_discovers_models (config));
  g_assert_cmpuint (mr_worker_config_get_max_concurrent (config), ==, 1);
  g_assert_cmpint (config->poll_interval_us, ==, 30 * G_USEC_PER_SEC);
}

static void
test_environment (void)
{
  const char *const environment[] = { "PROXY_URL=http://a:1,http://b:2", "WORKER_SECRET=s",     "WORKER_NAME=gpu",
                                      "BACKEND_URL=http://c:3/x",        "MODELS=m1,m2",        "MAX_CONCURRENCY=auto",
                                      "MODEL_POLL_INTERVAL=5",           "PROVIDER_NAME=other", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = parse (ARGS ("--worker-name=flag"), environment, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (config->proxy_urls[1], ==, "http://b:2");
  g_assert_cmpstr (config->worker_name, ==, "flag");
  g_assert_cmpstr (config->backend_url, ==, "http://c:3/x");
  g_assert_false (mr_worker_config_discovers_models (config));
  g_assert_cmpstr (config->models[1], ==, "m2");
  g_assert_cmpuint (mr_worker_config_get_max_concurrent (config), ==, 0);
  g_assert_cmpint (config->poll_interval_us, ==, 5 * G_USEC_PER_SEC);
  g_assert_cmpstr (config->provider, ==, "other");
}

static void
test_backend_headers (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = parse (
      ARGS ("--worker-secret=s", "--backend-header=Authorization: Bearer k", "--backend-header", "X-List: a, b,c"),
      NULL, &error);

  g_assert_no_error (error);
  g_autoptr (MrHeaders) headers = mr_worker_config_dup_backend_headers (config);
  g_assert_cmpuint (mr_headers_length (headers), ==, 2);
  g_assert_cmpstr (mr_headers_get (headers, "authorization"), ==, "Bearer k");
  g_assert_cmpstr (mr_headers_get (headers, "x-list"), ==, "a, b,c");
}

/* Each value is refused, and the message has the option's name. */
static void
test_refused (void)
{
  const char *const long_name = "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
                                "1234567890123456789012345678901234567890123456789";
  const struct {
    const char *option;
    const char *value;
  } cases[] = {
    { "proxy-url", "" },
    { "proxy-url", "relay" },
    { "proxy-url", "http://" },
    { "proxy-url", "ftp://relay" },
    { "proxy-url", "wsss://relay" },
    { "proxy-url", "http://user@relay" },
    { "proxy-url", "http://relay?x=1" },
    { "proxy-url", "http://a,http://a" },
    { "backend-url", "" },
    { "backend-url", "wss://backend" },
    { "backend-url", "ws://backend" },
    { "backend-url", "http://backend#x" },
    { "worker-name", "a\nb" },
    { "worker-name", long_name },
    { "provider", "" },
    { "models", "" },
    { "models", "*,m" },
    { "models", "a\tb" },
    { "max-concurrency", "" },
    { "max-concurrency", "0" },
    { "max-concurrency", "4097" },
    { "max-concurrency", "-1" },
    { "max-concurrency", "many" },
    { "poll-interval", "0" },
    { "backend-header", "novalue" },
    { "backend-header", "two words: x" },
    { "backend-header", ": x" },
    { "backend-header", "Host: x" },
    { "backend-header", "Transfer-Encoding: x" },
    { "log-level", "loud" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *flag = g_strdup_printf ("--%s=%s", cases[i].option, cases[i].value);
    g_autoptr (GError) error = NULL;
    g_autoptr (MrWorkerConfig) config = parse (ARGS ("--worker-secret=s", flag), NULL, &error);

    g_test_message ("%s -> %s", flag, error != NULL ? error->message : "accepted");
    g_assert_null (config);
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, cases[i].option));
  }
}

static void
test_tls (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config =
      parse (ARGS ("--worker-secret=s", "--proxy-url=https://a,wss://b", "--backend-url=https://c"), NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (config->proxy_urls[1], ==, "wss://b");
}

/* An owner of several relays has a secret for each, and needs no other. */
static void
test_relay_secrets (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = parse (ARGS ("--worker-secret=s", "--proxy-url=http://a,http://b"), NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (mr_worker_config_get_secret (config, 1), ==, "s");
  g_clear_pointer (&config->worker_secret, g_free);
  g_assert_false (mr_worker_config_check (config, NULL));
  config->relay_secrets = g_strsplit ("one", ",", -1);
  g_assert_false (mr_worker_config_check (config, &error));
  g_assert_null (strstr (error->message, "one "));
  g_clear_error (&error);
  g_strfreev (config->relay_secrets);
  config->relay_secrets = g_strsplit ("one,", ",", -1);
  g_assert_false (mr_worker_config_check (config, NULL));
  g_strfreev (config->relay_secrets);
  config->relay_secrets = g_strsplit ("one,two", ",", -1);
  g_assert_true (mr_worker_config_check (config, &error));
  g_assert_cmpstr (mr_worker_config_get_secret (config, 0), ==, "one");
  g_assert_cmpstr (mr_worker_config_get_secret (config, 1), ==, "two");
}

static void
test_secret_is_needed_and_not_shown (void)
{
  g_autoptr (GError) missing = NULL;
  g_autoptr (GError) broken = NULL;
  g_autoptr (GError) header = NULL;

  g_assert_null (parse (ARGS ("--models=m"), NULL, &missing));
  g_assert_nonnull (strstr (missing->message, "--worker-secret"));
  g_assert_null (parse (ARGS ("--worker-secret=sesame\nX: y"), NULL, &broken));
  g_assert_null (strstr (broken->message, "sesame"));
  g_assert_null (parse (ARGS ("--worker-secret=s", "--backend-header=sesame"), NULL, &header));
  g_assert_null (strstr (header->message, "sesame"));
}

static void
test_hide_secrets (void)
{
  char words[][40] = { "modelrelay-worker",     "--worker-secret", "sesame", "--worker-secret=sesame2", "--models", "m",
                       "--backend-header=X: y", "--worker-name",   "w",      "--worker-secret" };
  char *argv[G_N_ELEMENTS (words) + 1] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    argv[i] = words[i];
  }
  mr_options_hide_secrets (&mr_worker_program, argv);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    g_assert_null (memmem (words[i], sizeof words[i], "sesame", 6));
    g_assert_null (memmem (words[i], sizeof words[i], "X: y", 4));
  }
  g_assert_cmpstr (argv[0], ==, "modelrelay-worker");
  g_assert_cmpstr (argv[1], ==, "--worker-secret");
  g_assert_cmpstr (argv[3], ==, "--worker-secret=");
  g_assert_cmpstr (argv[5], ==, "m");
  g_assert_cmpstr (argv[8], ==, "w");
}

static void
test_help_needs_nothing (void)
{
  const char *const argv[] = { "modelrelay-worker", "--help", NULL };
  const char *const environment[] = { NULL };
  MrOptionsAction action = MR_OPTIONS_RUN;
  g_autoptr (MrWorkerConfig) config = mr_worker_config_new_from_args (argv, environment, &action, NULL);

  g_assert_nonnull (config);
  g_assert_cmpint (action, ==, MR_OPTIONS_HELP);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/K/defaults", test_defaults);
  g_test_add_func ("/contract/K/environment", test_environment);
  g_test_add_func ("/contract/K/backend-headers", test_backend_headers);
  g_test_add_func ("/contract/K/refused-values-name-the-option", test_refused);
  g_test_add_func ("/worker-config/tls", test_tls);
  g_test_add_func ("/worker-config/relay-secrets", test_relay_secrets);
  g_test_add_func ("/contract/B7/secret-is-needed-and-not-shown", test_secret_is_needed_and_not_shown);
  g_test_add_func ("/contract/B7/secrets-leave-the-command-line", test_hide_secrets);
  g_test_add_func ("/contract/K/help-needs-nothing", test_help_needs_nothing);
  return g_test_run ();
}
