/* SPDX-License-Identifier: MIT */
/*
 * The relay's options: one table, from which flags, environment, config file and --help come (options.h).
 */
#pragma once

#include "options.h"

typedef enum { MR_UNKNOWN_AUTO, MR_UNKNOWN_QUEUE, MR_UNKNOWN_REJECT } MrUnknownModels;

typedef struct {
  char **listen;
  char *tls_cert; /* both NULL: connections are plain */
  char *tls_key;
  char *worker_secret; /* NULL when every worker has a key of its own */
  char *admin_token;   /* NULL: nobody is an administrator */
  gboolean require_api_keys;
  gboolean metrics_public;
  gboolean affinity;
  char *database;     /* URL; NULL for the file in the state directory */
  GHashTable *models; /* name that clients use -> real names (char **), the preferred first */
  char *provider;
  guint max_queue_len;
  gint64 queue_timeout_us;
  gint64 request_timeout_us; /* 0 for none */
  gint64 drain_timeout_us;
  gint64 heartbeat_us;
  gint64 pong_timeout_us;
  guint max_requeue_count;
  guint max_connections;
  guint max_connections_per_address;
  guint64 max_request_bytes;
  guint64 max_response_bytes;
  guint64 stream_window_bytes;
  int unknown_models; /* MrUnknownModels */
  char **cors_origins;
  char **trusted_proxies;
  gboolean worker_header;
  char *downloads_dir; /* nullable */
  char *public_url;    /* nullable; without a slash at its end */
  int log_level;       /* MrLogLevel */
  int log_format;      /* MrLogFormat */
  int dbus;            /* MrBusChoice */
} MrServerConfig;

/** mr_server_program: (transfer none): the table, for mr_options_parse(). */
const MrProgram *mr_server_program (void);

/** mr_server_config_find_models: (nullable): what an alias stands for; %NULL when @name is no alias. Borrowed. */
char **mr_server_config_find_models (const MrServerConfig *config, const char *name);

/** mr_server_config_dup_database: (transfer full): the URL of the key store: `--database`, else a file in
 * $STATE_DIRECTORY (systemd), else in $XDG_STATE_HOME/modelrelay. */
char *mr_server_config_dup_database (const MrServerConfig *config);

/**
 * mr_server_config_check:
 *
 * What a single row cannot check.
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG
 */
gboolean mr_server_config_check (const MrServerConfig *config, GError **error);
