/* SPDX-License-Identifier: MIT */
/*
 * Parts between delimiters. See form.h.
 */
#include "form.h"

#include "limits.h"

#include <libsoup/soup.h>
#include <string.h>

#define BOUNDARY_MAX 70

static char *
dup_boundary (const char *content_type)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  g_autoptr (GHashTable) parameters = NULL;

  soup_message_headers_append (headers, "Content-Type", content_type);
  if (soup_message_headers_get_content_type (headers, &parameters) == NULL || parameters == NULL)
    return NULL;
  return g_strdup (g_hash_table_lookup (parameters, "boundary"));
}

gboolean
mr_form_iter_init (MrFormIter *iter, const char *content_type, const char *body, gsize length)
{
  g_autofree char *boundary = dup_boundary (content_type);
  const char *first;

  if (boundary == NULL || boundary[0] == '\0' || strlen (boundary) > BOUNDARY_MAX)
    return FALSE;
  *iter = (MrFormIter){ .end = body + length };
  iter->delimiter_length = (gsize) g_snprintf (iter->delimiter, sizeof iter->delimiter, "\r\n--%s", boundary);
  /* The first delimiter may begin the body, without the line end before it. */
  if (length >= iter->delimiter_length - 2 && memcmp (body, iter->delimiter + 2, iter->delimiter_length - 2) == 0)
    first = body + iter->delimiter_length - 2;
  else if ((first = memmem (body, length, iter->delimiter, iter->delimiter_length)) != NULL)
    first += iter->delimiter_length;
  iter->at = first;
  return first != NULL;
}

/* The field's name in the lines before a part's content. Only they are read; a file's content is not looked at. */
static char *
dup_name (const char *lines, gsize length)
{
  static const char field[] = "content-disposition:";
  g_autofree char *text = g_strndup (lines, length);
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_MULTIPART);
  g_autofree char *disposition = NULL;
  g_autoptr (GHashTable) parameters = NULL;
  g_auto (GStrv) each = g_strsplit (text, "\r\n", -1);

  for (char **line = each; *line != NULL; line++)
    if (g_ascii_strncasecmp (*line, field, strlen (field)) == 0 && strpbrk (*line, "\r\n") == NULL)
      soup_message_headers_append (headers, "Content-Disposition", g_strstrip (*line + strlen (field)));
  if (!soup_message_headers_get_content_disposition (headers, &disposition, &parameters) || disposition == NULL ||
      g_ascii_strcasecmp (disposition, "form-data") != 0)
    return NULL;
  return g_strdup (g_hash_table_lookup (parameters, "name"));
}

/* What stands between a delimiter and the end of its line: nothing but white space, or the dashes of the last one. */
static const char *
skip_line (const char *at, const char *end, gboolean *is_last)
{
  *is_last = end - at >= 2 && at[0] == '-' && at[1] == '-';
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  return end - at >= 2 && at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

gboolean
mr_form_iter_next (MrFormIter *iter, char **name, MrSpan *content, gboolean *malformed)
{
  gboolean is_last = FALSE;
  const char *lines = skip_line (iter->at, iter->end, &is_last);
  const char *blank;
  const char *next;

  *malformed = !is_last;
  if (is_last || lines == NULL || ++iter->n_parts > MR_LIMIT_FORM_PARTS)
    return FALSE;
  /* Without any lines the blank one is the delimiter's own line end. */
  blank = memmem (lines - 2, (gsize) (iter->end - lines + 2), "\r\n\r\n", 4);
  if (blank == NULL || blank - lines > MR_LIMIT_FORM_HEAD_BYTES)
    return FALSE;
  next = memmem (blank + 2, (gsize) (iter->end - blank - 2), iter->delimiter, iter->delimiter_length);
  if (next == NULL)
    return FALSE;
  *name = blank > lines ? dup_name (lines, (gsize) (blank - lines)) : NULL;
  *content = (MrSpan){ blank + 4, next > blank + 4 ? (gsize) (next - blank - 4) : 0 };
  iter->at = next + iter->delimiter_length;
  return TRUE;
}
