/* SPDX-License-Identifier: MIT */
/*
 * What the JSON scanner hands out, by example: members, iteration, strings, integers; and escaping.
 */
#include "json.h"

#include "error.h"

#include <string.h>

#define T(text) MR_SPAN_LITERAL (text)

static void
assert_text (const MrJsonValue *value, MrJsonType type, const char *expected)
{
  g_autofree char *text = g_strndup (value->text.data, value->text.length);

  g_assert_cmpint (value->type, ==, type);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_members (void)
{
  static const char text[] =
      " { \"b\" : 1 , \"a\":\"x\\\"\", \"b\":[ 2, {\"a\":0} ], \"\\u0063\" : null, \"ab\":7, \"\":8,"
      "\"a\\u0000\":9, \"\\ud800\":10, \"t\":true, \"f\":false, \"o\":{\"b\":3} } ";
  static const char *const names[] = { "a", "b", "c", "d", "", "t", "f", "o" };
  MrJsonValue values[G_N_ELEMENTS (names)];
  g_autoptr (GError) error = NULL;

  mr_json_scan_members (text, strlen (text), names, values, G_N_ELEMENTS (names), &error);
  g_assert_no_error (error);
  assert_text (&values[0], MR_JSON_STRING, "\"x\\\"\"");
  g_assert_true (values[0].escaped);
  assert_text (&values[1], MR_JSON_ARRAY, "[ 2, {\"a\":0} ]");
  assert_text (&values[2], MR_JSON_NULL, "null");
  g_assert_cmpint (values[3].type, ==, MR_JSON_NONE);
  assert_text (&values[4], MR_JSON_NUMBER, "8");
  assert_text (&values[5], MR_JSON_TRUE, "true");
  assert_text (&values[6], MR_JSON_FALSE, "false");
  assert_text (&values[7], MR_JSON_OBJECT, "{\"b\":3}");

  MrJsonValue inner = mr_json_member (&values[7], "b");
  assert_text (&inner, MR_JSON_NUMBER, "3");
  inner = mr_json_member (&values[7], "a");
  g_assert_cmpint (inner.type, ==, MR_JSON_NONE);
  inner = mr_json_member (&values[1], "a");
  g_assert_cmpint (inner.type, ==, MR_JSON_NONE);
}

static void
test_members_untouched (void)
{
  const char *name = "a";
  MrJsonValue value = { MR_JSON_TRUE, FALSE, { "sentinel", 8 } };

  g_assert_false (mr_json_scan_members ("{\"a\":1,", 7, &name, &value, 1, NULL));
  g_assert_false (mr_json_scan_members ("[1]", 3, &name, &value, 1, NULL));
  g_assert_cmpint (value.type, ==, MR_JSON_TRUE);
  g_assert_cmpstr (value.text.data, ==, "sentinel");
}

static void
test_iter (void)
{
  static const char text[] = "[ 1,\"]\" , [2,[3]], {\"k\":[4] , \"\\u006c\":{} } ,[] ]";
  static const char *const expected[] = { "1", "\"]\"", "[2,[3]]", "{\"k\":[4] , \"\\u006c\":{} }", "[]" };
  MrJsonValue document, name, value, object = { MR_JSON_NONE };
  MrJsonIter iter;
  guint n = 0;

  g_assert_true (mr_json_scan (text, strlen (text), &document, NULL));
  g_assert_true (mr_json_iter_init (&iter, &document));
  while (mr_json_iter_next (&iter, &name, &value)) {
    g_assert_cmpuint (n, <, G_N_ELEMENTS (expected));
    assert_text (&value, value.type, expected[n++]);
    g_assert_cmpint (name.type, ==, MR_JSON_NONE);
    if (value.type == MR_JSON_OBJECT)
      object = value;
  }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (expected));
  g_assert_false (mr_json_iter_next (&iter, &name, &value));

  g_assert_true (mr_json_iter_init (&iter, &object));
  g_assert_true (mr_json_iter_next (&iter, &name, &value));
  assert_text (&name, MR_JSON_STRING, "\"k\"");
  assert_text (&value, MR_JSON_ARRAY, "[4]");
  g_assert_true (mr_json_iter_next (&iter, NULL, &value));
  assert_text (&value, MR_JSON_OBJECT, "{}");
  g_assert_false (mr_json_iter_next (&iter, &name, &value));

  g_assert_true (mr_json_iter_init (&iter, &value));
  g_assert_false (mr_json_iter_next (&iter, &name, &value));
  g_assert_false (mr_json_iter_init (&iter, &name));
}

static MrJsonValue
scan (const char *text)
{
  MrJsonValue value;
  g_autoptr (GError) error = NULL;

  mr_json_scan (text, strlen (text), &value, &error);
  g_assert_no_error (error);
  return value;
}

static void
test_unescape (void)
{
  static const struct {
    const char *text;
    MrSpan expected;
  } cases[] = {
    { "\"\"", T ("") },
    { "\"abc\"", T ("abc") },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", T ("\"\\/\b\f\n\r\t") },
    { "\"a\\u0000b\"", T ("a\0b") },
    { "\"\\u0041\\u00E9\\u20aC\\ud83D\\uDe00\"", T ("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
    { "\"12345678\\n12345678\"", T ("12345678\n12345678") },
    { "\"1234567\\n1234567\\\\\"", T ("1234567\n1234567\\") },
    { "\"\\udbff\\udfff\\uffff\\ud7ff\\ue000\"", T ("\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    MrJsonValue value = scan (cases[i].text);
    g_autoptr (GString) out = g_string_new ("before");
    g_autoptr (GError) error = NULL;

    mr_json_append_unescaped (out, &value, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (out->str + 6, out->len - 6, cases[i].expected.data, cases[i].expected.length);
    g_assert_cmpint (out->str[out->len], ==, '\0');
  }
}

static void
test_unescape_fails (void)
{
  static const char *const texts[] = {
    "\"a\\ud800\"",
    "\"\\ud800x\"",
    "\"\\udc00\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800\\n12345\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83dxude00\"",
    "\"\\ud83d\\\\de00\"",
    "1",
    "[\"a\"]",
    "null",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    MrJsonValue value = scan (texts[i]);
    g_autoptr (GString) out = g_string_new ("before");
    g_autoptr (GError) error = NULL, dup_error = NULL;

    g_assert_false (mr_json_append_unescaped (out, &value, &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_JSON);
    g_assert_cmpstr (out->str, ==, "before");
    g_assert_cmpuint (out->len, ==, 6);
    g_assert_null (mr_json_dup_string (&value, &dup_error));
    g_assert_error (dup_error, MR_ERROR, MR_ERROR_JSON);
  }
}

static void
test_dup_string (void)
{
  MrJsonValue plain = scan ("\"na\xc3\xafve\""), escaped = scan ("\"a\\tb\""), with_nul = scan ("\"a\\u0000b\"");
  g_autofree char *first = mr_json_dup_string (&plain, NULL);
  g_autofree char *second = mr_json_dup_string (&escaped, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (first, ==, "na\xc3\xafve");
  g_assert_cmpstr (second, ==, "a\tb");
  g_assert_null (mr_json_dup_string (&with_nul, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_JSON);
}

static void
test_int (void)
{
  static const struct {
    const char *text;
    gint64 expected;
  } good[] = {
    { "0", 0 },
    { "-0", 0 },
    { "7", 7 },
    { "-12", -12 },
    { "9223372036854775807", G_MAXINT64 },
    { "-9223372036854775808", G_MININT64 },
  };
  static const char *const bad[] = {
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "99999999999999999999999",
    "1.0",
    "1e2",
    "-1E0",
    "1e400",
    "\"1\"",
    "null",
    "true",
    "[1]",
  };
  gint64 number = 42;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    MrJsonValue value = scan (bad[i]);
    g_assert_false (mr_json_get_int (&value, &number));
    g_assert_cmpint (number, ==, 42);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    MrJsonValue value = scan (good[i].text);
    g_assert_true (mr_json_get_int (&value, &number));
    g_assert_cmpint (number, ==, good[i].expected);
  }
}

static void
test_escape (void)
{
  static const char controls[] = "\"\\/\b\f\n\r\t\0\x01\x1f\x7f\xc3\xaf";
  g_autoptr (GString) out = g_string_new ("x");

  mr_json_append_string (out, controls, sizeof controls - 1);
  g_assert_cmpstr (out->str, ==, "x\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7f\xc3\xaf\"");

  g_string_truncate (out, 0);
  mr_json_append_cstring (out, "");
  mr_json_append_cstring (out, "1234567\n12345678\n");
  mr_json_append_string (out, NULL, 0);
  g_assert_cmpstr (out->str, ==, "\"\"\"1234567\\n12345678\\n\"\"\"");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/json-values/members", test_members);
  g_test_add_func ("/protocol/json-values/members-untouched-on-failure", test_members_untouched);
  g_test_add_func ("/protocol/json-values/iter", test_iter);
  g_test_add_func ("/protocol/json-values/unescape", test_unescape);
  g_test_add_func ("/protocol/json-values/unescape-fails", test_unescape_fails);
  g_test_add_func ("/protocol/json-values/dup-string", test_dup_string);
  g_test_add_func ("/protocol/json-values/int", test_int);
  g_test_add_func ("/protocol/json-values/escape", test_escape);
  return g_test_run ();
}
