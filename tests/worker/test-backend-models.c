/* SPDX-License-Identifier: MIT */
/*
 * Lists of models and slot counts, in the shapes that real backends answer with and in wrong ones.
 */
#include "backend-models.h"

#include "limits.h"

#include <string.h>

static void
check_models (const char *json, const char *expected)
{
  g_auto (GStrv) names = mr_backend_models_from_json (json, strlen (json));
  g_autofree char *joined = names != NULL ? g_strjoinv ("|", names) : NULL;

  g_assert_cmpstr (joined, ==, expected);
}

static void
test_shapes (void)
{
  check_models ("{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":\"model\"},{\"id\":\"b/c:3b\"}]}", "a|b/c:3b");
  check_models ("{\"models\":[{\"name\":\"llama3.2:3b\",\"size\":1},{\"name\":\"qwen\"}]}", "llama3.2:3b|qwen");
  check_models ("{\"models\":[{\"name\":\"tiny\"}],\"object\":\"list\",\"data\":[{\"id\":\"real\"}]}", "real");
  check_models ("{\"data\":[]}", "");
  check_models ("{\"models\":[]}", "");
}

static void
test_no_list (void)
{
  check_models ("", NULL);
  check_models ("not json", NULL);
  check_models ("[]", NULL);
  check_models ("{}", NULL);
  check_models ("{\"data\":null}", NULL);
  check_models ("{\"data\":{\"id\":\"a\"}}", NULL);
  check_models ("{\"data\":[{\"id\":\"a\"}]} x", NULL);
}

static void
test_bad_names (void)
{
  g_autofree char *longest = g_strnfill (MR_LIMIT_MODEL_NAME_BYTES, 'x');
  g_autofree char *json = g_strdup_printf ("{\"data\":[{\"id\":\"%s\"},{\"id\":\"%sy\"}]}", longest, longest);

  check_models (json, longest);
  check_models ("{\"data\":[{\"id\":\"\"},{\"id\":7},{},8,{\"id\":\"a\\nb\"},{\"id\":\"*\"},{\"id\":\"\\u0000\"},"
                "{\"id\":\"\\ud800\"},{\"id\":\"ok\"},{\"id\":\"ok\"},{\"id\":\"\\u00fc\"}]}",
                "ok|ü");
}

static void
test_cap (void)
{
  g_autoptr (GString) json = g_string_new ("{\"data\":[");

  for (guint i = 0; i < MR_LIMIT_MODELS + 10; i++) {
    g_string_append_printf (json, "%s{\"id\":\"m%u\"}", i > 0 ? "," : "", i);
  }
  g_string_append (json, "]}");
  g_auto (GStrv) names = mr_backend_models_from_json (json->str, json->len);
  g_assert_cmpuint (g_strv_length (names), ==, MR_LIMIT_MODELS);
  g_assert_cmpstr (names[0], ==, "m0");
}

static void
check_slots (const char *json, guint expected)
{
  g_assert_cmpuint (mr_backend_slots_from_json (json, strlen (json)), ==, expected);
}

static void
test_slots (void)
{
  check_slots ("{\"default_generation_settings\":{\"total_slots\":9},\"total_slots\":2}", 2);
  check_slots ("{\"total_slots\":100000}", MR_LIMIT_MAX_CONCURRENT);
  check_slots ("{\"total_slots\":-1}", 0);
  check_slots ("{\"total_slots\":\"2\"}", 0);
  check_slots ("{}", 0);
  check_slots ("<html>", 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backend-models/shapes", test_shapes);
  g_test_add_func ("/backend-models/no-list", test_no_list);
  g_test_add_func ("/backend-models/bad-names", test_bad_names);
  g_test_add_func ("/backend-models/cap", test_cap);
  g_test_add_func ("/backend-models/slots", test_slots);
  return g_test_run ();
}
