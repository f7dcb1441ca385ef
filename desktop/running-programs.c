/* SPDX-License-Identifier: MIT */
/*
 * The names behind /proc/PID/exe, as far as they may be read: those of the user's own processes. See
 * running-programs.h.
 */
#include "running-programs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the kernel adds when the file was replaced since, e.g. by an update. */
#define DELETED " (deleted)"

/* (transfer full) (nullable) */
static char *
program_of (const char *pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/exe", pid);
  g_autofree char *target = g_file_read_link (path, NULL);
  if (target == NULL) {
    return NULL;
  }
  if (g_str_has_suffix (target, DELETED)) {
    target[strlen (target) - strlen (DELETED)] = '\0';
  }
  g_autofree char *name = g_path_get_basename (target);
  return g_utf8_validate (name, -1, NULL) ? g_steal_pointer (&name) : NULL;
}

char **
mr_running_programs_list (void)
{
  g_autoptr (GDir) processes = g_dir_open ("/proc", 0, NULL);
  g_autoptr (GTree) names = g_tree_new_full ((GCompareDataFunc) (void (*) (void)) strcmp, NULL, g_free, NULL);
  g_autoptr (GStrvBuilder) sorted = g_strv_builder_new ();
  const char *entry;

  while (processes != NULL && (entry = g_dir_read_name (processes)) != NULL) {
    if (g_ascii_isdigit (*entry) && atoi (entry) != getpid ()) {
      char *name = program_of (entry);
      if (name != NULL) {
        g_tree_insert (names, name, NULL);
      }
    }
  }
  for (GTreeNode *node = g_tree_node_first (names); node != NULL; node = g_tree_node_next (node)) {
    g_strv_builder_add (sorted, g_tree_node_key (node));
  }
  return g_strv_builder_end (sorted);
}
