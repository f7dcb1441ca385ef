/* SPDX-License-Identifier: MIT */
/*
 * API keys as plain data: their life, their names of scope and priority, and the globs of their models. Where keys come
 * from and how their use is limited lives elsewhere.
 */
#include "key.h"

#include <string.h>

static const char *const scope_names[] = { "client", "worker" };
static const char *const priority_names[] = { "high", "normal", "low" };

MrKey *
mr_key_new (const char *id, const char *prefix, const guint8 *hash, const MrKeySpec *spec, gint64 created_at)
{
  MrKey *key = g_new0 (MrKey, 1);

  g_ref_count_init (&key->references);
  key->id = g_strdup (id);
  key->prefix = g_strdup (prefix);
  memcpy (key->hash, hash, MR_KEY_HASH_BYTES);
  key->spec = mr_key_spec_copy (spec);
  key->created_at = created_at;
  return key;
}

MrKey *
mr_key_ref (MrKey *key)
{
  g_ref_count_inc (&key->references);
  return key;
}

void
mr_key_unref (MrKey *key)
{
  if (!g_ref_count_dec (&key->references))
    return;
  g_free (key->id);
  g_free (key->prefix);
  mr_key_spec_clear (&key->spec);
  g_free (key);
}

MrKeySpec
mr_key_spec_copy (const MrKeySpec *spec)
{
  MrKeySpec copy = *spec;

  copy.name = g_strdup (spec->name);
  copy.models = g_strdupv (spec->models);
  return copy;
}

void
mr_key_spec_clear (MrKeySpec *spec)
{
  g_clear_pointer (&spec->name, g_free);
  g_clear_pointer (&spec->models, g_strfreev);
}

/* Goes back to the last `*` only, which is enough: what an earlier one could take as well, the last one can. So the
 * cost is at most the product of both lengths, whatever the glob. `?` stands for one character, not for one byte. */
static gboolean
glob_matches (const char *glob, const char *text)
{
  const char *after_star = NULL;
  const char *retry = NULL;

  while (*text != '\0') {
    if (*glob == '*') {
      after_star = ++glob;
      retry = text;
    } else if (*glob == '?') {
      glob++;
      text = g_utf8_next_char (text);
    } else if (*glob == *text) {
      glob++;
      text++;
    } else if (after_star != NULL) {
      glob = after_star;
      text = retry = g_utf8_next_char (retry);
    } else {
      return FALSE;
    }
  }
  while (*glob == '*')
    glob++;
  return *glob == '\0';
}

gboolean
mr_key_allows_model (const MrKey *key, const char *model)
{
  if (key->spec.models == NULL)
    return TRUE;
  /* A character that is cut short could lead beyond the end of the text. */
  if (!g_utf8_validate (model, -1, NULL))
    return FALSE;
  for (char **glob = key->spec.models; *glob != NULL; glob++) {
    if (glob_matches (*glob, model))
      return TRUE;
  }
  return FALSE;
}

gboolean
mr_key_is_live (const MrKey *key, gint64 now)
{
  return !key->revoked && (key->spec.expires_at == 0 || now < key->spec.expires_at);
}

const char *
mr_key_scope_name (MrKeyScope scope)
{
  return scope_names[scope];
}

const char *
mr_priority_name (MrPriority priority)
{
  return priority_names[priority];
}

static gboolean
find_name (const char *const *names, guint n, const char *name, guint *index)
{
  for (guint i = 0; i < n; i++) {
    if (strcmp (names[i], name) == 0) {
      *index = i;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
mr_key_scope_from_name (const char *name, MrKeyScope *scope)
{
  guint index;

  if (!find_name (scope_names, G_N_ELEMENTS (scope_names), name, &index))
    return FALSE;
  *scope = index;
  return TRUE;
}

gboolean
mr_priority_from_name (const char *name, MrPriority *priority)
{
  guint index;

  if (!find_name (priority_names, G_N_ELEMENTS (priority_names), name, &index))
    return FALSE;
  *priority = index;
  return TRUE;
}
