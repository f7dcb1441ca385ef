/* SPDX-License-Identifier: MIT */
/*
 * The command line of modelrelay-loadtest: its table, what comes out of it, and the checks that a single option's type
 * cannot make.
 */
#pragma once

#include "options.h"

/* Samples of each request are kept until the end. */
#define MR_LOAD_MAX_REQUESTS 1000000
#define MR_LOAD_MAX_CONCURRENCY 4096

/* What is sent with each request. */
#define MR_LOAD_MAX_PROMPT_BYTES (16 << 20)

typedef struct {
  char *url;
  char *api_key;  /* secret */
  char *ca_file;  /* NULL: the system\'s authorities */
  char *model;    /* NULL: the first that is listed */
  guint requests; /* 0: not given */
  guint concurrency;
  gint64 duration_us; /* 0: not given */
  double rate;        /* requests a second; 0: the next one when one has ended */
  gint64 timeout_us;  /* of one request; 0 for none */
  gboolean stream;
  gboolean no_stream;
  gboolean anthropic;
  char *prompt;
  char *prompt_file;
  guint max_tokens;
  gboolean json;
} MrLoadOptions;

extern const MrProgram mr_load_program;

/**
 * mr_load_options_complete:
 *
 * Settles what depends on other options: a prompt from a file, no end but the time's where only that is given.
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG
 */
gboolean mr_load_options_complete (MrLoadOptions *options, GError **error);
