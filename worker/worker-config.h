/* SPDX-License-Identifier: MIT */
/*
 * What a worker is told to do: the option table (flag, environment, config file) and the rules that values must keep.
 * Acting on it is worker.h's business.
 */
#pragma once

#include "headers.h"
#include "options.h"
#include "tls-trust.h"

#include <gio/gio.h>

/**
 * MrWorkerConfig: fields after the options of the same names. Read-only once a worker has it.
 */
typedef struct {
  char **proxy_urls;
  char *worker_secret;
  char *
      *relay_secrets; /* (nullable): no option, but for owners: one for each of proxy_urls, instead of worker_secret */
  char *worker_name;  /* NULL: the host's name */
  char *backend_url;
  char **models; /* "*" alone, or names to register as they are */
  char *provider;
  char *max_concurrency; /* a number, or "auto" */
  gint64 poll_interval_us;
  char *ca_file;          /* (nullable) */
  char **pins;            /* (nullable) */
  char **backend_headers; /* (nullable): each "Name: value" */
  int log_format;         /* an MrLogFormat */
  int log_level;          /* an MrLogLevel */
  int dbus;               /* an MrBusChoice */
} MrWorkerConfig;

/** mr_worker_program: the table of options, for --help and --version. */
extern const MrProgram mr_worker_program;

/**
 * mr_worker_config_new_from_args:
 * @argv: arguments with the program's name first
 * @envp: environment
 * @action: (out): see mr_options_parse()
 *
 * Parses and checks.
 *
 * Returns: (transfer full): a config that is complete unless @action is help or version; %NULL with %MR_ERROR_CONFIG
 */
MrWorkerConfig *mr_worker_config_new_from_args (const char *const *argv, const char *const *envp,
                                                MrOptionsAction *action, GError **error);

void mr_worker_config_free (MrWorkerConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWorkerConfig, mr_worker_config_free)

/**
 * mr_worker_config_check:
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG, whose message names the option, the value (unless secret) and what is allowed
 */
gboolean mr_worker_config_check (const MrWorkerConfig *config, GError **error);

/** mr_worker_config_get_secret: of a checked config, for number @relay of its relays. Borrowed. */
const char *mr_worker_config_get_secret (const MrWorkerConfig *config, guint relay);

/** mr_worker_config_new_relay_trust: (transfer full): which relays to believe; %NULL with %MR_ERROR_CONFIG. */
MrTlsTrust *mr_worker_config_new_relay_trust (const MrWorkerConfig *config, GError **error);

/** mr_worker_config_new_backend_trust: (transfer full): which https backend to believe; %NULL with %MR_ERROR_CONFIG. */
MrTlsTrust *mr_worker_config_new_backend_trust (const MrWorkerConfig *config, GError **error);

/** mr_worker_config_get_max_concurrent: of a checked config; 0 for "auto". */
guint mr_worker_config_get_max_concurrent (const MrWorkerConfig *config);

/** mr_worker_config_discovers_models: %TRUE when the models are whatever the backend lists. */
gboolean mr_worker_config_discovers_models (const MrWorkerConfig *config);

/** mr_worker_config_dup_backend_headers: (transfer full): of a checked config. */
MrHeaders *mr_worker_config_dup_backend_headers (const MrWorkerConfig *config);
