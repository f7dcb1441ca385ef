/* SPDX-License-Identifier: MIT */
/*
 * Strict check of request heads, and writing of response heads. See http-head.h.
 */
#include "http-head.h"

#include "limits.h"

#include <libsoup/soup.h>
#include <string.h>

/* What the fields of one head said about the message's framing. */
typedef struct {
  guint n_fields;
  guint n_hosts;
  guint n_lengths;
  guint n_encodings;
  gint64 content_length;
  gboolean chunked;
  gboolean close;
  gboolean keep_alive;
} Framing;

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_REQUEST, message);
  return FALSE;
}

/* RFC 9110 5.6.2 */
static gboolean
is_token_char (guchar c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

static gboolean
is_token (const char *data, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!is_token_char ((guchar) data[i]))
      return FALSE;
  return length > 0;
}

gsize
mr_http_head_find_end (const char *data, gsize length, gsize from)
{
  const char *at = data + (from > 3 ? from - 3 : 0);
  const char *end = data + length;

  while ((at = memchr (at, '\n', (gsize) (end - at))) != NULL) {
    at++;
    if (at < end && *at == '\n')
      return (gsize) (at - data) + 1;
    if (at + 1 < end && at[0] == '\r' && at[1] == '\n')
      return (gsize) (at - data) + 2;
  }
  return 0;
}

/* Takes the line at @at without its ending; NULL at a bare CR or a NUL. */
static const char *
take_line (const char *at, const char *end, gsize *length)
{
  const char *newline = memchr (at, '\n', (gsize) (end - at));
  gsize n = (gsize) (newline - at);

  if (n > 0 && at[n - 1] == '\r')
    n--;
  if (memchr (at, '\r', n) != NULL || memchr (at, '\0', n) != NULL)
    return NULL;
  *length = n;
  return newline + 1;
}

static void
cut_to_path (MrHttpHead *head)
{
  const char *end = head->target + head->target_length;
  const char *authority;
  const char *path;

  if (head->target_length == 0 || head->target[0] == '/')
    return;
  authority = g_strstr_len (head->target, (gssize) head->target_length, "://");
  if (authority == NULL)
    return;
  path = memchr (authority + 3, '/', (gsize) (end - authority - 3));
  if (path == NULL) {
    head->target = "/";
    head->target_length = 1;
  } else {
    head->target = path;
    head->target_length = (gsize) (end - path);
  }
}

static gboolean
parse_request_line (const char *line, gsize length, MrHttpHead *head, GError **error)
{
  const char *first = memchr (line, ' ', length);
  const char *last = memrchr (line, ' ', length);
  const char *end = line + length;

  if (first == NULL || last == first || !is_token (line, (gsize) (first - line)))
    return refuse (error, "The request line is malformed: \"METHOD target HTTP/1.1\" is expected.");
  head->method = line;
  head->method_length = (gsize) (first - line);
  head->target = first + 1;
  head->target_length = (gsize) (last - first - 1);
  for (const char *p = head->target; p < last; p++)
    if ((guchar) *p <= ' ' || (guchar) *p >= 0x7f)
      return refuse (error, "The request target contains white space, a control character or a byte beyond ASCII.");
  if (head->target_length == 0)
    return refuse (error, "The request target is empty.");
  if (end - last != 9 || strncmp (last + 1, "HTTP/1.", 7) != 0 || (last[8] != '0' && last[8] != '1'))
    return refuse (error, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  head->http_1_0 = last[8] == '0';
  cut_to_path (head);
  return TRUE;
}

static gboolean
parse_content_length (const char *value, gsize length, gint64 *out)
{
  gint64 sum = 0;

  if (length == 0 || length > 18)
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isdigit (value[i]))
      return FALSE;
    sum = sum * 10 + (value[i] - '0');
  }
  *out = sum;
  return TRUE;
}

static gboolean
has_list_token (const char *value, gsize length, const char *token)
{
  g_autofree char *copy = g_strndup (value, length);
  g_auto (GStrv) parts = g_strsplit (copy, ",", -1);

  for (char **part = parts; *part != NULL; part++)
    if (g_ascii_strcasecmp (g_strstrip (*part), token) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_named (const char *name, gsize length, const char *wanted)
{
  return length == strlen (wanted) && g_ascii_strncasecmp (name, wanted, length) == 0;
}

static gboolean
note_field (Framing *framing, const char *name, gsize name_length, const char *value, gsize length, GError **error)
{
  if (is_named (name, name_length, "host")) {
    framing->n_hosts++;
  } else if (is_named (name, name_length, "content-length")) {
    framing->n_lengths++;
    if (!parse_content_length (value, length, &framing->content_length))
      return refuse (error, "Content-Length is not a decimal number of bytes.");
  } else if (is_named (name, name_length, "transfer-encoding")) {
    framing->n_encodings++;
    framing->chunked = length == 7 && g_ascii_strncasecmp (value, "chunked", 7) == 0;
  } else if (is_named (name, name_length, "connection")) {
    framing->close |= has_list_token (value, length, "close");
    framing->keep_alive |= has_list_token (value, length, "keep-alive");
  }
  return TRUE;
}

/* The colon of a well-formed field line. */
static const char *
find_colon (const char *line, gsize length, GError **error)
{
  const char *colon = memchr (line, ':', length);

  if (line[0] == ' ' || line[0] == '\t')
    refuse (error, "A header field is folded over several lines, which is obsolete.");
  else if (colon == NULL || !is_token (line, (gsize) (colon - line)))
    refuse (error, "A header field is malformed: \"Name: value\" without white space before the colon is expected.");
  else
    return colon;
  return NULL;
}

static gboolean
parse_field (Framing *framing, const char *line, gsize length, GError **error)
{
  const char *colon = find_colon (line, length, error);
  const char *end = line + length;
  const char *value;

  if (colon == NULL)
    return FALSE;
  if (++framing->n_fields > MR_LIMIT_HEAD_FIELDS) {
    g_set_error (error, MR_ERROR, MR_ERROR_HEAD_TOO_LARGE, "The request has more than %d header fields.",
                 MR_LIMIT_HEAD_FIELDS);
    return FALSE;
  }
  for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
    ;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
    end--;
  return note_field (framing, line, (gsize) (colon - line), value, (gsize) (end - value), error);
}

static gboolean
check_framing (const Framing *framing, const MrHttpHead *head, GError **error)
{
  if (framing->n_lengths > 1)
    return refuse (error, "Content-Length is given more than once.");
  if (framing->n_lengths > 0 && framing->n_encodings > 0)
    return refuse (error, "Content-Length and Transfer-Encoding exclude each other.");
  if (framing->n_encodings > 0 && (framing->n_encodings > 1 || !framing->chunked || head->http_1_0))
    return refuse (error, "The only Transfer-Encoding of a request is \"chunked\", in HTTP/1.1.");
  if (framing->n_hosts > 1 || (framing->n_hosts == 0 && !head->http_1_0))
    return refuse (error, "Exactly one Host header field is expected.");
  return TRUE;
}

gboolean
mr_http_head_parse (const char *data, gsize length, MrHttpHead *head, GError **error)
{
  Framing framing = { .content_length = -1 };
  MrHttpHead parsed = { 0 };
  const char *end = data + length;
  gsize line_length = 0;
  const char *next = take_line (data, end, &line_length);

  if (next == NULL)
    return refuse (error, "The request line contains a bare CR or a NUL.");
  if (!parse_request_line (data, line_length, &parsed, error))
    return FALSE;
  for (const char *line = next; line < end; line = next) {
    next = take_line (line, end, &line_length);
    if (next == NULL)
      return refuse (error, "A header field contains a bare CR or a NUL.");
    if (line_length > 0 && !parse_field (&framing, line, line_length, error))
      return FALSE;
  }
  if (!check_framing (&framing, &parsed, error))
    return FALSE;
  parsed.content_length = framing.content_length;
  parsed.chunked = framing.chunked;
  parsed.keep_alive = !framing.close && !framing.chunked && (!parsed.http_1_0 || framing.keep_alive);
  *head = parsed;
  return TRUE;
}

gboolean
mr_http_head_check_fields (const char *data, gsize length)
{
  const char *end = data + length;
  gsize line_length = 0;
  const char *next = take_line (data, end, &line_length);

  while (next != NULL && next < end) {
    const char *line = next;

    next = take_line (line, end, &line_length);
    if (next != NULL && line_length > 0 && find_colon (line, line_length, NULL) == NULL)
      return FALSE;
  }
  return next != NULL;
}

/* libsoup 3.2 has no words for some that the relay sends. */
static const char *
status_phrase (guint status)
{
  switch (status) {
  case 426:
    return "Upgrade Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  default:
    return soup_status_get_phrase (status);
  }
}

void
mr_http_head_append_status (GString *out, guint status)
{
  g_string_append_printf (out, "HTTP/1.1 %u %s\r\n", status, status_phrase (status));
}

void
mr_http_head_append_field (GString *out, const char *name, const char *value)
{
  g_string_append (out, name);
  g_string_append_len (out, ": ", 2);
  g_string_append (out, value);
  g_string_append_len (out, "\r\n", 2);
}

GString *
mr_http_error_answer (const char *path, MrErrorCode code, const char *message)
{
  g_autofree char *id = g_uuid_string_random ();
  g_autofree char *body = mr_error_to_json (mr_api_for_path (path != NULL ? path : ""), (int) code, message, id);
  const MrErrorInfo *info = mr_error_info ((int) code);
  GString *out = g_string_new (NULL);

  mr_http_head_append_status (out, info->http_status);
  mr_http_head_append_field (out, "Content-Type", "application/json");
  mr_http_head_append_field (out, "X-Content-Type-Options", "nosniff");
  mr_http_head_append_field (out, "X-Request-Id", id);
  if (info->retry_after_secs > 0)
    g_string_append_printf (out, "Retry-After: %u\r\n", info->retry_after_secs);
  mr_http_head_append_field (out, "Connection", "close");
  g_string_append_printf (out, "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s", strlen (body), body);
  return out;
}
