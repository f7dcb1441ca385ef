/* SPDX-License-Identifier: MIT */
/*
 * What there is, for how long, and what the actions do. See application.h.
 *
 *   first start                window (and the assistant, where nothing is set up)
 *   first start, --background  nothing where a tray shows the icon, else a minimised window that says why
 *   second start               the window of the first; with --background nothing; with --quit its end
 *   by D-Bus activation        what was asked for: a window, or an action
 */
#include "application.h"

#include "assistant.h"
#include "color-scheme.h"
#include "notifier.h"
#include "preferences.h"
#include "sharing-actions.h"
#include "window.h"
#include "worker-dbus.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <malloc.h>
#include <signal.h>

#define OBJECT_PATH "/org/modelrelay/Desktop"
#define QUIT_SECONDS 5
#define STILL_RUNNING "still-running"

struct _MrApplication {
  GtkApplication parent_instance;
  MrReactor *reactor; /* Owned, like all down to the tray: from startup to shutdown */
  GSettings *settings;
  MrSecrets *secrets;
  MrConditions *conditions;
  MrSharing *sharing;
  MrWorkerDBus *worker_dbus; /* NULL while there is no worker */
  MrNotifier *notifier;
  MrColorScheme *color_scheme;
  MrTray *tray;
  MrWorker *worker;  /* Borrowed: the one that worker_dbus shows, and keeps */
  GtkWindow *window; /* Borrowed, like the next ones: NULL while closed */
  GtkWindow *preferences;
  GtkWindow *assistant;
  GtkWindow *shortcuts;
  guint terminate_ids[3];
  gboolean hidden_start; /* the first activation is the one of --background */
  gboolean awaits_tray;  /* started hidden, and not known yet whether a tray shows the icon */
  gboolean told_no_tray;
  gboolean quitting;
};

G_DEFINE_FINAL_TYPE (MrApplication, mr_application, GTK_TYPE_APPLICATION)

/* --- Windows --- */

static gboolean
has_icon (MrApplication *self)
{
  return mr_indicator_client_get_visible (mr_tray_get_client (self->tray));
}

static void
tell_no_tray (MrApplication *self)
{
  g_autoptr (GNotification) notification = g_notification_new (_ ("ModelRelay keeps running"));

  g_notification_set_body (notification,
                           _ ("There is no tray to show its icon. Start ModelRelay again to open its window."));
  g_notification_set_default_action (notification, "app.open");
  g_application_send_notification (G_APPLICATION (self), STILL_RUNNING, notification);
  self->told_no_tray = TRUE;
}

static gboolean
on_close_request (GtkWindow *window, MrApplication *self)
{
  if (!has_icon (self) && !self->told_no_tray && !self->quitting)
    tell_no_tray (self);
  return GDK_EVENT_PROPAGATE;
}

/* A window is much memory, and the app may now stay in the tray for days. */
static gboolean
give_memory_back (gpointer data)
{
  malloc_trim (0);
  return G_SOURCE_REMOVE;
}

static void
on_window_removed (GtkApplication *application, GtkWindow *window)
{
  GTK_APPLICATION_CLASS (mr_application_parent_class)->window_removed (application, window);
  if (gtk_application_get_windows (application) == NULL)
    g_timeout_add_seconds (1, give_memory_back, NULL);
}

static void
keep (MrApplication *self, GtkWindow **place, GtkWindow *window)
{
  g_set_weak_pointer (place, window);
  gtk_window_set_application (window, GTK_APPLICATION (self));
}

static void
make_window (MrApplication *self)
{
  if (self->window != NULL)
    return;
  keep (self, &self->window, mr_window_new (self));
  g_signal_connect_object (self->window, "close-request", G_CALLBACK (on_close_request), self, 0);
}

static void
open_window (MrApplication *self)
{
  make_window (self);
  gtk_window_present (self->window);
  g_application_withdraw_notification (G_APPLICATION (self), STILL_RUNNING);
}

static void
open_assistant (MrApplication *self)
{
  if (self->assistant == NULL) {
    keep (self, &self->assistant, mr_assistant_new (self));
    gtk_window_set_transient_for (self->assistant, self->window);
  }
  gtk_window_present (self->assistant);
}

/* @page: (nullable): a window that is open on another page gives way */
static void
open_preferences (MrApplication *self, const char *page)
{
  if (page != NULL && self->preferences != NULL)
    gtk_window_destroy (self->preferences);
  if (self->preferences == NULL) {
    keep (self, &self->preferences, mr_preferences_new (self, page));
    gtk_window_set_transient_for (self->preferences, self->window);
  }
  gtk_window_present (self->preferences);
}

static gboolean
needs_assistant (MrApplication *self)
{
  g_auto (GStrv) relays = g_settings_get_strv (self->settings, "relays");

  return relays[0] == NULL && !g_settings_get_boolean (self->settings, "first-run-done");
}

/* --- Actions --- */

static void
on_open (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  open_window (data);
}

static void
on_preferences (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  open_preferences (data, parameter != NULL ? g_variant_get_string (parameter, NULL) : NULL);
}

static void
on_assistant (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  open_assistant (data);
}

static void
on_about (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  MrApplication *self = data;

  gtk_show_about_dialog (self->window, "program-name", "ModelRelay", "logo-icon-name", MR_APPLICATION_ID, "version",
                         MR_VERSION, "comments", _ ("Lends this machine’s models to a relay"), "license-type",
                         GTK_LICENSE_MIT_X11, "application", self, NULL);
}

static void
on_shortcuts (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  MrApplication *self = data;

  if (self->shortcuts == NULL) {
    g_autoptr (GtkBuilder) builder = gtk_builder_new_from_resource (OBJECT_PATH "/shortcuts.ui");

    keep (self, &self->shortcuts, GTK_WINDOW (gtk_builder_get_object (builder, "shortcuts")));
    gtk_window_set_transient_for (self->shortcuts, self->window);
  }
  gtk_window_present (self->shortcuts);
}

static void
on_sharing_gone (gpointer data)
{
  g_application_quit (data);
}

/* The second time it is at once. */
static void
on_quit (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  MrApplication *self = data;

  if (self->quitting) {
    g_application_quit (G_APPLICATION (self));
    return;
  }
  self->quitting = TRUE;
  while (gtk_application_get_windows (GTK_APPLICATION (self)) != NULL)
    gtk_window_destroy (gtk_application_get_windows (GTK_APPLICATION (self))->data);
  mr_sharing_quit (self->sharing, QUIT_SECONDS, on_sharing_gone, self);
}

static gboolean
on_terminate (gpointer data)
{
  on_quit (NULL, NULL, data);
  return G_SOURCE_CONTINUE;
}

static void
add_actions (MrApplication *self)
{
  static const GActionEntry entries[] = {
    { "open", on_open },
    { "preferences", on_preferences },
    { "preferences-page", on_preferences, "s" },
    { "assistant", on_assistant },
    { "about", on_about },
    { "shortcuts", on_shortcuts },
    { "quit", on_quit },
  };
  static const struct {
    const char *action;
    const char *accels[3];
  } keys[] = {
    { "app.preferences", { "<Control>comma" } },        { "app.quit", { "<Control>q" } },
    { "app.toggle-pause", { "<Control>p" } },           { "app.refresh-models", { "F5", "<Control>r" } },
    { "app.shortcuts", { "<Control>question", "F1" } }, { "window.close", { "<Control>w" } },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  mr_sharing_actions_add (G_ACTION_MAP (self), self->sharing);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (self), keys[i].action, keys[i].accels);
}

/* --- Life --- */

/* The worker changes with the settings. */
static void
show_worker_on_bus (MrApplication *self)
{
  GDBusConnection *connection = g_application_get_dbus_connection (G_APPLICATION (self));
  MrWorker *worker = mr_sharing_get_worker (self->sharing);
  g_autoptr (GError) error = NULL;

  if (worker == self->worker || connection == NULL)
    return;
  g_clear_pointer (&self->worker_dbus, mr_worker_dbus_free);
  self->worker = worker;
  if (worker == NULL)
    return;
  self->worker_dbus = mr_worker_dbus_new (self->reactor, worker);
  if (!mr_worker_dbus_export (self->worker_dbus, connection, &error))
    g_warning ("The worker cannot be shown on the session bus: %s", error->message);
}

static void
on_changed (MrSharing *sharing, MrApplication *self)
{
  show_worker_on_bus (self);
}

static void
decide_hidden_start (MrApplication *self)
{
  MrIndicatorClient *client = mr_tray_get_client (self->tray);

  if (!self->awaits_tray || !mr_indicator_client_is_settled (client))
    return;
  self->awaits_tray = FALSE;
  if (has_icon (self) || self->window != NULL)
    return;
  make_window (self);
  gtk_window_minimize (self->window);
  gtk_widget_set_visible (GTK_WIDGET (self->window), TRUE);
}

static void
on_tray_changed (MrIndicatorClient *client, GParamSpec *property, MrApplication *self)
{
  decide_hidden_start (self);
}

static void
load_style (void)
{
  g_autoptr (GtkCssProvider) provider = gtk_css_provider_new ();

  gtk_css_provider_load_from_resource (provider, OBJECT_PATH "/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (provider),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  gtk_window_set_default_icon_name (MR_APPLICATION_ID);
}

static void
make_sharing (MrApplication *self)
{
  g_autofree char *state_dir = g_build_filename (g_get_user_state_dir (), "modelrelay-desktop", NULL);

  self->reactor = mr_reactor_new (NULL);
  self->settings = g_settings_new (MR_APPLICATION_ID);
  self->secrets = mr_secrets_new ();
  self->conditions = mr_conditions_new ();
  self->sharing = mr_sharing_new (self->reactor, self->settings, self->secrets, self->conditions, state_dir);
}

static void
on_startup (GApplication *application)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
  MrApplication *self = MR_APPLICATION (application);
  GDBusConnection *connection = g_application_get_dbus_connection (application);

  G_APPLICATION_CLASS (mr_application_parent_class)->startup (application);
  load_style ();
  make_sharing (self);
  add_actions (self);
  self->tray = mr_tray_new (application, self->sharing);
  self->notifier = mr_notifier_new (application, self->sharing, self->settings);
  if (connection != NULL)
    self->color_scheme = mr_color_scheme_new (connection);
  g_signal_connect_object (mr_tray_get_client (self->tray), "notify", G_CALLBACK (on_tray_changed), self, 0);
  g_signal_connect_object (self->sharing, "changed", G_CALLBACK (on_changed), self, 0);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    self->terminate_ids[i] = g_unix_signal_add (signals[i], on_terminate, self);
  /* It lives without a window. */
  g_application_hold (application);
  if (g_settings_get_boolean (self->settings, "connect-at-start"))
    mr_sharing_connect (self->sharing);
  on_changed (self->sharing, self);
}

static void
on_activate (GApplication *application)
{
  MrApplication *self = MR_APPLICATION (application);

  if (self->quitting)
    return;
  if (self->hidden_start) {
    self->hidden_start = FALSE;
    self->awaits_tray = TRUE;
    decide_hidden_start (self);
    return;
  }
  open_window (self);
  if (needs_assistant (self))
    open_assistant (self);
}

static void
on_shutdown (GApplication *application)
{
  MrApplication *self = MR_APPLICATION (application);

  for (guint i = 0; i < G_N_ELEMENTS (self->terminate_ids); i++)
    g_clear_handle_id (&self->terminate_ids[i], g_source_remove);
  g_clear_pointer (&self->tray, mr_tray_free);
  g_clear_pointer (&self->notifier, mr_notifier_free);
  g_clear_pointer (&self->color_scheme, mr_color_scheme_free);
  g_clear_pointer (&self->worker_dbus, mr_worker_dbus_free);
  g_signal_handlers_disconnect_by_data (self->sharing, self);
  g_clear_object (&self->sharing);
  g_clear_object (&self->conditions);
  g_clear_object (&self->secrets);
  g_clear_object (&self->settings);
  G_APPLICATION_CLASS (mr_application_parent_class)->shutdown (application);
  g_settings_sync ();
  /* Our last words go out, and cancelled operations come back. */
  while (mr_reactor_get_lingering (self->reactor) > 0 || g_main_context_pending (NULL)) {
    g_main_context_iteration (NULL, TRUE);
  }
  g_clear_pointer (&self->reactor, mr_reactor_free);
}

/* --- Command line --- */

/* Asks the running one, and starts none for it. */
static int
quit_running_one (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  g_autoptr (GVariant) answer = NULL;

  if (bus != NULL)
    answer = g_dbus_connection_call_sync (bus, MR_APPLICATION_ID, OBJECT_PATH, "org.gtk.Actions", "Activate",
                                          g_variant_new ("(sava{sv})", "quit", NULL, NULL), NULL,
                                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, &error);
  if (answer != NULL || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    return EXIT_SUCCESS;
  g_printerr ("modelrelay-desktop: %s\n", error->message);
  return EXIT_FAILURE;
}

/* Returns: an exit status, or -1 to go on */
static int
on_local_options (GApplication *application, GVariantDict *options)
{
  MrApplication *self = MR_APPLICATION (application);
  g_autoptr (GError) error = NULL;

  if (g_variant_dict_contains (options, "version")) {
    g_print ("modelrelay-desktop %s\n", MR_VERSION);
    return EXIT_SUCCESS;
  }
  if (g_variant_dict_contains (options, "quit"))
    return quit_running_one ();
  if (!g_variant_dict_contains (options, "background"))
    return -1;
  if (!g_application_register (application, NULL, &error)) {
    g_printerr ("modelrelay-desktop: %s\n", error->message);
    return EXIT_FAILURE;
  }
  if (g_application_get_is_remote (application))
    return EXIT_SUCCESS;
  self->hidden_start = TRUE;
  return -1;
}

static void
mr_application_class_init (MrApplicationClass *class)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (class);

  application_class->startup = on_startup;
  application_class->activate = on_activate;
  application_class->shutdown = on_shutdown;
  application_class->handle_local_options = on_local_options;
  GTK_APPLICATION_CLASS (class)->window_removed = on_window_removed;
}

static void
mr_application_init (MrApplication *self)
{
  static const GOptionEntry options[] = {
    { "background", 'b', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, NULL, N_ ("Start in the tray, without a window"),
      NULL },
    { "quit", 'q', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, NULL, N_ ("End the one that is running"), NULL },
    { "version", 'v', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, NULL, N_ ("Print the version"), NULL },
    { NULL },
  };

  g_application_add_main_option_entries (G_APPLICATION (self), options);
}

MrApplication *
mr_application_new (void)
{
  return g_object_new (MR_TYPE_APPLICATION, "application-id", MR_APPLICATION_ID, "resource-base-path", OBJECT_PATH,
                       "flags", G_APPLICATION_DEFAULT_FLAGS, NULL);
}

MrReactor *
mr_application_get_reactor (MrApplication *application)
{
  return application->reactor;
}

GSettings *
mr_application_get_settings (MrApplication *application)
{
  return application->settings;
}

MrSecrets *
mr_application_get_secrets (MrApplication *application)
{
  return application->secrets;
}

MrConditions *
mr_application_get_conditions (MrApplication *application)
{
  return application->conditions;
}

MrSharing *
mr_application_get_sharing (MrApplication *application)
{
  return application->sharing;
}

MrTray *
mr_application_get_tray (MrApplication *application)
{
  return application->tray;
}
