/* SPDX-License-Identifier: MIT */
/*
 * The functions that the window asks, answered from one struct. See window-stage.h.
 */
#include "window-stage.h"

#include "sharing-actions.h"

#include <stdarg.h>

WindowStage window_stage;
static MrApplication *the_application;

/* --- Objects --- */

struct _MrApplication {
  GtkApplication parent_instance;
  GSettings *settings;
  MrSharing *sharing;
  MrSecrets *secrets;
  MrIndicatorClient *client;
};
G_DEFINE_FINAL_TYPE (MrApplication, mr_application, GTK_TYPE_APPLICATION)

struct _MrSharing {
  GObject parent_instance;
};
G_DEFINE_FINAL_TYPE (MrSharing, mr_sharing, G_TYPE_OBJECT)

struct _MrSecrets {
  GObject parent_instance;
};
G_DEFINE_FINAL_TYPE (MrSecrets, mr_secrets, G_TYPE_OBJECT)

struct _MrIndicatorClient {
  GObject parent_instance;
};
G_DEFINE_FINAL_TYPE (MrIndicatorClient, mr_indicator_client, G_TYPE_OBJECT)

static void
mr_sharing_init (MrSharing *self)
{
}

static void
mr_sharing_class_init (MrSharingClass *class)
{
  g_signal_new ("changed", MR_TYPE_SHARING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mr_secrets_init (MrSecrets *self)
{
}

static void
mr_secrets_class_init (MrSecretsClass *class)
{
  g_signal_new ("changed", MR_TYPE_SECRETS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mr_indicator_client_init (MrIndicatorClient *self)
{
}

static void
mr_indicator_client_class_init (MrIndicatorClientClass *class)
{
}

static void
finalize (GObject *object)
{
  MrApplication *self = MR_APPLICATION (object);

  g_clear_object (&self->settings);
  g_clear_object (&self->sharing);
  g_clear_object (&self->secrets);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (mr_application_parent_class)->finalize (object);
}

static void
mr_application_class_init (MrApplicationClass *class)
{
  G_OBJECT_CLASS (class)->finalize = finalize;
}

static void
mr_application_init (MrApplication *self)
{
}

/* --- Application --- */

GSettings *
mr_application_get_settings (MrApplication *application)
{
  return application->settings;
}

MrSharing *
mr_application_get_sharing (MrApplication *application)
{
  return application->sharing;
}

MrSecrets *
mr_application_get_secrets (MrApplication *application)
{
  return application->secrets;
}

MrTray *
mr_application_get_tray (MrApplication *application)
{
  return NULL;
}

/* --- Tray --- */

MrIndicatorClient *
mr_tray_get_client (MrTray *tray)
{
  return the_application->client;
}

const char *
mr_tray_icon_name (MrSharingState state)
{
  static const char *const names[] = {
    [MR_SHARING_DISCONNECTED] = "org.modelrelay.Desktop-disconnected-symbolic",
    [MR_SHARING_CONNECTING] = "org.modelrelay.Desktop-connecting-symbolic",
    [MR_SHARING_CONNECTED] = "org.modelrelay.Desktop-connected-symbolic",
    [MR_SHARING_RELAYING] = "org.modelrelay.Desktop-relaying-symbolic",
    [MR_SHARING_PAUSED] = "org.modelrelay.Desktop-paused-symbolic",
    [MR_SHARING_ERROR] = "org.modelrelay.Desktop-error-symbolic",
  };

  return names[state];
}

gboolean
mr_indicator_client_is_settled (MrIndicatorClient *client)
{
  return TRUE;
}

char *
mr_indicator_client_dup_problem (MrIndicatorClient *client)
{
  return g_strdup (window_stage.tray_problem);
}

/* --- Secrets --- */

MrSecretsState
mr_secrets_get_state (MrSecrets *secrets)
{
  return window_stage.secrets;
}

char *
mr_secrets_describe_state (MrSecrets *secrets)
{
  return g_strdup (window_stage.keyring_problem);
}

void
mr_secrets_load_async (MrSecrets *secrets, const char *const *relay_urls, gboolean unlock, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (secrets, cancellable, callback, user_data);

  g_assert_true (unlock);
  window_stage.secrets = MR_SECRETS_AVAILABLE;
  window_stage.keyring_problem = NULL;
  g_task_return_boolean (task, TRUE);
  g_signal_emit_by_name (secrets, "changed");
}

gboolean
mr_secrets_load_finish (MrSecrets *secrets, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Orders --- */

static void
order (const char *name)
{
  g_free (window_stage.last_order);
  window_stage.last_order = g_strdup (name);
}

void
mr_sharing_connect (MrSharing *sharing)
{
  order ("connect");
}

void
mr_sharing_disconnect (MrSharing *sharing)
{
  order ("disconnect");
}

void
mr_sharing_pause (MrSharing *sharing, gint64 until_unix)
{
  order ("pause");
  window_stage.pause = (MrPauseVerdict){ .reason = MR_PAUSE_BY_OWNER, .until_unix = until_unix };
}

void
mr_sharing_resume (MrSharing *sharing)
{
  order ("resume");
  window_stage.pause = (MrPauseVerdict){ .reason = MR_PAUSE_NONE };
}

void
mr_sharing_hand_back (MrSharing *sharing)
{
  order ("hand-back");
}

void
mr_sharing_refresh_models (MrSharing *sharing)
{
  order ("refresh-models");
}

void
mr_sharing_set_model_shared (MrSharing *sharing, const char *model, gboolean shared)
{
  order ("set-model-shared");
  if (shared) {
    g_hash_table_remove (window_stage.hidden, model);
  } else {
    g_hash_table_add (window_stage.hidden, g_strdup (model));
  }
}

/* --- How it is --- */

MrSharingState
mr_sharing_get_state (MrSharing *sharing)
{
  return window_stage.state;
}

gboolean
mr_sharing_is_wanted (MrSharing *sharing)
{
  return window_stage.wanted;
}

char *
mr_sharing_dup_headline (MrSharing *sharing)
{
  return g_strdup (window_stage.headline);
}

char *
mr_sharing_dup_details (MrSharing *sharing)
{
  return g_strdup (window_stage.details);
}

char *
mr_sharing_dup_config_problem (MrSharing *sharing)
{
  return g_strdup (window_stage.config_problem);
}

const MrPauseVerdict *
mr_sharing_get_pause (MrSharing *sharing)
{
  return &window_stage.pause;
}

MrWorker *
mr_sharing_get_worker (MrSharing *sharing)
{
  return window_stage.has_worker ? (MrWorker *) &window_stage : NULL;
}

gboolean
mr_sharing_is_model_shared (MrSharing *sharing, const char *model)
{
  return !g_hash_table_contains (window_stage.hidden, model);
}

void
mr_sharing_get_today (MrSharing *sharing, MrSharingToday *today)
{
  *today = window_stage.today;
}

double
mr_sharing_get_rate (MrSharing *sharing)
{
  return window_stage.rate;
}

const guint *
mr_sharing_get_history (MrSharing *sharing)
{
  return window_stage.history;
}

gint64
mr_pause_tomorrow (GDateTime *local)
{
  return g_date_time_to_unix (local) + 12 * 3600;
}

/* --- Worker --- */

gboolean
mr_worker_get_backend_is_up (MrWorker *worker)
{
  return window_stage.backend_is_up;
}

const char *const *
mr_worker_get_backend_models (MrWorker *worker)
{
  return window_stage.models;
}

void
mr_sharing_foreach_request (MrSharing *sharing, void (*visit) (const MrWorkerRequest *request, gpointer data),
                            gpointer data)
{
  for (guint i = 0; i < window_stage.n_requests; i++) {
    const StageRequest *request = &window_stage.requests[i];
    MrWorkerRequest shown = {
      .request_id = "id",
      .model = request->model,
      .relay_url = request->relay_url,
      .started_us = g_get_monotonic_time () - request->seconds * G_USEC_PER_SEC,
      .events = request->events,
    };

    visit (&shown, data);
  }
}

/* --- Script --- */

void
window_stage_reset (void)
{
  g_clear_pointer (&window_stage.hidden, g_hash_table_unref);
  g_free (window_stage.last_order);
  window_stage = (WindowStage){
    .headline = "Not set up yet",
    .details = "",
    .config_problem = "No relay is set.",
    .secrets = MR_SECRETS_AVAILABLE,
    .hidden = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
  };
}

void
window_stage_changed (void)
{
  g_signal_emit_by_name (the_application->sharing, "changed");
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
window_stage_serve (const char *first, ...)
{
  va_list names;
  guint n = 0;

  window_stage.wanted = TRUE;
  window_stage.has_worker = TRUE;
  window_stage.backend_is_up = TRUE;
  window_stage.config_problem = NULL;
  window_stage.state = MR_SHARING_CONNECTED;
  window_stage.headline = "Connected";
  window_stage.details = "Connected to https://relay.example.\nSharing the models of http://127.0.0.1:8000.";
  va_start (names, first);
  for (const char *name = first; name != NULL; name = va_arg (names, const char *))
    window_stage.models[n++] = name;
  va_end (names);
  window_stage.models[n] = NULL;
}

void
window_stage_run (const char *model, const char *relay_url, guint seconds, guint64 events)
{
  window_stage.requests[window_stage.n_requests++] =
      (StageRequest){ (char *) model, (char *) relay_url, seconds, events };
  window_stage.state = MR_SHARING_RELAYING;
  window_stage.headline = "Relaying";
}

MrApplication *
window_stage_new (void)
{
  g_autoptr (GtkCssProvider) provider = gtk_css_provider_new ();

  window_stage_reset ();
  the_application = g_object_new (MR_TYPE_APPLICATION, "application-id", MR_APPLICATION_ID, "flags",
                                  G_APPLICATION_NON_UNIQUE, "resource-base-path", "/org/modelrelay/Desktop", NULL);
  the_application->settings = g_settings_new (MR_APPLICATION_ID);
  the_application->sharing = g_object_new (MR_TYPE_SHARING, NULL);
  the_application->secrets = g_object_new (MR_TYPE_SECRETS, NULL);
  the_application->client = g_object_new (MR_TYPE_INDICATOR_CLIENT, NULL);
  g_assert_true (g_application_register (G_APPLICATION (the_application), NULL, NULL));
  mr_sharing_actions_add (G_ACTION_MAP (the_application), the_application->sharing);
  gtk_css_provider_load_from_resource (provider, "/org/modelrelay/Desktop/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (provider),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  return the_application;
}
