/* SPDX-License-Identifier: MIT */
/*
 * JSON strings byte by byte: validation, escaping, unescaping, and the UTF-8 in them. Eight bytes are looked at
 * at once, because nearly all of what passes through is plain ASCII. What stands around strings is json.c's.
 */
#include "json-string.h"

#include "error.h"

#include <string.h>

#define WORD_BYTES ((gssize) sizeof (guint64))
#define EVERY_BYTE(byte) (G_GUINT64_CONSTANT (0x0101010101010101) * (byte))
#define HIGH_BITS EVERY_BYTE (0x80)

/* Input that is escaped in one go, so that the room for the worst case stays small. */
#define ESCAPE_BLOCK_BYTES 4096

/* The longest escape, \u001f. */
#define MAX_ESCAPE_BYTES 6

/* The first byte in memory becomes the lowest of the word. */
static guint64
load_word (const char *at)
{
  guint64 word;

  memcpy (&word, at, sizeof word);
  return GUINT64_FROM_LE (word);
}

/* The mark_ functions set the high bit of each byte they look for. Only the lowest mark is exact: the borrow
 * of a subtraction may set marks above it, never below. */

static guint64
mark_byte (guint64 word, guchar byte)
{
  guint64 zero = word ^ EVERY_BYTE (byte);

  return (zero - EVERY_BYTE (1)) & ~zero & HIGH_BITS;
}

/* Bytes that must be escaped: quote, backslash, below U+0020. */
static guint64
mark_escapes (guint64 word)
{
  return mark_byte (word, '"') | mark_byte (word, '\\') | ((word - EVERY_BYTE (0x20)) & ~word & HIGH_BITS);
}

static gssize
first_mark (guint64 marks)
{
  return marks == 0 ? WORD_BYTES : __builtin_ctzll (marks) / 8;
}

static gboolean
needs_escape (guchar byte)
{
  return byte == '"' || byte == '\\' || byte < 0x20;
}

/**
 * utf8_match:
 * @at: a byte of 0x80 or above
 * @available: bytes from @at on, at least one
 * @needed: (out): length of the character, 0 when its first byte is wrong
 *
 * Unicode 15, table 3-7: no overlongs, no surrogates, nothing above U+10FFFF.
 *
 * Returns: how many of the character's bytes are there and right
 */
static guint
utf8_match (const char *at, gsize available, guint *needed)
{
  guchar first = at[0];
  guchar low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  guchar high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

  if (first < 0xc2 || first > 0xf4) {
    *needed = 0;
    return 0;
  }
  *needed = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

  guint matched = 1;
  while (matched < *needed && matched < available) {
    guchar byte = at[matched];

    if (byte < low || byte > high)
      break;
    low = 0x80;
    high = 0xbf;
    matched++;
  }
  return matched;
}

gboolean
mr_utf8_complete_length (const char *data, gsize length, gsize *complete)
{
  const char *end = data + length;
  const char *at = data;

  while (at < end) {
    if (end - at >= WORD_BYTES && (load_word (at) & HIGH_BITS) == 0) {
      at += WORD_BYTES;
    } else if ((guchar) *at < 0x80) {
      at++;
    } else {
      guint needed;
      guint matched = utf8_match (at, end - at, &needed);

      if (matched < needed && at + matched == end)
        break;
      if (needed == 0 || matched < needed) {
        *complete = at + matched - data;
        return FALSE;
      }
      at += needed;
    }
  }

  *complete = at - data;
  return TRUE;
}

/* Returns: the first byte that is not plain: a quote, a backslash, a control character, or not ASCII */
static const char *
skip_plain (const char *at, const char *end)
{
  while (end - at >= WORD_BYTES) {
    guint64 word = load_word (at);
    gssize plain = first_mark (mark_escapes (word) | (word & HIGH_BITS));

    at += plain;
    if (plain < WORD_BYTES)
      return at;
  }
  while (at < end && !needs_escape (*at) && (guchar) *at < 0x80)
    at++;
  return at;
}

/* Returns: length of the valid escape at the backslash @at, 0 if it is none */
static gsize
escape_length (const char *at, const char *end)
{
  if (end - at < 2)
    return 0;
  if (at[1] != 'u')
    return at[1] != '\0' && strchr ("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
  if (end - at < MAX_ESCAPE_BYTES)
    return 0;
  for (guint i = 2; i < MAX_ESCAPE_BYTES; i++) {
    if (!g_ascii_isxdigit (at[i]))
      return 0;
  }
  return MAX_ESCAPE_BYTES;
}

const char *
mr_json_string_scan (const char **at, const char *end, gboolean *escaped)
{
  *escaped = FALSE;
  for (;;) {
    *at = skip_plain (*at, end);
    if (*at == end)
      return "unterminated string";

    guchar byte = **at;
    if (byte == '"') {
      (*at)++;
      return NULL;
    }
    if (byte == '\\') {
      gsize length = escape_length (*at, end);

      if (length == 0)
        return "invalid escape in a string";
      *escaped = TRUE;
      *at += length;
    } else if (byte < 0x20) {
      return "raw control character in a string";
    } else {
      guint needed;

      if (utf8_match (*at, end - *at, &needed) < needed || needed == 0)
        return "invalid UTF-8 in a string";
      *at += needed;
    }
  }
}

static gunichar
hex4 (const char *digits)
{
  gunichar value = 0;

  for (guint i = 0; i < 4; i++)
    value = value << 4 | (gunichar) g_ascii_xdigit_value (digits[i]);
  return value;
}

/* Returns: bytes of the escaped code unit or surrogate pair at @at, 0 for a lone surrogate */
static gsize
decode_unicode_escape (const char *at, const char *end, gunichar *character)
{
  gunichar unit = hex4 (at + 2);

  if (unit < 0xd800 || unit > 0xdfff) {
    *character = unit;
    return MAX_ESCAPE_BYTES;
  }
  if (unit > 0xdbff || end - at < 2 * MAX_ESCAPE_BYTES || at[6] != '\\' || at[7] != 'u')
    return 0;

  gunichar low = hex4 (at + 8);
  if (low < 0xdc00 || low > 0xdfff)
    return 0;
  *character = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  return 2 * MAX_ESCAPE_BYTES;
}

/* Moves @from behind the escape and @to behind its character. */
static gboolean
unescape_one (const char **from, const char *end, char **to)
{
  char letter = (*from)[1];

  if (letter == 'u') {
    gunichar character;
    gsize length = decode_unicode_escape (*from, end, &character);

    if (length == 0)
      return FALSE;
    *from += length;
    *to += g_unichar_to_utf8 (character, *to);
    return TRUE;
  }

  static const char meanings[256] = { ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t' };
  char meaning = meanings[(guchar) letter];
  *(*to)++ = meaning != 0 ? meaning : letter;
  *from += 2;
  return TRUE;
}

/* @to has room for end - from bytes, which is always enough: no escape is shorter than what it stands for.
 * Returns: the end of what was written, NULL for a lone surrogate */
static char *
unescape (const char *from, const char *end, char *to)
{
  while (from < end) {
    if (end - from >= WORD_BYTES) {
      gssize plain = first_mark (mark_byte (load_word (from), '\\'));

      memcpy (to, from, WORD_BYTES);
      from += plain;
      to += plain;
      if (plain == WORD_BYTES)
        continue;
    } else if (*from != '\\') {
      *to++ = *from++;
      continue;
    }
    if (!unescape_one (&from, end, &to))
      return NULL;
  }
  return to;
}

gboolean
mr_json_append_unescaped (GString *out, const MrJsonValue *string, GError **error)
{
  if (string->type != MR_JSON_STRING) {
    g_set_error (error, MR_ERROR, MR_ERROR_JSON, "not a string");
    return FALSE;
  }

  const char *from = string->text.data + 1;
  gsize length = string->text.length - 2;
  if (!string->escaped) {
    g_string_append_len (out, from, length);
    return TRUE;
  }

  gsize before = out->len;
  g_string_set_size (out, before + length);
  const char *written = unescape (from, from + length, out->str + before);
  g_string_truncate (out, written != NULL ? (gsize) (written - out->str) : before);
  if (written == NULL)
    g_set_error (error, MR_ERROR, MR_ERROR_JSON, "lone surrogate in a string");
  return written != NULL;
}

char *
mr_json_dup_string (const MrJsonValue *string, GError **error)
{
  if (string->type == MR_JSON_STRING && !string->escaped)
    return g_strndup (string->text.data + 1, string->text.length - 2);

  g_autoptr (GString) text = g_string_new (NULL);
  if (!mr_json_append_unescaped (text, string, error))
    return NULL;
  if (strlen (text->str) != text->len) {
    g_set_error (error, MR_ERROR, MR_ERROR_JSON, "NUL in a string");
    return NULL;
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Returns: the end of what was written */
static char *
escape_one (guchar byte, char *to)
{
  static const char hex[] = "0123456789abcdef";
  static const char letters[256] = {
    ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
  };

  *to++ = '\\';
  if (letters[byte] != 0) {
    *to++ = letters[byte];
    return to;
  }
  memcpy (to, "u00", 3);
  to[3] = hex[byte >> 4];
  to[4] = hex[byte & 0xf];
  return to + MAX_ESCAPE_BYTES - 1;
}

/* @to has room for MAX_ESCAPE_BYTES times the input. Returns: the end of what was written */
static char *
escape_block (const char *from, const char *end, char *to)
{
  while (from < end) {
    if (end - from >= WORD_BYTES) {
      gssize plain = first_mark (mark_escapes (load_word (from)));

      memcpy (to, from, WORD_BYTES);
      from += plain;
      to += plain;
      if (plain == WORD_BYTES)
        continue;
    } else if (!needs_escape (*from)) {
      *to++ = *from++;
      continue;
    }
    to = escape_one (*from++, to);
  }
  return to;
}

void
mr_json_append_string (GString *out, const char *data, gsize length)
{
  g_string_append_c (out, '"');
  while (length > 0) {
    gsize block = MIN (length, ESCAPE_BLOCK_BYTES);
    gsize before = out->len;

    g_string_set_size (out, before + block * MAX_ESCAPE_BYTES);
    char *written = escape_block (data, data + block, out->str + before);
    g_string_truncate (out, written - out->str);
    data += block;
    length -= block;
  }
  g_string_append_c (out, '"');
}

void
mr_json_append_cstring (GString *out, const char *string)
{
  mr_json_append_string (out, string, strlen (string));
}
