/* SPDX-License-Identifier: MIT */
/*
 * What stands in the tray's menu. See tray-menu.h.
 *
 *   status   (what is connected to what, requests)
 *   Models > (a check item each)
 *   Pause > or Resume, Stop at once, Connect or Disconnect
 *   Open, Settings, About, Quit
 */
#include "tray-menu.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* Characters of a label: a menu is as wide as its widest. */
#define LABEL_LENGTH 64

struct _MrTrayMenu {
  GMenu *root;   /* Owned, like all; made of the four below */
  GMenu *status; /* sentences, which do nothing */
  GMenu *sharing;
  GMenu *orders;
  GMenu *app;
  GMenu *models; /* submenu of `sharing` */
  GMenu *pause;  /* submenu of `orders` */
};

/* --- changing no more than what is new --- */

static gboolean
is_same_item (GMenuModel *menu, int i, GMenuItem *item)
{
  const char *attributes[] = { G_MENU_ATTRIBUTE_LABEL, G_MENU_ATTRIBUTE_ACTION, G_MENU_ATTRIBUTE_TARGET };
  g_autoptr (GMenuModel) old_submenu = g_menu_model_get_item_link (menu, i, G_MENU_LINK_SUBMENU);
  g_autoptr (GMenuModel) submenu = g_menu_item_get_link (item, G_MENU_LINK_SUBMENU);

  for (guint k = 0; k < G_N_ELEMENTS (attributes); k++) {
    g_autoptr (GVariant) before = g_menu_model_get_item_attribute_value (menu, i, attributes[k], NULL);
    g_autoptr (GVariant) now = g_menu_item_get_attribute_value (item, attributes[k], NULL);
    if ((before == NULL) != (now == NULL) || (before != NULL && !g_variant_equal (before, now)))
      return FALSE;
  }
  return old_submenu == submenu;
}

static void
set_items (GMenu *menu, GPtrArray *items)
{
  GMenuModel *model = G_MENU_MODEL (menu);

  for (guint i = 0; i < items->len; i++) {
    gboolean exists = i < (guint) g_menu_model_get_n_items (model);
    if (exists && is_same_item (model, i, items->pdata[i]))
      continue;
    if (exists)
      g_menu_remove (menu, i);
    g_menu_insert_item (menu, i, items->pdata[i]);
  }
  while ((guint) g_menu_model_get_n_items (model) > items->len)
    g_menu_remove (menu, items->len);
}

static GPtrArray *
new_items (void)
{
  return g_ptr_array_new_with_free_func (g_object_unref);
}

static void
add (GPtrArray *items, const char *label, const char *action)
{
  g_ptr_array_add (items, g_menu_item_new (label, action));
}

static void
add_submenu (GPtrArray *items, const char *label, GMenu *menu)
{
  g_ptr_array_add (items, g_menu_item_new_submenu (label, G_MENU_MODEL (menu)));
}

/* Any text as a label: shortened, and its underscores are no mnemonics. */
static char *
escape_label (const char *text)
{
  g_autofree char *start = NULL;
  g_auto (GStrv) parts = NULL;

  if (g_utf8_strlen (text, -1) > LABEL_LENGTH) {
    g_autofree char *cut = g_utf8_substring (text, 0, LABEL_LENGTH - 1);
    start = g_strconcat (cut, "…", NULL);
  } else {
    start = g_strdup (text);
  }
  parts = g_strsplit (start, "_", -1);
  return g_strjoinv ("__", parts);
}

static void
add_text (GPtrArray *items, const char *text)
{
  g_autofree char *label = escape_label (text);

  add (items, label, NULL);
}

/* --- the words --- */

/* Of a URL: host and port, which is what tells relays apart. */
static char *
dup_host (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if (host == NULL)
    return g_strdup (url);
  if (g_uri_get_port (uri) < 0)
    return g_strdup (host);
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, g_uri_get_port (uri));
}

/* Hosts of the relays that have taken us. */
static char *
dup_connected_hosts (MrWorker *worker)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
  MrWorkerRelay relay;

  for (guint i = 0; mr_worker_get_relay (worker, i, &relay); i++) {
    if (g_str_equal (relay.state, "ready"))
      g_ptr_array_add (hosts, dup_host (relay.url));
  }
  if (hosts->len == 0)
    return NULL;
  g_ptr_array_add (hosts, NULL);
  return g_strjoinv (", ", (char **) hosts->pdata);
}

static char *
describe_requests (MrSharing *sharing)
{
  MrWorker *worker = mr_sharing_get_worker (sharing);
  guint running = worker != NULL ? mr_worker_get_load (worker) : 0;
  double rate = mr_sharing_get_rate (sharing);

  if (running == 0)
    return NULL;
  if (rate < 0.5)
    return g_strdup_printf (_ ("Requests running: %u"), running);
  return g_strdup_printf (_ ("Requests running: %u (%.0f tokens/s)"), running, rate);
}

/* (nullable): while a relay has us. */
static char *
describe_connection (MrSharing *sharing)
{
  MrWorker *worker = mr_sharing_get_worker (sharing);
  g_autofree char *hosts = worker != NULL ? dup_connected_hosts (worker) : NULL;
  guint models;

  if (hosts == NULL)
    return NULL;
  models = g_strv_length ((char **) mr_worker_get_models (worker));
  return g_strdup_printf (ngettext ("Connected to %s · %u model", "Connected to %s · %u models", models), hosts,
                          models);
}

/* @text: (transfer full); %NULL when it is empty: how long a pause lasts is its details' first line. */
static char *
dup_first_line (char *text)
{
  char *end = strchr (text, '\n');

  if (end != NULL)
    *end = '\0';
  if (*text == '\0')
    g_clear_pointer (&text, g_free);
  return text;
}

char *
mr_tray_summary (MrSharing *sharing)
{
  MrSharingState state = mr_sharing_get_state (sharing);
  g_autofree char *line = NULL;

  if (state == MR_SHARING_CONNECTED)
    line = describe_connection (sharing);
  else if (state == MR_SHARING_PAUSED)
    line = dup_first_line (mr_sharing_dup_details (sharing));
  return line != NULL ? g_steal_pointer (&line) : mr_sharing_dup_headline (sharing);
}

/* --- the sections --- */

/* A menu breaks no lines: as many items as it takes. */
static void
add_wrapped (GPtrArray *items, const char *sentence)
{
  g_auto (GStrv) words = g_strsplit (sentence, " ", -1);
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint i = 0; words[i] != NULL; i++) {
    if (line->len > 0 && g_utf8_strlen (line->str, -1) + 1 + g_utf8_strlen (words[i], -1) > LABEL_LENGTH) {
      add_text (items, line->str);
      g_string_truncate (line, 0);
    }
    if (line->len > 0)
      g_string_append_c (line, ' ');
    g_string_append (line, words[i]);
  }
  if (line->len > 0)
    add_text (items, line->str);
}

static void
add_details (GPtrArray *items, MrSharing *sharing)
{
  g_autofree char *details = mr_sharing_dup_details (sharing);
  g_auto (GStrv) lines = g_strsplit (details, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    add_wrapped (items, lines[i]);
}

static void
update_status (MrTrayMenu *menu, MrSharing *sharing)
{
  MrSharingState state = mr_sharing_get_state (sharing);
  MrWorker *worker = mr_sharing_get_worker (sharing);
  g_autofree char *summary = mr_tray_summary (sharing);
  /* That requests run is said below, with their number. */
  g_autofree char *connection = state == MR_SHARING_RELAYING ? describe_connection (sharing) : NULL;
  g_autofree char *requests = describe_requests (sharing);
  g_autoptr (GPtrArray) items = new_items ();

  add_text (items, connection != NULL ? connection : summary);
  if (state == MR_SHARING_ERROR || state == MR_SHARING_DISCONNECTED)
    add_details (items, sharing);
  if (worker != NULL && state != MR_SHARING_ERROR) {
    g_autofree char *host = dup_host (mr_worker_get_backend_url (worker));
    g_autofree char *line = g_strdup_printf (_ ("Model server: %s"), host);
    add_text (items, line);
  }
  if (requests != NULL)
    add_text (items, requests);
  set_items (menu->status, items);
}

static void
count_request (const MrWorkerRequest *request, gpointer data)
{
  GHashTable *counts = data;

  g_hash_table_insert (counts, g_strdup (request->model),
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (counts, request->model)) + 1));
}

static char *
label_model (const char *model, guint running)
{
  g_autofree char *name = escape_label (model);

  if (running == 0)
    return g_steal_pointer (&name);
  return g_strdup_printf (ngettext ("%s (%u running)", "%s (%u running)", running), name, running);
}

static void
update_models (MrTrayMenu *menu, MrSharing *sharing)
{
  MrWorker *worker = mr_sharing_get_worker (sharing);
  const char *const *models = worker != NULL ? mr_worker_get_backend_models (worker) : NULL;
  g_autoptr (GHashTable) counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) items = new_items ();
  g_autoptr (GPtrArray) entries = new_items ();

  if (worker != NULL)
    mr_worker_foreach_request (worker, count_request, counts);
  for (guint i = 0; models != NULL && models[i] != NULL; i++) {
    g_autofree char *label = label_model (models[i], GPOINTER_TO_UINT (g_hash_table_lookup (counts, models[i])));
    GMenuItem *item = g_menu_item_new (label, NULL);
    g_menu_item_set_action_and_target (item, "app.share-model", "s", models[i]);
    g_ptr_array_add (entries, item);
  }
  set_items (menu->models, entries);
  if (entries->len > 0)
    add_submenu (items, _ ("_Models"), menu->models);
  set_items (menu->sharing, items);
}

static void
update_orders (MrTrayMenu *menu, MrSharing *sharing)
{
  gboolean wanted = mr_sharing_is_wanted (sharing);
  MrSharingState state = mr_sharing_get_state (sharing);
  g_autoptr (GPtrArray) items = new_items ();

  if (mr_sharing_get_pause (sharing)->reason == MR_PAUSE_BY_OWNER)
    add (items, _ ("_Resume"), "app.resume");
  else if (wanted && state != MR_SHARING_DISCONNECTED)
    add_submenu (items, _ ("_Pause"), menu->pause);
  if (state == MR_SHARING_RELAYING)
    add (items, _ ("_Stop at once"), "app.hand-back");
  if (wanted)
    add (items, _ ("_Disconnect"), "app.disconnect");
  else
    add (items, _ ("_Connect"), "app.connect");
  set_items (menu->orders, items);
}

void
mr_tray_menu_update (MrTrayMenu *menu, MrSharing *sharing)
{
  update_status (menu, sharing);
  update_models (menu, sharing);
  update_orders (menu, sharing);
}

/* --- life --- */

MrTrayMenu *
mr_tray_menu_new (void)
{
  MrTrayMenu *menu = g_new0 (MrTrayMenu, 1);
  GMenu **sections[] = { &menu->status, &menu->sharing, &menu->orders, &menu->app };

  menu->root = g_menu_new ();
  menu->models = g_menu_new ();
  menu->pause = g_menu_new ();
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++) {
    *sections[i] = g_menu_new ();
    g_menu_append_section (menu->root, NULL, G_MENU_MODEL (*sections[i]));
  }
  g_menu_append (menu->pause, _ ("_Until resumed"), "app.pause");
  g_menu_append (menu->pause, _ ("For 1 _hour"), "app.pause-hour");
  g_menu_append (menu->pause, _ ("Until _tomorrow"), "app.pause-tomorrow");
  g_menu_append (menu->app, _ ("_Open ModelRelay"), "app.open");
  g_menu_append (menu->app, _ ("S_ettings"), "app.preferences");
  g_menu_append (menu->app, _ ("_About"), "app.about");
  g_menu_append (menu->app, _ ("_Quit"), "app.quit");
  return menu;
}

void
mr_tray_menu_free (MrTrayMenu *menu)
{
  if (menu == NULL)
    return;
  g_object_unref (menu->root);
  g_object_unref (menu->status);
  g_object_unref (menu->sharing);
  g_object_unref (menu->orders);
  g_object_unref (menu->app);
  g_object_unref (menu->models);
  g_object_unref (menu->pause);
  g_free (menu);
}

GMenuModel *
mr_tray_menu_get_model (MrTrayMenu *menu)
{
  return G_MENU_MODEL (menu->root);
}
