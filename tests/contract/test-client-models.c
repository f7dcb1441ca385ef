/* SPDX-License-Identifier: MIT */
/*
 * Contract A3 and A8: the list of models in both shapes, and /health.
 */
#include "stage.h"

#include <string.h>

#define ANTHROPIC "anthropic-version: 2023-06-01\r\n"

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The ids of a list, sorted and joined with a blank. */
static char *
list_ids (JsonObject *list)
{
  JsonArray *data = json_object_get_array_member (list, "data");
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();

  for (guint i = 0; i < json_array_get_length (data); i++)
    g_ptr_array_add (ids, (gpointer) mrt_json_string (json_array_get_object_element (data, i), "id"));
  g_ptr_array_sort (ids, compare_ids);
  g_ptr_array_add (ids, NULL);
  return g_strjoinv (" ", (char **) ids->pdata);
}

static JsonObject *
get (StageRelay *relay, const char *target, const char *headers)
{
  g_autoptr (MrtResponse) response = mrt_client_ask (relay->port, "GET", target, headers, NULL);
  const char *type = mrt_head_get (response->head, "content-type");

  g_assert_cmpuint (response->status, ==, 200);
  g_assert_true (g_str_has_prefix (type, "application/json"));
  return mrt_json_parse (response->body.data->str);
}

static void
test_list (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) first = stage_join (relay, "w1", "[\"m1\",\"org/name:q4\"]", 1);
  g_autoptr (MrtWebsocket) second = stage_join (relay, "w2", "[\"m1\",\"*\",\"m2\"]", 1);
  g_autoptr (JsonObject) list = get (relay, "/v1/models", NULL);
  g_autofree char *ids = list_ids (list);
  JsonArray *data = json_object_get_array_member (list, "data");

  g_assert_cmpstr (mrt_json_string (list, "object"), ==, "list");
  g_assert_cmpstr (ids, ==, "m1 m2 org/name:q4");
  for (guint i = 0; i < json_array_get_length (data); i++)
    g_assert_cmpstr (mrt_json_string (json_array_get_object_element (data, i), "object"), ==, "model");
}

static void
test_empty_list (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (JsonObject) list = get (relay, "/v1/models", NULL);
  g_autoptr (JsonObject) anthropic = get (relay, "/v1/models", ANTHROPIC);

  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (list, "data")), ==, 0);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (anthropic, "data")), ==, 0);
  g_assert_false (mrt_json_bool (anthropic, "has_more"));
}

static void
test_follows_workers (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w1", "[\"m1\"]", 1);
  g_autoptr (JsonObject) updated = NULL;
  g_autoptr (JsonObject) gone = NULL;
  g_autofree char *ids = NULL;

  mrt_websocket_send (worker,
                      "{\"type\":\"models_update\",\"models\":[\"m3\",\" m2 \",\"\",\"m3\"],\"current_load\":0}");
  mrt_websocket_sync (worker);
  updated = get (relay, "/v1/models", NULL);
  ids = list_ids (updated);
  g_assert_cmpstr (ids, ==, "m2 m3");
  mrt_stream_reset (worker->stream);
  stage_wait_health (relay, "workers_connected", 0, MRT_WAIT_MS);
  gone = get (relay, "/v1/models", NULL);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (gone, "data")), ==, 0);
}

static void
test_one (void)
{
  static const char *const targets[] = { "/v1/models/org/name:q4", "/v1/models/org%2Fname%3Aq4" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w1", "[\"m1\",\"org/name:q4\",\"*\"]", 1);
  g_autoptr (MrtResponse) unknown = mrt_client_ask (relay->port, "GET", "/v1/models/nobody", NULL, NULL);
  g_autoptr (MrtResponse) star = mrt_client_ask (relay->port, "GET", "/v1/models/*", NULL, NULL);
  g_autofree char *unknown_message = stage_check_error (unknown, 404, "model_not_found");
  g_autofree char *star_message = stage_check_error (star, 404, "model_not_found");

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (JsonObject) one = get (relay, targets[i], NULL);

    g_assert_cmpstr (mrt_json_string (one, "id"), ==, "org/name:q4");
    g_assert_cmpstr (mrt_json_string (one, "object"), ==, "model");
  }
}

static void
test_anthropic (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w1", "[\"m1\",\"org/name:q4\"]", 1);
  g_autoptr (JsonObject) list = get (relay, "/v1/models", ANTHROPIC);
  g_autoptr (JsonObject) one = get (relay, "/v1/models/org/name:q4", ANTHROPIC);
  g_autoptr (MrtResponse) unknown = mrt_client_ask (relay->port, "GET", "/v1/models/nobody", ANTHROPIC, NULL);
  JsonArray *data = json_object_get_array_member (list, "data");
  g_autofree char *ids = list_ids (list);

  g_assert_cmpstr (ids, ==, "m1 org/name:q4");
  for (guint i = 0; i < 2; i++) {
    JsonObject *model = json_array_get_object_element (data, i);

    g_assert_cmpstr (mrt_json_string (model, "type"), ==, "model");
    g_assert_nonnull (mrt_json_string (model, "display_name"));
    g_assert_nonnull (mrt_json_string (model, "created_at"));
  }
  g_assert_cmpstr (mrt_json_string (list, "first_id"), ==,
                   mrt_json_string (json_array_get_object_element (data, 0), "id"));
  g_assert_cmpstr (mrt_json_string (list, "last_id"), ==,
                   mrt_json_string (json_array_get_object_element (data, 1), "id"));
  g_assert_false (mrt_json_bool (list, "has_more"));
  g_assert_cmpstr (mrt_json_string (one, "id"), ==, "org/name:q4");
  g_assert_cmpstr (mrt_json_string (one, "type"), ==, "model");
  g_assert_cmpuint (unknown->status, ==, 404);
}

static void
test_health (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w1", "[\"m1\"]", 1);
  g_autoptr (JsonObject) health = get (relay, "/health", NULL);

  g_assert_nonnull (mrt_json_string (health, "status"));
  g_assert_cmpstr (mrt_json_string (health, "status"), !=, "draining");
  g_assert_cmpstr (mrt_json_string (health, "version"), !=, "");
  g_assert_cmpint (mrt_json_int (health, "workers_connected"), ==, 1);
  g_assert_cmpint (mrt_json_int (health, "queue_depth"), ==, 0);
  g_assert_cmpint (mrt_json_int (health, "uptime_secs"), >=, 0);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/A3/list", test_list);
  g_test_add_func ("/contract/A3/empty-list", test_empty_list);
  g_test_add_func ("/contract/A3/follows-the-workers", test_follows_workers);
  g_test_add_func ("/contract/A3/one-model", test_one);
  g_test_add_func ("/contract/A3/anthropic-shape", test_anthropic);
  g_test_add_func ("/contract/A8/health", test_health);
  return g_test_run ();
}
