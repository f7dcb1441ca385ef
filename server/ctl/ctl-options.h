/* SPDX-License-Identifier: MIT */
/*
 * The command line of modelrelayctl: which command, its arguments, its options. The types and texts of the options are
 * a table (transport's options.h); which of them a command takes is said by the commands' own table.
 */
#pragma once

#include "options.h"

typedef enum { MR_CTL_BUS_AUTO, MR_CTL_BUS_SYSTEM, MR_CTL_BUS_SESSION } MrCtlBus;

typedef enum { MR_CTL_SORT_NAME, MR_CTL_SORT_LOAD, MR_CTL_SORT_SPEED, MR_CTL_SORT_REQUESTS, MR_CTL_N_SORTS } MrCtlSort;

typedef struct {
  /* Where the relay is, and how its answer is shown: every command. */
  char *url;   /* NULL: over D-Bus */
  char *ca_file;
  char *token; /* secret */
  int bus;     /* MrCtlBus */
  gboolean json;
  gboolean no_color;

  /* Of single commands. */
  char *api_key; /* test; secret */
  char *model;
  char *from;
  char *to;
  char *key;
  char *scope;
  char **models;
  guint requests_per_minute; /* 0 for no limit, as the next two */
  guint max_concurrent;
  guint tokens_per_day;
  char *priority;
  char *expires;
  gboolean once;
  gint64 interval_us;
  int sort; /* MrCtlSort */

  /* Not options. */
  char **words; /* Owned: the command and its arguments */
  MrOptionsAction action;
} MrCtlOptions;

/** mr_ctl_options_table: of all commands together; mr_ctl_options_common: names of those that every command takes. */
extern const MrOption mr_ctl_options_table[];
extern const char *const mr_ctl_options_common[];

/**
 * mr_ctl_options_parse:
 * @argv: arguments with the program's name first; secrets in it are wiped
 * @envp: environment
 * @options: zeroed by the caller; freed with mr_ctl_options_clear()
 * @allowed: names (NULL-terminated) of the options that the command given as its first argument takes beside those that
 *   all take; @allowed is asked only when there is a command, and may answer %NULL for an unknown one
 *
 * Options and arguments may be mixed; after `--` everything is an argument.
 *
 * Returns: %FALSE with %MR_CTL_USAGE
 */
gboolean mr_ctl_options_parse (char **argv, const char *const *envp, const char *const *(*allowed) (char **words),
                               MrCtlOptions *options, GError **error);
void mr_ctl_options_clear (MrCtlOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrCtlOptions, mr_ctl_options_clear)
