/* SPDX-License-Identifier: MIT */
/* Standard error turned to a file and back. See log-capture.h. */
#include "log-capture.h"

#include <unistd.h>

static char *capture_path;
static int real_stderr;

void
log_capture_begin (void)
{
  int fd = g_file_open_tmp ("test-log-XXXXXX", &capture_path, NULL);

  g_assert_cmpint (fd, >=, 0);
  real_stderr = dup (STDERR_FILENO);
  g_assert_cmpint (dup2 (fd, STDERR_FILENO), ==, STDERR_FILENO);
  close (fd);
}

char *
log_capture_end (void)
{
  char *text;

  dup2 (real_stderr, STDERR_FILENO);
  close (real_stderr);
  g_assert_true (g_file_get_contents (capture_path, &text, NULL, NULL));
  unlink (capture_path);
  g_clear_pointer (&capture_path, g_free);
  return text;
}
