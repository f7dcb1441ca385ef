/* SPDX-License-Identifier: MIT */
/*
 * The commands: a table that says what each is called, what it takes and who does it.
 */
#pragma once

#include "ctl-options.h"
#include "source.h"
#include "style.h"

/** MrContext: what a command works with. */
typedef struct {
  const MrCtlOptions *options;
  char **arguments; /* Borrowed: after the command's own words; NULL-terminated */
  MrStyle style;    /* of standard output */
  gboolean terminal;
} MrContext;

/** MrCommandFunc: does it and prints. Returns: %FALSE with %MR_CTL_ERROR */
typedef gboolean (*MrCommandFunc) (const MrContext *context, GError **error);

typedef struct {
  const char *name;      /* one word or two: "keys list" */
  const char *arguments; /* as help shows them, or NULL */
  const char *summary;   /* one line */
  guint min, max;        /* how many arguments */
  const char *const *options;
  MrCommandFunc run;
} MrCommand;

/** mr_command_find: (nullable): the command at the beginning of @words. @n_words: (out): how many of them name it */
const MrCommand *mr_command_find (char **words, guint *n_words);

/** mr_command_options: (nullable): the options of the command at the beginning of @words. */
const char *const *mr_command_options (char **words);

/** mr_command_run: finds it, checks the number of its arguments, and runs it. */
gboolean mr_command_run (const MrCtlOptions *options, GError **error);

/** mr_command_program: (transfer none): the whole command line as a table, for completions and the manual. */
const MrProgram *mr_command_program (void);

/** mr_command_help: (transfer full): of one command, or of all (%NULL). */
char *mr_command_help (const MrCommand *command);

/** mr_command_print: (transfer full): to standard output, as it is. */
void mr_command_print (GString *text);

/** mr_command_print_json: an answer, indented. */
void mr_command_print_json (JsonNode *node);

/** mr_context_open: (transfer full): the source that the options name. */
MrSource *mr_context_open (const MrContext *context, GError **error);

/**
 * mr_command_resolve:
 * @list: objects
 * @id_member: their ids
 * @name_member: their names, which need not be unique
 * @what: in words: "worker"
 * @wanted: an id, the first four or more characters of one, or a name
 *
 * Returns: (transfer none): the object, or %NULL with %MR_CTL_NOT_FOUND, or with %MR_CTL_USAGE that lists the ids when
 *   it may be several
 */
JsonNode *mr_command_resolve (JsonNode *list, const char *id_member, const char *name_member, const char *what,
                              const char *wanted, GError **error);

/* The commands. */
gboolean mr_command_status (const MrContext *context, GError **error);
gboolean mr_command_workers (const MrContext *context, GError **error);
gboolean mr_command_models (const MrContext *context, GError **error);
gboolean mr_command_requests (const MrContext *context, GError **error);
gboolean mr_command_usage (const MrContext *context, GError **error);
gboolean mr_command_drain (const MrContext *context, GError **error);
gboolean mr_command_refresh (const MrContext *context, GError **error);
gboolean mr_command_cancel (const MrContext *context, GError **error);
gboolean mr_command_keys_list (const MrContext *context, GError **error);
gboolean mr_command_keys_show (const MrContext *context, GError **error);
gboolean mr_command_keys_create (const MrContext *context, GError **error);
gboolean mr_command_keys_revoke (const MrContext *context, GError **error);
gboolean mr_command_top (const MrContext *context, GError **error);
gboolean mr_command_test (const MrContext *context, GError **error);
