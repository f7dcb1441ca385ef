/* SPDX-License-Identifier: MIT */
/*
 * The reference validator: one function for each production of the grammar, each returning where its match ends,
 * or NULL. It shares nothing with the scanner that it judges; UTF-8 is judged by GLib.
 */
#include "json-reference.h"

#include <string.h>

static const char *
space (const char *p, const char *end)
{
  while (p < end && *p != '\0' && strchr (" \t\r\n", *p) != NULL)
    p++;
  return p;
}

static const char *
word (const char *p, const char *end, const char *expected)
{
  gsize length = strlen (expected);

  return (gsize) (end - p) >= length && strncmp (p, expected, length) == 0 ? p + length : NULL;
}

static const char *
digits (const char *p, const char *end)
{
  const char *first = p;

  while (p < end && *p >= '0' && *p <= '9')
    p++;
  return p > first ? p : NULL;
}

static const char *
number (const char *p, const char *end)
{
  if (p < end && *p == '-')
    p++;
  const char *after = digits (p, end);
  if (after == NULL || (*p == '0' && after > p + 1))
    return NULL;
  p = after;
  if (p < end && *p == '.' && (p = digits (p + 1, end)) == NULL)
    return NULL;
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-'))
      p++;
    p = digits (p, end);
  }
  return p;
}

static const char *
string (const char *p, const char *end)
{
  const char *inside = p + 1;

  for (p = inside; p < end && *p != '"'; p++) {
    if ((unsigned char) *p < ' ')
      return NULL;
    if (*p != '\\')
      continue;
    p++;
    if (p == end || *p == '\0' || strchr ("\"\\/bfnrtu", *p) == NULL)
      return NULL;
    for (int i = 1; *p == 'u' && i <= 4; i++) {
      if (end - p <= i || !g_ascii_isxdigit (p[i]))
        return NULL;
    }
  }
  return p < end && g_utf8_validate_len (inside, p - inside, NULL) ? p + 1 : NULL;
}

static const char *value (const char *p, const char *end, guint depth);

static const char *
container (const char *p, const char *end, guint depth, char closer)
{
  if (depth == 0)
    return NULL;
  p = space (p + 1, end);
  if (p < end && *p == closer)
    return p + 1;
  for (;;) {
    if (closer == '}') {
      if (p == end || *p != '"' || (p = string (p, end)) == NULL)
        return NULL;
      p = word (space (p, end), end, ":");
      if (p == NULL)
        return NULL;
    }
    p = value (space (p, end), end, depth - 1);
    if (p == NULL)
      return NULL;
    p = space (p, end);
    if (p < end && *p == closer)
      return p + 1;
    if (p == end || *p != ',')
      return NULL;
    p = space (p + 1, end);
  }
}

static const char *
value (const char *p, const char *end, guint depth)
{
  if (p == end)
    return NULL;
  if (*p == '"')
    return string (p, end);
  if (*p == '{' || *p == '[')
    return container (p, end, depth, *p == '{' ? '}' : ']');
  if (*p == 't')
    return word (p, end, "true");
  if (*p == 'f')
    return word (p, end, "false");
  if (*p == 'n')
    return word (p, end, "null");
  return number (p, end);
}

gboolean
json_reference_is_valid (const char *text, gsize length, guint max_depth)
{
  const char *end = text + length;
  const char *p = value (space (text, end), end, max_depth);

  return p != NULL && space (p, end) == end;
}
