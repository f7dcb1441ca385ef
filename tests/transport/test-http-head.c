/* SPDX-License-Identifier: MIT */
/* The strict look at request heads: transport/http-head.c. */
#include "http-head.h"

#include "limits.h"

#include <string.h>

#define HOST "Host: h\r\n"

typedef struct {
  const char *text;
  gint64 content_length;
  gboolean chunked, http_1_0, keep_alive;
  const char *target;
} Good;

static void
test_good (void)
{
  static const Good cases[] = {
    { "GET / HTTP/1.1\r\n" HOST "\r\n", -1, FALSE, FALSE, TRUE, "/" },
    { "GET /a?b=c HTTP/1.1\n"
      "host:h\n\n",
      -1, FALSE, FALSE, TRUE, "/a?b=c" },
    { "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length:  42  \r\n\r\n", 42, FALSE, FALSE, TRUE, "/v1/x" },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", -1, TRUE, FALSE, FALSE, "/" },
    { "GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", -1, FALSE, FALSE, FALSE, "/" },
    { "GET / HTTP/1.0\r\n\r\n", -1, FALSE, TRUE, FALSE, "/" },
    { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", -1, FALSE, TRUE, TRUE, "/" },
    { "GET http://h/p?q HTTP/1.1\r\n" HOST "\r\n", -1, FALSE, FALSE, TRUE, "/p?q" },
    { "GET http://h HTTP/1.1\r\n" HOST "\r\n", -1, FALSE, FALSE, TRUE, "/" },
    { "POST / HTTP/1.1\r\n" HOST "X: a:b\r\nEmpty:\r\nContent-Length: 0\r\n\r\n", 0, FALSE, FALSE, TRUE, "/" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *target = NULL;
    MrHttpHead head;

    g_assert_true (mr_http_head_parse (cases[i].text, strlen (cases[i].text), &head, &error));
    g_assert_no_error (error);
    target = g_strndup (head.target, head.target_length);
    g_assert_cmpstr (target, ==, cases[i].target);
    g_assert_cmpint (head.content_length, ==, cases[i].content_length);
    g_assert_cmpint (head.chunked, ==, cases[i].chunked);
    g_assert_cmpint (head.http_1_0, ==, cases[i].http_1_0);
    g_assert_cmpint (head.keep_alive, ==, cases[i].keep_alive);
  }
}

static void
check_refused (const char *text, gsize length, MrErrorCode code)
{
  MrHttpHead head = { .content_length = 77 };
  g_autoptr (GError) error = NULL;

  if (mr_http_head_parse (text, length, &head, &error))
    g_error ("accepted: %s", text);
  g_assert_error (error, MR_ERROR, (int) code);
  g_assert_cmpint (head.content_length, ==, 77);
}

static void
test_refused (void)
{
  static const char *const cases[] = {
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 4\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 4, 4\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x10\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length : 4\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "A: b\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "No colon\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST ": no name\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
    "GET / HTTP/2.0\r\n" HOST "\r\n",
    "GET / HTTP/1.2\r\n" HOST "\r\n",
    "GET / http/1.1\r\n" HOST "\r\n",
    "GET /\r\n" HOST "\r\n",
    "GET / x HTTP/1.1\r\n" HOST "\r\n",
    "G(T / HTTP/1.1\r\n" HOST "\r\n",
    " GET / HTTP/1.1\r\n" HOST "\r\n",
    "GET /\x01 HTTP/1.1\r\n" HOST "\r\n",
    "GET /?\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n",
    "GET /\xff HTTP/1.1\r\n" HOST "\r\n",
  };
  static const char with_nul[] = "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n";

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check_refused (cases[i], strlen (cases[i]), MR_ERROR_INVALID_REQUEST);
  check_refused (with_nul, sizeof with_nul - 1, MR_ERROR_INVALID_REQUEST);
}

static void
test_fields_of_an_answer (void)
{
  static const char *const bad[] = {
    "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
  };
  static const char good[] = "HTTP/1.1 200 OK\r\nA: b\nEmpty:\r\n\r\n";

  g_assert_true (mr_http_head_check_fields (good, sizeof good - 1));
  g_assert_true (mr_http_head_check_fields ("HTTP/1.1 200 OK\n\n", 17));
  g_assert_false (mr_http_head_check_fields ("HTTP/1.1 200 OK\nA: b\0\n\n", 23));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (mr_http_head_check_fields (bad[i], strlen (bad[i])));
}

static void
test_field_count (void)
{
  g_autoptr (GString) text = g_string_new ("GET / HTTP/1.1\r\n" HOST);
  MrHttpHead head;

  for (int i = 1; i < MR_LIMIT_HEAD_FIELDS; i++)
    g_string_append_printf (text, "X-%d: y\r\n", i);
  g_string_append (text, "\r\n");
  g_assert_true (mr_http_head_parse (text->str, text->len, &head, NULL));
  g_string_insert (text, (gssize) text->len - 2, "One: more\r\n");
  check_refused (text->str, text->len, MR_ERROR_HEAD_TOO_LARGE);
}

static void
test_find_end (void)
{
  static const char *const heads[] = { "G\r\nA: b\r\n\r\n", "G\nA: b\n\n", "G\r\nA: b\n\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (heads); i++) {
    g_autofree char *text = g_strconcat (heads[i], "body\r\n\r\n", NULL);
    gsize length = strlen (heads[i]);

    g_assert_cmpuint (mr_http_head_find_end (text, strlen (text), 0), ==, length);
    for (gsize cut = 0; cut < length; cut++) {
      g_assert_cmpuint (mr_http_head_find_end (text, cut, 0), ==, 0);
      g_assert_cmpuint (mr_http_head_find_end (text, strlen (text), cut), ==, length);
    }
  }
}

static void
test_error_answer (void)
{
  GString *answer = mr_http_error_answer ("/v1/messages", MR_ERROR_REQUEST_TOO_LARGE, "too \"large\"");
  const char *body = strstr (answer->str, "\r\n\r\n") + 4;
  g_autofree char *length = g_strdup_printf ("Content-Length: %u\r\n", (guint) strlen (body));

  g_assert_true (g_str_has_prefix (answer->str, "HTTP/1.1 413 "));
  g_assert_nonnull (strstr (answer->str, length));
  g_assert_nonnull (strstr (answer->str, "Connection: close\r\n"));
  g_assert_nonnull (strstr (body, "\"type\":\"error\""));
  g_assert_nonnull (strstr (body, "too \\\"large\\\""));
  g_string_free (answer, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A7/good-heads", test_good);
  g_test_add_func ("/contract/A7/ambiguous-heads-are-refused", test_refused);
  g_test_add_func ("/contract/D4/fields-of-an-answer", test_fields_of_an_answer);
  g_test_add_func ("/contract/A7/field-count", test_field_count);
  g_test_add_func ("/http-head/find-end", test_find_end);
  g_test_add_func ("/contract/A5/error-answer", test_error_answer);
  return g_test_run ();
}
