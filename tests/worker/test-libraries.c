/* SPDX-License-Identifier: MIT */
/*
 * What the worker program is linked with, as the dynamic loader sees it: nothing of a desktop, so that it runs on a
 * server. Needs the program's path as argument.
 */
#include <gio/gio.h>
#include <string.h>

static const char *program;

static void
test_no_desktop (void)
{
  const char *const unwanted[] = { "libgtk", "libgdk", "libsecret", "libayatana", "libportal", "libX11", "libwayland" };
  g_autofree char *libraries = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) ldd = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "ldd", program, NULL);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (ldd, NULL, NULL, &libraries, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (ldd));
  g_assert_nonnull (strstr (libraries, "libglib-2.0")); /* it is the list that we take it for */
  for (guint i = 0; i < G_N_ELEMENTS (unwanted); i++) {
    if (strstr (libraries, unwanted[i]) != NULL) {
      g_error ("%s is linked with %s", program, unwanted[i]);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  program = argv[1];
  g_test_add_func ("/worker/libraries/no-desktop", test_no_desktop);
  return g_test_run ();
}
