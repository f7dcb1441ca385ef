/* SPDX-License-Identifier: MIT */
/*
 * What the files of the options share with each other: options.c (places and precedence), options-values.c (types),
 * options-help.c (the text of --help). Not for programs.
 */
#pragma once

#include "options.h"

/** Options that every program has: --config, --check-config, --help, --version. Ends like a program's table. */
extern const MrOption mr_options_builtin[];

/** mr_options_error: sets %MR_ERROR_CONFIG, with what is not UTF-8 made visible; always returns %FALSE. */
gboolean mr_options_error (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/**
 * mr_options_set:
 * @text: the value, as it stood where @origin says
 *
 * Reads and checks the value and puts it into @config in place of an earlier one. An empty text is no text: %NULL.
 */
gboolean mr_options_set (const MrOption *option, gpointer config, const char *text, const char *origin, GError **error);

/** mr_options_set_from_file: the same for a value that is the first line of a file, without white space at its end. */
gboolean mr_options_set_from_file (const MrOption *option, gpointer config, const char *path, const char *origin,
                                   GError **error);

/** mr_options_free_secret: (nullable): wipes and frees. */
void mr_options_free_secret (char *secret);

/** mr_options_describe_allowed: (transfer full) (nullable): what a value may be, e.g. "0 to 86400"; %NULL for any text.
 */
char *mr_options_describe_allowed (const MrOption *option);
