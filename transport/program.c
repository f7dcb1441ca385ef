/* SPDX-License-Identifier: MIT */
/*
 * The process's own settings. See program.h.
 */
#include "program.h"

#include "log.h"

#include <signal.h>
#include <sys/resource.h>

void
mr_program_init (void)
{
  struct rlimit files;

  mr_log_install_glib_writer ();
  (void) signal (SIGPIPE, SIG_IGN);
  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
}
