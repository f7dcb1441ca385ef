/* SPDX-License-Identifier: MIT */
/*
 * Whether and how the machine is shared: every order, and everybody else going away and coming back.
 */
#include "sharing-stage.h"

#include <string.h>
#include <unistd.h>

static void
check_words (Stage *stage, const char *headline, const char *in_details)
{
  g_autofree char *shown = mr_sharing_dup_headline (stage->sharing);

  g_assert_cmpstr (shown, ==, headline);
  if (!stage_details_have (stage, in_details)) {
    g_autofree char *details = mr_sharing_dup_details (stage->sharing);
    g_error ("\"%s\" is not in the details: %s", in_details, details);
  }
}

static MrSharingToday
today_of (Stage *stage)
{
  MrSharingToday today;

  mr_sharing_get_today (stage->sharing, &today);
  return today;
}

static void
check_ok (MrtStream *client, MrtBackendRequest *request)
{
  mrt_backend_answer (request, 200, NULL, "{\"late\":true}");
  g_autoptr (MrtResponse) response = stage_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (response->body.data->str, ==, "{\"late\":true}");
}

/* --- set-up --- */

static void
test_set_up (void)
{
  g_autoptr (Stage) stage = stage_new ();
  g_autofree char *missing = g_strdup_printf ("No worker secret for %s\n", stage->url);
  g_autofree char *connected = g_strdup_printf ("Connected to %s.", stage->url);
  g_autofree char *problem = mr_sharing_dup_config_problem (stage->sharing);

  g_assert_cmpstr (problem, ==, "No relay is set up yet");
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_DISCONNECTED);
  check_words (stage, "Disconnected", "");
  mr_sharing_connect (stage->sharing);
  stage_wait_state (stage, DISCONNECTED);
  check_words (stage, "The settings are not complete", "No relay is set up yet");

  stage_set_relay (stage, stage->url);
  stage_wait_until (stage, stage_details_have (stage, missing));
  check_words (stage, "The settings are not complete", "No keyring is running");
  g_assert_null (mr_sharing_get_worker (stage->sharing));

  stage_store_secret (stage, stage->url, STAGE_SECRET);
  stage_wait_state (stage, CONNECTED);
  check_words (stage, "Connected", connected);
  stage_wait_until (stage, stage_details_have (stage, "Sharing 1 model of http://127.0.0.1:"));
  g_assert_cmpint (stage_count_workers (stage), ==, 1);

  g_settings_set_string (stage->settings, "backend-url", "nonsense");
  stage_wait_state (stage, DISCONNECTED);
  check_words (stage, "The settings are not complete", "The address of the model server is not valid.");
  mr_sharing_disconnect (stage->sharing);
  check_words (stage, "Disconnected", "");
}

static void
test_steps (void)
{
  g_autoptr (Stage) stage = stage_new ();
  g_autofree char *at_backend = g_settings_get_string (stage->settings, "backend-url");
  guint16 free_port;
  close (mrt_listen (&free_port));
  g_autofree char *at_nobody = g_strdup_printf ("http://127.0.0.1:%u", free_port);
  const struct {
    const char *url;
    const char *secret;
    const char *sentence;
  } steps[] = {
    { at_nobody, STAGE_SECRET, "Nothing answers at http://127.0.0.1:" },
    { at_backend, STAGE_SECRET, "but it is no relay. Check the relay’s address." },
    { stage->url, "wrong", "refused this machine. Check the worker secret" },
  };

  mr_sharing_connect (stage->sharing);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    stage_store_secret (stage, steps[i].url, steps[i].secret);
    stage_set_relay (stage, steps[i].url);
    stage_wait_until (stage, stage_details_have (stage, steps[i].sentence));
    stage_wait_state (stage, ERROR);
    check_words (stage, "No connection to a relay", steps[i].sentence);
  }
  stage_wait_until (stage, stage->events[MR_SHARING_EVENT_REFUSED] == 1);
  g_assert_cmpuint (stage->events[MR_SHARING_EVENT_LOST], ==, 0);
  stage_store_secret (stage, stage->url, STAGE_SECRET);
  stage_wait_state (stage, CONNECTED);
  stage_wait_until (stage, stage->events[MR_SHARING_EVENT_RESTORED] == 1);
}

/* Names and certificates need a network of their own; the sentences do not. */
static void
test_sentences (void)
{
  for (MrRelayFailure failure = MR_RELAY_FAILURE_NAME; failure <= MR_RELAY_FAILURE_LOST; failure++) {
    g_autofree char *sentence = mr_sharing_describe_failure ("https://relay.example.org", failure);
    g_assert_nonnull (strstr (sentence, "https://relay.example.org"));
    for (MrRelayFailure other = MR_RELAY_FAILURE_NAME; other < failure; other++) {
      g_autofree char *another = mr_sharing_describe_failure ("https://relay.example.org", other);
      g_assert_cmpstr (sentence, !=, another);
    }
  }
  g_assert_null (mr_sharing_describe_failure ("https://relay.example.org", MR_RELAY_FAILURE_NONE));
}

/* --- requests --- */

static void
test_request (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_STREAM);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);

  stage_wait_state (stage, RELAYING);
  check_words (stage, "Relaying 1 request", "Connected to");
  mrt_backend_sse_head (request);
  for (guint i = 0; i < 20; i++) {
    mrt_backend_event (request, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n");
  }
  stage_wait_until (stage, mr_sharing_get_rate (stage->sharing) > 0);
  g_assert_cmpuint (mr_sharing_get_history (stage->sharing)[MR_SHARING_HISTORY_SECONDS - 1], >=, 20);
  g_assert_cmpuint (today_of (stage).busy_seconds, <=, 2);
  stage_wait_until (stage, today_of (stage).busy_seconds > 0);
  mrt_backend_event (request, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":20,"
                              "\"total_tokens\":27}}\n\ndata: [DONE]\n\n");
  mrt_backend_end (request);
  g_autoptr (MrtResponse) response = stage_receive (client);
  g_assert_cmpuint (response->status, ==, 200);
  stage_wait_state (stage, CONNECTED);
  MrSharingToday today = today_of (stage);
  g_assert_cmpuint (today.requests, ==, 1);
  g_assert_cmpuint (today.failed, ==, 0);
  g_assert_cmpuint (today.prompt_tokens, ==, 7);
  g_assert_cmpuint (today.completion_tokens, ==, 20);

  stage_stop_sharing (stage);
  stage_start_sharing (stage);
  g_assert_cmpuint (today_of (stage).completion_tokens, ==, 20);
  g_assert_cmpuint (today_of (stage).busy_seconds, >=, 1);
}

static void
test_pause_and_resume (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);

  mr_sharing_pause (stage->sharing, MR_PAUSED_UNTIL_RESUMED);
  stage_wait_until (stage, stage_count_models (stage) == 0);
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_RELAYING);
  check_words (stage, "Finishing 1 request", "Paused until you resume");
  g_assert_cmpint (g_settings_get_int64 (stage->settings, "paused-until"), ==, -1);

  /* Within the drain: a second worker comes while the first one finishes. */
  mr_sharing_resume (stage->sharing);
  stage_wait_until (stage, stage_count_workers (stage) == 2);
  stage_wait_until (stage, stage_count_models (stage) == 1);
  check_words (stage, "Relaying 1 request", "1 request is being finished with the earlier settings.");
  g_autoptr (MrtStream) second_client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) second = stage_accept (stage);
  stage_wait_until (stage, mr_sharing_get_running (stage->sharing) == 2);
  check_ok (client, request);
  stage_wait_until (stage, stage_count_workers (stage) == 1);
  check_ok (second_client, second);
  stage_wait_state (stage, CONNECTED);
  g_assert_cmpuint (today_of (stage).requests, ==, 2);

  mr_sharing_pause (stage->sharing, MR_PAUSED_UNTIL_RESUMED);
  stage_wait_state (stage, PAUSED);
  stage_wait_until (stage, stage_count_workers (stage) == 0);
  check_words (stage, "Paused", "Paused until you resume");
  mr_sharing_resume (stage->sharing);
  stage_wait_state (stage, CONNECTED);
  g_assert_cmpuint (stage->events[MR_SHARING_EVENT_LOST], ==, 0);
  g_assert_cmpuint (stage->events[MR_SHARING_EVENT_RESTORED], ==, 0);
}

/* As Worker1's Drain does. */
static void
test_drained_from_outside (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);

  mr_worker_drain (mr_sharing_get_worker (stage->sharing));
  stage_wait_until (stage, stage_count_models (stage) == 0);
  check_words (stage, "Finishing 1 request", "Paused until you resume");
  check_ok (client, request);
  stage_wait_state (stage, PAUSED);
  mr_sharing_resume (stage->sharing);
  stage_wait_state (stage, CONNECTED);
  mr_worker_drain (mr_sharing_get_worker (stage->sharing));
  stage_wait_state (stage, PAUSED);
  stage_wait_until (stage, stage_count_workers (stage) == 0);
}

static void
test_pause_ends_by_itself (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();

  mr_sharing_pause (stage->sharing, g_get_real_time () / G_USEC_PER_SEC + 1);
  stage_wait_state (stage, PAUSED);
  stage_wait_state (stage, CONNECTED);
}

static void
test_rules (void)
{
  static const char *const names[] = { "test-sharing", NULL };
  static const char *const no_names[] = { NULL };
  g_autoptr (Stage) stage = stage_new_connected ();

  g_settings_set_strv (stage->settings, "pause-for-programs", names);
  stage_wait_state (stage, PAUSED);
  check_words (stage, "Paused", "Paused: “test-sharing” is running");
  g_assert_cmpint (mr_sharing_get_pause (stage->sharing)->reason, ==, MR_PAUSE_FOR_PROGRAM);
  g_settings_set_strv (stage->settings, "pause-for-programs", no_names);
  stage_wait_state (stage, CONNECTED);

  g_settings_set_int (stage->settings, "schedule-days", 0);
  g_settings_set_boolean (stage->settings, "scheduled", TRUE);
  stage_wait_state (stage, PAUSED);
  mr_sharing_pause (stage->sharing, MR_PAUSED_UNTIL_RESUMED);
  mr_sharing_resume (stage->sharing); /* the rule still holds */
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_PAUSED);
  g_settings_set_boolean (stage->settings, "scheduled", FALSE);
  stage_wait_state (stage, CONNECTED);
}

/* Contract of the owner: at once, also with ten answers on their way. */
static void
test_hand_back (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  MrtStream *clients[10];
  MrtBackendRequest *requests[10];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++) {
    clients[i] = stage_post (stage, STAGE_STREAM);
    requests[i] = stage_accept (stage);
    mrt_backend_sse_head (requests[i]);
    mrt_backend_event (requests[i], "data: {}\n\n");
  }
  stage_wait_until (stage, mr_sharing_get_running (stage->sharing) == 10);
  gint64 start_ms = mrt_now_ms ();
  mr_sharing_hand_back (stage->sharing);
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_PAUSED);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++) {
    g_assert_true (stage_is_gone (requests[i], 1000));
  }
  g_assert_cmpint (mrt_now_ms () - start_ms, <, 1000);
  g_assert_cmpint (g_settings_get_int64 (stage->settings, "paused-until"), ==, MR_PAUSED_UNTIL_RESUMED);
  g_assert_cmpuint (mr_sharing_get_running (stage->sharing), ==, 0);
  g_assert_cmpuint (today_of (stage).requests, ==, 10);
  g_assert_cmpuint (today_of (stage).failed, ==, 0);
  stage_wait_until (stage, stage_count_workers (stage) == 0);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++) {
    mrt_backend_request_free (requests[i]);
    mrt_stream_free (clients[i]);
  }
  mr_sharing_resume (stage->sharing);
  stage_wait_state (stage, CONNECTED);
}

/* --- settings --- */

static void
test_other_settings (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);
  MrWorker *before = mr_sharing_get_worker (stage->sharing);

  g_settings_set_string (stage->settings, "worker-name", "desk");
  stage_wait_until (stage, mr_sharing_get_worker (stage->sharing) != before);
  g_assert_cmpstr (mr_worker_get_name (mr_sharing_get_worker (stage->sharing)), ==, "desk");
  stage_wait_until (stage, stage_count_workers (stage) == 2);
  g_assert_cmpuint (mr_sharing_get_running (stage->sharing), ==, 1);
  check_words (stage, "Relaying 1 request", "1 request is being finished with the earlier settings.");
  check_ok (client, request);
  stage_wait_state (stage, CONNECTED);
  stage_wait_until (stage, stage_count_workers (stage) == 1);

  /* What is set to what it was makes no new worker, nor does a secret that was known. */
  MrWorker *worker = mr_sharing_get_worker (stage->sharing);
  guint changed = stage->changed;
  g_settings_set_string (stage->settings, "worker-name", "other");
  g_settings_set_string (stage->settings, "worker-name", "desk");
  stage_store_secret (stage, stage->url, STAGE_SECRET);
  stage_wait_until (stage, stage->changed > changed + 1);
  g_assert_true (mr_sharing_get_worker (stage->sharing) == worker);
  g_assert_cmpuint (today_of (stage).requests, ==, 1);
}

static void
test_models (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();

  mrt_backend_set_models (stage->backend, "a,b");
  mr_sharing_refresh_models (stage->sharing);
  stage_wait_until (stage, stage_count_models (stage) == 2);
  mr_sharing_set_model_shared (stage->sharing, "a", FALSE);
  mr_sharing_set_model_shared (stage->sharing, "a", FALSE);
  g_assert_false (mr_sharing_is_model_shared (stage->sharing, "a"));
  g_assert_true (mr_sharing_is_model_shared (stage->sharing, "b"));
  stage_wait_until (stage, stage_count_models (stage) == 1);
  g_settings_set_string (stage->settings, "worker-name", "desk"); /* it holds for the next worker, too */
  stage_wait_until (stage, g_strcmp0 (mr_worker_get_name (mr_sharing_get_worker (stage->sharing)), "desk") == 0);
  stage_wait_until (stage, stage_count_workers (stage) == 1);
  g_assert_cmpint (stage_count_models (stage), ==, 1);
  mr_sharing_set_model_shared (stage->sharing, "b", FALSE);
  stage_wait_until (stage, stage_details_have (stage, "No model is shared. Switch one on."));
  mr_sharing_set_model_shared (stage->sharing, "a", TRUE);
  mr_sharing_set_model_shared (stage->sharing, "b", TRUE);
  stage_wait_until (stage, stage_count_models (stage) == 2);
}

/* --- others go away and come back --- */

static void
test_relay_lost (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);

  stage_stop_relay (stage);
  stage_wait_until (stage, stage->events[MR_SHARING_EVENT_LOST] == 1);
  stage_wait_state (stage, ERROR);
  g_assert_true (stage_is_gone (request, 1000));
  stage_start_relay (stage);
  stage_wait_until (stage, stage->events[MR_SHARING_EVENT_RESTORED] == 1);
  stage_wait_state (stage, CONNECTED);
  g_assert_cmpuint (stage->events[MR_SHARING_EVENT_LOST], ==, 1);
  g_assert_cmpuint (stage->events[MR_SHARING_EVENT_REFUSED], ==, 0);
  g_assert_cmpuint (today_of (stage).requests, ==, 1);
}

static void
test_model_server_lost (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();

  g_clear_pointer (&stage->backend, mrt_backend_free);
  stage_wait_state (stage, ERROR);
  check_words (stage, "The model server does not answer", "Start it, or change its address in the settings.");
  stage_start_backend (stage);
  stage_wait_state (stage, CONNECTED);
  mrt_backend_set_models (stage->backend, "");
  stage_wait_until (stage, stage_details_have (stage, "has no models. Load one there."));
}

/* --- leaving --- */

static void
test_disconnect (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);

  mr_sharing_disconnect (stage->sharing);
  g_assert_false (mr_sharing_is_wanted (stage->sharing));
  stage_wait_until (stage, stage_count_models (stage) == 0);
  check_words (stage, "Finishing 1 request", "");
  check_ok (client, request);
  stage_wait_state (stage, DISCONNECTED);
  stage_wait_until (stage, stage_count_workers (stage) == 0);
  mr_sharing_connect (stage->sharing);
  stage_wait_state (stage, CONNECTED);
}

static void
on_done (gpointer data)
{
  guint *done = data;

  (*done)++;
}

static void
test_quit (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);
  guint done = 0;

  mr_sharing_quit (stage->sharing, 600, on_done, &done);
  stage_wait_until (stage, stage_count_models (stage) == 0);
  g_assert_cmpuint (done, ==, 0);
  check_ok (client, request);
  stage_wait_until (stage, done > 0);
  g_assert_cmpuint (today_of (stage).requests, ==, 1);
  stage_wait_until (stage, stage_count_workers (stage) == 0);
  g_assert_cmpuint (done, ==, 1);
}

static void
test_quit_impatient (void)
{
  g_autoptr (Stage) stage = stage_new_connected ();
  g_autoptr (MrtStream) client = stage_post (stage, STAGE_BODY);
  g_autoptr (MrtBackendRequest) request = stage_accept (stage);
  guint first = 0;
  guint second = 0;

  mr_sharing_quit (stage->sharing, 600, on_done, &first);
  mr_sharing_quit (stage->sharing, 0, on_done, &second);
  stage_wait_until (stage, second == 1);
  g_assert_true (stage_is_gone (request, 1000));
  g_assert_cmpuint (first, ==, 0);
  g_assert_cmpint (mr_sharing_get_state (stage->sharing), ==, MR_SHARING_DISCONNECTED);
}

/* With nothing to leave, too. */
static void
test_quit_idle (void)
{
  g_autoptr (Stage) stage = stage_new ();
  guint done = 0;

  mr_sharing_quit (stage->sharing, 600, on_done, &done);
  g_assert_cmpuint (done, ==, 0);
  stage_wait_until (stage, done == 1);
}

/* Whatever is half-way: secrets on their way, a worker that connects, settings that settle. */
static void
test_free_at_any_time (void)
{
  for (guint turns = 0; turns < 12; turns++) {
    g_autoptr (Stage) stage = stage_new ();
    stage_store_secret (stage, stage->url, STAGE_SECRET);
    stage_set_relay (stage, stage->url);
    mr_sharing_connect (stage->sharing);
    for (guint i = 0; i < turns; i++) {
      g_main_context_iteration (NULL, FALSE);
    }
    if (turns % 3 == 0) {
      mr_sharing_disconnect (stage->sharing);
    }
  }
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/desktop/sharing/set-up", test_set_up);
  g_test_add_func ("/desktop/sharing/steps", test_steps);
  g_test_add_func ("/desktop/sharing/sentences", test_sentences);
  g_test_add_func ("/desktop/sharing/request", test_request);
  g_test_add_func ("/desktop/sharing/pause-and-resume", test_pause_and_resume);
  g_test_add_func ("/contract/M1/drained-from-outside", test_drained_from_outside);
  g_test_add_func ("/desktop/sharing/pause-ends-by-itself", test_pause_ends_by_itself);
  g_test_add_func ("/desktop/sharing/rules", test_rules);
  g_test_add_func ("/desktop/sharing/hand-back", test_hand_back);
  g_test_add_func ("/desktop/sharing/other-settings", test_other_settings);
  g_test_add_func ("/desktop/sharing/models", test_models);
  g_test_add_func ("/contract/L4/relay-lost", test_relay_lost);
  g_test_add_func ("/desktop/sharing/model-server-lost", test_model_server_lost);
  g_test_add_func ("/desktop/sharing/disconnect", test_disconnect);
  g_test_add_func ("/desktop/sharing/quit", test_quit);
  g_test_add_func ("/desktop/sharing/quit-impatient", test_quit_impatient);
  g_test_add_func ("/desktop/sharing/quit-idle", test_quit_idle);
  g_test_add_func ("/desktop/sharing/free-at-any-time", test_free_at_any_time);
  return g_test_run ();
}
