/* SPDX-License-Identifier: MIT */
/*
 * Conversations with the Secret Service. See keyring.h.
 *
 *   load:  open -> default keyring -> our items -> done
 *                   ^                     |
 *                   +-- unlock or create <+  once, when something is in the way and the owner may be asked
 *   store: open -> default keyring -> write or forget
 *
 * A locked keyring may hide its items from a search (GNOME's does until it was unlocked once), so that not finding one
 * says nothing while the default keyring is locked.
 */
#include "keyring.h"

#define SECRET_API_SUBJECT_TO_CHANGE
#include <glib/gi18n-lib.h>
#include <libsecret/secret.h>
#include <string.h>

#define COLLECTION_LABEL "org.freedesktop.Secret.Collection.Label"
#define RELAY_ATTRIBUTE "relay"

static const SecretSchema schema = {
  .name = "org.modelrelay.Desktop",
  .flags = SECRET_SCHEMA_NONE,
  .attributes = { { RELAY_ATTRIBUTE, SECRET_SCHEMA_ATTRIBUTE_STRING }, { NULL, 0 } },
};

static void
wipe_free (gpointer secret)
{
  explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

GHashTable *
mr_keyring_new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, wipe_free);
}

static void
open_service (GTask *task, GAsyncReadyCallback on_open)
{
  secret_service_open (SECRET_TYPE_SERVICE, NULL, SECRET_SERVICE_OPEN_SESSION, g_task_get_cancellable (task), on_open,
                       g_object_ref (task));
}

static void
get_default_keyring (GTask *task, SecretService *service, GAsyncReadyCallback on_keyring)
{
  secret_collection_for_alias (service, SECRET_COLLECTION_DEFAULT, SECRET_COLLECTION_NONE,
                               g_task_get_cancellable (task), on_keyring, g_object_ref (task));
}

static GError *
new_locked_error (void)
{
  return g_error_new_literal (SECRET_ERROR, SECRET_ERROR_IS_LOCKED, _ ("The keyring is locked."));
}

static GError *
new_missing_error (void)
{
  return g_error_new_literal (SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT, _ ("There is no keyring yet."));
}

/* --- loading --- */

typedef struct {
  char **urls; /* Owned */
  gboolean to_save;
  gboolean unlock;              /* and the owner was not asked yet */
  SecretService *service;       /* Owned */
  SecretCollection *collection; /* Owned: the default keyring; NULL when there is none */
  GError *lack;                 /* Owned */
} Load;

static void
load_free (Load *load)
{
  g_strfreev (load->urls);
  g_clear_object (&load->service);
  g_clear_object (&load->collection);
  g_clear_error (&load->lack);
  g_free (load);
}

static void look (GTask *task);

/* Whether they succeeded, the next look tells. */
static void
on_unlocked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;

  secret_service_unlock_finish (SECRET_SERVICE (source), result, NULL, NULL);
  look (task);
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;

  g_free (secret_service_create_collection_dbus_path_finish (SECRET_SERVICE (source), result, NULL));
  look (task);
}

static void
ask_owner (GTask *task, GList *locked)
{
  Load *load = g_task_get_task_data (task);

  load->unlock = FALSE;
  if (g_error_matches (load->lack, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT)) {
    g_autoptr (GHashTable) properties =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_variant_unref);
    g_hash_table_insert (properties, (gpointer) COLLECTION_LABEL,
                         g_variant_ref_sink (g_variant_new_string (_ ("Default keyring"))));
    secret_service_create_collection_dbus_path (load->service, properties, SECRET_COLLECTION_DEFAULT,
                                                SECRET_COLLECTION_CREATE_NONE, g_task_get_cancellable (task),
                                                on_created, g_object_ref (task));
  } else {
    secret_service_unlock (load->service, locked, g_task_get_cancellable (task), on_unlocked, g_object_ref (task));
  }
}

static gboolean
has_all (const Load *load, GHashTable *found)
{
  gboolean all = TRUE;

  for (char **url = load->urls; *url != NULL; url++) {
    all &= g_hash_table_contains (found, *url);
  }
  return all;
}

/* Returns: FALSE when the item is locked */
static gboolean
take_item (GHashTable *found, SecretItem *item)
{
  g_autoptr (GHashTable) attributes = secret_item_get_attributes (item);
  const char *url = g_hash_table_lookup (attributes, RELAY_ATTRIBUTE);
  g_autoptr (SecretValue) value = secret_item_get_secret (item);
  const char *text = value != NULL ? secret_value_get_text (value) : NULL;

  if (url != NULL && text != NULL) {
    g_hash_table_replace (found, g_strdup (url), g_strdup (text));
  }
  return text != NULL || !secret_item_get_locked (item);
}

static GError *
find_lack (const Load *load, GHashTable *found, GList *locked)
{
  if (load->collection == NULL && load->to_save) {
    return new_missing_error ();
  }
  return locked != NULL ? new_locked_error () : NULL;
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Load *load = g_task_get_task_data (task);
  g_autoptr (GHashTable) found = mr_keyring_new_table ();
  g_autoptr (GList) locked = NULL; /* borrowed from `items` and `load` */
  GError *error = NULL;
  GList *items = secret_service_search_finish (SECRET_SERVICE (source), result, &error);

  if (error != NULL) {
    g_task_return_error (task, error);
    return;
  }
  for (GList *at = items; at != NULL; at = at->next) {
    if (!take_item (found, at->data)) {
      locked = g_list_prepend (locked, at->data);
    }
  }
  if (load->collection != NULL && secret_collection_get_locked (load->collection) &&
      (load->to_save || !has_all (load, found))) {
    g_clear_pointer (&locked, g_list_free); /* those in it are unlocked with it */
    locked = g_list_prepend (NULL, load->collection);
  }
  g_clear_error (&load->lack);
  load->lack = find_lack (load, found, locked);
  if (load->lack != NULL && load->unlock) {
    ask_owner (task, locked);
  } else {
    g_task_return_pointer (task, g_steal_pointer (&found), (GDestroyNotify) g_hash_table_unref);
  }
  g_list_free_full (items, g_object_unref);
}

static void
on_keyring_to_load (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Load *load = g_task_get_task_data (task);
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  GError *error = NULL;

  g_clear_object (&load->collection);
  load->collection = secret_collection_for_alias_finish (result, &error);
  if (error != NULL) {
    g_task_return_error (task, error);
    return;
  }
  secret_service_search (load->service, &schema, attributes, SECRET_SEARCH_ALL | SECRET_SEARCH_LOAD_SECRETS,
                         g_task_get_cancellable (task), on_found, g_object_ref (task));
}

static void
look (GTask *task)
{
  Load *load = g_task_get_task_data (task);

  get_default_keyring (task, load->service, on_keyring_to_load);
}

static void
on_open_to_load (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Load *load = g_task_get_task_data (task);
  GError *error = NULL;

  load->service = secret_service_open_finish (result, &error);
  if (load->service == NULL) {
    g_task_return_error (task, error);
    return;
  }
  look (task);
}

void
mr_keyring_load_async (const MrKeyringLoad *what, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Load *load = g_new0 (Load, 1);

  load->urls = g_strdupv ((char **) what->urls);
  load->to_save = what->to_save;
  load->unlock = what->unlock;
  g_task_set_source_tag (task, mr_keyring_load_async);
  g_task_set_task_data (task, load, (GDestroyNotify) load_free);
  open_service (task, on_open_to_load);
}

GHashTable *
mr_keyring_load_finish (GAsyncResult *result, GError **lack, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mr_keyring_load_async), NULL);
  Load *load = g_task_get_task_data (G_TASK (result));
  GHashTable *found = g_task_propagate_pointer (G_TASK (result), error);

  if (found != NULL) {
    *lack = g_steal_pointer (&load->lack);
  }
  return found;
}

/* --- storing --- */

typedef struct {
  char *url;              /* Owned */
  SecretValue *secret;    /* Owned: NULL to forget it */
  SecretService *service; /* Owned */
} Store;

static void
store_free (Store *store)
{
  g_free (store->url);
  g_clear_pointer (&store->secret, secret_value_unref);
  g_clear_object (&store->service);
  g_free (store);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Store *store = g_task_get_task_data (task);
  GError *error = NULL;

  if (store->secret != NULL) {
    secret_service_store_finish (SECRET_SERVICE (source), result, &error);
  } else {
    secret_service_clear_finish (SECRET_SERVICE (source), result, &error); /* FALSE without an error: there was none */
  }
  if (error != NULL) {
    g_task_return_error (task, error);
  } else {
    g_task_return_boolean (task, TRUE);
  }
}

static void
write_secret (GTask *task)
{
  Store *store = g_task_get_task_data (task);
  g_autoptr (GHashTable) attributes = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *label = g_strdup_printf (_ ("ModelRelay worker secret for %s"), store->url);

  g_hash_table_insert (attributes, (gpointer) RELAY_ATTRIBUTE, store->url);
  if (store->secret != NULL) {
    secret_service_store (store->service, &schema, attributes, SECRET_COLLECTION_DEFAULT, label, store->secret,
                          g_task_get_cancellable (task), on_written, g_object_ref (task));
  } else {
    secret_service_clear (store->service, &schema, attributes, g_task_get_cancellable (task), on_written,
                          g_object_ref (task));
  }
}

/* libsecret itself would ask the owner to unlock or to create a keyring, in the middle of typing. */
static void
on_keyring_to_store (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Store *store = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (SecretCollection) collection = secret_collection_for_alias_finish (result, &error);

  if (error != NULL) {
    g_task_return_error (task, error);
  } else if (collection != NULL && secret_collection_get_locked (collection)) {
    g_task_return_error (task, new_locked_error ());
  } else if (collection == NULL && store->secret != NULL) {
    g_task_return_error (task, new_missing_error ());
  } else {
    write_secret (task);
  }
}

static void
on_open_to_store (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Store *store = g_task_get_task_data (task);
  GError *error = NULL;

  store->service = secret_service_open_finish (result, &error);
  if (store->service == NULL) {
    g_task_return_error (task, error);
    return;
  }
  get_default_keyring (task, store->service, on_keyring_to_store);
}

void
mr_keyring_store_async (const char *url, const char *secret, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Store *store = g_new0 (Store, 1);

  store->url = g_strdup (url);
  store->secret = secret != NULL ? secret_value_new (secret, -1, "text/plain") : NULL;
  g_task_set_source_tag (task, mr_keyring_store_async);
  g_task_set_task_data (task, store, (GDestroyNotify) store_free);
  open_service (task, on_open_to_store);
}

gboolean
mr_keyring_store_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mr_keyring_store_async), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
