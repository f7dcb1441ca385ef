/* SPDX-License-Identifier: MIT */
/*
 * One table of options per program. From a row come the flag, the environment variable, the key in the config file, the
 * check of the value, and the line of --help. Precedence: flag, environment, config file, default.
 */
#pragma once

#include <glib.h>

typedef enum {
  MR_OPTION_STRING,  /* UTF-8; an empty one is NULL */
  MR_OPTION_STRV,    /* repeatable flag; comma-separated elsewhere and within a flag; an empty one is NULL */
  MR_OPTION_BOOL,    /* flag without or with =true|false; elsewhere true|false|1|0|yes|no|on|off */
  MR_OPTION_UINT,    /* decimal, between min and max */
  MR_OPTION_SECONDS, /* decimal number of seconds, between min and max; stored in microseconds as gint64 */
  MR_OPTION_BYTES,   /* decimal with optional K, M, G (powers of 1024); stored as guint64 */
  MR_OPTION_CHOICE,  /* one of `choices`, stored as its index (int) */
} MrOptionType;

/**
 * MrOption: a row. `offset` is where in the config struct the value goes: char *, char **, gboolean, guint, gint64,
 * guint64, int, by type.
 */
typedef struct {
  const char *name;        /* flag without dashes, and key in the config file */
  const char *environment; /* variable, or NULL */
  MrOptionType type;
  gsize offset;
  const char *default_value; /* as text; NULL for none (NULL, 0, FALSE) */
  const char *argument;      /* e.g. "URL" in --help */
  const char *help;
  guint64 min, max; /* UINT, SECONDS and BYTES; max 0 means no upper bound */
  const char *const *choices;
  gboolean secret; /* the value is never printed, not even in errors; also gives --NAME-file and NAME-file */
  gboolean whole;  /* STRV: values may hold commas; a flag gives one value, elsewhere one a line */
} MrOption;

/** MrOptionsAction: what the command line asked for besides running. */
typedef enum { MR_OPTIONS_RUN, MR_OPTIONS_HELP, MR_OPTIONS_VERSION, MR_OPTIONS_CHECK_CONFIG } MrOptionsAction;

/** MrOptionGroup: a group of the config file whose keys are names that the operator chooses. `offset`: of a
 * GHashTable * in the config struct, from each key (char *) to its comma-separated values (char **), never %NULL. */
typedef struct {
  const char *name;
  gsize offset;
} MrOptionGroup;

/**
 * MrProgram: what --help needs beside the table.
 */
typedef struct {
  const char *name;
  const char *summary;
  const char *config_group;   /* group of the key file, e.g. "server" */
  const MrOption *options;    /* ends with a row whose name is NULL */
  const MrOptionGroup *group; /* NULL for none */
} MrProgram;

/**
 * mr_options_parse:
 * @program: the table
 * @argv: arguments with the program's name first; not changed
 * @envp: environment, NULL-terminated
 * @config: the struct to fill; zeroed by the caller, owned strings are freed with mr_options_clear()
 * @action: (out): --help, --version or --check-config, else run; with help or version nothing else is checked
 * @error: return location
 *
 * Also understands `--config FILE` (environment MODELRELAY_CONFIG): a GKeyFile with the program's group; its values
 * are taken as they stand, without escapes. `--name value` and `--name=value` both work. For a secret, a file's first
 * line (white space at its end dropped) counts with the precedence of the place that named it;
 * $CREDENTIALS_DIRECTORY/NAME (systemd) comes just after the environment.
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG: the message names where the value came from, the value (unless secret) and
 * what is allowed. Unknown flags, keys and groups are errors that name the nearest known one.
 */
gboolean mr_options_parse (const MrProgram *program, const char *const *argv, const char *const *envp, gpointer config,
                           MrOptionsAction *action, GError **error);

/** mr_options_clear: frees every string that the table put into @config. */
void mr_options_clear (const MrProgram *program, gpointer config);

/** mr_options_hide_secrets: wipes the values of secrets from @argv, and so from /proc/PID/cmdline. */
void mr_options_hide_secrets (const MrProgram *program, char **argv);

/** mr_options_help: (transfer full): the text of --help, wrapped at 80 columns. */
char *mr_options_help (const MrProgram *program);

/** mr_options_version: (transfer full): "NAME VERSION" */
char *mr_options_version (const MrProgram *program);
