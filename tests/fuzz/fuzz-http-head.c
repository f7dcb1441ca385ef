/* SPDX-License-Identifier: MIT */
/*
 * The strict look at request heads: the end is found wherever the search was interrupted, what is accepted is well
 * formed, and libsoup, which parses the same head afterwards, sees the same request with the same framing.
 *
 *   input: pieces (fuzz.h), bytes of a connection
 */
#include "error.h"
#include "fuzz.h"
#include "http-head.h"
#include "limits.h"

#include <libsoup/soup.h>
#include <string.h>

static gsize
find_end (FuzzPieces pieces, const guint8 *data, gsize length)
{
  gsize searched = 0;
  gsize end = 0;

  while (end == 0 && searched < length) {
    gsize available = searched + fuzz_pieces_next (&pieces, length - searched);
    g_autofree char *so_far = fuzz_dup (data, available);

    end = mr_http_head_find_end (so_far, available, searched);
    searched = available;
  }
  return end;
}

/* libsoup's server takes the head without its empty line, and as a C string. */
static void
check_with_libsoup (const char *text, gsize length, const MrHttpHead *head)
{
  g_autoptr (SoupMessageHeaders) fields = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  gsize without_end = length - (text[length - 2] == '\r' ? 2 : 1);
  g_autofree char *request = g_strndup (text, without_end);
  g_autofree char *method = NULL;
  g_autofree char *target = NULL;
  SoupHTTPVersion version;

  if (soup_headers_parse_request (request, (int) without_end, fields, &method, &target, &version) != SOUP_STATUS_OK)
    return;
  g_assert (strlen (method) == head->method_length && memcmp (method, head->method, head->method_length) == 0);
  g_assert (strlen (target) >= head->target_length || g_str_equal (target, "/"));
  g_assert ((version == SOUP_HTTP_1_0) == head->http_1_0);
  switch (soup_message_headers_get_encoding (fields)) {
  case SOUP_ENCODING_CHUNKED:
    g_assert (head->chunked);
    break;
  case SOUP_ENCODING_CONTENT_LENGTH:
    g_assert (head->content_length == soup_message_headers_get_content_length (fields));
    break;
  default:
    g_assert (!head->chunked && head->content_length < 0);
    break;
  }
}

static void
check_head (const char *text, gsize length)
{
  g_autoptr (GError) error = NULL;
  MrHttpHead head = { .content_length = -2 };

  if (!mr_http_head_parse (text, length, &head, &error)) {
    g_assert (error != NULL && error->domain == MR_ERROR && head.content_length == -2);
    g_assert (error->code == MR_ERROR_INVALID_REQUEST || error->code == MR_ERROR_HEAD_TOO_LARGE);
    return;
  }
  g_assert (error == NULL);
  g_assert (head.method == text && head.method_length > 0 && head.target_length > 0);
  g_assert ((head.target > text && head.target + head.target_length < text + length) ||
            (head.target_length == 1 && *head.target == '/'));
  for (gsize i = 0; i < head.target_length; i++)
    g_assert (g_ascii_isgraph (head.target[i]));
  g_assert (head.content_length >= -1);
  g_assert (!head.chunked || (head.content_length == -1 && !head.http_1_0 && !head.keep_alive));
  check_with_libsoup (text, length, &head);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzPieces pieces = fuzz_take_pieces (&data, &length);
  gsize end = find_end ((FuzzPieces){ NULL }, data, length);

  g_assert (find_end (pieces, data, length) == end);
  g_assert (end <= length);
  if (end > 0 && end <= MR_LIMIT_HEAD_BYTES) {
    g_autofree char *head = fuzz_dup (data, end);

    check_head (head, end);
  }
  return 0;
}
