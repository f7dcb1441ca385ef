/* SPDX-License-Identifier: MIT */
/* Model lists and health: server/client-api.c. */
#include "client-api.h"

static const MrModelEntry models[] = { { "a/b:1", 1700000000 }, { "quo\"te", 0 } };

static void
test_openai (void)
{
  g_autofree char *list = mr_client_api_models (models, 2, FALSE);
  g_autofree char *none = mr_client_api_models (NULL, 0, FALSE);

  g_assert_cmpstr (list, ==,
                   "{\"object\":\"list\",\"data\":["
                   "{\"id\":\"a/b:1\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"modelrelay\"},"
                   "{\"id\":\"quo\\\"te\",\"object\":\"model\",\"created\":0,\"owned_by\":\"modelrelay\"}]}");
  g_assert_cmpstr (none, ==, "{\"object\":\"list\",\"data\":[]}");
}

static void
test_anthropic (void)
{
  g_autofree char *list = mr_client_api_models (models, 1, TRUE);
  g_autofree char *none = mr_client_api_models (NULL, 0, TRUE);
  g_autofree char *one = mr_client_api_model (&models[0], TRUE);

  g_assert_cmpstr (one, ==,
                   "{\"type\":\"model\",\"id\":\"a/b:1\",\"display_name\":\"a/b:1\","
                   "\"created_at\":\"2023-11-14T22:13:20Z\"}");
  g_assert_cmpstr (list, ==,
                   "{\"data\":[{\"type\":\"model\",\"id\":\"a/b:1\",\"display_name\":\"a/b:1\","
                   "\"created_at\":\"2023-11-14T22:13:20Z\"}],\"has_more\":false,"
                   "\"first_id\":\"a/b:1\",\"last_id\":\"a/b:1\"}");
  g_assert_cmpstr (none, ==, "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
}

static void
test_health (void)
{
  g_autofree char *text = mr_client_api_health ("ok", 2, 3, 4);

  g_assert_cmpstr (text, ==,
                   "{\"status\":\"ok\",\"version\":\"" MR_VERSION
                   "\",\"workers_connected\":2,\"queue_depth\":3,\"uptime_secs\":4}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A3/openai", test_openai);
  g_test_add_func ("/contract/A3/anthropic", test_anthropic);
  g_test_add_func ("/contract/A8/health", test_health);
  return g_test_run ();
}
