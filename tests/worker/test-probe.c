/* SPDX-License-Identifier: MIT */
/*
 * Trying out a relay and a backend (contract L2, "a Test button says what is wrong"). With the relay's program as
 * argument the real one is tried, too.
 */
#include "probe.h"

#include "error.h"
#include "process.h"
#include "raw-client.h"
#include "scripted-backend.h"
#include "scripted-relay.h"

#include <string.h>
#include <unistd.h>

#define SECRET "probe-secret"

static const char *server_path;

static guint16
free_port (void)
{
  guint16 port;

  close (mrt_listen (&port));
  return port;
}

static MrWorkerConfig *
make_config (const char *relay_url, guint16 backend_port, const char *option)
{
  g_autofree char *backend = g_strdup_printf ("--backend-url=http://127.0.0.1:%u", backend_port);
  const char *const argv[] = {
    "w", "--worker-secret=" SECRET, "--worker-name=w", "--proxy-url", relay_url, backend, option, NULL
  };
  const char *const environment[] = { NULL };
  g_autoptr (GError) error = NULL;
  MrOptionsAction action;
  MrWorkerConfig *config = mr_worker_config_new_from_args (argv, environment, &action, &error);

  g_assert_no_error (error);
  return config;
}

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static void
wait_result (GAsyncResult **result)
{
  while (*result == NULL) {
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
free_reactor (MrReactor *reactor)
{
  while (mr_reactor_get_lingering (reactor) > 0 || g_main_context_pending (NULL)) {
    g_main_context_iteration (NULL, TRUE);
  }
  mr_reactor_free (reactor);
}

/* What a probe of @url says. */
static MrRelayFailure
probe (const char *url, GError **error)
{
  MrReactor *reactor = mr_reactor_new (NULL);
  g_autoptr (MrWorkerConfig) config = make_config (url, 1, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  MrRelayFailure failure;

  mr_probe_relay_async (reactor, config, 0, NULL, on_result, &result);
  wait_result (&result);
  gboolean taken = mr_probe_relay_finish (result, &failure, error);
  g_assert_cmpint (taken, ==, failure == MR_RELAY_FAILURE_NONE);
  free_reactor (reactor);
  return failure;
}

static MrRelayFailure
probe_port (guint16 port, const char *text)
{
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (GError) error = NULL;
  MrRelayFailure failure = probe (url, &error);

  g_test_message ("%s", error != NULL ? error->message : "taken");
  if (text != NULL) {
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, text));
    g_assert_null (strstr (error->message, SECRET));
  } else {
    g_assert_no_error (error);
  }
  return failure;
}

/* --- relays in a thread, played by hand --- */

static gpointer
take (gpointer data)
{
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (data, MRT_WAIT_MS);
  g_autoptr (JsonObject) registration = mrt_websocket_expect (link, "register");
  g_autofree char *models = mrt_json_strings (registration, "models");

  g_assert_cmpstr (mrt_head_get (link->handshake, "x-worker-secret"), ==, SECRET);
  g_assert_cmpstr (mrt_json_string (registration, "worker_name"), ==, "w (test)");
  g_assert_cmpstr (models, ==, "");
  mrt_websocket_send (link, "{\"type\":\"register_ack\",\"worker_id\":\"w-1\",\"models\":[]}");
  mrt_websocket_expect_close (link, 1000, NULL);
  return NULL;
}

static gpointer
refuse (gpointer data)
{
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (data, MRT_WAIT_MS);

  mrt_websocket_close (link, 1008, "worker authentication failed");
  mrt_websocket_expect_close (link, 1008, NULL);
  return NULL;
}

static gpointer
babble (gpointer data)
{
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (data, MRT_WAIT_MS);

  mrt_websocket_send (link, "{\"type\":\"ping\"}");
  mrt_websocket_expect_close (link, 1002, NULL);
  return NULL;
}

static gpointer
vanish (gpointer data)
{
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (data, MRT_WAIT_MS);

  mrt_stream_reset (link->stream);
  return NULL;
}

static MrRelayFailure
probe_played (GThreadFunc play, const char *text)
{
  g_autoptr (MrtRelay) relay = mrt_relay_new ();
  GThread *thread = g_thread_new ("relay", play, relay);
  MrRelayFailure failure = probe_port (relay->port, text);

  g_thread_join (thread);
  return failure;
}

static void
test_relay (void)
{
  g_autoptr (MrtBackend) web_server = mrt_backend_new ();

  g_assert_cmpint (probe_played (take, NULL), ==, MR_RELAY_FAILURE_NONE);
  g_assert_cmpint (probe_played (refuse, "wrong worker secret"), ==, MR_RELAY_FAILURE_REFUSED);
  g_assert_cmpint (probe_played (babble, "before register_ack"), ==, MR_RELAY_FAILURE_NOT_A_RELAY);
  g_assert_cmpint (probe_played (vanish, "lost"), ==, MR_RELAY_FAILURE_NOT_A_RELAY);
  g_assert_cmpint (probe_port (mrt_backend_get_port (web_server), "404"), ==, MR_RELAY_FAILURE_NOT_A_RELAY);
  g_assert_cmpint (probe_port (free_port (), "refused"), ==, MR_RELAY_FAILURE_CONNECT);
}

/* A label of more than 63 bytes is in no DNS: nobody is asked for it. */
static void
test_name (void)
{
  g_autofree char *label = g_strnfill (64, 'a');
  g_autofree char *url = g_strdup_printf ("http://%s", label);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (probe (url, &error), ==, MR_RELAY_FAILURE_NAME);
  g_assert_nonnull (error);
}

static gboolean
on_idle (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;
}

static void
test_cancel (void)
{
  g_autoptr (MrtRelay) silent = mrt_relay_new ();
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", silent->port);
  g_autoptr (MrWorkerConfig) config = make_config (url, silent->port, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) relay = NULL;
  g_autoptr (GAsyncResult) backend = NULL;
  g_autoptr (GError) error = NULL;
  MrReactor *reactor = mr_reactor_new (NULL);
  MrRelayFailure failure;

  mr_probe_relay_async (reactor, config, 0, cancellable, on_result, &relay);
  mr_probe_backend_async (reactor, config, cancellable, on_result, &backend);
  g_idle_add (on_idle, cancellable);
  wait_result (&relay);
  wait_result (&backend);
  g_assert_false (mr_probe_relay_finish (relay, &failure, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (failure, ==, MR_RELAY_FAILURE_NONE);
  g_clear_error (&error);
  g_assert_null (mr_probe_backend_finish (backend, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  free_reactor (reactor);
}

/* --- a backend --- */

static char *
probe_backend (guint16 port, const char *option, GError **error)
{
  MrReactor *reactor = mr_reactor_new (NULL);
  g_autoptr (MrWorkerConfig) config = make_config ("http://127.0.0.1:1", port, option);
  g_autoptr (GAsyncResult) result = NULL;

  mr_probe_backend_async (reactor, config, NULL, on_result, &result);
  wait_result (&result);
  g_auto (GStrv) models = mr_probe_backend_finish (result, error);
  free_reactor (reactor);
  return models != NULL ? g_strjoinv ("|", models) : NULL;
}

static void
test_backend (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autoptr (GError) error = NULL;

  mrt_backend_set_models (backend, "a,b");
  g_autofree char *listed = probe_backend (mrt_backend_get_port (backend), NULL, &error);
  g_assert_cmpstr (listed, ==, "a|b");
  g_autofree char *named = probe_backend (mrt_backend_get_port (backend), "--models=x", &error);
  g_assert_cmpstr (named, ==, "a|b");
  mrt_backend_set_answer (backend, "/v1/models", NULL);
  g_autofree char *none = probe_backend (mrt_backend_get_port (backend), NULL, &error);
  g_assert_cmpstr (none, ==, "");
  g_assert_no_error (error);
  g_assert_null (probe_backend (free_port (), NULL, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_BACKEND_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "refused"));
}

/* --- the real relay --- */

static void
test_real_relay (void)
{
  const char *const argv[] = { server_path, "--listen",      "127.0.0.1:0", "--worker-secret",
                               SECRET,      "--admin-token", "t",           NULL };
  g_autoptr (MrtProcess) process = mrt_process_start (argv, NULL);
  g_autofree char *line = mrt_process_wait_log (process, "127.0.0.1:");
  guint16 port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);

  g_assert_cmpint (probe_port (port, NULL), ==, MR_RELAY_FAILURE_NONE);
  g_autofree char *log = mrt_process_wait_log (process, "w (test)");
  g_autoptr (MrtResponse) workers = mrt_client_ask (port, "GET", "/admin/workers", "Authorization: Bearer t\r\n", NULL);
  g_assert_cmpuint (workers->status, ==, 200);
  g_assert_null (strstr (workers->body.data->str, "(test)"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L2/probe-relay", test_relay);
  g_test_add_func ("/contract/L2/probe-name", test_name);
  g_test_add_func ("/contract/L2/probe-cancel", test_cancel);
  g_test_add_func ("/contract/L2/probe-backend", test_backend);
  if (argc > 1) {
    server_path = argv[1];
    g_test_add_func ("/contract/L2/probe-real-relay", test_real_relay);
  }
  return g_test_run ();
}
