/* SPDX-License-Identifier: MIT */
/*
 * Settings and secrets on their way to a configuration. See setup.h.
 */
#include "setup.h"

#include "error.h"

/* Somebody types, or a window writes several keys. */
#define SETTLE_MS 300

struct _MrSetup {
  GSettings *settings; /* Owned */
  MrSecrets *secrets;  /* Owned */
  MrSetupChanged changed;
  gpointer data;
  gboolean active;
  GCancellable *loading;  /* Owned: of the secrets; NULL while they are not being read */
  guint settle;           /* source: the settings changed; 0 for none */
  MrWorkerConfig *config; /* Owned: NULL while the settings are not complete */
  char *problem;          /* Owned: why they are not */
};

/* A secret that nobody has asked for yet is not missing. */
static gboolean
is_real_problem (MrSetup *self, const GError *error)
{
  return error != NULL && (!g_error_matches (error, MR_ERROR, MR_ERROR_NOT_FOUND) ||
                           mr_secrets_get_state (self->secrets) != MR_SECRETS_UNKNOWN);
}

static char *
describe_problem (MrSetup *self, const GError *error)
{
  g_autofree char *keyring = mr_secrets_describe_state (self->secrets);

  if (g_error_matches (error, MR_ERROR, MR_ERROR_NOT_FOUND) && keyring != NULL) {
    return g_strdup_printf ("%s\n%s", error->message, keyring);
  }
  return g_strdup (error->message);
}

static gboolean
is_same (const MrWorkerConfig *a, const MrWorkerConfig *b)
{
  if (a == NULL || b == NULL) {
    return a == b;
  }
  return g_strv_equal ((const char *const *) a->proxy_urls, (const char *const *) b->proxy_urls) &&
         g_strv_equal ((const char *const *) a->relay_secrets, (const char *const *) b->relay_secrets) &&
         g_str_equal (a->provider, b->provider) && g_strcmp0 (a->ca_file, b->ca_file) == 0 &&
         g_str_equal (a->backend_url, b->backend_url) && g_strcmp0 (a->worker_name, b->worker_name) == 0 &&
         g_str_equal (a->max_concurrency, b->max_concurrency) && a->poll_interval_us == b->poll_interval_us;
}

/* Returns: %TRUE when it is another configuration */
static gboolean
make_config (MrSetup *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = mr_sharing_new_config (self->settings, self->secrets, &error);

  g_clear_pointer (&self->problem, g_free);
  if (is_real_problem (self, error)) {
    self->problem = describe_problem (self, error);
  }
  if (is_same (config, self->config)) {
    return FALSE;
  }
  mr_worker_config_free (self->config);
  self->config = g_steal_pointer (&config);
  return TRUE;
}

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  MrSetup *self = data;
  g_autoptr (GError) error = NULL;

  mr_secrets_load_finish (MR_SECRETS (source), result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    return; /* and we may be gone */
  }
  g_clear_object (&self->loading);
  self->changed (make_config (self), self->data);
}

static void
stop_loading (MrSetup *self)
{
  g_cancellable_cancel (self->loading);
  g_clear_object (&self->loading);
}

static void
load (MrSetup *self, gboolean unlock)
{
  g_auto (GStrv) relays = g_settings_get_strv (self->settings, "relays");

  stop_loading (self);
  self->loading = g_cancellable_new ();
  mr_secrets_load_async (self->secrets, (const char *const *) relays, unlock, self->loading, on_loaded, self);
}

static void
on_secrets_changed (MrSetup *self)
{
  if (self->loading == NULL) {
    self->changed (make_config (self), self->data);
  }
}

static gboolean
on_settled (gpointer data)
{
  MrSetup *self = data;

  self->settle = 0;
  if (self->active) {
    load (self, FALSE);
  } else {
    self->changed (make_config (self), self->data);
  }
  return G_SOURCE_REMOVE;
}

static void
on_setting_changed (GSettings *settings, const char *key, gpointer data)
{
  static const char *const of_config[] = { "relays",      "provider",        "ca-file",       "backend-url",
                                           "worker-name", "max-concurrency", "poll-interval", NULL };
  MrSetup *self = data;

  if (g_strv_contains (of_config, key)) {
    g_clear_handle_id (&self->settle, g_source_remove);
    self->settle = g_timeout_add (SETTLE_MS, on_settled, self);
  }
}

MrSetup *
mr_setup_new (GSettings *settings, MrSecrets *secrets, MrSetupChanged changed, gpointer data)
{
  MrSetup *self = g_new0 (MrSetup, 1);

  self->settings = g_object_ref (settings);
  self->secrets = g_object_ref (secrets);
  self->changed = changed;
  self->data = data;
  g_signal_connect (settings, "changed", G_CALLBACK (on_setting_changed), self);
  g_signal_connect_swapped (secrets, "changed", G_CALLBACK (on_secrets_changed), self);
  make_config (self);
  return self;
}

void
mr_setup_free (MrSetup *self)
{
  if (self == NULL) {
    return;
  }
  stop_loading (self);
  g_clear_handle_id (&self->settle, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->settings, self);
  g_signal_handlers_disconnect_by_data (self->secrets, self);
  mr_worker_config_free (self->config);
  g_free (self->problem);
  g_object_unref (self->secrets);
  g_object_unref (self->settings);
  g_free (self);
}

void
mr_setup_begin (MrSetup *self)
{
  self->active = TRUE;
  load (self, TRUE);
}

void
mr_setup_end (MrSetup *self)
{
  self->active = FALSE;
  stop_loading (self);
}

gboolean
mr_setup_is_complete (MrSetup *self)
{
  return self->config != NULL;
}

const char *
mr_setup_get_problem (MrSetup *self)
{
  return self->loading == NULL ? self->problem : NULL;
}
