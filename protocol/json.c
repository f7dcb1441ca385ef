/* SPDX-License-Identifier: MIT */
/*
 * The scanner: the grammar around strings and numbers, without recursion. A container's closing bracket waits on a
 * stack of bytes. The inside of strings is json-string.c's.
 */
#include "json-string.h"

#include "error.h"
#include "limits.h"

#include <string.h>

#define MAX_WANTED_MEMBERS 32

typedef struct {
  const char *start;
  const char *at;
  const char *end;
  const char *problem; /* what is wrong at `at`, once something is */
  gboolean opened;     /* `at` is just behind an opening bracket */
  guint depth;
  char closers[MR_LIMIT_JSON_DEPTH]; /* the bracket that ends each open container; `depth` of them count */
} Scanner;

static void
scanner_init (Scanner *scanner, const char *text, gsize length)
{
  scanner->start = text;
  scanner->at = text;
  scanner->end = text + length;
  scanner->problem = NULL;
  scanner->opened = FALSE;
  scanner->depth = 0;
}

static gboolean
fail (Scanner *scanner, const char *problem)
{
  scanner->problem = problem;
  return FALSE;
}

static void
set_error (const Scanner *scanner, GError **error)
{
  g_set_error (error, MR_ERROR, MR_ERROR_JSON, "%s at byte %" G_GSIZE_FORMAT "%s", scanner->problem,
               (gsize) (scanner->at - scanner->start), scanner->at == scanner->end ? ", where the text ends" : "");
}

/* Returns: whether the next byte is @byte */
static gboolean
is_at (const Scanner *scanner, char byte)
{
  return scanner->at < scanner->end && *scanner->at == byte;
}

static gboolean
is_at_digit (const Scanner *scanner)
{
  return scanner->at < scanner->end && g_ascii_isdigit (*scanner->at);
}

static void
skip_space (Scanner *scanner)
{
  while (is_at (scanner, ' ') || is_at (scanner, '\n') || is_at (scanner, '\r') || is_at (scanner, '\t'))
    scanner->at++;
}

static gboolean
scan_string (Scanner *scanner, MrJsonValue *value)
{
  const char *start = scanner->at++;

  value->type = MR_JSON_STRING;
  scanner->problem = mr_json_string_scan (&scanner->at, scanner->end, &value->escaped);
  value->text = (MrSpan){ start, scanner->at - start };
  return scanner->problem == NULL;
}

static gboolean
scan_digits (Scanner *scanner)
{
  if (!is_at_digit (scanner))
    return fail (scanner, "expected a digit");
  while (is_at_digit (scanner))
    scanner->at++;
  return TRUE;
}

static gboolean
scan_number (Scanner *scanner)
{
  if (is_at (scanner, '-'))
    scanner->at++;

  /* No digit may follow a leading zero; whoever scans on will not expect it. */
  if (is_at (scanner, '0'))
    scanner->at++;
  else if (!scan_digits (scanner))
    return FALSE;

  if (is_at (scanner, '.')) {
    scanner->at++;
    if (!scan_digits (scanner))
      return FALSE;
  }
  if (is_at (scanner, 'e') || is_at (scanner, 'E')) {
    scanner->at++;
    if (is_at (scanner, '+') || is_at (scanner, '-'))
      scanner->at++;
    return scan_digits (scanner);
  }
  return TRUE;
}

static gboolean
scan_literal (Scanner *scanner, const char *literal)
{
  gsize length = strlen (literal);

  if ((gsize) (scanner->end - scanner->at) < length || memcmp (scanner->at, literal, length) != 0)
    return fail (scanner, "expected a value");
  scanner->at += length;
  return TRUE;
}

static gboolean
open_container (Scanner *scanner, char closer)
{
  if (scanner->depth == MR_LIMIT_JSON_DEPTH)
    return fail (scanner, "nested too deeply");
  scanner->closers[scanner->depth++] = closer;
  scanner->at++;
  scanner->opened = TRUE;
  return TRUE;
}

/* Scans a scalar or the opening bracket of a container; of @value only type and escaped are set. */
static gboolean
scan_start (Scanner *scanner, MrJsonValue *value)
{
  value->escaped = FALSE;
  scanner->opened = FALSE;
  switch (scanner->at < scanner->end ? *scanner->at : '\0') {
  case '"':
    return scan_string (scanner, value);
  case '{':
    value->type = MR_JSON_OBJECT;
    return open_container (scanner, '}');
  case '[':
    value->type = MR_JSON_ARRAY;
    return open_container (scanner, ']');
  case 't':
    value->type = MR_JSON_TRUE;
    return scan_literal (scanner, "true");
  case 'f':
    value->type = MR_JSON_FALSE;
    return scan_literal (scanner, "false");
  case 'n':
    value->type = MR_JSON_NULL;
    return scan_literal (scanner, "null");
  case '-':
  case '0' ... '9':
    value->type = MR_JSON_NUMBER;
    return scan_number (scanner);
  default:
    return fail (scanner, "expected a value");
  }
}

static gboolean
scan_name (Scanner *scanner, MrJsonValue *name)
{
  if (!is_at (scanner, '"'))
    return fail (scanner, "expected a member name");
  if (!scan_string (scanner, name))
    return FALSE;
  skip_space (scanner);
  if (!is_at (scanner, ':'))
    return fail (scanner, "expected ':'");
  scanner->at++;
  skip_space (scanner);
  return TRUE;
}

typedef enum { STEP_FAILED, STEP_CLOSED, STEP_VALUE } Step;

/* Inside the innermost container, behind its opening bracket or a value: passes its closing bracket, or all that stands
 * before the next value. @name: (out): set in an object */
static Step
scan_step (Scanner *scanner, MrJsonValue *name)
{
  char closer = scanner->closers[scanner->depth - 1];

  skip_space (scanner);
  if (is_at (scanner, closer)) {
    scanner->at++;
    scanner->depth--;
    scanner->opened = FALSE;
    return STEP_CLOSED;
  }
  if (!scanner->opened) {
    if (!is_at (scanner, ',')) {
      fail (scanner, closer == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
      return STEP_FAILED;
    }
    scanner->at++;
    skip_space (scanner);
  }
  if (closer == '}' && !scan_name (scanner, name))
    return STEP_FAILED;
  return STEP_VALUE;
}

static gboolean
scan_value (Scanner *scanner, MrJsonValue *value)
{
  const char *start = scanner->at;
  guint outside = scanner->depth;
  MrJsonValue inner;

  if (!scan_start (scanner, value))
    return FALSE;
  while (scanner->depth > outside) {
    Step step = scan_step (scanner, &inner);

    if (step == STEP_FAILED || (step == STEP_VALUE && !scan_start (scanner, &inner)))
      return FALSE;
  }
  value->text = (MrSpan){ start, scanner->at - start };
  return TRUE;
}

static gboolean
scan_end (Scanner *scanner)
{
  skip_space (scanner);
  return scanner->at == scanner->end || fail (scanner, "bytes after the document");
}

gboolean
mr_json_scan (const char *text, gsize length, MrJsonValue *value, GError **error)
{
  Scanner scanner;
  MrJsonValue found;

  scanner_init (&scanner, text, length);
  skip_space (&scanner);
  if (!scan_value (&scanner, &found) || !scan_end (&scanner)) {
    set_error (&scanner, error);
    return FALSE;
  }
  *value = found;
  return TRUE;
}

/* @data may contain NUL. */
static gboolean
name_equals (const char *data, gsize length, const char *wanted)
{
  for (gsize i = 0; i < length; i++) {
    if (wanted[i] == '\0' || data[i] != wanted[i])
      return FALSE;
  }
  return wanted[length] == '\0';
}

/* Puts @value to each of @names that @name is. */
static void
pick (const MrJsonValue *name, const MrJsonValue *value, const char *const *names, MrJsonValue *values, gsize n)
{
  g_autoptr (GString) unescaped = NULL;
  const char *data = name->text.data + 1;
  gsize length = name->text.length - 2;

  if (name->escaped) {
    unescaped = g_string_new (NULL);
    if (!mr_json_append_unescaped (unescaped, name, NULL))
      return;
    data = unescaped->str;
    length = unescaped->len;
  }
  for (gsize i = 0; i < n; i++) {
    if (name_equals (data, length, names[i]))
      values[i] = *value;
  }
}

static gboolean
scan_members (Scanner *scanner, const char *const *names, MrJsonValue *values, gsize n)
{
  MrJsonValue name, value;
  Step step;

  skip_space (scanner);
  if (!is_at (scanner, '{') || !scan_start (scanner, &value))
    return fail (scanner, "expected an object");

  while ((step = scan_step (scanner, &name)) == STEP_VALUE) {
    if (!scan_value (scanner, &value))
      return FALSE;
    pick (&name, &value, names, values, n);
  }
  return step == STEP_CLOSED && scan_end (scanner);
}

gboolean
mr_json_scan_members (const char *text, gsize length, const char *const *names, MrJsonValue *values, gsize n,
                      GError **error)
{
  g_return_val_if_fail (n <= MAX_WANTED_MEMBERS, FALSE);

  MrJsonValue found[MAX_WANTED_MEMBERS];
  Scanner scanner;

  memset (found, 0, n * sizeof *found);
  scanner_init (&scanner, text, length);
  if (!scan_members (&scanner, names, found, n)) {
    set_error (&scanner, error);
    return FALSE;
  }
  memcpy (values, found, n * sizeof *found);
  return TRUE;
}

gboolean
mr_json_iter_init (MrJsonIter *iter, const MrJsonValue *value)
{
  if (value->type != MR_JSON_ARRAY && value->type != MR_JSON_OBJECT)
    return FALSE;
  *iter = (MrJsonIter){ value->text.data, value->text.data + value->text.length, value->type == MR_JSON_OBJECT };
  return TRUE;
}

gboolean
mr_json_iter_next (MrJsonIter *iter, MrJsonValue *name, MrJsonValue *value)
{
  Scanner scanner;
  MrJsonValue found_name = { MR_JSON_NONE }, found;

  if (iter->at == iter->end)
    return FALSE;
  scanner_init (&scanner, iter->at, iter->end - iter->at);

  /* Before the first element the iterator stands at the opening bracket, later behind a value. */
  if (is_at (&scanner, iter->object ? '{' : '['))
    scan_start (&scanner, &found);
  else
    scanner.closers[scanner.depth++] = iter->object ? '}' : ']';

  if (scan_step (&scanner, &found_name) != STEP_VALUE || !scan_value (&scanner, &found)) {
    iter->at = iter->end;
    return FALSE;
  }
  iter->at = scanner.at;
  if (name != NULL)
    *name = found_name;
  *value = found;
  return TRUE;
}

MrJsonValue
mr_json_member (const MrJsonValue *object, const char *name)
{
  MrJsonValue member = { MR_JSON_NONE }, member_name, value;
  MrJsonIter iter;

  if (object->type != MR_JSON_OBJECT || !mr_json_iter_init (&iter, object))
    return member;
  while (mr_json_iter_next (&iter, &member_name, &value))
    pick (&member_name, &value, &name, &member, 1);
  return member;
}

gboolean
mr_json_get_int (const MrJsonValue *number, gint64 *out)
{
  if (number->type != MR_JSON_NUMBER)
    return FALSE;

  gboolean negative = number->text.data[0] == '-';
  guint64 limit = negative ? (guint64) G_MAXINT64 + 1 : G_MAXINT64;
  guint64 value = 0;
  for (gsize i = negative ? 1 : 0; i < number->text.length; i++) {
    guint digit = (guint) (number->text.data[i] - '0');

    if (!g_ascii_isdigit (number->text.data[i]) || value > (limit - digit) / 10)
      return FALSE;
    value = value * 10 + digit;
  }
  *out = negative ? (gint64) (0 - value) : (gint64) value;
  return TRUE;
}
