/* SPDX-License-Identifier: MIT */
/*
 * A look at /proc, proc(5). See program-watch.h.
 */
#include "program-watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOOK_SECONDS 5

/* What the kernel keeps of a process's name, without the NUL byte. */
#define KERNEL_NAME_LENGTH 15

struct _MrProgramWatch {
  void (*changed) (gpointer data);
  gpointer data;
  char **names;        /* Owned */
  const char *running; /* Borrowed from `names` */
  guint source;
};

/* "PID (name) S ...": the name may have brackets of its own. Returns: FALSE when it is gone, or dead and not buried */
static gboolean
read_name (int proc, const char *pid, char name[KERNEL_NAME_LENGTH + 1])
{
  char path[64];
  char stat[128];

  g_snprintf (path, sizeof path, "%s/stat", pid);
  int fd = openat (proc, path, O_RDONLY | O_CLOEXEC);
  gssize length = fd >= 0 ? read (fd, stat, sizeof stat - 1) : -1;
  if (fd >= 0) {
    close (fd);
  }
  if (length <= 0) {
    return FALSE;
  }
  stat[length] = '\0';
  const char *open = strchr (stat, '(');
  const char *end = strrchr (stat, ')');
  if (open == NULL || end == NULL || end - open > KERNEL_NAME_LENGTH + 1 || strlen (end) < 3 ||
      strchr ("ZX", end[2]) != NULL) {
    return FALSE;
  }
  memcpy (name, open + 1, end - open - 1);
  name[end - open - 1] = '\0';
  return TRUE;
}

/* Returns: FALSE for another user's process, or the kernel's own */
static gboolean
read_executable (int proc, const char *pid, char *target, gsize size)
{
  char path[64];

  g_snprintf (path, sizeof path, "%s/exe", pid);
  gssize length = readlinkat (proc, path, target, size - 1);
  if (length <= 0) {
    return FALSE;
  }
  target[length] = '\0';
  if (g_str_has_suffix (target, " (deleted)")) {
    target[length - strlen (" (deleted)")] = '\0'; /* it was updated while it ran */
  }
  return TRUE;
}

/* Narrows @best down to the index of an earlier name, if this process has one. */
static guint
match (MrProgramWatch *self, int proc, const char *pid, guint best)
{
  char name[KERNEL_NAME_LENGTH + 1];
  char target[4096];

  if (!read_name (proc, pid, name)) {
    return best;
  }
  gboolean ours = read_executable (proc, pid, target, sizeof target);
  const char *slash = ours ? strrchr (target, '/') : NULL;
  for (guint i = 0; i < best; i++) {
    gboolean cut_off = strlen (self->names[i]) > KERNEL_NAME_LENGTH;
    gboolean by_name = ours && cut_off ? FALSE : strncmp (self->names[i], name, KERNEL_NAME_LENGTH) == 0;
    if (by_name || (slash != NULL && g_str_equal (slash + 1, self->names[i]))) {
      return i;
    }
  }
  return best;
}

static void
look (MrProgramWatch *self)
{
  guint none = g_strv_length (self->names);
  guint best = none;
  DIR *proc = opendir ("/proc");

  for (struct dirent *entry; proc != NULL && (entry = readdir (proc)) != NULL;) {
    if (g_ascii_isdigit (entry->d_name[0])) {
      best = match (self, dirfd (proc), entry->d_name, best);
    }
  }
  if (proc != NULL) {
    closedir (proc);
  }
  self->running = best < none ? self->names[best] : NULL;
}

static gboolean
on_time (gpointer data)
{
  MrProgramWatch *self = data;
  const char *before = self->running;

  look (self);
  if (self->running != before) {
    self->changed (self->data);
  }
  return G_SOURCE_CONTINUE;
}

MrProgramWatch *
mr_program_watch_new (const char *const *names, void (*changed) (gpointer data), gpointer data)
{
  MrProgramWatch *self = g_new0 (MrProgramWatch, 1);

  self->changed = changed;
  self->data = data;
  self->names = g_strdupv ((char **) names);
  self->source = g_timeout_add_seconds (LOOK_SECONDS, on_time, self);
  look (self);
  return self;
}

void
mr_program_watch_free (MrProgramWatch *self)
{
  if (self == NULL) {
    return;
  }
  g_source_remove (self->source);
  g_strfreev (self->names);
  g_free (self);
}

const char *const *
mr_program_watch_get_names (MrProgramWatch *self)
{
  return (const char *const *) self->names;
}

const char *
mr_program_watch_get (MrProgramWatch *self)
{
  return self->running;
}
