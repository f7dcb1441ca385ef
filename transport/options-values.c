/* SPDX-License-Identifier: MIT */
/*
 * How the text of an option's value is read and checked by its type, and put into the program's config struct. Where
 * the text comes from is the business of options.c.
 */
#include "options-private.h"

#include "error.h"

#include <string.h>

#define MILLION G_USEC_PER_SEC
#define MAX_UNITS ((guint64) G_MAXINT64 / MILLION)

gboolean
mr_options_error (GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *shown = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  /* Values, flags and keys are quoted, and may be any bytes. */
  shown = g_utf8_make_valid (message, -1);
  g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, shown);
  return FALSE;
}

static gboolean
parse_bool (const char *text, gboolean *value)
{
  static const char *const words[] = { "false", "true", "0", "1", "no", "yes", "off", "on" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0) {
      *value = i % 2;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
parse_uint (const char *text, guint64 *value)
{
  return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, value, NULL);
}

static gboolean
parse_bytes (const char *text, guint64 *value)
{
  static const char units[] = "KMG";
  gsize length = strlen (text);
  const char *unit = length > 0 ? strchr (units, g_ascii_toupper (text[length - 1])) : NULL;
  g_autofree char *digits = g_strndup (text, unit != NULL ? length - 1 : length);
  guint64 number;

  if (!parse_uint (digits, &number))
    return FALSE;
  return g_uint64_checked_mul (value, number, unit != NULL ? G_GUINT64_CONSTANT (1) << (10 * (unit - units + 1)) : 1);
}

/* A number with up to six decimals, in millionths. */
static gboolean
parse_decimal (const char *text, guint64 *value)
{
  const char *point = strchr (text, '.');
  g_autofree char *whole = g_strndup (text, point != NULL ? (gsize) (point - text) : strlen (text));
  guint64 units;
  guint64 fraction = 0;

  if (point != NULL) {
    gsize decimals = strlen (point + 1);

    if (decimals > 6 || !parse_uint (point + 1, &fraction))
      return FALSE;
    for (; decimals < 6; decimals++)
      fraction *= 10;
  }
  if (!parse_uint (whole, &units) || units > MAX_UNITS - 1)
    return FALSE;
  *value = units * MILLION + fraction;
  return TRUE;
}

static gboolean
parse_choice (const MrOption *option, const char *text, int *value)
{
  for (int i = 0; option->choices[i] != NULL; i++) {
    if (strcmp (option->choices[i], text) == 0) {
      *value = i;
      return TRUE;
    }
  }
  return FALSE;
}

static char **
parse_list (const char *text, const char *separator)
{
  g_auto (GStrv) parts = g_strsplit (text, separator, -1);
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  for (gsize i = 0; parts[i] != NULL; i++) {
    if (*g_strstrip (parts[i]) != '\0')
      g_strv_builder_add (list, parts[i]);
  }
  return g_strv_builder_end (list);
}

static const char *
kind_of_value (MrOptionType type)
{
  switch (type) {
  case MR_OPTION_BOOL:
    return "a truth value";
  case MR_OPTION_UINT:
    return "a whole number";
  case MR_OPTION_SECONDS:
    return "a number of seconds";
  case MR_OPTION_NUMBER:
    return "a number";
  case MR_OPTION_BYTES:
    return "a number of bytes";
  case MR_OPTION_CHOICE:
    return "one of the choices";
  case MR_OPTION_STRING:
  case MR_OPTION_STRV:
  default:
    return "UTF-8 text";
  }
}

static char *
describe_bytes (guint64 bytes)
{
  static const char units[] = "KMG";
  guint unit = 0;

  while (unit < strlen (units) && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    unit++;
  }
  return g_strdup_printf ("%" G_GUINT64_FORMAT "%.*s", bytes, unit > 0, unit > 0 ? &units[unit - 1] : "");
}

static char *
describe_number (const MrOption *option, guint64 number)
{
  if (option->type == MR_OPTION_BYTES)
    return describe_bytes (number);
  return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

char *
mr_options_describe_allowed (const MrOption *option)
{
  g_autofree char *min = describe_number (option, option->min);
  g_autofree char *max = describe_number (option, option->max);

  switch (option->type) {
  case MR_OPTION_BOOL:
    return g_strdup ("true, false, 1, 0, yes, no, on, off");
  case MR_OPTION_CHOICE:
    return g_strjoinv (", ", (char **) option->choices);
  case MR_OPTION_UINT:
  case MR_OPTION_SECONDS:
  case MR_OPTION_NUMBER:
  case MR_OPTION_BYTES:
    return option->max != 0 ? g_strdup_printf ("%s to %s", min, max) : g_strdup_printf ("at least %s", min);
  case MR_OPTION_STRING:
  case MR_OPTION_STRV:
  default:
    return NULL;
  }
}

static gboolean
bad_value (const MrOption *option, const char *origin, const char *text, const char *problem, GError **error)
{
  g_autofree char *allowed = mr_options_describe_allowed (option);

  if (option->secret)
    return mr_options_error (error, "%s: the value is not %s", origin, kind_of_value (option->type));
  if (allowed == NULL)
    return mr_options_error (error, "%s: \"%s\" is %s", origin, text, problem);
  return mr_options_error (error, "%s: \"%s\" is %s (allowed: %s)", origin, text, problem, allowed);
}

static gboolean
not_of_its_kind (const MrOption *option, const char *origin, const char *text, GError **error)
{
  g_autofree char *problem = g_strconcat ("not ", kind_of_value (option->type), NULL);

  return bad_value (option, origin, text, problem, error);
}

void
mr_options_free_secret (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

static void
set_string (const MrOption *option, gpointer place, const char *text)
{
  char **string = place;

  if (option->secret)
    mr_options_free_secret (*string);
  else
    g_free (*string);
  *string = *text != '\0' ? g_strdup (text) : NULL;
}

static void
set_list (const MrOption *option, gpointer place, const char *text)
{
  char ***list = place;
  g_auto (GStrv) items = parse_list (text, option->whole ? "\n" : ",");

  g_strfreev (*list);
  *list = items[0] != NULL ? g_steal_pointer (&items) : NULL;
}

/* UINT, SECONDS, NUMBER, BYTES: the check of the range is the same. */
static gboolean
set_number (const MrOption *option, gpointer place, const char *text, const char *origin, GError **error)
{
  gboolean decimal = option->type == MR_OPTION_SECONDS || option->type == MR_OPTION_NUMBER;
  guint64 unit = decimal ? MILLION : 1;
  guint64 ceiling = option->type == MR_OPTION_UINT ? G_MAXUINT : G_MAXUINT64;
  guint64 max = option->max != 0 ? option->max * unit : ceiling;
  guint64 value = 0;
  gboolean parsed;

  if (decimal)
    parsed = parse_decimal (text, &value);
  else
    parsed = option->type == MR_OPTION_BYTES ? parse_bytes (text, &value) : parse_uint (text, &value);
  if (!parsed)
    return not_of_its_kind (option, origin, text, error);
  if (value < option->min * unit || value > MIN (max, ceiling))
    return bad_value (option, origin, text, "out of range", error);

  if (option->type == MR_OPTION_UINT)
    *(guint *) place = value;
  else if (option->type == MR_OPTION_SECONDS)
    *(gint64 *) place = value;
  else if (option->type == MR_OPTION_NUMBER)
    *(double *) place = (double) value / MILLION;
  else
    *(guint64 *) place = value;
  return TRUE;
}

gboolean
mr_options_set (const MrOption *option, gpointer config, const char *text, const char *origin, GError **error)
{
  gpointer place = G_STRUCT_MEMBER_P (config, option->offset);
  gboolean fits = g_utf8_validate (text, -1, NULL);

  switch (option->type) {
  case MR_OPTION_UINT:
  case MR_OPTION_SECONDS:
  case MR_OPTION_NUMBER:
  case MR_OPTION_BYTES:
    return set_number (option, place, text, origin, error);
  case MR_OPTION_BOOL:
    fits = parse_bool (text, place);
    break;
  case MR_OPTION_CHOICE:
    fits = parse_choice (option, text, place);
    break;
  case MR_OPTION_STRV:
    if (fits)
      set_list (option, place, text);
    break;
  case MR_OPTION_STRING:
  default:
    if (fits)
      set_string (option, place, text);
    break;
  }
  return fits || not_of_its_kind (option, origin, text, error);
}

gboolean
mr_options_set_from_file (const MrOption *option, gpointer config, const char *path, const char *origin, GError **error)
{
  g_autoptr (GError) failure = NULL;
  char *text = NULL;
  gsize length;
  gboolean done;

  if (!g_file_get_contents (path, &text, &length, &failure))
    return mr_options_error (error, "%s: %s", origin, failure->message);
  text[strcspn (text, "\n")] = '\0';
  g_strchomp (text);
  if (*text == '\0')
    done = mr_options_error (error, "%s: the first line of \"%s\" is empty", origin, path);
  else
    done = mr_options_set (option, config, text, origin, error);
  explicit_bzero (text, length);
  g_free (text);
  return done;
}
