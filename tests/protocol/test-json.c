/* SPDX-License-Identifier: MIT */
/*
 * The JSON scanner's verdict by example: texts that RFC 8259 allows and refuses, and hostile ones. What it hands out is
 * in test-json-values.c, random texts are in test-json-random.c.
 */
#include "json.h"

#include "error.h"
#include "json-reference.h"
#include "limits.h"

#include <string.h>

#define T(text) MR_SPAN_LITERAL (text)

static const MrSpan accepted[] = {
  T ("0"),
  T ("-0"),
  T ("1"),
  T ("-1"),
  T ("10"),
  T ("1234567890"),
  T ("0.5"),
  T ("-0.0"),
  T ("1.25e10"),
  T ("1E5"),
  T ("1e+5"),
  T ("1e-5"),
  T ("0e0"),
  T ("0E+1"),
  T ("1e400"),
  T ("-1e-999999"),
  T ("9223372036854775807"),
  T ("123456789012345678901234567890"),
  T ("1.0000000000000000000000000000000001"),
  T ("null"),
  T ("true"),
  T ("false"),
  T (" \t\r\n1 \t\r\n"),
  T ("\"\""),
  T ("\"a\""),
  T ("\"plain ascii that is longer than one word\""),
  T ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
  T ("\"\\u0000\""),
  T ("\"\\u0041\\u00e9\\uABCD\\uabcd\""),
  T ("\"\\ud83d\\ude00\""),
  T ("\"\\ud800\""),
  T ("\"\\udc00\""),
  T ("\"\\udc00\\ud800\""),
  T ("\"\\ud800x\""),
  T ("\"\x7f\""),
  T ("\"\xc2\x80\""),
  T ("\"\xdf\xbf\""),
  T ("\"\xe0\xa0\x80\""),
  T ("\"\xed\x9f\xbf\""),
  T ("\"\xee\x80\x80\""),
  T ("\"\xef\xbf\xbf\""),
  T ("\"\xef\xbb\xbf\""),
  T ("\"\xf0\x90\x80\x80\""),
  T ("\"\xf4\x8f\xbf\xbf\""),
  T ("\"1234567\xe2\x82\xac\""),
  T ("\"123456\xe2\x82\xac\xe2\x82\xac\""),
  T ("\"/\""),
  T ("[]"),
  T ("[ ]"),
  T ("[\n]"),
  T ("[1]"),
  T ("[1,2]"),
  T ("[ 1 , 2 ]"),
  T ("[[]]"),
  T ("[[],[]]"),
  T ("[{}]"),
  T ("[null,true,false,0,\"\",[],{}]"),
  T ("[[[[[[[[[[]]]]]]]]]]"),
  T ("{}"),
  T ("{ }"),
  T ("{\"a\":1}"),
  T ("{\"a\":1,\"b\":2}"),
  T (" { \"a\" : 1 , \"b\" : 2 } "),
  T ("{\"\":0}"),
  T ("{\"a\":{\"b\":{\"c\":[]}}}"),
  T ("{\"a\":1,\"a\":2}"),
  T ("{\"\\u0061\":1,\"a\":2}"),
  T ("{\"a\\u0000b\":1}"),
  T ("{\"a\":[{\"b\":[{}]},[]]}"),
  T ("[\"],[\",\"}{\"]"),
  T ("{\"}\":\"{\"}"),
};

static const MrSpan refused[] = {
  /* nothing, or more than one thing */
  T (""),
  T (" "),
  T ("\n"),
  T ("1 2"),
  T ("1,"),
  T (",1"),
  T ("[][]"),
  T ("{}{}"),
  T ("[]x"),
  T ("{},"),
  T ("null null"),
  T ("\0"),
  T ("1\0"),
  T ("[1]\0"),
  T ("\xef\xbb\xbf{}"),
  T ("\xff\xfe{\0}\0"),
  T ("\0{\0}"),
  T ("\xc2\xa0[]"),
  T ("\xe2\x80\xa8[]"),
  T ("\x0c[]"),
  T ("\x0b[]"),
  /* literals */
  T ("nul"),
  T ("nulll"),
  T ("Null"),
  T ("NULL"),
  T ("True"),
  T ("tru"),
  T ("truefalse"),
  T ("fals"),
  T ("undefined"),
  T ("NaN"),
  T ("Infinity"),
  T ("-Infinity"),
  T ("n"),
  T ("t\0ue"),
  T ("nan"),
  /* numbers */
  T ("+1"),
  T ("-"),
  T ("--1"),
  T ("01"),
  T ("-01"),
  T ("00"),
  T ("1."),
  T (".5"),
  T ("-.5"),
  T ("1.e5"),
  T ("1e"),
  T ("1e+"),
  T ("1E-"),
  T ("1e1.5"),
  T ("1.2.3"),
  T ("0x10"),
  T ("1_000"),
  T ("1a"),
  T ("[1 000]"),
  T ("[-]"),
  T ("1 .5"),
  T ("- 1"),
  T ("\xef\xbc\x91"),
  T ("[1e]"),
  T ("[0.]"),
  T ("[2.e3]"),
  T ("[1+2]"),
  T ("[0e]"),
  T ("0b1"),
  T ("0o7"),
  /* strings */
  T ("\""),
  T ("\"a"),
  T ("a\""),
  T ("'a'"),
  T ("\"a\"b"),
  T ("\"\\\""),
  T ("\"\\"),
  T ("\"\\x41\""),
  T ("\"\\a\""),
  T ("\"\\'\""),
  T ("\"\\0\""),
  T ("\"\\\0\""),
  T ("\"\\u\""),
  T ("\"\\u1\""),
  T ("\"\\u12\""),
  T ("\"\\u123\""),
  T ("\"\\u123g\""),
  T ("\"\\uD83D\\u\""),
  T ("\"\\U0041\""),
  T ("\"\\u{41}\""),
  T ("\"\\u 041\""),
  T ("\"\\u00"),
  T ("\"\\\n\""),
  T ("\"\n\""),
  T ("\"\t\""),
  T ("\"\r\""),
  T ("\"\0\""),
  T ("\"\x1f\""),
  T ("\"\x01\""),
  T ("\"1234567\n\""),
  T ("\"12345678901234\x02x\""),
  T ("\"\x80\""),
  T ("\"\xbf\""),
  T ("\"\xc0\x80\""),
  T ("\"\xc1\xbf\""),
  T ("\"\xc2\""),
  T ("\"\xc2\xc2\""),
  T ("\"\xe0\x80\x80\""),
  T ("\"\xe0\x9f\xbf\""),
  T ("\"\xe2\x82\""),
  T ("\"\xe2\x28\xa1\""),
  T ("\"\xed\xa0\x80\""),
  T ("\"\xed\xbf\xbf\""),
  T ("\"\xed\xa0\xbd\xed\xb8\x80\""),
  T ("\"\xf0\x80\x80\x80\""),
  T ("\"\xf0\x8f\xbf\xbf\""),
  T ("\"\xf0\x9f\x98\""),
  T ("\"\xf4\x90\x80\x80\""),
  T ("\"\xf5\x80\x80\x80\""),
  T ("\"\xf8\x88\x80\x80\x80\""),
  T ("\"\xfe\""),
  T ("\"\xff\""),
  T ("\"\xe9\""),
  T ("\"\xe2\x82"),
  T ("\"\xf0"),
  /* arrays */
  T ("["),
  T ("]"),
  T ("[1"),
  T ("[1,"),
  T ("[,"),
  T ("[,]"),
  T ("[1,]"),
  T ("[,1]"),
  T ("[1,,2]"),
  T ("[1 2]"),
  T ("[1:2]"),
  T ("[1}"),
  T ("[[]"),
  T ("[]]"),
  T ("[\"a\""),
  T ("[\"a\":1]"),
  T ("(1)"),
  T ("[1;2]"),
  T ("[x]"),
  T ("[\"a\" \"b\"]"),
  /* objects */
  T ("{"),
  T ("}"),
  T ("{]"),
  T ("{,}"),
  T ("{\"a\"}"),
  T ("{\"a\":}"),
  T ("{\"a\":1"),
  T ("{\"a\":1,"),
  T ("{\"a\":1,}"),
  T ("{\"a\":1,,}"),
  T ("{\"a\" 1}"),
  T ("{\"a\"::1}"),
  T ("{a:1}"),
  T ("{'a':1}"),
  T ("{1:1}"),
  T ("{null:1}"),
  T ("{\"a\":1]"),
  T ("{\"a\":1 \"b\":2}"),
  T ("{\"a\":1;\"b\":2}"),
  T ("{\"a\",\"b\"}"),
  T ("{:1}"),
  T ("{\"a\":1}}"),
  T ("{[]:1}"),
  T ("{\"a\":\"b}"),
  T ("{\"a:1}"),
  T ("{\"\\ud\":1}"),
  T ("{\"a\":1}/**/"),
  T ("/**/{}"),
  T ("{}//"),
  T ("# {}"),
  T ("{\"a\"=1}"),
  T ("{...}"),
  T ("{\"a\":[}"),
  T ("[{]}"),
};

static char *
printable (const MrSpan *text)
{
  g_autofree char *copy = g_strndup (text->data, text->length);

  return g_strescape (copy, NULL);
}

static void
check_verdict (const MrSpan *text, gboolean expected)
{
  /* On the heap without a byte to spare, so that ASan and valgrind see a read beyond the end. */
  g_autofree char *copy = g_memdup2 (text->data, text->length);
  g_autoptr (GError) error = NULL, members_error = NULL;
  MrJsonValue value = { MR_JSON_NONE }, member = { MR_JSON_NONE };
  const char *name = "a";

  if (mr_json_scan (copy, text->length, &value, &error) != expected) {
    g_autofree char *shown = printable (text);
    g_test_message ("%s: %s", shown, error != NULL ? error->message : "accepted");
    g_test_fail ();
  }
  g_assert_cmpint (json_reference_is_valid (copy, text->length, MR_LIMIT_JSON_DEPTH), ==, expected);
  if (!expected) {
    g_assert_error (error, MR_ERROR, MR_ERROR_JSON);
    g_assert_cmpint (value.type, ==, MR_JSON_NONE);
  }

  gboolean is_object = expected && value.type == MR_JSON_OBJECT;
  g_assert_cmpint (mr_json_scan_members (copy, text->length, &name, &member, 1, &members_error), ==, is_object);
  g_assert_true ((members_error == NULL) == is_object);
}

static void
test_accepted (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (accepted); i++)
    check_verdict (&accepted[i], TRUE);
}

static void
test_refused (void)
{
  g_assert_cmpuint (G_N_ELEMENTS (accepted) + G_N_ELEMENTS (refused), >=, 120);
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    check_verdict (&refused[i], FALSE);
}

/* Each text also inside an array and an object, where other code paths end a value. */
static void
test_nested_verdicts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (accepted) + G_N_ELEMENTS (refused); i++) {
    gboolean in_accepted = i < G_N_ELEMENTS (accepted);
    const MrSpan *inner = in_accepted ? &accepted[i] : &refused[i - G_N_ELEMENTS (accepted)];
    g_autoptr (GString) text = g_string_new ("{\"a\": [");

    g_string_append_len (text, inner->data, inner->length);
    g_string_append (text, "]}");
    MrSpan span = { text->str, text->len };
    check_verdict (&span, json_reference_is_valid (text->str, text->len, MR_LIMIT_JSON_DEPTH));
    if (in_accepted)
      g_assert_true (json_reference_is_valid (text->str, text->len, MR_LIMIT_JSON_DEPTH));
  }
}

static void
check_message (const char *text, const char *expected)
{
  g_autoptr (GError) error = NULL;
  MrJsonValue value;

  g_assert_false (mr_json_scan (text, strlen (text), &value, &error));
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_messages (void)
{
  check_message ("", "expected a value at byte 0, where the text ends");
  check_message ("[1,2", "expected ',' or ']' at byte 4, where the text ends");
  check_message ("{\"a\":1 2}", "expected ',' or '}' at byte 7");
  check_message ("{\"a\" 1}", "expected ':' at byte 5");
  check_message ("{a}", "expected a member name at byte 1");
  check_message ("[\"ab\x01\"]", "raw control character in a string at byte 4");
  check_message ("[\"\xe2\x82\"]", "invalid UTF-8 in a string at byte 2");
  check_message ("[\"\\x\"]", "invalid escape in a string at byte 2");
  check_message ("\"abc", "unterminated string at byte 4, where the text ends");
  check_message ("[1.x]", "expected a digit at byte 3");
  check_message ("{} x", "bytes after the document at byte 3");
}

static void
check_depth (guint depth, gboolean expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  MrJsonValue value;

  for (guint i = 0; i < depth; i++)
    g_string_append (text, i % 2 ? "{\"a\":" : "[");
  g_string_append_c (text, '1');
  for (guint i = depth; i > 0; i--)
    g_string_append_c (text, i % 2 ? ']' : '}');
  g_assert_cmpint (mr_json_scan (text->str, text->len, &value, NULL), ==, expected);
}

static void
test_depth (void)
{
  g_autofree char *brackets = g_strnfill (60000, '[');
  g_autoptr (GError) error = NULL, members_error = NULL;
  MrJsonValue value;
  const char *name = "a";

  check_depth (MR_LIMIT_JSON_DEPTH, TRUE);
  check_depth (MR_LIMIT_JSON_DEPTH + 1, FALSE);

  g_assert_false (mr_json_scan (brackets, 60000, &value, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_JSON);
  g_assert_nonnull (strstr (error->message, "nested too deeply at byte 256"));

  memcpy (brackets, "{\"a\":", 5);
  g_assert_false (mr_json_scan_members (brackets, 60000, &name, &value, 1, &members_error));
  g_assert_nonnull (strstr (members_error->message, "nested too deeply"));
}

static void
test_truncated (void)
{
  static const char text[] =
      " {\"type\":\"x\\u00e9\\n\",\"n\":[1,-2.5e+3,null,true,false,{}],\"o\":{\"\xe2\x82\xac\":\"\xf0\x9f\x98\x80\"}}";

  for (gsize length = 0; length < sizeof text - 1; length++) {
    MrSpan cut = { text, length };
    check_verdict (&cut, FALSE);
  }
  check_verdict (&T (text), TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/json/accepted", test_accepted);
  g_test_add_func ("/protocol/json/refused", test_refused);
  g_test_add_func ("/protocol/json/nested-verdicts", test_nested_verdicts);
  g_test_add_func ("/contract/A5/says-where-parsing-stopped", test_messages);
  g_test_add_func ("/protocol/json/depth", test_depth);
  g_test_add_func ("/protocol/json/truncated", test_truncated);
  return g_test_run ();
}
