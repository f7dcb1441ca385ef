/* SPDX-License-Identifier: MIT */
/*
 * Child processes of a test. One thread a process collects what it writes, and then its exit.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct _MrtProcess {
  GPid pid;
  char *name;
  GThread *watcher;
  int out_fd;
  int err_fd;

  GMutex lock; /* guards what follows, shared with the watcher */
  GCond changed;
  gboolean exited;
  int exit_code;
  GString *out;
  GString *err;
};

static void
set_up_child (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* Reads what is there of one pipe; FALSE at its end. */
static gboolean
collect (MrtProcess *process, int fd, GString *into)
{
  char buffer[16384];
  gssize got = read (fd, buffer, sizeof buffer);

  if (got <= 0)
    return got < 0 && errno == EINTR;
  if (g_getenv ("MRT_VERBOSE") != NULL)
    fprintf (stderr, "%.*s", (int) got, buffer);
  g_mutex_lock (&process->lock);
  g_string_append_len (into, buffer, got);
  g_cond_broadcast (&process->changed);
  g_mutex_unlock (&process->lock);
  return TRUE;
}

static void
read_output (MrtProcess *process)
{
  struct pollfd fds[] = { { .fd = process->out_fd, .events = POLLIN }, { .fd = process->err_fd, .events = POLLIN } };

  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    poll (fds, 2, -1);
    if (fds[0].fd >= 0 && fds[0].revents != 0 && !collect (process, fds[0].fd, process->out))
      fds[0].fd = -1;
    if (fds[1].fd >= 0 && fds[1].revents != 0 && !collect (process, fds[1].fd, process->err))
      fds[1].fd = -1;
  }
}

static gpointer
watch (gpointer data)
{
  MrtProcess *process = data;
  siginfo_t info = { 0 };
  int status;

  read_output (process);
  /* Its number is not given back before nobody can send it a signal any more. */
  waitid (P_PID, (id_t) process->pid, &info, WEXITED | WNOWAIT);
  g_mutex_lock (&process->lock);
  waitpid (process->pid, &status, 0);
  process->exited = TRUE;
  process->exit_code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  g_cond_broadcast (&process->changed);
  g_mutex_unlock (&process->lock);
  return NULL;
}

static char **
make_environment (const char *const *env)
{
  static const char *const kept[] = { "PATH",         "HOME",         "TMPDIR",        "G_DEBUG",        "G_SLICE",
                                      "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "MALLOC_PERTURB_" };
  char **result = g_environ_setenv (g_new0 (char *, 1), "DATABASE_URL", "sqlite::memory:", TRUE);

  result = g_environ_setenv (result, "MODELRELAY_DBUS", "none", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    if (g_getenv (kept[i]) != NULL)
      result = g_environ_setenv (result, kept[i], g_getenv (kept[i]), TRUE);
  }
  for (guint i = 0; env != NULL && env[i] != NULL; i++) {
    g_auto (GStrv) pair = g_strsplit (env[i], "=", 2);

    result = g_environ_setenv (result, pair[0], pair[1], TRUE);
  }
  return result;
}

MrtProcess *
mrt_process_start (const char *const *argv, const char *const *env)
{
  MrtProcess *process = g_new0 (MrtProcess, 1);
  g_auto (GStrv) environment = make_environment (env);
  g_autoptr (GError) error = NULL;

  if (!g_spawn_async_with_pipes (NULL, (char **) argv, environment, G_SPAWN_DO_NOT_REAP_CHILD, set_up_child, NULL,
                                 &process->pid, NULL, &process->out_fd, &process->err_fd, &error))
    g_error ("cannot start %s: %s", argv[0], error->message);
  fcntl (process->out_fd, F_SETFD, FD_CLOEXEC);
  fcntl (process->err_fd, F_SETFD, FD_CLOEXEC);
  process->name = g_path_get_basename (argv[0]);
  process->out = g_string_new (NULL);
  process->err = g_string_new (NULL);
  g_mutex_init (&process->lock);
  g_cond_init (&process->changed);
  process->watcher = g_thread_new ("watcher", watch, process);
  return process;
}

void
mrt_process_signal (MrtProcess *process, int signal)
{
  g_mutex_lock (&process->lock);
  if (!process->exited)
    kill (process->pid, signal);
  g_mutex_unlock (&process->lock);
}

int
mrt_process_wait_exit (MrtProcess *process, int timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
  int exit_code;

  g_mutex_lock (&process->lock);
  while (!process->exited && g_cond_wait_until (&process->changed, &process->lock, deadline))
    continue;
  exit_code = process->exited ? process->exit_code : -1;
  g_mutex_unlock (&process->lock);
  return exit_code;
}

static gboolean
is_crash (MrtProcess *process)
{
  static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTRAP };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++) {
    if (process->exit_code == 128 + signals[i])
      return TRUE;
  }
  return strstr (process->err->str, "CRITICAL") != NULL || strstr (process->err->str, "Sanitizer") != NULL ||
         strstr (process->err->str, "runtime error:") != NULL;
}

void
mrt_process_free (MrtProcess *process)
{
  if (process == NULL)
    return;
  mrt_process_signal (process, SIGTERM);
  if (mrt_process_wait_exit (process, 3000) < 0)
    mrt_process_signal (process, SIGTERM);
  if (mrt_process_wait_exit (process, 3000) < 0)
    mrt_process_signal (process, SIGKILL);
  g_thread_join (process->watcher);
  if (is_crash (process))
    g_error ("%s crashed or complained (exit %d):\n%s", process->name, process->exit_code, process->err->str);
  close (process->out_fd);
  close (process->err_fd);
  g_string_free (process->out, TRUE);
  g_string_free (process->err, TRUE);
  g_mutex_clear (&process->lock);
  g_cond_clear (&process->changed);
  g_free (process->name);
  g_free (process);
}

static guint
count_text (const char *in, const char *text)
{
  guint n = 0;

  for (const char *at = strstr (in, text); at != NULL; at = strstr (at + strlen (text), text))
    n++;
  return n;
}

static char *
line_around (const char *in, const char *text)
{
  const char *at = strstr (in, text);
  const char *start = at;

  while (start > in && start[-1] != '\n')
    start--;
  return g_strndup (start, strcspn (start, "\n"));
}

/* The lock is held. A line counts when it is whole. */
static gboolean
has_whole_lines (MrtProcess *process, const char *text, guint n)
{
  const char *last_end = strrchr (process->err->str, '\n');
  g_autofree char *whole =
      last_end != NULL ? g_strndup (process->err->str, (gsize) (last_end - process->err->str + 1)) : g_strdup ("");

  return count_text (whole, text) >= n;
}

void
mrt_process_wait_log_count (MrtProcess *process, const char *text, guint n)
{
  gint64 deadline = g_get_monotonic_time () + MRT_WAIT_MS * 1000;

  g_mutex_lock (&process->lock);
  while (!has_whole_lines (process, text, n)) {
    if (!g_cond_wait_until (&process->changed, &process->lock, deadline))
      g_error ("%s did not log \"%s\" %u times; its log:\n%s", process->name, text, n, process->err->str);
  }
  g_mutex_unlock (&process->lock);
}

char *
mrt_process_wait_log (MrtProcess *process, const char *text)
{
  char *line;

  mrt_process_wait_log_count (process, text, 1);
  g_mutex_lock (&process->lock);
  line = line_around (process->err->str, text);
  g_mutex_unlock (&process->lock);
  return line;
}

char *
mrt_process_get_log (MrtProcess *process)
{
  char *log;

  g_mutex_lock (&process->lock);
  log = g_strndup (process->err->str, process->err->len);
  g_mutex_unlock (&process->lock);
  return log;
}

char *
mrt_process_get_output (MrtProcess *process)
{
  char *output;

  g_mutex_lock (&process->lock);
  output = g_strndup (process->out->str, process->out->len);
  g_mutex_unlock (&process->lock);
  return output;
}

char *
mrt_process_read_proc (MrtProcess *process, const char *name)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", process->pid, name);
  g_autoptr (GError) error = NULL;
  char *contents;
  gsize length;

  if (!g_file_get_contents (path, &contents, &length, &error))
    g_error ("%s", error->message);
  for (gsize i = 0; i < length; i++) {
    if (contents[i] == '\0')
      contents[i] = ' ';
  }
  return contents;
}

guint
mrt_process_count_fds (MrtProcess *process)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", process->pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

gsize
mrt_process_get_rss_bytes (MrtProcess *process)
{
  g_autofree char *text = mrt_process_read_proc (process, "statm");
  g_auto (GStrv) fields = g_strsplit (text, " ", -1);

  return (gsize) g_ascii_strtoull (fields[1], NULL, 10) * (gsize) sysconf (_SC_PAGESIZE);
}

gint64
mrt_process_get_cpu_us (MrtProcess *process)
{
  g_autofree char *text = mrt_process_read_proc (process, "stat");
  /* The name in brackets may hold spaces: the fields after it count from the state, which is number 3. */
  g_auto (GStrv) fields = g_strsplit (strrchr (text, ')') + 2, " ", -1);
  gint64 ticks = g_ascii_strtoll (fields[11], NULL, 10) + g_ascii_strtoll (fields[12], NULL, 10);

  return ticks * G_USEC_PER_SEC / sysconf (_SC_CLK_TCK);
}
