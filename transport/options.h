/* SPDX-License-Identifier: MIT */
/*
 * One table of options per program. From a row come the flag, the environment variable, the key in the config file, the
 * check of the value, the line of --help, the shell completions and the manual page. Precedence: flag, environment,
 * config file, default.
 */
#pragma once

#include <glib.h>

typedef enum {
  MR_OPTION_STRING,  /* UTF-8; an empty one is NULL */
  MR_OPTION_STRV,    /* repeatable flag; comma-separated elsewhere and within a flag; an empty one is NULL */
  MR_OPTION_BOOL,    /* flag without or with =true|false; elsewhere true|false|1|0|yes|no|on|off */
  MR_OPTION_UINT,    /* decimal, between min and max */
  MR_OPTION_SECONDS, /* decimal number of seconds, between min and max; stored in microseconds as gint64 */
  MR_OPTION_NUMBER,  /* decimal number with up to six decimals, between min and max; stored as double */
  MR_OPTION_BYTES,   /* decimal with optional K, M, G (powers of 1024); stored as guint64 */
  MR_OPTION_CHOICE,  /* one of `choices`, stored as its index (int) */
} MrOptionType;

/**
 * MrOption: a row. `offset` is where in the config struct the value goes: char *, char **, gboolean, guint, gint64,
 * double, guint64, int, by type.
 */
typedef struct {
  const char *name;        /* flag without dashes, and key in the config file */
  const char *environment; /* variable, or NULL */
  MrOptionType type;
  gsize offset;
  const char *default_value; /* as text; NULL for none (NULL, 0, FALSE) */
  const char *argument;      /* e.g. "URL" in --help */
  const char *help;
  guint64 min, max; /* UINT, SECONDS, NUMBER and BYTES; max 0 means no upper bound */
  const char *const *choices;
  gboolean secret;  /* the value is never printed, not even in errors; also gives --NAME-file and NAME-file */
  gboolean whole;   /* STRV: values may hold commas; a flag gives one value, elsewhere one a line */
  gboolean is_file; /* the value names a file or a directory: shells complete it */
  char letter;      /* short form of the flag (-n VALUE, -nVALUE), not for secrets; 0 for none */
} MrOption;

/** MrOptionsAction: what the command line asked for besides running. */
typedef enum {
  MR_OPTIONS_RUN,
  MR_OPTIONS_CHECK_CONFIG,
  MR_OPTIONS_HELP,
  MR_OPTIONS_VERSION,
  MR_OPTIONS_COMPLETE_BASH, /* and so on, in the order of --completions' choices */
  MR_OPTIONS_COMPLETE_ZSH,
  MR_OPTIONS_COMPLETE_FISH,
} MrOptionsAction;

/** MrOptionGroup: a group of the config file whose keys are names that the operator chooses. `offset`: of a
 * GHashTable * in the config struct, from each key (char *) to its comma-separated values (char **), never %NULL. */
typedef struct {
  const char *name;
  gsize offset;
} MrOptionGroup;

/** MrOptionCommand: what one command of a program with several takes. */
typedef struct {
  const char *name;           /* one word or two */
  const char *arguments;      /* as --help shows them; NULL for none */
  const char *summary;        /* one line */
  const char *const *options; /* names of its own options, ends with NULL; NULL for none */
} MrOptionCommand;

/**
 * MrProgram: what --help, completions and manual need beside the table.
 */
typedef struct {
  const char *name;
  const char *summary;
  const char *config_group;        /* group of the key file, e.g. "server"; NULL for a program without a config file */
  const MrOption *options;         /* ends with a row whose name is NULL */
  const MrOptionGroup *group;      /* NULL for none */
  const MrOptionCommand *commands; /* ends with a row whose name is NULL; NULL for none */
  const char *const *common;       /* with commands: names of the options that all of them take, ends with NULL */
} MrProgram;

/**
 * mr_options_parse:
 * @program: the table
 * @argv: arguments with the program's name first; not changed
 * @envp: environment, NULL-terminated
 * @config: the struct to fill; zeroed by the caller, owned strings are freed with mr_options_clear()
 * @action: (out): what is asked for, else run; where mr_options_action_needs_values() says no, @config stays as it is
 * @error: return location
 *
 * Also understands `--config FILE` (environment MODELRELAY_CONFIG), where the program has a config file: a GKeyFile
 * with the program's group; its values are taken as they stand, without escapes. `--name value` and `--name=value` both
 * work. For a secret, a file's first line (white space at its end dropped) counts with the precedence of the place that
 * named it; $CREDENTIALS_DIRECTORY/NAME (systemd) comes just after the environment.
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG: the message names where the value came from, the value (unless secret) and
 * what is allowed. Unknown flags, keys and groups are errors that name the nearest known one.
 */
gboolean mr_options_parse (const MrProgram *program, const char *const *argv, const char *const *envp, gpointer config,
                           MrOptionsAction *action, GError **error);

/** mr_options_action_needs_values: whether the values are of interest: to run, and to check them. */
gboolean mr_options_action_needs_values (MrOptionsAction action);

/** mr_options_takes_next: whether the value of this flag ("--name") is the next argument of the command line. */
gboolean mr_options_takes_next (const MrProgram *program, const char *flag);

/** mr_options_clear: frees every string that the table put into @config. */
void mr_options_clear (const MrProgram *program, gpointer config);

/** mr_options_hide_secrets: wipes the values of secrets from @argv, and so from /proc/PID/cmdline. */
void mr_options_hide_secrets (const MrProgram *program, char **argv);

/** mr_options_text: (transfer full): what a program prints for any action but %MR_OPTIONS_RUN, up to its last line end.
 */
char *mr_options_text (const MrProgram *program, MrOptionsAction action);

/**
 * mr_options_append_help:
 * @names: options of the program; %NULL for all that it takes (all that its commands have in common), and those that
 *   every program has
 *
 * The rows of --help, wrapped at 80 columns.
 */
void mr_options_append_help (GString *text, const MrProgram *program, const char *const *names);

/** mr_options_append_manual: the same options as entries of a manual page, in the macros of man(7). */
void mr_options_append_manual (GString *text, const MrProgram *program, const char *const *names);

/** mr_options_append_manual_commands: the program's commands, each with its own options. */
void mr_options_append_manual_commands (GString *text, const MrProgram *program);

/** mr_options_append_manual_keys: the keys of the config file. */
void mr_options_append_manual_keys (GString *text, const MrProgram *program);
