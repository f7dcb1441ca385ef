/* SPDX-License-Identifier: MIT */
/*
 * From the owner's settings to what a worker is told. What is allowed is worker-config.h's; here it becomes a sentence
 * for somebody who knows no command line.
 */
#include "sharing.h"

#include "error.h"

#include <glib/gi18n-lib.h>

/* By the option that mr_worker_config_check() names first. */
static const struct {
  const char *option;
  const char *sentence;
} sentences[] = {
  { "--proxy-url", N_ ("The address of a relay is not valid. It must look like https://relay.example.org.") },
  { "--worker-secret", N_ ("A worker secret is not valid. It must be one line of text.") },
  { "--worker-name", N_ ("The name of this machine is not valid. It must be one short line of text.") },
  { "--provider", N_ ("The provider is not valid. It must be one short line of text.") },
  { "--backend-url", N_ ("The address of the model server is not valid. It must look like http://127.0.0.1:8000.") },
  { "--ca-file", N_ ("The file with certificates cannot be used.") },
};

static void
set_sentence (GError **error, const GError *cause)
{
  for (guint i = 0; i < G_N_ELEMENTS (sentences); i++) {
    if (g_str_has_prefix (cause->message, sentences[i].option)) {
      g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, _ (sentences[i].sentence));
      return;
    }
  }
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, _ ("The settings cannot be used: %s"), cause->message);
}

static char *
dup_text (GSettings *settings, const char *key)
{
  g_autofree char *text = g_strstrip (g_settings_get_string (settings, key));
  return *text != '\0' ? g_steal_pointer (&text) : NULL;
}

static gboolean
take_secrets (MrWorkerConfig *config, MrSecrets *secrets, GError **error)
{
  guint n = g_strv_length (config->proxy_urls);

  config->relay_secrets = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++) {
    const char *secret = mr_secrets_peek (secrets, config->proxy_urls[i]);
    if (secret == NULL) {
      g_set_error (error, MR_ERROR, MR_ERROR_NOT_FOUND, _ ("No worker secret for %s"), config->proxy_urls[i]);
      return FALSE;
    }
    config->relay_secrets[i] = g_strdup (secret);
  }
  return TRUE;
}

MrWorkerConfig *
mr_sharing_new_config (GSettings *settings, MrSecrets *secrets, GError **error)
{
  static const char *const whatever_is_listed[] = { "*", NULL };
  g_autoptr (MrWorkerConfig) config = g_new0 (MrWorkerConfig, 1);
  g_autoptr (GError) cause = NULL;
  int max_concurrency = g_settings_get_int (settings, "max-concurrency");

  config->proxy_urls = g_settings_get_strv (settings, "relays");
  if (config->proxy_urls[0] == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, _ ("No relay is set up yet"));
    return NULL;
  }
  if (!take_secrets (config, secrets, error)) {
    return NULL;
  }
  config->provider = dup_text (settings, "provider");
  config->ca_file = dup_text (settings, "ca-file");
  config->backend_url = dup_text (settings, "backend-url");
  config->worker_name = dup_text (settings, "worker-name");
  config->models = g_strdupv ((char **) whatever_is_listed);
  config->max_concurrency = max_concurrency > 0 ? g_strdup_printf ("%d", max_concurrency) : g_strdup ("auto");
  config->poll_interval_us = (gint64) g_settings_get_int (settings, "poll-interval") * G_USEC_PER_SEC;
  if (!mr_worker_config_check (config, &cause)) {
    set_sentence (error, cause);
    return NULL;
  }
  return g_steal_pointer (&config);
}
