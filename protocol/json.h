/* SPDX-License-Identifier: MIT */
/*
 * A scanner over JSON bytes (RFC 8259): it validates a whole text (grammar, UTF-8, depth; no recursion),
 * hands out members and elements as spans of the original bytes, and escapes and unescapes strings.
 * It builds no tree and changes no byte. The hot path's only parser.
 */
#pragma once

#include <glib.h>

/** MrSpan: bytes somewhere else; borrowed, not NUL-terminated. */
typedef struct {
  const char *data;
  gsize length;
} MrSpan;

#define MR_SPAN_LITERAL(s) ((MrSpan){ (s), sizeof (s) - 1 })

typedef enum {
  MR_JSON_NONE, /* the member is not there */
  MR_JSON_NULL,
  MR_JSON_FALSE,
  MR_JSON_TRUE,
  MR_JSON_NUMBER,
  MR_JSON_STRING,
  MR_JSON_ARRAY,
  MR_JSON_OBJECT,
} MrJsonType;

/**
 * MrJsonValue:
 * @type: what it is; %MR_JSON_NONE when it is absent
 * @text: the value's own bytes in the input: with the quotes of a string, the brackets of an array or object
 * @escaped: a string that has at least one backslash in it
 */
typedef struct {
  MrJsonType type;
  gboolean escaped;
  MrSpan text;
} MrJsonValue;

/**
 * mr_json_scan:
 * @text: the document
 * @length: its length in bytes
 * @value: (out): the whole document's value, without white space around it
 * @error: return location
 *
 * Validates a complete document of any type: the grammar of RFC 8259 with nothing before or after but
 * white space, strict UTF-8 in strings (no surrogates, no overlongs, at most U+10FFFF), no raw control
 * characters, nesting up to %MR_LIMIT_JSON_DEPTH. Numbers are checked, not converted (1e400 is valid).
 * An escaped lone surrogate passes, as the grammar allows it; unescaping it fails.
 *
 * Returns: %FALSE with %MR_ERROR_JSON whose message says what was wrong at which byte
 */
gboolean mr_json_scan (const char *text, gsize length, MrJsonValue *value, GError **error);

/**
 * mr_json_scan_members:
 * @text: the document
 * @length: its length in bytes
 * @names: the members wanted, unescaped
 * @values: (out) (array length=n): what was found, by the index of @names
 * @n: how many (at most 32)
 * @error: return location
 *
 * Validates as mr_json_scan() in one pass and picks members of the top-level object. Of duplicate names
 * the last one counts, as in the backends' parsers. Names match after unescaping.
 *
 * Returns: %FALSE with %MR_ERROR_JSON, also when the document is not an object; @values is then untouched
 */
gboolean mr_json_scan_members (const char *text, gsize length, const char *const *names, MrJsonValue *values, gsize n,
                               GError **error);

/**
 * MrJsonIter: walks an array or object that was validated before (a value of the functions above).
 * Plain data on the caller's stack; borrows the text.
 */
typedef struct {
  const char *at;
  const char *end;
  gboolean object;
} MrJsonIter;

/**
 * mr_json_iter_init:
 *
 * Returns: %FALSE when @value is neither an array nor an object
 */
gboolean mr_json_iter_init (MrJsonIter *iter, const MrJsonValue *value);

/**
 * mr_json_iter_next:
 * @name: (out) (optional): an object member's name as a string value; type %MR_JSON_NONE in an array
 * @value: (out): the element or member
 *
 * Returns: %FALSE at the end
 */
gboolean mr_json_iter_next (MrJsonIter *iter, MrJsonValue *name, MrJsonValue *value);

/**
 * mr_json_member:
 * @object: a validated value
 * @name: unescaped name
 *
 * Returns: the last member of that name, or a value of type %MR_JSON_NONE (also when @object is no object)
 */
MrJsonValue mr_json_member (const MrJsonValue *object, const char *name);

/**
 * mr_json_append_unescaped:
 * @out: receives the bytes of the string; may contain NUL
 * @string: a value of type %MR_JSON_STRING
 * @error: return location
 *
 * Returns: %FALSE with %MR_ERROR_JSON on an escaped lone surrogate; @out is then as before
 */
gboolean mr_json_append_unescaped (GString *out, const MrJsonValue *string, GError **error);

/**
 * mr_json_dup_string:
 *
 * Returns: (transfer full): the string as a C string, or %NULL with %MR_ERROR_JSON when @string is no
 *   string, has a lone surrogate, or a NUL
 */
char *mr_json_dup_string (const MrJsonValue *string, GError **error);

/**
 * mr_json_get_int:
 * @out: (out): the number
 *
 * Returns: %TRUE when @number is an integer without fraction or exponent that fits into 64 bits, signed
 */
gboolean mr_json_get_int (const MrJsonValue *number, gint64 *out);

/**
 * mr_json_append_string:
 * @out: receives the quoted, escaped string
 * @data: bytes, must be valid UTF-8
 * @length: their number
 *
 * Escapes only what RFC 8259 demands: the quote, the backslash, and U+0000 to U+001F.
 */
void mr_json_append_string (GString *out, const char *data, gsize length);

/** mr_json_append_cstring: the same for a NUL-terminated string. */
void mr_json_append_cstring (GString *out, const char *string);

/**
 * mr_utf8_complete_length:
 * @data: bytes of a UTF-8 text, possibly cut anywhere at the end
 * @length: their number
 * @complete: (out): how many bytes from the start are whole characters
 *
 * Returns: %FALSE when the bytes can no longer become valid UTF-8, however they go on; @complete is then
 *   the offset of the offending byte
 */
gboolean mr_utf8_complete_length (const char *data, gsize length, gsize *complete);
