/* SPDX-License-Identifier: MIT */
/*
 * What is known, and what the keyring does not have yet. How one talks to the keyring is keyring.h's.
 *
 *   no service        -> UNAVAILABLE;  one appears -> load again
 *   locked or missing -> LOCKED;       something changes in the service -> load again
 *   started again     -> load again: it may be locked now
 *
 * One job at a time, in the order of the calls, so that an old value never overtakes a new one. Loads that nobody asked
 * for, and stores, never make the service ask the owner for a password.
 */
#include "secrets.h"

#include "keyring.h"

#include <glib/gi18n-lib.h>
#include <libsecret/secret.h>

#define SERVICE_NAME "org.freedesktop.secrets"

struct _MrSecrets {
  GObject parent_instance;

  MrSecretsState state;
  gboolean missing;         /* LOCKED, because there is no default keyring */
  GHashTable *known;        /* Owned: URL -> secret: what mr_secrets_peek() tells */
  GHashTable *unsaved;      /* Owned: a set of URLs whose known secret, or its absence, is still to be written */
  GHashTable *wanted;       /* Owned: a set of the URLs of the last load */
  GQueue jobs;              /* Owned: GTask: waiting; each keeps us alive */
  gboolean working;         /* one is under way */
  gboolean will_load_again; /* such a load is waiting */
  GDBusConnection *bus;     /* Owned: NULL without a session bus */
  guint watch;
  guint subscriptions[2];
};

G_DEFINE_FINAL_TYPE (MrSecrets, mr_secrets, G_TYPE_OBJECT)

static guint changed_signal;

/* A load, or with an URL a store of what is known when its turn comes. */
typedef struct {
  char *url;
  gboolean unlock;
  gboolean again;
} Job;

static void
job_free (Job *job)
{
  g_free (job->url);
  g_free (job);
}

static void start_next (MrSecrets *self);

static void
push_job (GTask *task, const char *url, gboolean unlock, gboolean again)
{
  MrSecrets *self = g_task_get_source_object (task);
  Job *job = g_new0 (Job, 1);

  job->url = g_strdup (url);
  job->unlock = unlock;
  job->again = again;
  g_task_set_task_data (task, job, (GDestroyNotify) job_free);
  g_queue_push_tail (&self->jobs, g_object_ref (task));
  start_next (self);
}

static void
load_again (MrSecrets *self)
{
  if (!self->will_load_again) {
    g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
    self->will_load_again = TRUE;
    push_job (task, NULL, FALSE, TRUE);
  }
}

/* @lack: (nullable): why not all is well */
static void
set_state (MrSecrets *self, const GError *lack)
{
  self->missing = g_error_matches (lack, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT);
  if (lack == NULL) {
    self->state = MR_SECRETS_AVAILABLE;
  } else if (self->missing || g_error_matches (lack, SECRET_ERROR, SECRET_ERROR_IS_LOCKED)) {
    self->state = MR_SECRETS_LOCKED;
  } else {
    self->state = MR_SECRETS_UNAVAILABLE;
  }
  g_signal_emit (self, changed_signal, 0);
}

static void
finish_job (GTask *task, GError *error)
{
  MrSecrets *self = g_task_get_source_object (task);

  if (error != NULL) {
    g_task_return_error (task, error);
  } else {
    g_task_return_boolean (task, TRUE);
  }
  self->working = FALSE;
  start_next (self);
}

/* --- loading --- */

static void
save_unsaved (MrSecrets *self)
{
  GHashTableIter iter;
  gpointer url;

  g_hash_table_iter_init (&iter, self->unsaved);
  while (g_hash_table_iter_next (&iter, &url, NULL)) {
    g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
    push_job (task, url, FALSE, FALSE);
  }
}

static void
take_found (MrSecrets *self, GHashTable *found)
{
  GHashTableIter iter;
  gpointer url;
  gpointer secret;

  g_hash_table_iter_init (&iter, found);
  while (g_hash_table_iter_next (&iter, &url, &secret)) {
    if (!g_hash_table_contains (self->unsaved, url) && g_hash_table_contains (self->wanted, url)) {
      g_hash_table_replace (self->known, g_strdup (url), g_strdup (secret));
    }
  }
}

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MrSecrets *self = g_task_get_source_object (task);
  GError *error = NULL; /* or a lack: of both the state tells */
  g_autoptr (GHashTable) found = mr_keyring_load_finish (result, &error, &error);

  if (found != NULL) {
    take_found (self, found);
  }
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    set_state (self, error);
  }
  if (error == NULL) {
    save_unsaved (self);
  }
  finish_job (task, error);
}

static void
start_load (MrSecrets *self, GTask *task)
{
  Job *job = g_task_get_task_data (task);
  g_autofree const char **urls = (const char **) g_hash_table_get_keys_as_array (self->wanted, NULL);
  const MrKeyringLoad load = {
    .urls = urls,
    .to_save = g_hash_table_size (self->unsaved) > 0,
    .unlock = job->unlock,
  };

  if (job->again) {
    self->will_load_again = FALSE;
  }
  mr_keyring_load_async (&load, g_task_get_cancellable (task), on_loaded, g_object_ref (task));
}

void
mr_secrets_load_async (MrSecrets *self, const char *const *relay_urls, gboolean unlock, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_return_if_fail (MR_IS_SECRETS (self));
  g_task_set_source_tag (task, mr_secrets_load_async);
  g_hash_table_remove_all (self->wanted);
  for (const char *const *url = relay_urls; *url != NULL; url++) {
    g_hash_table_add (self->wanted, g_strdup (*url));
  }
  push_job (task, NULL, unlock, FALSE);
}

gboolean
mr_secrets_load_finish (MrSecrets *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- storing --- */

static void
on_stored (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MrSecrets *self = g_task_get_source_object (task);
  const Job *job = g_task_get_task_data (task);
  GError *error = NULL;

  if (!mr_keyring_store_finish (result, &error)) {
    g_hash_table_add (self->unsaved, g_strdup (job->url));
    set_state (self, error);
  } else if (self->state != MR_SECRETS_AVAILABLE) {
    load_again (self); /* what could not be read or written before */
  }
  finish_job (task, error);
}

/* While it is written the URL is not unsaved, so that a value that comes meanwhile makes it so again. */
static void
start_store (MrSecrets *self, GTask *task)
{
  const Job *job = g_task_get_task_data (task);

  if (g_hash_table_remove (self->unsaved, job->url)) {
    mr_keyring_store_async (job->url, g_hash_table_lookup (self->known, job->url), NULL, on_stored,
                            g_object_ref (task));
  } else {
    finish_job (task, NULL); /* an earlier job has written this value already */
  }
}

static void
start_next (MrSecrets *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->working || g_queue_is_empty (&self->jobs)) {
    return;
  }
  self->working = TRUE;
  task = g_queue_pop_head (&self->jobs);
  if (((const Job *) g_task_get_task_data (task))->url != NULL) {
    start_store (self, task);
  } else {
    start_load (self, task);
  }
}

void
mr_secrets_store_async (MrSecrets *self, const char *relay_url, const char *secret, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_return_if_fail (MR_IS_SECRETS (self));
  g_task_set_source_tag (task, mr_secrets_store_async);
  g_hash_table_add (self->unsaved, g_strdup (relay_url));
  if (secret == NULL) {
    g_hash_table_remove (self->known, relay_url);
  } else {
    g_hash_table_replace (self->known, g_strdup (relay_url), g_strdup (secret));
  }
  push_job (task, relay_url, FALSE, FALSE);
  g_signal_emit (self, changed_signal, 0);
}

gboolean
mr_secrets_store_finish (MrSecrets *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- what is known --- */

MrSecretsState
mr_secrets_get_state (MrSecrets *self)
{
  g_return_val_if_fail (MR_IS_SECRETS (self), MR_SECRETS_UNKNOWN);
  return self->state;
}

char *
mr_secrets_describe_state (MrSecrets *self)
{
  g_return_val_if_fail (MR_IS_SECRETS (self), NULL);
  switch (self->state) {
  case MR_SECRETS_LOCKED:
    return g_strdup (self->missing
                         ? _ ("There is no keyring yet: worker secrets are kept until you quit, and no longer.")
                         : _ ("The keyring is locked, so the worker secrets cannot be read or kept."));
  case MR_SECRETS_UNAVAILABLE:
    return g_strdup (_ ("No keyring is running: worker secrets are kept until you quit, and no longer."));
  case MR_SECRETS_UNKNOWN:
  case MR_SECRETS_AVAILABLE:
  default:
    return NULL;
  }
}

const char *
mr_secrets_peek (MrSecrets *self, const char *relay_url)
{
  g_return_val_if_fail (MR_IS_SECRETS (self), NULL);
  return g_hash_table_lookup (self->known, relay_url);
}

/* --- the service comes and goes --- */

static void
on_service_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MrSecrets *self = data;

  if (self->state != MR_SECRETS_UNKNOWN) {
    load_again (self);
  }
}

static void
on_service_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *parameters, gpointer data)
{
  MrSecrets *self = data;

  if (self->state == MR_SECRETS_LOCKED) {
    load_again (self);
  }
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MrSecrets) self = data;

  self->bus = g_bus_get_finish (result, NULL);
  if (self->bus == NULL) {
    return;
  }
  self->watch = g_bus_watch_name_on_connection (self->bus, SERVICE_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                on_service_appeared, NULL, self, NULL);
  self->subscriptions[0] = g_dbus_connection_signal_subscribe (
      self->bus, SERVICE_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL,
      "org.freedesktop.Secret.Collection", G_DBUS_SIGNAL_FLAGS_NONE, on_service_changed, self, NULL);
  self->subscriptions[1] =
      g_dbus_connection_signal_subscribe (self->bus, SERVICE_NAME, "org.freedesktop.Secret.Service", NULL, NULL, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, on_service_changed, self, NULL);
}

/* --- GObject --- */

static void
mr_secrets_finalize (GObject *object)
{
  MrSecrets *self = MR_SECRETS (object);

  if (self->bus != NULL) {
    g_bus_unwatch_name (self->watch);
    g_dbus_connection_signal_unsubscribe (self->bus, self->subscriptions[0]);
    g_dbus_connection_signal_unsubscribe (self->bus, self->subscriptions[1]);
    g_object_unref (self->bus);
  }
  g_hash_table_unref (self->known);
  g_hash_table_unref (self->unsaved);
  g_hash_table_unref (self->wanted);
  G_OBJECT_CLASS (mr_secrets_parent_class)->finalize (object);
}

static void
mr_secrets_class_init (MrSecretsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mr_secrets_finalize;
  changed_signal = g_signal_new ("changed", MR_TYPE_SECRETS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mr_secrets_init (MrSecrets *self)
{
  self->known = mr_keyring_new_table ();
  self->unsaved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&self->jobs);
}

MrSecrets *
mr_secrets_new (void)
{
  MrSecrets *self = g_object_new (MR_TYPE_SECRETS, NULL);

  g_bus_get (G_BUS_TYPE_SESSION, NULL, on_bus, g_object_ref (self));
  return self;
}
