/* SPDX-License-Identifier: MIT */
/*
 * The stage of sharing-stage.h.
 */
#include "sharing-stage.h"

#include "json-text.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *relay_path;

typedef struct {
  Stage *stage;
  const char *condition;
  gint64 deadline_us;
} Watchdog;

static gboolean
on_watch (gpointer data)
{
  Watchdog *watchdog = data;

  if (g_get_monotonic_time () > watchdog->deadline_us) {
    MrSharing *sharing = watchdog->stage->sharing;
    g_autofree char *headline = sharing != NULL ? mr_sharing_dup_headline (sharing) : NULL;
    g_autofree char *details = sharing != NULL ? mr_sharing_dup_details (sharing) : NULL;
    g_error ("this did not come: %s; the headline is \"%s\", the details are \"%s\"", watchdog->condition, headline,
             details);
  }
  return G_SOURCE_CONTINUE;
}

guint
stage_watch (Stage *stage, const char *condition)
{
  Watchdog *watchdog = g_new0 (Watchdog, 1);

  watchdog->stage = stage;
  watchdog->condition = condition;
  watchdog->deadline_us = g_get_monotonic_time () + 2 * MRT_WAIT_MS * 1000;
  return g_timeout_add_full (G_PRIORITY_DEFAULT, 100, on_watch, watchdog, g_free);
}

/* --- threads --- */

typedef struct {
  GThreadFunc func;
  gpointer data;
  gpointer result;
  gint over;
} Errand;

static gpointer
run_errand (gpointer data)
{
  Errand *errand = data;

  errand->result = errand->func (errand->data);
  g_atomic_int_set (&errand->over, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

static gpointer
send_out (GThreadFunc func, gpointer data)
{
  Errand errand = { .func = func, .data = data };
  GThread *thread = g_thread_new ("errand", run_errand, &errand);

  while (!g_atomic_int_get (&errand.over)) {
    g_main_context_iteration (NULL, TRUE);
  }
  g_thread_join (thread);
  return errand.result;
}

static gpointer
accept_request (gpointer backend)
{
  return mrt_backend_accept (backend);
}

MrtBackendRequest *
stage_accept (Stage *stage)
{
  return send_out (accept_request, stage->backend);
}

static gpointer
receive (gpointer stream)
{
  return mrt_client_receive (stream);
}

MrtResponse *
stage_receive (MrtStream *client)
{
  return send_out (receive, client);
}

typedef struct {
  MrtBackendRequest *request;
  int timeout_ms;
} Gone;

static gpointer
wait_gone (gpointer data)
{
  Gone *gone = data;

  return GINT_TO_POINTER (mrt_backend_wait_gone (gone->request, gone->timeout_ms));
}

gboolean
stage_is_gone (MrtBackendRequest *request, int timeout_ms)
{
  Gone gone = { request, timeout_ms };

  return GPOINTER_TO_INT (send_out (wait_gone, &gone));
}

/* --- the relay --- */

void
stage_start_relay (Stage *stage)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", stage->port);
  const char *const argv[] = { relay_path, "--listen", address, NULL };

  stage->relay = mrt_process_start (argv, env);
  g_autofree char *line = mrt_process_wait_log (stage->relay, "listening address=127.0.0.1:");
  stage->port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
}

void
stage_start_backend (Stage *stage)
{
  g_autofree char *url = NULL;

  stage->backend = mrt_backend_new ();
  url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (stage->backend));
  g_settings_set_string (stage->settings, "backend-url", url);
}

void
stage_stop_relay (Stage *stage)
{
  g_clear_pointer (&stage->relay, mrt_process_free);
}

MrtStream *
stage_post (Stage *stage, const char *body)
{
  return mrt_client_open (stage->port, "POST", "/v1/chat/completions", NULL, body);
}

/* (transfer full) */
static JsonObject *
ask_relay (Stage *stage, const char *target)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (stage->port, "GET", target, NULL, NULL);

  return mrt_json_parse (response->body.data->str);
}

guint
stage_count_workers (Stage *stage)
{
  g_autoptr (JsonObject) health = ask_relay (stage, "/health");

  return (guint) mrt_json_int (health, "workers_connected");
}

guint
stage_count_models (Stage *stage)
{
  g_autoptr (JsonObject) models = ask_relay (stage, "/v1/models");

  return json_array_get_length (json_object_get_array_member (models, "data"));
}

/* --- sharing --- */

static void
on_relay_event (MrSharing *sharing, guint event, const char *url, gpointer data)
{
  Stage *stage = data;

  g_assert_cmpuint (event, <, G_N_ELEMENTS (stage->events));
  stage->events[event]++;
}

static void
on_changed (MrSharing *sharing, gpointer data)
{
  Stage *stage = data;

  stage->changed++;
}

void
stage_start_sharing (Stage *stage)
{
  g_autofree char *state_dir = g_build_filename (stage->directory, "state", "modelrelay", NULL);

  stage->conditions = mr_conditions_new ();
  stage->sharing = mr_sharing_new (stage->reactor, stage->settings, stage->secrets, stage->conditions, state_dir);
  g_signal_connect (stage->sharing, "relay-event", G_CALLBACK (on_relay_event), stage);
  g_signal_connect (stage->sharing, "changed", G_CALLBACK (on_changed), stage);
}

void
stage_stop_sharing (Stage *stage)
{
  g_assert_finalize_object (g_steal_pointer (&stage->sharing));
  g_assert_finalize_object (g_steal_pointer (&stage->conditions));
}

static void
reset_settings (GSettings *settings)
{
  g_autoptr (GSettingsSchema) schema = NULL;
  g_object_get (settings, "settings-schema", &schema, NULL);
  g_auto (GStrv) keys = g_settings_schema_list_keys (schema);

  for (char **key = keys; *key != NULL; key++) {
    g_settings_reset (settings, *key);
  }
}

void
stage_set_relay (Stage *stage, const char *url)
{
  const char *const relays[] = { url, NULL };

  g_settings_set_strv (stage->settings, "relays", relays);
}

void
stage_store_secret (Stage *stage, const char *url, const char *secret)
{
  mr_secrets_store_async (stage->secrets, url, secret, NULL, NULL, NULL);
}

gboolean
stage_details_have (Stage *stage, const char *text)
{
  g_autofree char *details = mr_sharing_dup_details (stage->sharing);

  return strstr (details, text) != NULL;
}

void
stage_init (int argc, char **argv)
{
  g_setenv ("GSETTINGS_BACKEND", "memory", TRUE);
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  relay_path = argv[1];
}

Stage *
stage_new (void)
{
  Stage *stage = g_new0 (Stage, 1);

  stage_start_relay (stage);
  stage->url = g_strdup_printf ("http://127.0.0.1:%u", stage->port);
  stage->directory = g_dir_make_tmp ("mr-sharing-XXXXXX", NULL);
  stage->reactor = mr_reactor_new (NULL);
  stage->settings = g_settings_new ("org.modelrelay.Desktop");
  reset_settings (stage->settings);
  stage_start_backend (stage);
  g_settings_set_int (stage->settings, "poll-interval", 1);
  g_settings_set_int (stage->settings, "max-concurrency", 16);
  stage->secrets = mr_secrets_new ();
  stage_start_sharing (stage);
  return stage;
}

Stage *
stage_new_connected (void)
{
  Stage *stage = stage_new ();

  stage_set_relay (stage, stage->url);
  stage_store_secret (stage, stage->url, STAGE_SECRET);
  mr_sharing_connect (stage->sharing);
  stage_wait_state (stage, CONNECTED);
  return stage;
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    remove_all (child);
  }
  g_assert_cmpint (g_remove (path), ==, 0);
}

void
stage_free (Stage *stage)
{
  if (stage->sharing != NULL) {
    stage_stop_sharing (stage);
  }
  /* Last words go out, and cancelled operations come back. */
  stage_wait_until (stage, mr_reactor_get_lingering (stage->reactor) == 0 && !g_main_context_pending (NULL) &&
                               G_OBJECT (stage->secrets)->ref_count == 1);
  g_assert_finalize_object (stage->secrets);
  g_object_unref (stage->settings);
  mr_reactor_free (stage->reactor);
  mrt_process_free (stage->relay);
  g_clear_pointer (&stage->backend, mrt_backend_free);
  remove_all (stage->directory);
  g_free (stage->directory);
  g_free (stage->url);
  g_free (stage);
}
