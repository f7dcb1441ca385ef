/* SPDX-License-Identifier: MIT */
/*
 * Discovery as a relay sees it: which models and how many slots a worker registers for what its backend answers, and
 * what it says when that changes.
 */
#include "harness.h"

typedef struct {
  MrtRelay *relay;
  MrtBackend *backend;
} Stage;

static Stage
stage_open (void)
{
  return (Stage){ mrt_relay_new (), mrt_backend_new () };
}

static void
stage_close (Stage *stage)
{
  mrt_backend_free (stage->backend);
  mrt_relay_free (stage->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_close)

/* (transfer full): the models of a register or an update, with its load or capacity checked by the caller. */
static char *
take_models (MrtWebsocket *link, const char *type)
{
  g_autoptr (JsonObject) message = mrt_websocket_expect (link, type);

  return mrt_json_strings (message, "models");
}

static void
check_registered (Stage *stage, const char *option, const char *models, const char *status)
{
  g_autoptr (Harness) harness = harness_new_between (stage->relay, stage->backend, option);
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (stage->relay, MRT_WAIT_MS);
  g_autofree char *registered = take_models (link, "register");

  g_assert_cmpstr (registered, ==, models);
  harness_wait_status (harness, status);
}

static void
test_listed (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_models (stage.backend, "a,b");
  check_registered (&stage, NULL, "a|b", "backend lists 2 models");
}

static void
test_explicit (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_answer (stage.backend, "/v1/models", NULL);
  check_registered (&stage, "--models=x/y,z:7b", "x/y|z:7b", "backend answers");
}

static void
test_ollama (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_answer (stage.backend, "/api/tags", "{\"models\":[{\"name\":\"llama3.2:3b\"}]}");
  mrt_backend_set_answer (stage.backend, "/v1/models", NULL);
  check_registered (&stage, NULL, "llama3.2:3b", "backend lists 1 models");
  mrt_backend_set_answer (stage.backend, "/v1/models", "{\"object\":\"list\",\"data\":[]}");
  check_registered (&stage, NULL, "llama3.2:3b", "backend lists 1 models");
}

static void
test_cannot_say (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_answer (stage.backend, "/v1/models", NULL);
  check_registered (&stage, NULL, "*", "backend does not list its models");
  mrt_backend_set_answer (stage.backend, "/v1/models", "<html></html>");
  check_registered (&stage, NULL, "*", "backend does not list its models");
}

static void
test_empty_list (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_answer (stage.backend, "/v1/models", "{\"data\":[]}");
  check_registered (&stage, NULL, "", "backend lists 0 models");
}

/* Also with http_proxy set, which is not for a backend next door. */
static void
test_down (void)
{
  g_auto (Stage) stage = stage_open ();
  g_autofree char *url = g_strdup_printf ("--backend-url=http://127.0.0.1:%u", harness_free_port ());

  check_registered (&stage, url, "", "refused");
}

static void
test_changes_are_reported (void)
{
  g_auto (Stage) stage = stage_open ();
  g_autoptr (Harness) harness = harness_new_between (stage.relay, stage.backend, NULL);
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (stage.relay, NULL);

  harness_wait_state (harness, MR_WORKER_CONNECTED);
  mrt_backend_set_models (stage.backend, "m,n");
  harness_call (harness, mr_worker_refresh_models);
  g_autofree char *more = take_models (link, "models_update");
  g_assert_cmpstr (more, ==, "m|n");

  mrt_backend_set_models (stage.backend, "n");
  mrt_websocket_send (link, "{\"type\":\"models_refresh\",\"reason\":\"test\"}");
  g_autofree char *less = take_models (link, "models_update");
  g_assert_cmpstr (less, ==, "n");

  /* Nothing new is not said. */
  mrt_websocket_send (link, "{\"type\":\"models_refresh\"}");
  g_assert_true (mrt_websocket_is_quiet (link, MRT_QUIET_MS));
}

static void
test_polls (void)
{
  g_auto (Stage) stage = stage_open ();
  g_autoptr (Harness) harness = harness_new_between (stage.relay, stage.backend, "--poll-interval=1");
  g_autoptr (MrtWebsocket) link = mrt_relay_welcome (stage.relay, NULL);

  mrt_backend_set_models (stage.backend, "later");
  g_autofree char *models = take_models (link, "models_update");
  g_assert_cmpstr (models, ==, "later");
  g_clear_pointer (&stage.backend, mrt_backend_free);
  g_autofree char *none = take_models (link, "models_update");
  g_assert_cmpstr (none, ==, "");
  harness_wait_status (harness, "refused");
  harness_wait_state (harness, MR_WORKER_CONNECTED);
}

static gint64
take_capacity (MrtWebsocket *link)
{
  g_autoptr (JsonObject) registration = mrt_websocket_expect (link, "register");

  return mrt_json_int (registration, "max_concurrent");
}

static void
test_slots (void)
{
  g_auto (Stage) stage = stage_open ();

  mrt_backend_set_answer (stage.backend, "/props", "{\"total_slots\":3}");
  g_autoptr (Harness) harness = harness_new_between (stage.relay, stage.backend, "--max-concurrency=auto");
  g_autoptr (MrtWebsocket) link = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  g_assert_cmpint (take_capacity (link), ==, 3);
}

/* Only a registration carries the capacity: the worker registers again, at once. */
static void
test_later_slots (void)
{
  g_auto (Stage) stage = stage_open ();
  g_autoptr (Harness) harness = harness_new_between (stage.relay, stage.backend, "--max-concurrency=auto");
  g_autoptr (MrtWebsocket) first = mrt_relay_accept (stage.relay, MRT_WAIT_MS);

  g_assert_cmpint (take_capacity (first), ==, 1);
  mrt_websocket_send (first, "{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[\"m\"]}");
  mrt_backend_set_answer (stage.backend, "/props", "{\"total_slots\":2}");
  harness_call (harness, mr_worker_refresh_models);
  mrt_websocket_expect_close (first, 1000, NULL);
  g_autoptr (MrtWebsocket) second = mrt_relay_accept (stage.relay, MRT_WAIT_MS);
  g_assert_cmpint (take_capacity (second), ==, 2);
}

int
main (int argc, char **argv)
{
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/K/models-listed", test_listed);
  g_test_add_func ("/contract/K/models-explicit", test_explicit);
  g_test_add_func ("/contract/K/models-ollama", test_ollama);
  g_test_add_func ("/contract/K/models-cannot-say", test_cannot_say);
  g_test_add_func ("/contract/K/models-empty-list", test_empty_list);
  g_test_add_func ("/contract/K/backend-down", test_down);
  g_test_add_func ("/contract/K/changes-are-reported", test_changes_are_reported);
  g_test_add_func ("/contract/K/polls", test_polls);
  g_test_add_func ("/contract/K/slots", test_slots);
  g_test_add_func ("/contract/K/later-slots", test_later_slots);
  return g_test_run ();
}
