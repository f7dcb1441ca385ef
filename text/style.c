/* SPDX-License-Identifier: MIT */
/* Colours, widths, bars. See style.h; the tables are in table.c. */
#include "style.h"

#include <math.h>
#include <string.h>

/* Of the sixteen colours only those that can be read on dark and on light ground, and none for ordinary text. */
static const char *
color_code (MrColor color)
{
  switch (color) {
  case MR_COLOR_BOLD:
    return "1";
  case MR_COLOR_DIM:
    return "2";
  case MR_COLOR_GOOD:
    return "32";
  case MR_COLOR_WARNING:
    return "33";
  case MR_COLOR_BAD:
    return "31";
  case MR_COLOR_ACCENT:
    return "36";
  case MR_COLOR_PLAIN:
  default:
    return NULL;
  }
}

static void
append_colored (const MrStyle *style, GString *out, MrColor color, const char *text)
{
  const char *code = style->color && *text != '\0' ? color_code (color) : NULL;

  if (code != NULL)
    g_string_append_printf (out, "\033[%sm%s\033[0m", code, text);
  else
    g_string_append (out, text);
}

void
mr_style_append (const MrStyle *style, GString *out, MrColor color, const char *text)
{
  g_autofree char *clean = mr_style_clean (text);

  append_colored (style, out, color, clean);
}

void
mr_style_printf (const MrStyle *style, GString *out, MrColor color, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  mr_style_append (style, out, color, text);
}

void
mr_style_bar (const MrStyle *style, GString *out, MrColor color, double fraction, guint cells)
{
  guint filled = (guint) lround (CLAMP (fraction, 0, 1) * cells);
  g_autoptr (GString) full = g_string_new (NULL);
  g_autoptr (GString) rest = g_string_new (NULL);

  /* What is above nothing shows. */
  if (filled == 0 && fraction > 0 && cells > 0)
    filled = 1;
  for (guint i = 0; i < cells; i++)
    g_string_append (i < filled ? full : rest, style->utf8 ? (i < filled ? "█" : "░") : (i < filled ? "#" : "."));
  append_colored (style, out, color, full->str);
  append_colored (style, out, MR_COLOR_DIM, rest->str);
}

/* Format characters that turn the direction of text would let a name disguise what follows it. */
static gboolean
is_harmless (gunichar character)
{
  GUnicodeType type = g_unichar_type (character);

  return type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT && type != G_UNICODE_LINE_SEPARATOR &&
         type != G_UNICODE_PARAGRAPH_SEPARATOR && type != G_UNICODE_SURROGATE;
}

static char *
clean_text (const char *text, gboolean keep_lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_sized_new (strlen (valid));

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at)) {
    gunichar character = g_utf8_get_char (at);

    if (character == '\n' || character == '\t')
      g_string_append_c (clean, keep_lines ? (char) character : ' ');
    else if (is_harmless (character))
      g_string_append_unichar (clean, character);
    else
      g_string_append_c (clean, '?');
  }
  return g_string_free (clean, FALSE);
}

char *
mr_style_clean (const char *text)
{
  return clean_text (text, FALSE);
}

char *
mr_style_clean_lines (const char *text)
{
  return clean_text (text, TRUE);
}

static guint
character_width (gunichar character)
{
  if (g_unichar_iszerowidth (character))
    return 0;
  return g_unichar_iswide (character) ? 2 : 1;
}

guint
mr_style_width (const char *text)
{
  guint width = 0;

  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    width += character_width (g_utf8_get_char (at));
  return width;
}

char *
mr_style_fit (const MrStyle *style, const char *text, guint width)
{
  GString *fit = NULL;
  guint used = 0;

  if (mr_style_width (text) <= width)
    return g_strdup (text);
  fit = g_string_new (NULL);
  if (width == 0)
    return g_string_free (fit, FALSE);
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at)) {
    used += character_width (g_utf8_get_char (at));
    if (used > width - 1)
      break;
    g_string_append_unichar (fit, g_utf8_get_char (at));
  }
  while (g_str_has_suffix (fit->str, " ") || g_str_has_suffix (fit->str, ","))
    g_string_truncate (fit, fit->len - 1);
  g_string_append (fit, style->utf8 ? "…" : "~");
  return g_string_free (fit, FALSE);
}
