/* SPDX-License-Identifier: MIT */
/*
 * Probes of the worker library under values that are not saved, told as sentences. See connection-test.h.
 */
#include "connection-test.h"

#include "field-check.h"
#include "probe.h"

#include <glib/gi18n-lib.h>

/* (transfer full): what the probes need beside the value in question. */
static MrWorkerConfig *
new_config (const char *relay_url, const char *secret, const char *backend_url)
{
  MrWorkerConfig *config = g_new0 (MrWorkerConfig, 1);
  config->proxy_urls = g_new0 (char *, 2);
  config->proxy_urls[0] = g_strdup (relay_url);
  config->worker_secret = g_strdup (secret);
  config->backend_url = g_strdup (backend_url);
  config->models = g_strsplit ("*", ",", 0);
  config->provider = g_strdup ("local");
  config->max_concurrency = g_strdup ("1");
  config->poll_interval_us = 30 * G_USEC_PER_SEC;
  return config;
}

static char *
non_empty (const char *text)
{
  return text != NULL && *text != '\0' ? g_strdup (text) : NULL;
}

/* The first complaint about the fields, as it would stand under them. */
static char *
check_fields (const MrRelayTest *test)
{
  char *problem = mr_field_check_relay_url (test->url);
  if (problem == NULL) {
    problem = mr_field_check_secret (test->secret);
  }
  if (problem == NULL) {
    problem = mr_field_check_provider (test->provider);
  }
  return problem;
}

/* (transfer full): @failure for a person. The probe's own words are for the log's language and too long here. */
static char *
describe_failure (const char *url, MrRelayFailure failure)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : url;
  switch (failure) {
  case MR_RELAY_FAILURE_NAME:
    return g_strdup_printf (_ ("There is no computer named “%s”. Check the address and your internet connection."),
                            host);
  case MR_RELAY_FAILURE_CONNECT:
    return g_strdup_printf (_ ("Nothing answers at %s. Check the address, and whether the relay is running."), url);
  case MR_RELAY_FAILURE_TLS:
    return g_strdup_printf (
        _ ("There is no secure connection to “%s”: its certificate is not valid, or nobody trusted has signed it."),
        host);
  case MR_RELAY_FAILURE_NOT_A_RELAY:
    return g_strdup_printf (_ ("Something answers at %s, but it is not a relay."), url);
  case MR_RELAY_FAILURE_REFUSED:
    return g_strdup (_ ("The relay refuses this machine: the worker secret or the provider is wrong."));
  case MR_RELAY_FAILURE_NONE:
  case MR_RELAY_FAILURE_LOST:
  default:
    return g_strdup (_ ("The connection to the relay broke off. Try again."));
  }
}

static void
on_relay_probed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  const MrWorkerConfig *config = g_task_get_task_data (task);
  MrRelayFailure failure = MR_RELAY_FAILURE_NONE;

  if (mr_probe_relay_finish (result, &failure, &error)) {
    g_task_return_pointer (task, g_strdup (_ ("It works: the relay accepts this machine.")), g_free);
  } else if (!g_task_return_error_if_cancelled (task)) {
    g_autofree char *sentence = describe_failure (config->proxy_urls[0], failure);
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", sentence);
  }
}

void
mr_test_relay_async (MrReactor *reactor, const MrRelayTest *test, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *problem = check_fields (test);
  g_autoptr (GError) error = NULL;
  MrWorkerConfig *config = new_config (test->url, test->secret, "http://127.0.0.1");

  g_task_set_source_tag (task, mr_test_relay_async);
  g_task_set_task_data (task, config, (GDestroyNotify) mr_worker_config_free);
  if (problem != NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s", problem);
    return;
  }
  g_free (config->provider);
  config->provider = g_strdup (test->provider);
  config->worker_name = non_empty (test->worker_name);
  config->ca_file = non_empty (test->ca_file);
  if (!mr_worker_config_check (config, &error)) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                             _ ("The file with the certificates cannot be used."));
    return;
  }
  mr_probe_relay_async (reactor, config, 0, cancellable, on_relay_probed, g_steal_pointer (&task));
}

char *
mr_test_relay_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_backend_probed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_auto (GStrv) models = mr_probe_backend_finish (result, NULL);
  const MrWorkerConfig *config = g_task_get_task_data (task);

  if (g_task_return_error_if_cancelled (task)) {
    return;
  }
  if (models == NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED,
                             _ ("No model server answers at %s. Check the address, and whether it is running."),
                             config->backend_url);
  } else if (models[0] == NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s",
                             _ ("The model server answers, but it has no models. Load or download one there first."));
  } else {
    g_task_return_pointer (task, g_steal_pointer (&models), (GDestroyNotify) g_strfreev);
  }
}

void
mr_test_backend_async (MrReactor *reactor, const char *url, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *problem = mr_field_check_backend_url (url);
  MrWorkerConfig *config = new_config ("http://127.0.0.1", "secret", url);

  g_task_set_source_tag (task, mr_test_backend_async);
  g_task_set_task_data (task, config, (GDestroyNotify) mr_worker_config_free);
  if (problem != NULL) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s", problem);
    return;
  }
  mr_probe_backend_async (reactor, config, cancellable, on_backend_probed, g_steal_pointer (&task));
}

char *
mr_test_backend_finish (GAsyncResult *result, char ***models, GError **error)
{
  g_auto (GStrv) found = g_task_propagate_pointer (G_TASK (result), error);
  if (found == NULL) {
    return NULL;
  }
  guint n = g_strv_length (found);
  if (models != NULL) {
    *models = g_steal_pointer (&found);
  }
  return g_strdup_printf (
      ngettext ("It works: the model server has %u model.", "It works: the model server has %u models.", n), n);
}
