/* SPDX-License-Identifier: MIT */
/*
 * What the files of the options share with each other: options.c (places and precedence), options-values.c (types),
 * options-flags.c (every flag that may be typed), and what shows them: options-help.c, options-completions.c,
 * options-man.c. Not for programs.
 */
#pragma once

#include "options.h"

/** mr_options_builtin: (transfer none): options that every program has (--config and --check-config only where there is
 * a config file). Ends like a program's table. */
const MrOption *mr_options_builtin (const MrProgram *program);

/** MrFlagKind: what stands after a flag. */
typedef enum { MR_FLAG_SWITCH, MR_FLAG_CHOICE, MR_FLAG_FILE, MR_FLAG_TEXT } MrFlagKind;

/** MrFlag: a flag as it may be typed: an option's own, or the --NAME-file of a secret. */
typedef struct {
  const MrOption *option; /* Borrowed */
  char *name;
  MrFlagKind kind;
  const char *argument; /* Borrowed; NULL for none */
  const char *help;     /* Borrowed */
} MrFlag;

/**
 * mr_options_list_flags:
 * @table: rows
 * @names: (nullable): only the options of these names
 *
 * Returns: (transfer full) (element-type MrFlag): in the order of the table
 */
GPtrArray *mr_options_list_flags (const MrOption *table, const char *const *names);

/** mr_options_completions: (transfer full): a script for the shell that @action names. */
char *mr_options_completions (const MrProgram *program, MrOptionsAction action);

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
