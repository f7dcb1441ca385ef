/* SPDX-License-Identifier: MIT */
/*
 * A directory of packages. See downloads-list.h.
 */
#include "downloads-list.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 255
#define PIECE_BYTES (256 * 1024)

static void
download_free (gpointer data)
{
  MrDownload *download = data;

  g_free (download->name);
  g_free (download->sha256);
  g_free (download);
}

gboolean
mr_download_is_name (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length <= NAME_BYTES && name[0] != '.' &&
         strspn (name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._+~-") == length;
}

int
mr_download_open (const char *directory, const char *name, guint64 *size, gint64 *changed_ns)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would block */
  struct stat status;

  if (fd < 0)
    return -1;
  if (fstat (fd, &status) != 0 || !S_ISREG (status.st_mode)) {
    (void) close (fd);
    return -1;
  }
  *size = (guint64) status.st_size;
  *changed_ns = (gint64) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
  return fd;
}

/* NULL when it cannot be read to its end. */
static char *
make_checksum (int fd, GCancellable *cancellable)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *piece = g_malloc (PIECE_BYTES);
  gssize n;

  do {
    n = read (fd, piece, PIECE_BYTES);
    if (n > 0)
      g_checksum_update (checksum, piece, n);
  } while ((n > 0 || (n < 0 && errno == EINTR)) && !g_cancellable_is_cancelled (cancellable));
  return n == 0 ? g_strdup (g_checksum_get_string (checksum)) : NULL;
}

static const MrDownload *
find_known (const GPtrArray *known, const MrDownload *download)
{
  for (guint i = 0; known != NULL && i < known->len; i++) {
    const MrDownload *entry = known->pdata[i];

    if (entry->size == download->size && entry->changed_ns == download->changed_ns &&
        g_str_equal (entry->name, download->name))
      return entry;
  }
  return NULL;
}

static void
add (GPtrArray *list, const char *directory, const char *name, const GPtrArray *known, GCancellable *cancellable)
{
  MrDownload found = { .name = (char *) name };
  int fd = mr_download_open (directory, name, &found.size, &found.changed_ns);
  const MrDownload *before;

  if (fd < 0)
    return;
  before = find_known (known, &found);
  found.sha256 = before != NULL ? g_strdup (before->sha256) : make_checksum (fd, cancellable);
  (void) close (fd);
  if (found.sha256 == NULL)
    return;
  found.name = g_strdup (name);
  g_ptr_array_add (list, g_memdup2 (&found, sizeof found));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
read_names (const char *directory)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (mr_download_is_name (name))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

GPtrArray *
mr_download_list (const char *directory, const GPtrArray *known, GCancellable *cancellable)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (download_free);
  g_autoptr (GPtrArray) names = read_names (directory);

  for (guint i = 0; i < names->len && list->len < MR_LIMIT_DOWNLOAD_FILES; i++)
    if (!g_cancellable_is_cancelled (cancellable))
      add (list, directory, names->pdata[i], known, cancellable);
  return list;
}
