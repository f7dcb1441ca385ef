/* SPDX-License-Identifier: MIT */
/*
 * What the Test buttons say, against a real relay, a demonstration backend, and what is neither.
 *   test-connection-test RELAY BACKEND
 */
#include "connection-test.h"

#include "relay-stage.h"
#include "scripted-backend.h"

#include <string.h>

static const char *relay_path;
static const char *backend_path;

typedef struct {
  gboolean over;
  char *good;
  GError *error;
  char **models;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_free (outcome->good);
  g_clear_error (&outcome->error);
  g_strfreev (outcome->models);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
on_relay (GObject *source, GAsyncResult *result, gpointer data)
{
  Outcome *outcome = data;
  outcome->good = mr_test_relay_finish (result, &outcome->error);
  outcome->over = TRUE;
}

static void
on_backend (GObject *source, GAsyncResult *result, gpointer data)
{
  Outcome *outcome = data;
  outcome->good = mr_test_backend_finish (result, &outcome->models, &outcome->error);
  outcome->over = TRUE;
}

static void
wait_over (Outcome *outcome)
{
  while (!outcome->over) {
    g_main_context_iteration (NULL, TRUE);
  }
}

/* @about: a part of the sentence; @good: whether it is to work */
static void
check_relay (const MrRelayTest *test, gboolean good, const char *about)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_auto (Outcome) outcome = { 0 };
  mr_test_relay_async (reactor, test, NULL, on_relay, &outcome);
  wait_over (&outcome);
  const char *sentence = outcome.good != NULL ? outcome.good : outcome.error->message;
  if ((outcome.good != NULL) != good || strstr (sentence, about) == NULL) {
    g_error ("%s", sentence);
  }
  if (*test->secret != '\0') {
    g_assert_null (strstr (sentence, test->secret));
  }
}

static void
check_backend (const char *url, gboolean good, const char *about)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_auto (Outcome) outcome = { 0 };
  mr_test_backend_async (reactor, url, NULL, on_backend, &outcome);
  wait_over (&outcome);
  const char *sentence = outcome.good != NULL ? outcome.good : outcome.error->message;
  if ((outcome.good != NULL) != good || strstr (sentence, about) == NULL) {
    g_error ("%s", sentence);
  }
  g_assert_cmpint (outcome.models != NULL, ==, good);
}

/* (transfer full): an address at which nobody listens. */
static char *
dead_url (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  return g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (backend));
}

static void
test_relay (void)
{
  g_autoptr (RelayStageProgram) relay = relay_stage_relay (relay_path, NULL);
  g_autoptr (MrtBackend) other = mrt_backend_new ();
  g_autofree char *other_url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (other));
  g_autofree char *nobody = dead_url ();

  check_relay (&(MrRelayTest){ relay->url, RELAY_STAGE_SECRET, "local", NULL, NULL }, TRUE, "accepts this machine");
  check_relay (&(MrRelayTest){ relay->url, RELAY_STAGE_SECRET, "local", "", "my machine" }, TRUE, "accepts");
  check_relay (&(MrRelayTest){ relay->url, "wrong-secret", "local", NULL, NULL }, FALSE, "refuses");
  check_relay (&(MrRelayTest){ other_url, RELAY_STAGE_SECRET, "local", NULL, NULL }, FALSE, "not a relay");
  check_relay (&(MrRelayTest){ nobody, RELAY_STAGE_SECRET, "local", NULL, NULL }, FALSE, "Nothing answers");
  check_relay (&(MrRelayTest){ "http://nowhere.invalid", RELAY_STAGE_SECRET, "local", NULL, NULL }, FALSE,
               "no computer named “nowhere.invalid”");
}

static void
test_relay_fields (void)
{
  check_relay (&(MrRelayTest){ "relay", "sesame-4711", "local", NULL, NULL }, FALSE, "begin with");
  check_relay (&(MrRelayTest){ "http://127.0.0.1:1", "", "local", NULL, NULL }, FALSE, "Enter the worker secret");
  check_relay (&(MrRelayTest){ "http://127.0.0.1:1", "secret", "", NULL, NULL }, FALSE, "provider");
}

static void
test_backend (void)
{
  g_autoptr (RelayStageProgram) backend = relay_stage_backend (backend_path);
  g_autoptr (MrtBackend) empty = mrt_backend_new ();
  g_autofree char *empty_url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (empty));
  g_autofree char *nobody = dead_url ();

  mrt_backend_set_models (empty, "");
  mrt_backend_set_answer (empty, "/v1/models", "{\"data\":[]}");
  check_backend (backend->url, TRUE, "1 model.");
  check_backend (empty_url, FALSE, "no models");
  check_backend (nobody, FALSE, "No model server answers");
  check_backend ("127.0.0.1", FALSE, "begin with");
}

static void
test_cancelled (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (RelayStageProgram) relay = relay_stage_relay (relay_path, NULL);
  const MrRelayTest test = { relay->url, RELAY_STAGE_SECRET, "local", NULL, NULL };
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) backend_outcome = { 0 };

  mr_test_relay_async (reactor, &test, cancellable, on_relay, &outcome);
  mr_test_backend_async (reactor, relay->url, cancellable, on_backend, &backend_outcome);
  g_cancellable_cancel (cancellable);
  wait_over (&outcome);
  wait_over (&backend_outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_error (backend_outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  relay_path = argv[1];
  backend_path = argv[2];
  g_test_add_func ("/contract/L2/test-relay", test_relay);
  g_test_add_func ("/contract/L2/test-relay-fields", test_relay_fields);
  g_test_add_func ("/contract/L2/test-backend", test_backend);
  g_test_add_func ("/contract/L2/test-cancelled", test_cancelled);
  return g_test_run ();
}
