/* SPDX-License-Identifier: MIT */
/*
 * What becomes of each kind of JSON value on D-Bus; documents are given as text and values compared as text.
 */
#include "json-variant.h"

static void
check (const char *json, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (json, &error);
  g_autoptr (GVariant) variant = NULL;
  g_autofree char *printed = NULL;

  g_assert_no_error (error);
  variant = g_variant_ref_sink (mr_json_variant_new (node));
  printed = g_variant_print (variant, TRUE);
  g_assert_cmpstr (printed, ==, expected);
}

static void
test_values (void)
{
  check ("true", "true");
  check ("-7", "int64 -7");
  check ("9007199254740993", "int64 9007199254740993");
  check ("1.5", "1.5");
  check ("\"a\\u00f6\"", "'a\303\266'");
}

static void
test_objects (void)
{
  check ("{}", "@a{sv} {}");
  check ("{\"a\":1,\"b\":null,\"c\":{\"d\":null,\"e\":\"x\"}}", "{'a': <int64 1>, 'c': <{'e': <'x'>}>}");
}

static void
test_arrays (void)
{
  check ("[]", "@as []");
  check ("[\"a\",\"b\"]", "['a', 'b']");
  check ("[{},{\"a\":null}]", "[@a{sv} {}, {}]");
  check ("[1,\"a\",null,[]]", "[<int64 1>, <'a'>, <@as []>]");
}

static void
test_list (void)
{
  g_autoptr (JsonNode) node = json_from_string ("[]", NULL);
  g_autoptr (GVariant) variant = g_variant_ref_sink (mr_json_variant_new_list (node));

  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "aa{sv}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-variant/values", test_values);
  g_test_add_func ("/json-variant/objects", test_objects);
  g_test_add_func ("/json-variant/arrays", test_arrays);
  g_test_add_func ("/json-variant/list", test_list);
  return g_test_run ();
}
