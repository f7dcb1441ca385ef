/* SPDX-License-Identifier: MIT */
/*
 * Contract M2: `modelrelayctl top` in a terminal: what it draws, how it ends, and that the terminal is then as before.
 */
#include "ctl-stage.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#define ENTERED "\033[?1049h"
#define LEFT "\033[?1049l"

typedef struct {
  int master;
  int slave; /* kept open, or the settings would go with the program */
  pid_t pid;
  struct termios before;
  GString *seen;
} Screen;

static Screen
start_top (CtlStage *stage)
{
  struct winsize size = { .ws_row = 24, .ws_col = 80 };
  Screen screen = { .seen = g_string_new (NULL) };

  g_assert_cmpint (openpty (&screen.master, &screen.slave, NULL, NULL, &size), ==, 0);
  g_assert_cmpint (tcgetattr (screen.slave, &screen.before), ==, 0);
  screen.pid = fork ();
  g_assert_cmpint (screen.pid, >=, 0);
  if (screen.pid == 0) {
    g_setenv ("LC_ALL", "C.UTF-8", TRUE);
    g_setenv ("TERM", "xterm", TRUE);
    g_unsetenv ("NO_COLOR");
    login_tty (screen.slave);
    execl (ctl_path (), ctl_path (), "top", "--interval=0.2", "--url", stage->url, "--token", CTL_TOKEN, NULL);
    _exit (127);
  }
  return screen;
}

/* Reads until @text was drawn. */
static void
wait_for (Screen *screen, const char *text)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (strstr (screen->seen->str, text) == NULL) {
    struct pollfd fd = { .fd = screen->master, .events = POLLIN };
    char buffer[4096];
    gssize n;

    if (poll (&fd, 1, (int) MAX (deadline - mrt_now_ms (), 0)) <= 0)
      g_error ("top did not draw \"%s\"; it drew:\n%s", text, screen->seen->str);
    n = read (screen->master, buffer, sizeof buffer);
    if (n > 0)
      g_string_append_len (screen->seen, buffer, n);
  }
}

/* The program has ended, and nobody can tell from the terminal that it was there. */
static void
check_end (Screen *screen)
{
  struct termios after;
  int status;

  wait_for (screen, LEFT);
  g_assert_cmpint (waitpid (screen->pid, &status, 0), ==, screen->pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_nonnull (strstr (screen->seen->str, "\033[?25h"));
  g_assert_cmpint (tcgetattr (screen->slave, &after), ==, 0);
  g_assert_cmpuint (after.c_lflag, ==, screen->before.c_lflag);
  g_assert_cmpuint (after.c_iflag, ==, screen->before.c_iflag);
  g_assert_cmpmem (after.c_cc, sizeof after.c_cc, screen->before.c_cc, sizeof screen->before.c_cc);
  close (screen->master);
  close (screen->slave);
  g_string_free (screen->seen, TRUE);
}

static void
press (Screen *screen, const char *key)
{
  g_assert_cmpint (write (screen->master, key, strlen (key)), ==, (gssize) strlen (key));
}

static void
test_key (gconstpointer key)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);

  wait_for (&screen, ENTERED);
  wait_for (&screen, "tower");
  wait_for (&screen, "sort: name");
  press (&screen, "l");
  wait_for (&screen, "sort: load");
  press (&screen, key);
  check_end (&screen);
}

static void
test_signal (gconstpointer data)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);

  wait_for (&screen, "tower");
  kill (screen.pid, GPOINTER_TO_INT (data));
  check_end (&screen);
}

/* A signal that ends it without asking leaves the terminal all the same. */
static void
test_crash (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);
  struct termios after;
  int status;

  wait_for (&screen, "tower");
  kill (screen.pid, SIGQUIT);
  wait_for (&screen, LEFT);
  g_assert_cmpint (waitpid (screen.pid, &status, 0), ==, screen.pid);
  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (tcgetattr (screen.slave, &after), ==, 0);
  g_assert_cmpuint (after.c_lflag, ==, screen.before.c_lflag);
  close (screen.master);
  close (screen.slave);
  g_string_free (screen.seen, TRUE);
}

static void
test_resize (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);
  const struct winsize small = { .ws_row = 10, .ws_col = 40 };

  wait_for (&screen, "sort: name");
  g_string_truncate (screen.seen, 0);
  g_assert_cmpint (ioctl (screen.slave, TIOCSWINSZ, &small), ==, 0);
  kill (screen.pid, SIGWINCH);
  /* Ten lines: nine line ends between the start of a frame and what erases the rest. */
  wait_for (&screen, "\033[J");
  g_string_truncate (screen.seen, 0);
  wait_for (&screen, "\033[J");
  {
    const char *start = strstr (screen.seen->str, "\033[H");
    g_auto (GStrv) lines = g_strsplit (start != NULL ? start : "", "\r\n", -1);

    g_assert_cmpuint (g_strv_length (lines), ==, 10);
  }
  press (&screen, "q");
  check_end (&screen);
}

/* The relay goes and comes: the screen says so and stays. */
static void
test_relay_gone (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);

  wait_for (&screen, "sort: name");
  mrt_process_signal (stage->relay, SIGTERM);
  g_assert_cmpint (mrt_process_wait_exit (stage->relay, MRT_WAIT_MS), ==, 0);
  wait_for (&screen, "cannot reach a relay");
  press (&screen, "q");
  check_end (&screen);
}

/* Contract B7: the token is not in the process title. */
static void
test_title (void)
{
  g_autoptr (CtlStage) stage = ctl_stage_new (NULL);
  Screen screen = start_top (stage);
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", screen.pid);
  g_autofree char *title = NULL;
  gsize length;

  wait_for (&screen, "tower");
  g_assert_true (g_file_get_contents (path, &title, &length, NULL));
  g_assert_null (g_strstr_len (title, (gssize) length, CTL_TOKEN));
  press (&screen, "q");
  check_end (&screen);
}

int
main (int argc, char **argv)
{
  ctl_stage_init (argc, argv);
  g_test_add_data_func ("/contract/M2/top/q", "q", test_key);
  g_test_add_data_func ("/contract/M2/top/ctrl-c", "\003", test_key);
  g_test_add_data_func ("/contract/M2/top/sigterm", GINT_TO_POINTER (SIGTERM), test_signal);
  g_test_add_data_func ("/contract/M2/top/sighup", GINT_TO_POINTER (SIGHUP), test_signal);
  g_test_add_func ("/contract/M2/top/sigquit", test_crash);
  g_test_add_func ("/contract/M2/top/resize", test_resize);
  g_test_add_func ("/contract/M2/top/relay-gone", test_relay_gone);
  g_test_add_func ("/contract/B7/ctl-title", test_title);
  return g_test_run ();
}
