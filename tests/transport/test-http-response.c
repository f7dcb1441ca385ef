/* SPDX-License-Identifier: MIT */
/*
 * The reader of HTTP answers, without sockets: every framing in every fragmentation, every cut, and what it refuses.
 */
#include "http-response.h"

#include "error.h"
#include "http-chunked.h"
#include "limits.h"

#include <string.h>

/** Outcome: what came out of a whole answer. */
typedef struct {
  guint status;
  char *length_field; /* Content-Length as it was told */
  GString *body;
  gsize left; /* bytes that were not consumed */
  gboolean done;
  gboolean keeps_alive;
  GError *error;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_free (outcome->length_field);
  g_string_free (outcome->body, TRUE);
  g_clear_error (&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

/* Feeds @fragment once; TRUE while the answer goes on. */
static gboolean
feed (MrHttpResponse *response, char *fragment, gsize length, Outcome *outcome)
{
  MrHttpResponseResult result;

  do {
    MrSpan body = { NULL };
    gsize used;

    result = mr_http_response_next (response, fragment, length, &used, &body, &outcome->error);
    g_assert_cmpuint (used, <=, length);
    fragment += used;
    length -= used;
    if (result == MR_HTTP_RESPONSE_HEAD) {
      outcome->status = mr_http_response_get_status (response);
      outcome->length_field = g_strdup (mr_headers_get (mr_http_response_get_headers (response), "content-length"));
      outcome->keeps_alive = mr_http_response_keeps_alive (response);
    } else if (result == MR_HTTP_RESPONSE_DATA) {
      g_assert_cmpuint (body.length, >, 0);
      g_string_append_len (outcome->body, body.data, body.length);
    }
  } while (result == MR_HTTP_RESPONSE_HEAD || result == MR_HTTP_RESPONSE_DATA);
  outcome->done = result == MR_HTTP_RESPONSE_DONE;
  outcome->left = length;
  g_assert_true (result != MR_HTTP_RESPONSE_NEED_MORE || length == 0);
  return result == MR_HTTP_RESPONSE_NEED_MORE;
}

/* The answer in fragments that end at each of @cuts (the last is its end), then the end of the connection. */
static Outcome
read_in_fragments (const char *answer, gboolean to_head, const gsize *cuts, gsize n_cuts)
{
  g_autoptr (MrHttpResponse) response = mr_http_response_new (to_head);
  Outcome outcome = { .body = g_string_new (NULL) };
  gboolean goes_on = TRUE;
  gsize at = 0;

  for (gsize i = 0; i < n_cuts && goes_on; i++) {
    /* Of its own length, so that a sanitizer sees a byte too far. */
    g_autofree char *fragment = g_memdup2 (answer + at, cuts[i] - at);

    goes_on = feed (response, fragment, cuts[i] - at, &outcome);
    at = cuts[i];
  }
  if (goes_on)
    outcome.done = mr_http_response_end (response, &outcome.error) == MR_HTTP_RESPONSE_DONE;
  return outcome;
}

static Outcome
read_whole (const char *answer, gboolean to_head)
{
  gsize end = strlen (answer);

  return read_in_fragments (answer, to_head, &end, 1);
}

typedef struct {
  const char *name;
  const char *answer;
  gboolean to_head;
  guint status;
  const char *body;
  gboolean keeps_alive;
} Case;

static const Case cases[] = {
  { "length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", FALSE, 200, "hello", TRUE },
  { "length-twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", FALSE, 200, "hello",
    TRUE },
  { "length-zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FALSE, 200, "", TRUE },
  { "chunked",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A;x=\"y\"\r\n, world! :\r\n0\r\n\r\n", FALSE,
    200, "hello, world! :", TRUE },
  { "chunked-trailers",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, ChunKed\r\n\r\n1 ;a\r\nx\r\n000\r\nA: b\r\nC: d\r\n\r\n", FALSE, 200,
    "x", TRUE },
  { "chunked-empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", FALSE, 200, "", TRUE },
  { "chunked-and-length",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", FALSE, 200,
    "abc", FALSE },
  { "other-coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nraw", FALSE, 200, "raw", FALSE },
  { "until-close", "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nall of it", FALSE, 200, "all of it", FALSE },
  { "connection-close", "HTTP/1.1 500 No\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nno", FALSE, 500, "no",
    FALSE },
  { "http-1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", FALSE, 200, "ok", FALSE },
  { "http-1.0-keep-alive", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", FALSE, 200, "ok",
    TRUE },
  { "to-head", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", TRUE, 200, "", TRUE },
  { "no-content", "HTTP/1.1 204 No Content\r\n\r\n", FALSE, 204, "", TRUE },
  { "not-modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", FALSE, 304, "", TRUE },
  { "interim",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: "
    "2\r\n\r\nok",
    FALSE, 201, "ok", TRUE },
  { "bare-line-feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", FALSE, 200, "ok", TRUE },
};

static void
assert_outcome (const Case *expected, const Outcome *outcome)
{
  g_assert_no_error (outcome->error);
  g_assert_true (outcome->done);
  g_assert_cmpuint (outcome->status, ==, expected->status);
  g_assert_cmpstr (outcome->body->str, ==, expected->body);
  g_assert_cmpint (outcome->keeps_alive, ==, expected->keeps_alive);
  g_assert_cmpuint (outcome->left, ==, 0);
}

static void
test_framing (gconstpointer data)
{
  const Case *expected = data;
  gsize length = strlen (expected->answer);
  g_autofree gsize *every = g_new (gsize, length);

  for (gsize first = 1; first <= length; first++) {
    for (gsize second = first; second <= length; second++) {
      const gsize cuts[] = { first, second, length };
      g_auto (Outcome) outcome = read_in_fragments (expected->answer, expected->to_head, cuts, G_N_ELEMENTS (cuts));

      assert_outcome (expected, &outcome);
    }
    every[first - 1] = first;
  }
  g_auto (Outcome) outcome = read_in_fragments (expected->answer, expected->to_head, every, length);
  assert_outcome (expected, &outcome);
}

/* An answer that was cut anywhere is never an end, save where the end of the connection is the end of the body. */
static void
test_cut (gconstpointer data)
{
  const Case *whole = data;
  const char *body = strstr (whole->answer, "\r\n\r\n");
  gboolean until_close = !whole->keeps_alive && strstr (whole->answer, "Length") == NULL;
  gsize end = until_close ? (gsize) (body - whole->answer) + 4 : strlen (whole->answer);

  for (gsize cut = 0; cut < end; cut++) {
    g_auto (Outcome) outcome = read_in_fragments (whole->answer, whole->to_head, &cut, 1);

    g_assert_false (outcome.done);
    g_assert_error (outcome.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
    if (cut > 0 && strcmp (whole->name, "interim") != 0)
      g_assert_cmpstr (outcome.error->message, ==, "backend closed the connection in the middle of its answer");
  }
}

static void
test_refused (void)
{
  static const char *const answers[] = {
    "nonsense\r\n\r\n",
    "\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 abc OK\r\n\r\n",
    "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-\xc3\xa9: a\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX(y): a\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_auto (Outcome) outcome = read_whole (answers[i], FALSE);

    g_test_message ("%s", answers[i]);
    g_assert_false (outcome.done);
    g_assert_error (outcome.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
    g_assert_cmpuint (outcome.body->len, ==, 0);
  }
}

static void
test_bad_chunks (void)
{
  static const char *const bodies[] = {
    "x\r\n",
    "\r\n",
    " 1\r\nx\r\n",
    "-1\r\nx\r\n",
    "0x1\r\nx\r\n",
    "1\nx\r\n",
    "1\r\nxy\r\n",
    "1\r\nx\n",
    "1\rx",
    "10000000000000000\r\n",
    "fffffffffffffffff\r\n",
    "1;a\nb\r\nx\r\n",
    "0\r\nTrailer\n\r\n",
    "0\r\n\rX",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autofree char *answer =
        g_strconcat ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n", bodies[i], NULL);
    g_auto (Outcome) outcome = read_whole (answer, FALSE);

    g_test_message ("%s", bodies[i]);
    g_assert_false (outcome.done);
    g_assert_error (outcome.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
    g_assert_cmpstr (outcome.error->message, ==, "backend sent a chunk that is malformed");
    g_assert_true (g_str_has_prefix (outcome.body->str, "good"));
  }
}

static void
test_too_large (void)
{
  g_autofree char *filler = g_strnfill (MR_LIMIT_HEAD_BYTES, 'a');
  g_autofree char *head = g_strconcat ("HTTP/1.1 200 OK\r\nX: ", filler, "\r\n\r\n", NULL);
  g_autofree char *extension =
      g_strconcat ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", filler, "a\r\nx\r\n0\r\n\r\n", NULL);
  g_autofree char *trailer =
      g_strconcat ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", filler, "\r\n\r\n", NULL);
  g_autoptr (GString) interim = g_string_new (NULL);
  g_autoptr (GString) fields = g_string_new (NULL);
  const char *const answers[] = { head, extension, trailer };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_auto (Outcome) outcome = read_whole (answers[i], FALSE);

    g_assert_false (outcome.done);
    g_assert_error (outcome.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
  }

  for (int i = 0; i <= MR_LIMIT_MESSAGE_HEADERS; i++)
    g_string_append_printf (fields, "X%d:\r\n", i);
  g_autofree char *many = g_strconcat ("HTTP/1.1 200 OK\r\n", fields->str, "\r\n", NULL);
  g_auto (Outcome) of_many = read_whole (many, FALSE);
  g_assert_error (of_many.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_cmpstr (of_many.error->message, ==, "backend sent too many header fields");

  while (interim->len <= MR_LIMIT_HEAD_BYTES)
    g_string_append (interim, "HTTP/1.1 100 Continue\r\n\r\n");
  g_auto (Outcome) outcome = read_whole (interim->str, FALSE);
  g_assert_error (outcome.error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
  g_assert_cmpstr (outcome.error->message, ==, "backend sent a head that is too large");
}

static void
test_bytes_after_the_end (void)
{
  g_auto (Outcome) length = read_whole ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokXYZ", FALSE);
  g_auto (Outcome) chunked =
      read_whole ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nXYZ", FALSE);

  g_assert_true (length.done);
  g_assert_cmpstr (length.body->str, ==, "ok");
  g_assert_cmpuint (length.left, ==, 3);
  g_assert_true (chunked.done);
  g_assert_cmpstr (chunked.body->str, ==, "ok");
  g_assert_cmpuint (chunked.left, ==, 3);
}

static void
test_header_fields (void)
{
  g_autofree char *answer = g_strdup ("HTTP/1.1 200 OK\r\nX-Two: a\r\nx-two: b\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n"
                                      "Content-Length: 0\r\n\r\n");
  g_autoptr (MrHttpResponse) response = mr_http_response_new (FALSE);
  const MrHeaders *headers;
  MrSpan body;
  gsize used;

  g_assert_cmpint (mr_http_response_next (response, answer, strlen (answer), &used, &body, NULL), ==,
                   MR_HTTP_RESPONSE_HEAD);
  headers = mr_http_response_get_headers (response);
  g_assert_cmpuint (mr_headers_length (headers), ==, 4);
  g_assert_cmpstr (mr_headers_get (headers, "x-two"), ==, "a, b");
  g_assert_cmpstr (mr_headers_get (headers, "set-cookie"), ==, "c");
  g_assert_cmpstr (mr_headers_get (headers, "content-length"), ==, "0");
}

/* Random bodies, chunk sizes and fragments against the bytes that went in. */
static void
test_chunked_random (void)
{
  for (guint round = 0; round < 2000; round++) {
    g_autoptr (GString) plain = g_string_new (NULL);
    g_autoptr (GString) coded = g_string_new (NULL);
    g_autoptr (GString) decoded = g_string_new (NULL);
    MrChunked chunked = { 0 };
    gsize at = 0;

    for (int n = g_test_rand_int_range (0, 8); n > 0; n--) {
      gsize length = g_test_rand_int_range (1, 300);

      g_string_append_printf (coded, g_test_rand_bit () ? "%zx\r\n" : "0%zX;e=f\r\n", length);
      for (gsize i = 0; i < length; i++) {
        char byte = (char) g_test_rand_int_range (0, 256);

        g_string_append_c (plain, byte);
        g_string_append_c (coded, byte);
      }
      g_string_append (coded, "\r\n");
    }
    g_string_append (coded, "0\r\n\r\n");

    while (at < coded->len) {
      gsize wanted = g_test_rand_int_range (1, 400);
      gsize length = MIN (wanted, coded->len - at);
      g_autofree char *fragment = g_memdup2 (coded->str + at, length);
      gsize used;
      gsize n = mr_chunked_decode (&chunked, fragment, length, &used);

      g_assert_cmpuint (used, ==, length);
      g_string_append_len (decoded, fragment, n);
      at += length;
      g_assert_cmpint (mr_chunked_is_complete (&chunked), ==, at == coded->len);
    }
    g_assert_cmpmem (decoded->str, decoded->len, plain->str, plain->len);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *framing = g_strconcat ("/transport/http-response/framing/", cases[i].name, NULL);
    g_autofree char *cut = g_strconcat ("/contract/D4/answer-cut-anywhere/", cases[i].name, NULL);

    g_test_add_data_func (framing, &cases[i], test_framing);
    if (strstr (cases[i].answer, "\r\n\r\n") != NULL)
      g_test_add_data_func (cut, &cases[i], test_cut);
  }
  g_test_add_func ("/transport/http-response/refused", test_refused);
  g_test_add_func ("/transport/http-response/bad-chunks", test_bad_chunks);
  g_test_add_func ("/transport/http-response/too-large", test_too_large);
  g_test_add_func ("/transport/http-response/bytes-after-the-end", test_bytes_after_the_end);
  g_test_add_func ("/transport/http-response/header-fields", test_header_fields);
  g_test_add_func ("/transport/http-response/chunked-random", test_chunked_random);
  return g_test_run ();
}
