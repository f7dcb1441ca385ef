/* SPDX-License-Identifier: MIT */
/*
 * Runs each file of a fuzz target's corpus through the target once: the normal build's stand-in for libFuzzer.
 *   replay-NAME DIRECTORY
 */
#include "fuzz.h"

static void
replay (gconstpointer path)
{
  g_autofree char *text = NULL;
  g_autofree char *exact = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &text, &length, NULL));
  exact = fuzz_dup (text, length);
  g_assert_cmpint (LLVMFuzzerTestOneInput ((const guint8 *) exact, length), ==, 0);
}

int
main (int argc, char **argv)
{
  g_autoptr (GDir) directory = NULL;
  const char *name;
  guint n_inputs = 0;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  directory = g_dir_open (argv[1], 0, NULL);
  g_assert_nonnull (directory);
  while ((name = g_dir_read_name (directory)) != NULL) {
    g_autofree char *test = g_strconcat ("/replay/", name, NULL);

    g_test_add_data_func_full (test, g_build_filename (argv[1], name, NULL), replay, g_free);
    n_inputs++;
  }
  g_assert_cmpuint (n_inputs, >, 0);
  return g_test_run ();
}
