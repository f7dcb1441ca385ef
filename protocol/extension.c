/* SPDX-License-Identifier: MIT */
/*
 * Names of extensions. See extension.h.
 */
#include "extension.h"

static const struct {
  const char *name;
  MrExtensions extension;
} extensions[] = {
  { "request_errors", MR_EXTENSION_REQUEST_ERRORS }, { "response_start", MR_EXTENSION_RESPONSE_START },
  { "binary_frames", MR_EXTENSION_BINARY_FRAMES },   { "load_updates", MR_EXTENSION_LOAD_UPDATES },
  { "flow_control", MR_EXTENSION_FLOW_CONTROL },
};

MrExtensions
mr_extensions_from_strv (const char *const *names)
{
  MrExtensions set = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (extensions); i++) {
    if (names != NULL && g_strv_contains (names, extensions[i].name))
      set |= extensions[i].extension;
  }
  return set;
}

char **
mr_extensions_to_strv (MrExtensions set)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (extensions); i++) {
    if (set & extensions[i].extension)
      g_strv_builder_add (builder, extensions[i].name);
  }
  return g_strv_builder_end (builder);
}
