/* SPDX-License-Identifier: MIT */
/*
 * The extensions of the worker protocol: both sides name what they know, and only what both know is used.
 */
#pragma once

#include <glib.h>

/** Extensions (protocol, last chapter) that this code knows, as a set. */
typedef enum {
  MR_EXTENSION_REQUEST_ERRORS = 1 << 0,
  MR_EXTENSION_RESPONSE_START = 1 << 1,
  MR_EXTENSION_BINARY_FRAMES = 1 << 2,
  MR_EXTENSION_LOAD_UPDATES = 1 << 3,
  MR_EXTENSION_FLOW_CONTROL = 1 << 4,
} MrExtensions;

/**
 * mr_extensions_from_strv:
 * @names: (nullable): names as they came; unknown ones are ignored
 */
MrExtensions mr_extensions_from_strv (const char *const *names);

/** mr_extensions_to_strv: (transfer full): names of the set, NULL-terminated. */
char **mr_extensions_to_strv (MrExtensions extensions);
