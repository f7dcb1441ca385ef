/* SPDX-License-Identifier: MIT */
/* The parts of a form: server/form.c. */
#include "form.h"

#include "limits.h"

#include <string.h>

#define TYPE "multipart/form-data; boundary=b"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

/* The fields as "name=content|name=content", then "!" when the form is malformed; bounds are checked by ASan. */
static char *
walk (const char *type, const char *text)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gsize length = strlen (text);
  g_autofree char *body = g_memdup2 (text, MAX (length, 1));
  gboolean malformed = TRUE;
  MrFormIter iter;
  MrSpan content;
  char *name;

  if (mr_form_iter_init (&iter, type, body, length))
    while (mr_form_iter_next (&iter, &name, &content, &malformed)) {
      g_string_append_printf (out, "%s%s=%.*s", out->len > 0 ? "|" : "", name != NULL ? name : "?",
                              (int) content.length, content.data);
      g_free (name);
    }
  if (malformed)
    g_string_append_c (out, '!');
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
test_parts (void)
{
  static const struct {
    const char *type;
    const char *body;
    const char *expected;
  } cases[] = {
    { TYPE, "--b\r\n" FIELD ("a") "1\r\n--b\r\n" FIELD ("a") "2\r\n--b--\r\n", "a=1|a=2" },
    { TYPE, "preamble\r\n--b \t\r\ncontent-DISPOSITION:form-data;name=a\r\nX: y\r\n\r\n1\r\n--b-- epilogue", "a=1" },
    { "Multipart/Form-Data; charset=x; boundary=\"a b\"", "--a b\r\n" FIELD ("a") "\r\n--a b--", "a=" },
    { TYPE, "--b\r\n" FIELD ("a") "--b\r\n\r\n-b\r\n--b--", "a=|?=-b" },
    { TYPE, "--b\r\n\r\nno lines\r\n--b--", "?=no lines" },
    { TYPE, "--b\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b--", "?=1" },
    { TYPE, "--b\r\nContent-Disposition: ;name=a\r\n\r\n1\r\n--b--", "?=1" },
    { TYPE, "--b--", "" },
    { TYPE, "", "!" },
    { TYPE, "--b", "!" },
    { TYPE, "--b\r\n" FIELD ("a") "1", "!" },
    { TYPE, "--b\r\n" FIELD ("a") "1\r\n--b", "a=1!" },
    { TYPE, "--b\r\nContent-Disposition: form-data; name=a\r\n--b--", "!" },
    { TYPE, "--bb\r\n" FIELD ("a") "1\r\n--bb--", "!" },
    { "multipart/form-data", "--b\r\n" FIELD ("a") "1\r\n--b--", "!" },
    { "multipart/form-data; boundary=\"\"", "--\r\n" FIELD ("a") "1\r\n----", "!" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *got = walk (cases[i].type, cases[i].body);

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_cmpstr (got, ==, cases[i].expected);
  }
}

static void
test_caps (void)
{
  g_autoptr (GString) many = g_string_new ("--b");
  g_autoptr (GString) wide = g_string_new ("--b\r\nX: ");
  g_autofree char *boundary = g_strnfill (71, 'x');
  g_autofree char *type = g_strconcat ("multipart/form-data; boundary=", boundary, NULL);
  g_autofree char *long_body = g_strconcat ("--", boundary, "--", NULL);
  g_autofree char *long_boundary = walk (type, long_body);
  g_autofree char *too_many = NULL;
  g_autofree char *too_wide = NULL;

  for (int i = 0; i < MR_LIMIT_FORM_PARTS; i++)
    g_string_append (many, "\r\n\r\n\r\n--b");
  g_string_append (many, "\r\n\r\n\r\n--b--");
  too_many = walk (TYPE, many->str);
  for (int i = 0; i < MR_LIMIT_FORM_HEAD_BYTES; i++)
    g_string_append_c (wide, 'x');
  g_string_append (wide, "\r\n\r\n1\r\n--b--");
  too_wide = walk (TYPE, wide->str);
  g_assert_true (g_str_has_suffix (too_many, "!"));
  g_assert_cmpstr (too_wide, ==, "!");
  g_assert_cmpstr (long_boundary, ==, "!");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/form/parts", test_parts);
  g_test_add_func ("/form/caps", test_caps);
  return g_test_run ();
}
