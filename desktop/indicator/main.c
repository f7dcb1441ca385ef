/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-indicator BUS-NAME: the tray icon of the desktop app, as a process of its own because the indicator
 * library is GTK 3. Shows the menu and the action states that the app exports on the session bus and hands activations
 * back; decides nothing and has no words of its own.
 *
 * Writes "visible" or "hidden" when that changes; ends when its standard input does.
 */
#include <gio/gunixinputstream.h>
#include <gtk/gtk.h>
#include <libayatana-appindicator/app-indicator.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define APP_ID "org.modelrelay.Desktop"
#define APP_PATH "/org/modelrelay/Desktop"
#define MENU_PATH APP_PATH "/tray"

typedef struct {
  AppIndicator *indicator;
  GActionGroup *actions;
  GMenuModel *model;
  GPtrArray *shown;     /* Owned models: all that the menu was made of, subscribed to */
  GtkWidget *menu;      /* Borrowed from the indicator */
  guint update_id;      /* an update is due */
  gboolean updating;    /* check items change by us, not by the person */
  GDBusProxy *watcher;  /* (nullable): keeps the list of icons */
  gboolean connected;   /* the watcher has ours */
  gboolean has_host;    /* somebody draws them */
  const char *reported; /* (nullable): the last line written */
} Helper;

/* The library's indicator without its way back to the trays of old (XEmbed), of which nobody learns whether they show
 * an icon: the app would tell that there is none. */
typedef AppIndicator Indicator;
typedef AppIndicatorClass IndicatorClass;

GType indicator_get_type (void);
G_DEFINE_TYPE (Indicator, indicator, APP_INDICATOR_TYPE)

static void
indicator_init (Indicator *indicator)
{
}

static void
indicator_class_init (IndicatorClass *class)
{
  class->fallback = NULL;
  class->unfallback = NULL;
}

static void on_items_changed (GMenuModel *model, int position, int removed, int added, Helper *helper);

/* --- whether the icon is seen --- */

static void
report (Helper *helper)
{
  const char *line = helper->connected && helper->has_host ? "visible" : "hidden";

  if (helper->reported != NULL && g_str_equal (helper->reported, line))
    return;
  helper->reported = line;
  puts (line);
  fflush (stdout);
}

static void
on_connection_changed (AppIndicator *indicator, gboolean connected, Helper *helper)
{
  helper->connected = connected;
  if (helper->reported != NULL || helper->has_host)
    report (helper);
}

static void
on_host_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) answer = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, NULL);
  Helper *helper = data;

  helper->has_host = FALSE;
  if (answer != NULL) {
    g_autoptr (GVariant) value = NULL;
    g_variant_get (answer, "(v)", &value);
    helper->has_host = g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value);
  }
  /* With a host the indicator is about to tell that it is connected. */
  if (!helper->has_host || helper->connected)
    report (helper);
}

static void
ask_for_host (Helper *helper)
{
  g_dbus_proxy_call (helper->watcher, "org.freedesktop.DBus.Properties.Get",
                     g_variant_new ("(ss)", "org.kde.StatusNotifierWatcher", "IsStatusNotifierHostRegistered"),
                     G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_host_answer, helper);
}

static void
on_watcher_signal (GDBusProxy *proxy, const char *sender, const char *name, GVariant *parameters, Helper *helper)
{
  if (g_str_has_prefix (name, "StatusNotifierHost"))
    ask_for_host (helper);
}

static void
on_watcher (GObject *source, GAsyncResult *result, gpointer data)
{
  Helper *helper = data;

  helper->watcher = g_dbus_proxy_new_finish (result, NULL);
  if (helper->watcher == NULL) {
    report (helper);
    return;
  }
  g_signal_connect_swapped (helper->watcher, "notify::g-name-owner", G_CALLBACK (ask_for_host), helper);
  g_signal_connect (helper->watcher, "g-signal", G_CALLBACK (on_watcher_signal), helper);
  ask_for_host (helper);
}

/* --- the menu --- */

/* An item's action, without the "app." that all of them have. */
static char *
dup_action (GMenuModel *model, int i)
{
  g_autofree char *name = NULL;

  g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_ACTION, "s", &name);
  return name != NULL && g_str_has_prefix (name, "app.") ? g_strdup (name + strlen ("app.")) : NULL;
}

/* A state that is a list of strings checks the items whose targets are in it. */
static gboolean
is_checked (GVariant *state, GVariant *target)
{
  if (g_variant_is_of_type (state, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (state);
  if (g_variant_is_of_type (state, G_VARIANT_TYPE_STRING_ARRAY) && target != NULL) {
    g_autofree const char **names = g_variant_get_strv (state, NULL);
    return g_strv_contains (names, g_variant_get_string (target, NULL));
  }
  return FALSE;
}

static void
on_activate (GtkMenuItem *item, Helper *helper)
{
  const char *action = g_object_get_data (G_OBJECT (item), "action");

  if (!helper->updating && action != NULL)
    g_action_group_activate_action (helper->actions, action, g_object_get_data (G_OBJECT (item), "target"));
}

/* The item at @position of @shell, made anew unless there is one of this kind already. */
static GtkWidget *
take_item (Helper *helper, GtkMenuShell *shell, guint position, GType type, gboolean has_submenu)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (shell));
  GtkWidget *item = g_list_nth_data (children, position);

  if (item != NULL && G_OBJECT_TYPE (item) == type &&
      (gtk_menu_item_get_submenu (GTK_MENU_ITEM (item)) != NULL) == has_submenu)
    return item;
  if (item != NULL)
    gtk_widget_destroy (item);
  item = gtk_widget_new (type, "visible", TRUE, NULL);
  if (type != GTK_TYPE_SEPARATOR_MENU_ITEM) {
    gtk_menu_item_set_use_underline (GTK_MENU_ITEM (item), TRUE);
    g_signal_connect (item, "activate", G_CALLBACK (on_activate), helper);
  }
  gtk_menu_shell_insert (shell, item, position);
  return item;
}

static void
cut_off (GtkMenuShell *shell, guint length)
{
  g_autoptr (GList) children = gtk_container_get_children (GTK_CONTAINER (shell));

  for (GList *link = g_list_nth (children, length); link != NULL; link = link->next)
    gtk_widget_destroy (link->data);
}

static void fill (Helper *helper, GtkMenuShell *shell, guint *position, GMenuModel *model);

static void
set_submenu (Helper *helper, GtkMenuItem *item, GMenuModel *model)
{
  GtkWidget *menu = gtk_menu_item_get_submenu (item);
  guint length = 0;

  if (menu == NULL) {
    menu = gtk_menu_new ();
    gtk_menu_item_set_submenu (item, menu);
  }
  fill (helper, GTK_MENU_SHELL (menu), &length, model);
  cut_off (GTK_MENU_SHELL (menu), length);
}

static void
show_item (Helper *helper, GtkMenuShell *shell, guint position, GMenuModel *model, int i)
{
  g_autofree char *action = dup_action (model, i);
  g_autofree char *label = NULL;
  g_autoptr (GVariant) target = g_menu_model_get_item_attribute_value (model, i, G_MENU_ATTRIBUTE_TARGET, NULL);
  g_autoptr (GMenuModel) submenu = g_menu_model_get_item_link (model, i, G_MENU_LINK_SUBMENU);
  g_autoptr (GVariant) state = action != NULL ? g_action_group_get_action_state (helper->actions, action) : NULL;
  GtkWidget *item = take_item (helper, shell, position, state != NULL ? GTK_TYPE_CHECK_MENU_ITEM : GTK_TYPE_MENU_ITEM,
                               submenu != NULL);

  g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_LABEL, "s", &label);
  if (g_strcmp0 (gtk_menu_item_get_label (GTK_MENU_ITEM (item)), label) != 0)
    gtk_menu_item_set_label (GTK_MENU_ITEM (item), label != NULL ? label : "");
  gtk_widget_set_sensitive (item, submenu != NULL ||
                                      (action != NULL && g_action_group_get_action_enabled (helper->actions, action)));
  if (state != NULL)
    gtk_check_menu_item_set_active (GTK_CHECK_MENU_ITEM (item), is_checked (state, target));
  g_object_set_data_full (G_OBJECT (item), "action", g_steal_pointer (&action), g_free);
  g_object_set_data_full (G_OBJECT (item), "target", g_steal_pointer (&target), (GDestroyNotify) g_variant_unref);
  if (submenu != NULL)
    set_submenu (helper, GTK_MENU_ITEM (item), submenu);
}

/* Puts the items of @model into @shell from *@position on. What fits is kept, so that an open menu stays open. */
static void
fill (Helper *helper, GtkMenuShell *shell, guint *position, GMenuModel *model)
{
  int n = g_menu_model_get_n_items (model);

  g_ptr_array_add (helper->shown, g_object_ref (model));
  g_signal_connect (model, "items-changed", G_CALLBACK (on_items_changed), helper);
  for (int i = 0; i < n; i++) {
    g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);
    if (section == NULL) {
      show_item (helper, shell, (*position)++, model, i);
    } else {
      guint separator = *position;
      guint after = separator + (separator > 0 ? 1 : 0);
      guint first = after;
      if (separator > 0 && g_menu_model_get_n_items (section) > 0)
        take_item (helper, shell, separator, GTK_TYPE_SEPARATOR_MENU_ITEM, FALSE);
      fill (helper, shell, &after, section);
      *position = after > first ? after : separator;
    }
  }
}

static gboolean
on_update_due (gpointer data)
{
  Helper *helper = data;
  /* Let go only when the new ones are held: a model that nobody holds is asked for anew, and tells of a change. */
  g_autoptr (GPtrArray) before = helper->shown;
  guint length = 0;

  helper->update_id = 0;
  helper->shown = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < before->len; i++)
    g_signal_handlers_disconnect_by_data (before->pdata[i], helper);
  helper->updating = TRUE;
  fill (helper, GTK_MENU_SHELL (helper->menu), &length, helper->model);
  cut_off (GTK_MENU_SHELL (helper->menu), length);
  helper->updating = FALSE;
  return G_SOURCE_REMOVE;
}

static void
queue_update (Helper *helper)
{
  if (helper->update_id == 0)
    helper->update_id = g_idle_add (on_update_due, helper);
}

static void
on_items_changed (GMenuModel *model, int position, int removed, int added, Helper *helper)
{
  queue_update (helper);
}

/* --- the icon --- */

static char *
dup_state (Helper *helper, const char *action)
{
  g_autoptr (GVariant) state = g_action_group_get_action_state (helper->actions, action);

  return state != NULL && g_variant_is_of_type (state, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (state, NULL)
                                                                              : NULL;
}

static void
on_actions_changed (Helper *helper)
{
  g_autofree char *icon = dup_state (helper, "indicator-icon");
  g_autofree char *text = dup_state (helper, "indicator-text");

  if (icon != NULL && text != NULL) {
    app_indicator_set_icon_full (helper->indicator, icon, text);
    app_indicator_set_title (helper->indicator, text);
    app_indicator_set_status (helper->indicator, APP_INDICATOR_STATUS_ACTIVE);
  }
  queue_update (helper);
}

static void
connect_actions (Helper *helper)
{
  const char *signals[] = { "action-added", "action-removed", "action-enabled-changed", "action-state-changed" };
  g_auto (GStrv) names = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_signal_connect_swapped (helper->actions, signals[i], G_CALLBACK (on_actions_changed), helper);
  /* Asks the app for them; they come as "action-added". */
  names = g_action_group_list_actions (helper->actions);
}

static void
on_input (GObject *source, GAsyncResult *result, gpointer data)
{
  gtk_main_quit ();
}

int
main (int argc, char **argv)
{
  Helper helper = { 0 };
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GInputStream) input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  char unused;

  if (!gtk_init_check (&argc, &argv) || argc != 2 || !g_dbus_is_name (argv[1]))
    return 2;
  bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  if (bus == NULL)
    return 2;
  g_input_stream_read_async (input, &unused, 1, G_PRIORITY_DEFAULT, NULL, on_input, NULL);
  helper.indicator = g_object_new (indicator_get_type (), "id", APP_ID, "category", "ApplicationStatus", "icon-name",
                                   APP_ID "-disconnected-symbolic", NULL);
  helper.menu = gtk_menu_new ();
  app_indicator_set_menu (helper.indicator, GTK_MENU (helper.menu));
  g_signal_connect (helper.indicator, "connection-changed", G_CALLBACK (on_connection_changed), &helper);
  g_dbus_proxy_new (bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, NULL,
                    "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher", NULL,
                    on_watcher, &helper);
  helper.actions = G_ACTION_GROUP (g_dbus_action_group_get (bus, argv[1], APP_PATH));
  helper.model = G_MENU_MODEL (g_dbus_menu_model_get (bus, argv[1], MENU_PATH));
  helper.shown = g_ptr_array_new_with_free_func (g_object_unref);
  connect_actions (&helper);
  queue_update (&helper);
  gtk_main ();
  g_clear_handle_id (&helper.update_id, g_source_remove);
  g_ptr_array_unref (helper.shown);
  g_object_unref (helper.model);
  g_object_unref (helper.actions);
  g_clear_object (&helper.watcher);
  g_object_unref (helper.indicator);
  return 0;
}
