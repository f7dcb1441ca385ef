/* SPDX-License-Identifier: MIT */
/*
 * Model names and slots out of JSON. No network.
 */
#include "backend-models.h"

#include "json.h"
#include "limits.h"

#include <string.h>

static gboolean
is_usable_name (const char *name)
{
  for (const char *at = name; *at != '\0'; at++) {
    if (g_ascii_iscntrl (*at)) {
      return FALSE;
    }
  }
  return *name != '\0' && strlen (name) <= MR_LIMIT_MODEL_NAME_BYTES && !g_str_equal (name, "*");
}

static char **
read_names (const MrJsonValue *list, const char *member)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  MrJsonIter iter;
  MrJsonValue element;

  mr_json_iter_init (&iter, list);
  while (names->len < MR_LIMIT_MODELS && mr_json_iter_next (&iter, NULL, &element)) {
    MrJsonValue value = mr_json_member (&element, member);
    g_autofree char *name = mr_json_dup_string (&value, NULL);
    if (name != NULL && is_usable_name (name) && !g_hash_table_contains (seen, name)) {
      g_hash_table_add (seen, name);
      g_ptr_array_add (names, g_steal_pointer (&name));
    }
  }
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

char **
mr_backend_models_from_json (const char *text, gsize length)
{
  const char *const members[] = { "data", "models" };
  MrJsonValue values[G_N_ELEMENTS (members)];

  if (!mr_json_scan_members (text, length, members, values, G_N_ELEMENTS (members), NULL)) {
    return NULL;
  }
  if (values[0].type == MR_JSON_ARRAY) {
    return read_names (&values[0], "id");
  }
  if (values[1].type == MR_JSON_ARRAY) {
    return read_names (&values[1], "name");
  }
  return NULL;
}

guint
mr_backend_slots_from_json (const char *text, gsize length)
{
  const char *const members[] = { "total_slots" };
  MrJsonValue value;
  gint64 slots;

  if (!mr_json_scan_members (text, length, members, &value, 1, NULL) || !mr_json_get_int (&value, &slots)) {
    return 0;
  }
  return (guint) CLAMP (slots, 0, MR_LIMIT_MAX_CONCURRENT);
}
