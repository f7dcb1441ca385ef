/* SPDX-License-Identifier: MIT */
/* The terminal as a screen. See terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, cursor, and lines that are not wrapped. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

/* Ends that come without asking; what they interrupt must not be left on a raw terminal. */
static const int fatal_signals[] = { SIGQUIT, SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

static struct termios before;
static volatile sig_atomic_t entered;

static void
write_all (const char *text, gsize length)
{
  while (length > 0) {
    gssize n = write (STDOUT_FILENO, text, length);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    text += n;
    length -= (gsize) n;
  }
}

/* Only calls that a signal handler may make. */
void
mr_terminal_leave (void)
{
  if (!entered)
    return;
  entered = 0;
  write_all (LEAVE, strlen (LEAVE));
  (void) tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
}

static void
on_fatal_signal (int number)
{
  mr_terminal_leave ();
  /* The handler was reset: this time it ends the process. */
  (void) raise (number);
}

static void
watch_fatal_signals (void)
{
  struct sigaction action = { .sa_handler = on_fatal_signal, .sa_flags = SA_RESETHAND | SA_NODEFER };

  for (guint i = 0; i < G_N_ELEMENTS (fatal_signals); i++)
    (void) sigaction (fatal_signals[i], &action, NULL);
}

gboolean
mr_terminal_enter (void)
{
  struct termios raw;

  if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO) || tcgetattr (STDIN_FILENO, &before) != 0)
    return FALSE;
  raw = before;
  /* Keys come one by one; Ctrl-Z too, since the terminal must be left before. */
  raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  watch_fatal_signals ();
  entered = 1;
  (void) tcsetattr (STDIN_FILENO, TCSAFLUSH, &raw);
  write_all (ENTER, strlen (ENTER));
  return TRUE;
}

void
mr_terminal_suspend (void)
{
  mr_terminal_leave ();
  (void) raise (SIGTSTP);
  (void) mr_terminal_enter ();
}

void
mr_terminal_get_size (guint *columns, guint *lines)
{
  struct winsize size = { 0 };

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
  *columns = size.ws_col;
  *lines = size.ws_row;
}

void
mr_terminal_draw (const char *text, guint lines)
{
  g_autoptr (GString) screen = g_string_new ("\033[H");
  guint n = 0;

  while (*text != '\0' && n < lines) {
    gsize length = strcspn (text, "\n");

    if (n++ > 0)
      g_string_append (screen, "\r\n");
    /* Erased first: at the right edge the cursor stays on the last character. */
    g_string_append (screen, "\033[K");
    g_string_append_len (screen, text, (gssize) length);
    g_string_append (screen, "\033[0m");
    text += length + (text[length] == '\n');
  }
  g_string_append (screen, "\033[J");
  write_all (screen->str, screen->len);
}
