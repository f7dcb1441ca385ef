/* SPDX-License-Identifier: MIT */
/*
 * A second opinion on JSON for tests: slow, recursive, written from the grammar of RFC 8259 alone.
 */
#pragma once

#include <glib.h>

/** json_reference_is_valid: whether @text is one JSON document, nested no deeper than @max_depth. */
gboolean json_reference_is_valid (const char *text, gsize length, guint max_depth);
