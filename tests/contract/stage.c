/* SPDX-License-Identifier: MIT */
/*
 * The stage of the contract tests; see stage.h.
 */
#include "stage.h"

#include <string.h>

static const char *server_path;
static const char *worker_path;

void
stage_init (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  server_path = argv[1];
  worker_path = argv[2];
}

const char *
stage_server_path (void)
{
  return server_path;
}

const char *
stage_worker_path (void)
{
  return worker_path;
}

static void
add_options (GPtrArray *argv, const char *option, va_list more)
{
  for (; option != NULL; option = va_arg (more, const char *))
    g_ptr_array_add (argv, (gpointer) option);
  g_ptr_array_add (argv, NULL);
}

StageRelay *
stage_relay (const char *option, ...)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  StageRelay *relay = g_new0 (StageRelay, 1);
  g_autofree char *line = NULL;
  va_list more;

  g_ptr_array_add (argv, (gpointer) server_path);
  g_ptr_array_add (argv, (gpointer) "--listen");
  g_ptr_array_add (argv, (gpointer) "127.0.0.1:0");
  va_start (more, option);
  add_options (argv, option, more);
  va_end (more);
  relay->process = mrt_process_start ((const char *const *) argv->pdata, env);
  line = mrt_process_wait_log (relay->process, "listening address=127.0.0.1:");
  relay->port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
  return relay;
}

void
stage_relay_free (StageRelay *relay)
{
  if (relay == NULL)
    return;
  mrt_process_free (relay->process);
  g_free (relay);
}

MrtProcess *
stage_worker (guint16 relay_port, guint16 backend_port, const char *option, ...)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  g_autofree char *proxy_url = g_strdup_printf ("http://127.0.0.1:%u", relay_port);
  g_autofree char *backend_url = g_strdup_printf ("http://127.0.0.1:%u", backend_port);
  const char *fixed[] = { worker_path, "--proxy-url", proxy_url, "--backend-url", backend_url };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  va_list more;

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, (gpointer) fixed[i]);
  va_start (more, option);
  add_options (argv, option, more);
  va_end (more);
  return mrt_process_start ((const char *const *) argv->pdata, env);
}

MrtWebsocket *
stage_join (StageRelay *relay, const char *name, const char *models, guint max_concurrent)
{
  return mrt_worker_join (relay->port, STAGE_SECRET, name, models, max_concurrent);
}

MrtStream *
stage_post (StageRelay *relay, const char *body)
{
  return mrt_client_open (relay->port, "POST", STAGE_CHAT, NULL, body);
}

void
stage_serve (MrtWebsocket *worker, const char *body)
{
  g_autofree char *id = mrt_worker_take (worker);

  mrt_worker_complete (worker, id, 200, "{\"content-type\":\"application/json\"}", body);
}

char *
stage_expect_body (MrtWebsocket *worker, const char *body)
{
  g_autoptr (JsonObject) request = mrt_websocket_expect (worker, "request");

  g_assert_cmpstr (mrt_json_string (request, "body"), ==, body);
  return g_strdup (mrt_json_string (request, "request_id"));
}

void
stage_wait_health (StageRelay *relay, const char *member, gint64 value, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;
  gint64 seen;

  do {
    g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, "GET", "/health", NULL, NULL);
    g_autoptr (JsonObject) health = mrt_json_parse (response->body.data->str);

    seen = mrt_json_int (health, member);
    if (seen == value)
      return;
    g_usleep (2000);
  } while (mrt_now_ms () < deadline);
  g_error ("%s did not become %" G_GINT64_FORMAT " in %d ms; it is %" G_GINT64_FORMAT, member, value, timeout_ms, seen);
}

void
stage_check_ok (MrtResponse *response, const char *body)
{
  mrt_body_finish (&response->body, MRT_WAIT_MS);
  g_assert_cmpstr (response->body.data->str, ==, body);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
}

/* What holds for every error that the relay makes itself. */
static JsonObject *
check_own_error (MrtResponse *response, guint status)
{
  const char *type;
  JsonObject *body;

  mrt_body_finish (&response->body, MRT_WAIT_MS);
  if (response->status != status)
    g_error ("expected status %u, got %u: %s", status, response->status, response->body.data->str);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
  type = mrt_head_get (response->head, "content-type");
  g_assert_true (type != NULL && g_str_has_prefix (type, "application/json"));
  g_assert_cmpstr (mrt_head_get (response->head, "x-content-type-options"), ==, "nosniff");
  g_assert_nonnull (mrt_head_get (response->head, "x-request-id"));
  g_assert_null (strstr (response->body.data->str, "127.0.0.1"));
  g_assert_null (strstr (response->body.data->str, STAGE_SECRET));
  body = mrt_json_parse (response->body.data->str);
  g_assert_cmpuint (strlen (mrt_json_string (body, "error.message")), >, 0);
  g_assert_cmpuint (strlen (mrt_json_string (body, "error.type")), >, 0);
  return body;
}

char *
stage_check_error (MrtResponse *response, guint status, const char *code)
{
  g_autoptr (JsonObject) body = check_own_error (response, status);

  g_assert_cmpstr (mrt_json_string (body, "error.code"), ==, code);
  g_assert_true (mrt_json_has (body, "error.param"));
  return g_strdup (mrt_json_string (body, "error.message"));
}

void
stage_check_anthropic_error (MrtResponse *response, guint status, const char *type)
{
  g_autoptr (JsonObject) body = check_own_error (response, status);

  g_assert_cmpstr (mrt_json_string (body, "type"), ==, "error");
  g_assert_cmpstr (mrt_json_string (body, "error.type"), ==, type);
  g_assert_cmpstr (mrt_json_string (body, "request_id"), ==, mrt_head_get (response->head, "x-request-id"));
}
