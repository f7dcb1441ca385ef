/* SPDX-License-Identifier: MIT */
/*
 * Contract G5: the stream of events as a dashboard reads it.
 */
#include "stage-admin.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

static void
complete (MrtWebsocket *worker, const char *id)
{
  mrt_worker_complete (worker, id, 200, "{\"content-type\":\"application/json\"}", "done");
}

static void
test_snapshot (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  JsonObject *snapshot = stage_events_expect (events, "snapshot");
  g_autofree char *members = stage_member_names (snapshot, NULL);
  g_autoptr (JsonObject) workers = stage_admin_json (relay, "GET", "/admin/workers", NULL, 200);
  g_autofree char *shape = stage_member_names (stage_element (workers, "workers", 0), NULL);
  g_autofree char *same = stage_member_names (stage_element (snapshot, "workers", 0), NULL);

  g_assert_cmpstr (members, ==, "workers|requests|requests_total|stats");
  g_assert_cmpstr (same, ==, shape);
  g_assert_cmpstr (mrt_json_string (stage_element (snapshot, "requests", 0), "id"), ==, id);
  g_assert_cmpint (mrt_json_int (snapshot, "requests_total"), ==, 1);
  g_assert_cmpint (mrt_json_int (snapshot, "stats.active_workers"), ==, 1);
  /* While nothing happens nothing is said. */
  g_assert_false (stage_events_next (events, 2 * MRT_QUIET_MS));
}

static void
test_request (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;
  g_autoptr (JsonObject) list = NULL;
  g_autofree char *id = NULL;
  g_autofree char *shape = NULL;
  g_autofree char *same = NULL;
  JsonObject *request;
  guint64 last;

  stage_events_expect (events, "snapshot");
  last = events->id;
  client = mrt_client_open (relay->port, "POST", STAGE_CHAT, NULL,
                            "{\"model\":\"m\",\"stream\":true,\"messages\":[\"the-prompt\"]}");
  request = stage_events_expect (events, "request");
  g_assert_cmpstr (mrt_json_string (request, "state"), ==, "queued");
  g_assert_cmpuint (events->id, ==, last + 1);
  list = stage_admin_json (relay, "GET", "/admin/requests", NULL, 200);
  shape = stage_member_names (stage_element (list, "requests", 0), NULL);
  same = stage_member_names (request, NULL);
  g_assert_cmpstr (same, ==, shape);
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  id = mrt_worker_take (worker);
  request = stage_events_wait (events, "request", "state", "dispatched");
  g_assert_cmpstr (mrt_json_string (request, "id"), ==, id);
  g_assert_cmpstr (mrt_json_string (request, "worker_name"), ==, "w");
  mrt_worker_start (worker, id, 200, STAGE_SSE);
  mrt_worker_chunk (worker, id, "data: the-answer\n\n");
  stage_events_wait (events, "request", "state", "streaming");
  mrt_worker_complete (worker, id, 200, NULL, NULL);
  request = stage_events_wait (events, "request", "state", "done");
  /* Who had it is told to the last. */
  g_assert_cmpstr (mrt_json_string (request, "worker_name"), ==, "w");
  g_assert_cmpint (mrt_json_int (request, "answer_bytes"), ==, strlen ("data: the-answer\n\n"));
  stage_events_expect (events, "stats");
  g_assert_cmpint (mrt_json_int (events->data, "requests.completed"), ==, 1);
  g_assert_null (strstr (events->response->body.data->str, "the-prompt"));
  g_assert_null (strstr (events->response->body.data->str, "the-answer"));
  response = mrt_client_receive (client);
}

static void
test_ends (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--queue-timeout", "1", NULL);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  stage_events_expect (events, "snapshot");
  {
    g_autoptr (MrtStream) impatient = stage_post (relay, STAGE_BODY);

    stage_events_wait (events, "request", "state", "queued");
  }
  stage_events_wait (events, "request", "state", "cancelled");
  client = stage_post (relay, STAGE_BODY);
  stage_events_wait (events, "request", "state", "failed");
  response = mrt_client_receive (client);
  g_assert_cmpuint (response->status, ==, 504);
}

static void
test_worker (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autofree char *worker_id = NULL;
  g_autofree char *models = NULL;
  JsonObject *told;

  stage_events_expect (events, "snapshot");
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  told = stage_events_expect (events, "worker");
  g_assert_cmpstr (mrt_json_string (told, "worker_name"), ==, "w");
  worker_id = g_strdup (mrt_json_string (told, "worker_id"));
  mrt_websocket_send (worker, "{\"type\":\"models_update\",\"models\":[\"m\",\"n\"],\"current_load\":0}");
  told = stage_events_expect (events, "worker");
  models = mrt_json_strings (told, "models");
  g_assert_cmpstr (models, ==, "m|n");
  g_clear_pointer (&worker, mrt_websocket_free);
  told = stage_events_expect (events, "worker_gone");
  g_assert_cmpstr (mrt_json_string (told, "worker_id"), ==, worker_id);
  g_assert_cmpstr (mrt_json_string (told, "worker_name"), ==, "w");
}

/* Requests that come and go on a worker as fast as can be: it has an event four times a second, each of them few. */
static void
test_coalescing (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtStream) kept = mrt_stream_connect (relay->port);
  g_autoptr (GHashTable) done = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint n_workers = 0;
  guint n_requests = 0;
  guint n_stats = 0;
  gint64 completed = 0;
  gint64 start_ms;
  gint64 spent_ms;

  stage_events_expect (events, "snapshot");
  start_ms = mrt_now_ms ();
  for (guint i = 0; i < 500; i++) {
    g_autoptr (MrtResponse) response = NULL;
    g_autofree char *id = NULL;

    mrt_client_send (kept, "POST", STAGE_CHAT, NULL, STAGE_BODY);
    id = mrt_worker_take (worker);
    complete (worker, id);
    response = mrt_client_receive (kept);
  }
  while (completed < 500 && stage_events_next (events, MRT_WAIT_MS)) {
    n_workers += g_str_equal (events->name, "worker") ? 1 : 0;
    if (g_str_equal (events->name, "request")) {
      n_requests++;
      if (g_str_equal (mrt_json_string (events->data, "state"), "done"))
        g_assert_true (g_hash_table_add (done, g_strdup (mrt_json_string (events->data, "id"))));
    } else if (g_str_equal (events->name, "stats")) {
      n_stats++;
      completed = mrt_json_int (events->data, "requests.completed");
    }
  }
  spent_ms = mrt_now_ms () - start_ms;
  g_assert_cmpint (completed, ==, 500);
  g_assert_cmpuint (n_workers, <=, 2 + (guint) spent_ms / 250);
  g_assert_cmpuint (n_stats, <=, 1 + (guint) spent_ms / 1000);
  /* Each ended once; at most one was seen under way at each flush. */
  g_assert_cmpuint (g_hash_table_size (done), <=, 500);
  g_assert_cmpuint (n_requests - g_hash_table_size (done), <=, 2 + (guint) spent_ms / 250);
}

static void
test_catch_up (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (StageEvents) stays = stage_events (relay, NULL);
  g_autoptr (StageEvents) back = NULL;
  g_autoptr (StageEvents) stranger = NULL;
  g_autoptr (MrtWebsocket) one = NULL;
  g_autoptr (MrtWebsocket) two = NULL;
  g_autofree char *seen = NULL;
  guint64 seen_id;

  stage_events_expect (stays, "snapshot");
  one = stage_join (relay, "one", "[\"m\"]", 1);
  stage_events_wait (stays, "worker", "worker_name", "one");
  seen_id = stays->id;
  seen = g_strdup_printf ("%" G_GUINT64_FORMAT, seen_id);
  two = stage_join (relay, "two", "[\"m\"]", 1);
  stage_events_wait (stays, "worker", "worker_name", "two");
  back = stage_events (relay, seen);
  g_assert_true (stage_events_next (back, MRT_WAIT_MS));
  g_assert_cmpuint (back->id, ==, seen_id + 1);
  g_assert_cmpstr (back->name, !=, "snapshot");
  if (!g_str_equal (back->name, "worker") || g_strcmp0 (mrt_json_string (back->data, "worker_name"), "two") != 0)
    stage_events_wait (back, "worker", "worker_name", "two");
  /* What this relay never said, or has forgotten, is answered with how things stand. */
  stranger = stage_events (relay, "17");
  stage_events_expect (stranger, "snapshot");
  g_clear_pointer (&stranger, stage_events_free);
  stranger = stage_events (relay, "never");
  stage_events_expect (stranger, "snapshot");
}

/* While nobody listened something changed: only a snapshot tells it. */
static void
test_gap (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtWebsocket) worker = NULL;
  g_autofree char *seen = NULL;

  stage_events_expect (events, "snapshot");
  seen = g_strdup_printf ("%" G_GUINT64_FORMAT, events->id);
  g_clear_pointer (&events, stage_events_free);
  events = stage_events (relay, seen);
  g_assert_false (stage_events_next (events, MRT_QUIET_MS));
  g_clear_pointer (&events, stage_events_free);
  /* The relay has noticed that the reader went when its connection is closed. */
  for (gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;; g_usleep (2000)) {
    g_autoptr (MrtResponse) metrics = stage_admin (relay, "GET", "/metrics", NULL);

    if (strstr (metrics->body.data->str, "modelrelay_connections 1\n") != NULL)
      break;
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  }
  worker = stage_join (relay, "w", "[\"m\"]", 1);
  events = stage_events (relay, seen);
  stage_events_expect (events, "snapshot");
  g_assert_cmpuint (stage_length (events->data, "workers"), ==, 1);
}

/* Workers with long lists of models that change all the time, and a reader that reads nothing. */
static void
test_slow_reader (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (GPtrArray) workers = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_websocket_free);
  g_autoptr (GString) models = g_string_new (NULL);
  g_autofree char *name = g_strnfill (240, 'm');
  g_autoptr (StageEvents) slow = stage_events (relay, NULL);
  g_autoptr (StageEvents) quick = stage_events (relay, NULL);
  g_autofree char *line = NULL;
  gint64 deadline = mrt_now_ms () + 3 * MRT_WAIT_MS;

  for (guint i = 0; i < 250; i++)
    g_string_append_printf (models, "%s\"%s%u\"", i > 0 ? "," : "", name, i);
  for (guint i = 0; i < 10; i++) {
    g_autofree char *worker_name = g_strdup_printf ("w%u", i);

    g_ptr_array_add (workers, stage_join (relay, worker_name, "[\"m\"]", 1));
  }
  while (line == NULL) {
    g_autofree char *log = mrt_process_get_log (relay->process);

    for (guint i = 0; i < workers->len; i++)
      mrt_websocket_send (g_ptr_array_index (workers, i),
                          "{\"type\":\"models_update\",\"models\":[%s],\"current_load\":0}", models->str);
    while (stage_events_next (quick, 20)) {
      g_string_erase (quick->response->body.data, 0, (gssize) quick->at);
      quick->at = 0;
    }
    if (strstr (log, "event stream cut") != NULL)
      line = mrt_process_wait_log (relay->process, "event stream cut");
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  }
  g_assert_cmpint (mrt_body_finish (&slow->response->body, MRT_WAIT_MS), ==, MRT_BODY_ABORTED);
  /* The other reader goes on. */
  g_assert_cmpint (quick->response->body.state, ==, MRT_BODY_OPEN);
}

static void
test_streams_bounded (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (GPtrArray) readers = g_ptr_array_new_with_free_func ((GDestroyNotify) stage_events_free);
  g_autoptr (MrtResponse) other = NULL;
  g_autofree char *message = NULL;
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;
  guint status;

  for (guint i = 0; i < 64; i++)
    g_ptr_array_add (readers, stage_events (relay, NULL));
  message = stage_admin_error (relay, "GET", "/admin/events", NULL, 429, "rate_limit_exceeded");
  /* One that goes makes room. */
  g_ptr_array_set_size (readers, 63);
  do {
    g_autoptr (MrtStream) stream = mrt_client_open (relay->port, "GET", "/admin/events", STAGE_AUTHORIZATION, NULL);
    g_autoptr (MrtResponse) response = mrt_client_receive_head (stream, FALSE);

    status = response->status;
    g_assert_cmpint (mrt_now_ms (), <, deadline);
  } while (status != 200);
  other = stage_admin (relay, "GET", "/admin/stats", NULL);
  g_assert_cmpuint (other->status, ==, 200);
}

static void
test_drain (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtStream) kept = mrt_client_open (relay->port, "GET", "/admin/stats", STAGE_AUTHORIZATION, NULL);
  g_autoptr (MrtResponse) stats = mrt_client_receive (kept);
  g_autoptr (MrtStream) running = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autoptr (MrtResponse) late = NULL;
  g_autoptr (MrtResponse) response = NULL;
  g_autofree char *message = NULL;

  stage_events_expect (events, "snapshot");
  mrt_process_signal (relay->process, SIGTERM);
  g_assert_cmpint (mrt_body_finish (&events->response->body, MRT_WAIT_MS), ==, MRT_BODY_COMPLETE);
  mrt_client_send (kept, "GET", "/admin/events", STAGE_AUTHORIZATION, NULL);
  late = mrt_client_receive (kept);
  message = stage_check_error (late, 503, "shutting_down");
  complete (worker, id);
  response = mrt_client_receive (running);
  stage_check_ok (response, "done");
  mrt_websocket_expect_close (worker, 1000, NULL);
  g_assert_cmpint (mrt_process_wait_exit (relay->process, MRT_WAIT_MS), ==, 0);
}

/* A new token ends what was opened with the old one. */
static void
test_new_token (void)
{
  g_autofree char *directory = g_dir_make_tmp ("contract-events-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "relay.conf", NULL);
  g_autoptr (StageRelay) relay = NULL;
  g_autoptr (StageEvents) events = NULL;

  g_assert_true (g_file_set_contents (path, "[server]\nadmin-token = " STAGE_TOKEN "\n", -1, NULL));
  relay = stage_relay ("--config", path, NULL);
  events = stage_events (relay, NULL);
  mrt_process_signal (relay->process, SIGHUP);
  g_free (mrt_process_wait_log (relay->process, "configuration reloaded"));
  stage_events_expect (events, "snapshot");
  g_assert_false (stage_events_next (events, MRT_QUIET_MS));
  g_assert_cmpint (events->response->body.state, ==, MRT_BODY_OPEN);
  g_assert_true (g_file_set_contents (path, "[server]\nadmin-token = another\n", -1, NULL));
  mrt_process_signal (relay->process, SIGHUP);
  g_assert_cmpint (mrt_body_finish (&events->response->body, MRT_WAIT_MS), ==, MRT_BODY_COMPLETE);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static void
test_comment (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  MrtBody *body = &events->response->body;
  gint64 deadline = mrt_now_ms () + 16000;

  stage_events_expect (events, "snapshot");
  while (strstr (body->data->str, "\n\n:\n\n") == NULL)
    g_assert_true (mrt_body_wait (body, body->data->len + 1, (int) MAX (0, deadline - mrt_now_ms ())));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/G5/snapshot", test_snapshot);
  g_test_add_func ("/contract/G5/request", test_request);
  g_test_add_func ("/contract/G5/ends", test_ends);
  g_test_add_func ("/contract/G5/worker", test_worker);
  g_test_add_func ("/contract/G5/coalescing", test_coalescing);
  g_test_add_func ("/contract/G5/catch-up", test_catch_up);
  g_test_add_func ("/contract/G5/gap", test_gap);
  g_test_add_func ("/contract/G5/slow-reader", test_slow_reader);
  g_test_add_func ("/contract/G5/streams-bounded", test_streams_bounded);
  g_test_add_func ("/contract/G5/drain", test_drain);
  g_test_add_func ("/contract/G5/new-token", test_new_token);
  g_test_add_func ("/contract/G5/comment", test_comment);
  return g_test_run ();
}
