/* SPDX-License-Identifier: MIT */
/*
 * The JSON scanner on any bytes: what it accepts it can also take apart, every part lies inside the text and is JSON
 * itself, and escaping undoes unescaping.
 */
#include "error.h"
#include "fuzz.h"
#include "json.h"

#include <errno.h>
#include <string.h>

static const char *const wanted[] = { "a", "model", "", "usage", "\xc3\xa9", "stream" };

static gboolean
spans_equal (const MrSpan *a, const MrSpan *b)
{
  return a->data == b->data && a->length == b->length;
}

/* Also: a value by itself is a document. */
static void
check_inside (const MrSpan *outer, const MrJsonValue *value)
{
  g_autofree char *copy = fuzz_dup (value->text.data, value->text.length);
  MrJsonValue again;

  g_assert (value->text.data >= outer->data && value->text.length <= outer->length);
  g_assert (value->text.data + value->text.length <= outer->data + outer->length);
  g_assert (mr_json_scan (copy, value->text.length, &again, NULL));
  g_assert (again.type == value->type && again.escaped == value->escaped);
  g_assert (again.text.data == copy && again.text.length == value->text.length);
}

/* @data: UTF-8, may contain NUL */
static void
check_round_trip (const char *data, gsize length)
{
  g_autoptr (GString) escaped = g_string_new (NULL);
  g_autoptr (GString) back = g_string_new (NULL);
  MrJsonValue value;

  mr_json_append_string (escaped, data, length);
  g_assert (mr_json_scan (escaped->str, escaped->len, &value, NULL));
  g_assert (value.type == MR_JSON_STRING && value.text.length == escaped->len);
  g_assert (mr_json_append_unescaped (back, &value, NULL));
  g_assert (back->len == length && (length == 0 || memcmp (back->str, data, length) == 0));
}

static void
check_string (const MrJsonValue *string)
{
  g_autoptr (GString) out = g_string_new ("kept");
  g_autoptr (GError) error = NULL;
  g_autofree char *copy = mr_json_dup_string (string, NULL);
  gboolean whole = mr_json_append_unescaped (out, string, &error);

  g_assert (whole == (error == NULL));
  g_assert (strncmp (out->str, "kept", 4) == 0 && out->str[out->len] == '\0');
  if (!whole) {
    g_assert (error->domain == MR_ERROR && error->code == MR_ERROR_JSON);
    g_assert (out->len == 4 && copy == NULL);
    return;
  }
  g_string_erase (out, 0, 4);
  check_round_trip (out->str, out->len);
  g_assert ((copy != NULL) == (strlen (out->str) == out->len));
  g_assert (copy == NULL || strcmp (copy, out->str) == 0);
}

static void
check_number (const MrJsonValue *number)
{
  g_autofree char *text = g_strndup (number->text.data, number->text.length);
  gboolean integer = strpbrk (text, ".eE") == NULL;
  gint64 value = 0, expected;

  errno = 0;
  expected = g_ascii_strtoll (text, NULL, 10);
  g_assert (mr_json_get_int (number, &value) == (integer && errno == 0));
  g_assert (!integer || errno != 0 || value == expected);
}

static void check_value (const MrJsonValue *value);

static void
check_container (const MrJsonValue *container)
{
  const char *at = container->text.data;
  MrJsonValue name, value;
  MrJsonIter iter;

  g_assert (mr_json_iter_init (&iter, container));
  while (mr_json_iter_next (&iter, &name, &value)) {
    g_assert (value.text.data > at);
    at = value.text.data + value.text.length;
    check_inside (&container->text, &value);
    if (container->type == MR_JSON_OBJECT) {
      g_assert (name.type == MR_JSON_STRING);
      check_inside (&container->text, &name);
      check_string (&name);
    } else {
      g_assert (name.type == MR_JSON_NONE);
    }
    check_value (&value);
  }
  g_assert (at < container->text.data + container->text.length);
  g_assert (!mr_json_iter_next (&iter, &name, &value));
}

static void
check_value (const MrJsonValue *value)
{
  MrJsonIter iter;
  gint64 number;

  if (value->type == MR_JSON_STRING)
    check_string (value);
  if (value->type == MR_JSON_NUMBER)
    check_number (value);
  else
    g_assert (!mr_json_get_int (value, &number));
  if (value->type == MR_JSON_ARRAY || value->type == MR_JSON_OBJECT)
    check_container (value);
  else
    g_assert (!mr_json_iter_init (&iter, value));
}

static void
check_members (const char *text, gsize length, const MrJsonValue *document)
{
  MrJsonValue values[G_N_ELEMENTS (wanted)];
  g_autoptr (GError) error = NULL;
  gboolean object = mr_json_scan_members (text, length, wanted, values, G_N_ELEMENTS (wanted), &error);

  g_assert (object == (document != NULL && document->type == MR_JSON_OBJECT));
  g_assert (object == (error == NULL));
  for (gsize i = 0; object && i < G_N_ELEMENTS (wanted); i++) {
    MrJsonValue member = mr_json_member (document, wanted[i]);

    g_assert (member.type == values[i].type && spans_equal (&member.text, &values[i].text));
    if (member.type != MR_JSON_NONE)
      check_inside (&document->text, &member);
  }
}

/* GLib's check, which takes no NUL. */
static void
check_utf8 (const char *text, gsize length)
{
  g_autofree char *copy = fuzz_dup (text, length);
  const char *valid_end;
  gsize complete = G_MAXSIZE;
  gboolean valid, possible;

  for (gsize i = 0; i < length; i++)
    copy[i] = copy[i] == '\0' ? ' ' : copy[i];
  possible = mr_utf8_complete_length (copy, length, &complete);
  valid = g_utf8_validate_len (copy, length, &valid_end);
  g_assert (complete <= length);
  g_assert (valid == (possible && complete == length));
  g_assert (possible ? copy + complete == valid_end : copy + complete >= valid_end);
  if (valid)
    check_round_trip (text, length);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  const char *text = (const char *) data;
  const MrSpan input = { text, length };
  MrJsonValue document = { MR_JSON_NONE };
  g_autoptr (GError) error = NULL;

  if (mr_json_scan (text, length, &document, &error)) {
    g_assert (error == NULL && document.type != MR_JSON_NONE);
    check_inside (&input, &document);
    check_value (&document);
    check_members (text, length, &document);
  } else {
    g_assert (error != NULL && error->domain == MR_ERROR && error->code == MR_ERROR_JSON);
    g_assert (document.type == MR_JSON_NONE && document.text.data == NULL);
    check_members (text, length, NULL);
  }
  check_utf8 (text, length);
  return 0;
}
