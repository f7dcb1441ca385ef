/* SPDX-License-Identifier: MIT */
/*
 * The list of header fields and the rule which of them travel.
 */
#include "headers.h"

static void
test_add_and_get (void)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  g_assert_cmpuint (mr_headers_length (headers), ==, 0);
  g_assert_null (mr_headers_get (headers, "accept"));

  mr_headers_add (headers, "Content-Type", "text/plain");
  mr_headers_add (headers, "X-Empty", "");
  g_assert_cmpuint (mr_headers_length (headers), ==, 2);
  g_assert_cmpstr (mr_headers_index (headers, 0)->name, ==, "content-type");
  g_assert_cmpstr (mr_headers_get (headers, "CONTENT-type"), ==, "text/plain");
  g_assert_cmpstr (mr_headers_get (headers, "x-empty"), ==, "");
  g_assert_null (mr_headers_get (headers, "content"));
}

static void
test_repeated_names (void)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_add (headers, "Accept", "a");
  mr_headers_add (headers, "Set-Cookie", "x=1");
  mr_headers_add (headers, "ACCEPT", "b");
  mr_headers_add (headers, "set-COOKIE", "y=2, z");
  mr_headers_add (headers, "accept", "c");

  g_assert_cmpuint (mr_headers_length (headers), ==, 3);
  g_assert_cmpstr (mr_headers_get (headers, "accept"), ==, "a, b, c");
  g_assert_cmpstr (mr_headers_get (headers, "set-cookie"), ==, "x=1");
  g_assert_cmpstr (mr_headers_index (headers, 2)->name, ==, "set-cookie");
  g_assert_cmpstr (mr_headers_index (headers, 2)->value, ==, "y=2, z");
}

static void
test_set_and_remove (void)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_add (headers, "set-cookie", "x");
  mr_headers_add (headers, "a", "1");
  mr_headers_add (headers, "set-cookie", "y");
  mr_headers_add (headers, "b", "2");

  /* The strings given may be the list's own. */
  mr_headers_set (headers, mr_headers_index (headers, 0)->name, mr_headers_get (headers, "set-cookie"));
  g_assert_cmpuint (mr_headers_length (headers), ==, 3);
  g_assert_cmpstr (mr_headers_get (headers, "set-cookie"), ==, "x");

  mr_headers_remove (headers, mr_headers_index (headers, 0)->name);
  g_assert_null (mr_headers_get (headers, "a"));
  mr_headers_remove (headers, "Set-Cookie");
  mr_headers_remove (headers, "not-there");
  g_assert_cmpuint (mr_headers_length (headers), ==, 1);
  g_assert_cmpstr (mr_headers_get (headers, "b"), ==, "2");
}

static void
test_latin1 (void)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_add (headers, "utf-8", "na\xc3\xafve \xe2\x82\xac");
  mr_headers_add (headers, "latin-1", "na\xefve \x80\xff");
  mr_headers_set (headers, "mixed", "\xc3\xaf\xef");
  g_assert_cmpstr (mr_headers_get (headers, "utf-8"), ==, "na\xc3\xafve \xe2\x82\xac");
  g_assert_cmpstr (mr_headers_get (headers, "latin-1"), ==, "na\xc3\xafve \xc2\x80\xc3\xbf");
  g_assert_cmpstr (mr_headers_get (headers, "mixed"), ==, "\xc3\x83\xc2\xaf\xc3\xaf");
}

static gboolean
is_safe (const char *name, const char *value)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_add (headers, "before", "fine");
  mr_headers_add (headers, name, value);
  return mr_headers_are_safe (headers);
}

static void
test_safe (void)
{
  g_autoptr (MrHeaders) none = mr_headers_new ();

  g_assert_true (mr_headers_are_safe (none));
  g_assert_true (is_safe ("x-!#$%&'*+-.^_`|~09az", "any \t thing, \"even\" \xc3\xaf"));
  g_assert_true (is_safe ("x", ""));
  g_assert_false (is_safe ("", "x"));
  g_assert_false (is_safe ("a b", "x"));
  g_assert_false (is_safe ("a:", "x"));
  g_assert_false (is_safe ("a\r\nb", "x"));
  g_assert_false (is_safe ("na\xc3\xafve", "x"));
  g_assert_false (is_safe ("a(b)", "x"));
  g_assert_false (is_safe ("x", "a\r\nset-cookie: b"));
  g_assert_false (is_safe ("x", "a\n"));
  g_assert_false (is_safe ("x", "\ra"));
}

static void
test_travels (void)
{
  static const char *const stay[] = {
    "Connection",         "keep-alive",          "Proxy-Connection", "TE",   "trailer", "Transfer-Encoding", "UPGRADE",
    "proxy-authenticate", "proxy-authorization", "Content-Length",   "host", "expect",  "x-conversation-id",
  };
  static const char *const go[] = {
    "content-type", "authorization", "x-api-key", "accept", "anthropic-version", "trailers", "hosts", "x-te", "cookie",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (stay); i++)
    g_assert_false (mr_header_travels (stay[i], NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (go); i++)
    g_assert_true (mr_header_travels (go[i], NULL));
}

static void
test_connection_names_more (void)
{
  g_assert_false (mr_header_travels ("X-Hop", "x-hop"));
  g_assert_false (mr_header_travels ("x-hop", "close,\t X-Hop ,other"));
  g_assert_true (mr_header_travels ("x-hop", "x-hop-2, x-ho"));
  g_assert_true (mr_header_travels ("x-hop", ""));
  g_assert_true (mr_header_travels ("x-hop", ",, close"));
  g_assert_false (mr_header_travels ("te", "close"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/headers/add-and-get", test_add_and_get);
  g_test_add_func ("/protocol/headers/repeated-names", test_repeated_names);
  g_test_add_func ("/protocol/headers/set-and-remove", test_set_and_remove);
  g_test_add_func ("/protocol/headers/latin-1", test_latin1);
  g_test_add_func ("/protocol/headers/safe", test_safe);
  g_test_add_func ("/contract/A4/hop-by-hop-fields-stay", test_travels);
  g_test_add_func ("/contract/A4/connection-names-more", test_connection_names_more);
  return g_test_run ();
}
