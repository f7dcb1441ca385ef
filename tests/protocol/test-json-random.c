/* SPDX-License-Identifier: MIT */
/*
 * The JSON scanner against the reference validator on mutated documents, strings there and back, and UTF-8 cut
 * anywhere. The seed is fixed, so that a failure comes again.
 */
#include "json.h"

#include "json-reference.h"
#include "limits.h"

#include <string.h>

#define SEED 20261120u
#define MUTATION_ROUNDS 100000
#define STRING_ROUNDS 20000
#define UTF8_ROUNDS 100000

static const char *const documents[] = {
  "{\"type\":\"response_chunk\",\"request_id\":\"6f1c\",\"chunk\":\"data: {\\\"a\\\":[1,2]}\\n\\n\"}",
  ("{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80\"}],"
   "\"stream\":true,\"temperature\":0.8,\"max_tokens\":-1,\"stop\":null}"),
  " [ 0 , -1.5e+10 , \"\\u00e9\\ud83d\\ude00\\\\\" , [ [ ] , { } ] , { \"\" : false , \"\\n\" : [ true ] } ] ",
  "\"12345678\\\"12345678\\t\xed\x9f\xbf\xee\x80\x80\"",
  "[[[[[[1e400,{\"a\":{\"a\":{\"a\":[]}}}]]]]]]",
  "-120.034E-7",
};

/* Bytes that mean something to a JSON parser. */
static const char spice[] =
    "{}[]\",:\\/bfnrtu0123456789abcdefDd+-.eE \t\n\r\0\x01\x1f\x7f\x80\xa0\xbf\xc2\xe0\xed\xf0\xf4\xff";

static void
mutate (GRand *random, GString *text)
{
  gsize at = text->len > 0 ? (gsize) g_rand_int_range (random, 0, text->len) : 0;
  gsize rest = text->len - at;
  gsize span = rest > 0 ? (gsize) g_rand_int_range (random, 1, MIN (rest, 9) + 1) : 0;
  char byte = spice[g_rand_int_range (random, 0, sizeof spice - 1)];

  switch (g_rand_int_range (random, 0, 5)) {
  case 0:
    g_string_insert_len (text, at, &byte, 1);
    break;
  case 1:
    g_string_erase (text, at, span);
    break;
  case 2: {
    g_autofree char *copy = g_strndup (text->str + at, span);
    g_string_insert_len (text, at, copy, strlen (copy));
    break;
  }
  case 3:
    g_string_truncate (text, at + span);
    break;
  default:
    if (rest > 0)
      text->str[at] = byte;
    break;
  }
}

/* Everything that is handed out of a valid text must be valid by itself. */
static void
walk (const MrJsonValue *value)
{
  MrJsonIter iter;
  MrJsonValue name, element;
  gint64 number;

  g_assert_true (json_reference_is_valid (value->text.data, value->text.length, MR_LIMIT_JSON_DEPTH));
  if (value->type == MR_JSON_STRING) {
    g_autofree char *string = mr_json_dup_string (value, NULL);
    g_assert_true (string == NULL || g_utf8_validate (string, -1, NULL));
  } else if (value->type == MR_JSON_NUMBER && mr_json_get_int (value, &number)) {
    g_autofree char *digits = g_strndup (value->text.data, value->text.length);
    g_assert_cmpint (number, ==, g_ascii_strtoll (digits, NULL, 10));
  } else if (mr_json_iter_init (&iter, value)) {
    while (mr_json_iter_next (&iter, &name, &element)) {
      g_assert_cmpint (name.type, ==, value->type == MR_JSON_OBJECT ? MR_JSON_STRING : MR_JSON_NONE);
      walk (&element);
    }
  }
}

static void
test_mutations (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (SEED);
  static const char *const names[] = { "type", "model", "a" };
  guint n_valid = 0;

  g_test_message ("seed %u", SEED);
  for (guint round = 0; round < MUTATION_ROUNDS; round++) {
    g_autoptr (GString) text = g_string_new (documents[g_rand_int_range (random, 0, G_N_ELEMENTS (documents))]);
    MrJsonValue value, values[G_N_ELEMENTS (names)];

    for (gint32 i = g_rand_int_range (random, 1, 4); i > 0; i--)
      mutate (random, text);

    g_autofree char *exact = g_memdup2 (text->str, text->len);
    gboolean expected = json_reference_is_valid (exact, text->len, MR_LIMIT_JSON_DEPTH);
    if (mr_json_scan (exact, text->len, &value, NULL) != expected)
      g_error ("round %u: expected %s: %s", round, expected ? "valid" : "invalid", text->str);

    gboolean is_object = expected && value.type == MR_JSON_OBJECT;
    g_assert_cmpint (mr_json_scan_members (exact, text->len, names, values, G_N_ELEMENTS (names), NULL), ==, is_object);
    for (gsize i = 0; is_object && i < G_N_ELEMENTS (names); i++) {
      MrJsonValue member = mr_json_member (&value, names[i]);
      g_assert_cmpint (member.type, ==, values[i].type);
      g_assert_true (member.text.data == values[i].text.data && member.text.length == values[i].text.length);
    }
    if (expected) {
      walk (&value);
      n_valid++;
    }
  }

  /* Both verdicts must have been tried often for this to mean anything. */
  g_test_message ("%u of %u valid", n_valid, MUTATION_ROUNDS);
  g_assert_cmpuint (n_valid, >, MUTATION_ROUNDS / 20);
  g_assert_cmpuint (n_valid, <, MUTATION_ROUNDS - MUTATION_ROUNDS / 20);
}

static gunichar
random_character (GRand *random)
{
  static const gunichar edges[] = { 0,     0x1f,   0x22,   0x5c,   0x7f,    0x80,    0x7ff,
                                    0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };

  switch (g_rand_int_range (random, 0, 4)) {
  case 0:
    return edges[g_rand_int_range (random, 0, G_N_ELEMENTS (edges))];
  case 1:
    return (gunichar) g_rand_int_range (random, 0xa0, 0xd800);
  default:
    return (gunichar) g_rand_int_range (random, 0x20, 0x7f);
  }
}

static void
assert_unescapes_to (const GString *quoted, const GString *expected)
{
  g_autofree char *exact = g_memdup2 (quoted->str, quoted->len);
  g_autoptr (GString) back = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  MrJsonValue value;

  mr_json_scan (exact, quoted->len, &value, &error);
  g_assert_no_error (error);
  g_assert_cmpint (value.type, ==, MR_JSON_STRING);
  mr_json_append_unescaped (back, &value, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (back->str, back->len, expected->str, expected->len);
}

static void
append_as_escape (GString *quoted, gunichar character)
{
  if (character > 0xffff)
    g_string_append_printf (quoted, "\\u%04x\\u%04X", 0xd7c0 + (character >> 10), 0xdc00 + (character & 0x3ff));
  else
    g_string_append_printf (quoted, "\\u%04x", character);
}

static void
test_strings (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (SEED);

  g_test_message ("seed %u", SEED);
  for (guint round = 0; round < STRING_ROUNDS; round++) {
    g_autoptr (GString) plain = g_string_new (NULL);
    g_autoptr (GString) escaped = g_string_new ("\"");
    g_autoptr (GString) ours = g_string_new (NULL);

    for (gint32 i = g_rand_int_range (random, 0, 60); i > 0; i--) {
      gunichar character = random_character (random);

      g_string_append_unichar (plain, character);
      if (character < 0x20 || character == '"' || character == '\\' || g_rand_boolean (random))
        append_as_escape (escaped, character);
      else
        g_string_append_unichar (escaped, character);
    }
    g_string_append_c (escaped, '"');

    g_autofree char *exact = g_memdup2 (plain->str, plain->len);
    mr_json_append_string (ours, exact, plain->len);
    assert_unescapes_to (ours, plain);
    assert_unescapes_to (escaped, plain);
  }
}

/* Long enough for several blocks, with the worst expansion. */
static void
test_long_strings (void)
{
  static const char patterns[] = "a\n\x01\"";

  for (gsize length = 4090; length < 4110; length++) {
    for (const char *pattern = patterns; *pattern != '\0'; pattern++) {
      g_autoptr (GString) plain = g_string_new (NULL);
      g_autoptr (GString) quoted = g_string_new (NULL);

      g_string_set_size (plain, length * 3);
      memset (plain->str, *pattern, plain->len);
      mr_json_append_string (quoted, plain->str, plain->len);
      assert_unescapes_to (quoted, plain);
    }
  }
}

/* Whether some continuation makes @rest one valid character. */
static gboolean
can_be_completed (const char *rest, gsize length)
{
  static const char ends[] = { '\x80', '\x8f', '\x90', '\x9f', '\xa0', '\xbf' };
  char character[4];

  if (length > 3)
    return FALSE;
  memcpy (character, rest, length);
  for (guint choice = 0; choice < 6 * 6 * 6; choice++) {
    guint digits = choice;

    for (gsize total = length + 1; total <= 4; total++) {
      character[total - 1] = ends[digits % 6];
      digits /= 6;
      if (g_utf8_validate_len (character, total, NULL) && g_utf8_strlen (character, total) == 1)
        return TRUE;
    }
  }
  return FALSE;
}

static void
test_utf8 (void)
{
  static const char bytes[] =
      "a\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
  g_autoptr (GRand) random = g_rand_new_with_seed (SEED);
  guint n_incomplete = 0;

  g_test_message ("seed %u", SEED);
  for (guint round = 0; round < UTF8_ROUNDS; round++) {
    gsize plain = (gsize) g_rand_int_range (random, 0, 12);
    gsize length = plain + (gsize) g_rand_int_range (random, 0, 6);
    g_autofree char *text = g_malloc (length + 1);
    const char *valid_end;
    gsize complete;

    memset (text, 'x', plain);
    for (gsize i = plain; i < length; i++)
      text[i] = bytes[g_rand_int_range (random, 0, sizeof bytes - 1)];

    gboolean is_valid = g_utf8_validate_len (text, length, &valid_end);
    gsize valid = (gsize) (valid_end - text);
    gboolean expected = is_valid || can_be_completed (valid_end, length - valid);

    g_assert_cmpint (mr_utf8_complete_length (text, length, &complete), ==, expected);
    if (expected)
      g_assert_cmpuint (complete, ==, valid);
    else
      g_assert_true (complete >= valid && complete < length);
    n_incomplete += expected && !is_valid;
  }
  g_assert_cmpuint (n_incomplete, >, UTF8_ROUNDS / 100);
}

static void
test_utf8_every_cut (void)
{
  static const char text[] = "0123456789 na\xc3\xafve \xe2\x82\xac\xf0\x9f\x98\x80 \xed\x9f\xbf";
  gsize complete;

  for (gsize length = 0; length < sizeof text; length++) {
    g_autofree char *exact = g_memdup2 (text, length);
    const char *valid_end;

    g_assert_true (mr_utf8_complete_length (exact, length, &complete));
    g_utf8_validate_len (text, length, &valid_end);
    /* The terminating NUL of the text is a character to us, not to GLib. */
    g_assert_cmpuint (complete, ==, length == sizeof text ? length : (gsize) (valid_end - text));
  }

  g_assert_false (mr_utf8_complete_length ("ab\xff", 3, &complete));
  g_assert_cmpuint (complete, ==, 2);
  g_assert_false (mr_utf8_complete_length ("ab\xe2\x82x", 5, &complete));
  g_assert_cmpuint (complete, ==, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/json-random/mutations", test_mutations);
  g_test_add_func ("/protocol/json-random/strings", test_strings);
  g_test_add_func ("/protocol/json-random/long-strings", test_long_strings);
  g_test_add_func ("/protocol/json-random/utf8", test_utf8);
  g_test_add_func ("/contract/D7/character-split-anywhere", test_utf8_every_cut);
  return g_test_run ();
}
