/* SPDX-License-Identifier: MIT */
/*
 * Looking for model servers: who is one, of which kind, and who is none (contract L2).
 */
#include "backend-finder.h"

#include "limits.h"
#include "scripted-backend.h"
#include "scripted-relay.h"

#include <string.h>
#include <unistd.h>

typedef struct {
  MrReactor *reactor;
  GAsyncResult *result;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->reactor = mr_reactor_new (NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->result);
  while (g_main_context_pending (NULL)) {
    g_main_context_iteration (NULL, FALSE);
  }
  mr_reactor_free (fixture->reactor);
}

static void
on_result (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *fixture = data;
  fixture->result = g_object_ref (result);
}

/* (transfer full): "kind: model|model" of each backend, a line each */
static char *
find (Fixture *fixture, const guint16 *ports)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_clear_object (&fixture->result);
  mr_find_backends_async (fixture->reactor, ports, NULL, on_result, fixture);
  while (fixture->result == NULL) {
    g_main_context_iteration (NULL, TRUE);
  }
  g_autoptr (GPtrArray) found = mr_find_backends_finish (fixture->result, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < found->len; i++) {
    MrFoundBackend *backend = g_ptr_array_index (found, i);
    g_autofree char *models = g_strjoinv ("|", backend->models);

    g_assert_true (g_str_has_prefix (backend->url, "http://127.0.0.1:"));
    g_string_append_printf (text, "%s: %s\n", backend->kind, models);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
check_one (Fixture *fixture, MrtBackend *backend, const char *expected)
{
  const guint16 ports[] = { mrt_backend_get_port (backend), 0 };
  g_autofree char *found = find (fixture, ports);

  g_assert_cmpstr (found, ==, expected);
}

static void
test_kinds (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *path;
    const char *answer;
    const char *found;
  } cases[] = {
    { "/api/version", "{\"version\":\"0.5.1\"}", "Ollama: m\n" },
    { "/props", "{\"default_generation_settings\":{},\"total_slots\":1}", "llama-server: m\n" },
    { "/api/v0/models", "{\"data\":[]}", "LM Studio: m\n" },
    { "/version", "{\"version\":\"0.6\"}", "vLLM: m\n" },
    { "/else", "{}", "model server: m\n" },
    /* LM Studio answers 200 to whatever it does not know. */
    { "/props", "{\"error\":\"Unexpected endpoint\"}", "model server: m\n" },
    { "/health", "{\"status\":\"ok\"}", "model server: m\n" },
    { "/health", "{\"status\":\"ok\",\"workers_connected\":0}", "" },
    { "/props", "<html></html>", "model server: m\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (MrtBackend) backend = mrt_backend_new ();

    g_test_message ("%s %s", cases[i].path, cases[i].answer);
    mrt_backend_set_answer (backend, cases[i].path, cases[i].answer);
    check_one (fixture, backend, cases[i].found);
  }
}

static void
test_lists (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();

  mrt_backend_set_models (backend, "a,b");
  check_one (fixture, backend, "model server: a|b\n");
  mrt_backend_set_answer (backend, "/v1/models", NULL);
  check_one (fixture, backend, ""); /* a web server */
  mrt_backend_set_answer (backend, "/api/tags", "{\"models\":[{\"name\":\"llama3.2:3b\"}]}");
  check_one (fixture, backend, "model server: llama3.2:3b\n");
  mrt_backend_set_answer (backend, "/api/tags", NULL);
  mrt_backend_set_answer (backend, "/version", "{\"version\":\"0.6\"}"); /* it wants a key for its models */
  check_one (fixture, backend, "vLLM: \n");
}

static void
test_order (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrtBackend) first = mrt_backend_new ();
  g_autoptr (MrtBackend) second = mrt_backend_new ();
  guint16 nobody;
  close (mrt_listen (&nobody));
  const guint16 ports[] = { mrt_backend_get_port (second), nobody, mrt_backend_get_port (first), 0 };

  mrt_backend_set_models (first, "one");
  mrt_backend_set_models (second, "two");
  g_autofree char *found = find (fixture, ports);
  g_assert_cmpstr (found, ==, "model server: two\nmodel server: one\n");
}

/* A port that takes connections and says nothing does not keep the others. */
static void
test_deadline (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrtRelay) silent = mrt_relay_new ();
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  const guint16 ports[] = { silent->port, mrt_backend_get_port (backend), 0 };
  gint64 start = g_get_monotonic_time ();

  g_autofree char *found = find (fixture, ports);
  gint64 took = g_get_monotonic_time () - start;
  g_assert_cmpstr (found, ==, "model server: m\n");
  g_assert_cmpint (took, >=, MR_LIMIT_FIND_BACKENDS_USEC);
  g_assert_cmpint (took, <, 3 * MR_LIMIT_FIND_BACKENDS_USEC);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrtRelay) silent = mrt_relay_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  const guint16 ports[] = { silent->port, 0 };

  mr_find_backends_async (fixture->reactor, ports, cancellable, on_result, fixture);
  g_cancellable_cancel (cancellable);
  while (fixture->result == NULL) {
    g_main_context_iteration (NULL, TRUE);
  }
  g_assert_null (mr_find_backends_finish (fixture->result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/contract/L2/find-kinds", Fixture, NULL, set_up, test_kinds, tear_down);
  g_test_add ("/contract/L2/find-lists", Fixture, NULL, set_up, test_lists, tear_down);
  g_test_add ("/contract/L2/find-order", Fixture, NULL, set_up, test_order, tear_down);
  g_test_add ("/contract/L2/find-deadline", Fixture, NULL, set_up, test_deadline, tear_down);
  g_test_add ("/contract/L2/find-cancel", Fixture, NULL, set_up, test_cancel, tear_down);
  return g_test_run ();
}
