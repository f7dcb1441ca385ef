/* SPDX-License-Identifier: MIT */
/*
 * The table of the relay's options. See server-config.h.
 */
#include "server-config.h"

#include "auth.h"
#include "bus.h"
#include "dispatch.h"
#include "error.h"
#include "key-store.h"
#include "limits.h"
#include "listener.h"
#include "tls-identity.h"

#include <string.h>

#define DAY_SECS 86400
#define AT(member) G_STRUCT_OFFSET (MrServerConfig, member)

static const char *const unknown_models_choices[] = { "auto", "queue", "reject", NULL };
static const char *const log_format_choices[] = { "auto", "text", "json", "journald", NULL };
static const char *const log_level_choices[] = { "trace", "debug", "info", "warn", "error", NULL };

/* clang-format off */
static const MrOption options[] = {
  { .name = "listen", .environment = "LISTEN_ADDR", .type = MR_OPTION_STRV, .offset = AT (listen),
    .default_value = "127.0.0.1:8080", .argument = "ADDRESS",
    .help = "Where clients and workers connect: HOST:PORT, [IPv6]:PORT or unix:PATH." },
  { .name = "tls-cert", .environment = "MODELRELAY_TLS_CERT", .type = MR_OPTION_STRING, .offset = AT (tls_cert),
    .argument = "FILE", .is_file = TRUE,
    .help = "Certificate chain in PEM: every TCP address then speaks HTTPS. Wants --tls-key." },
  { .name = "tls-key", .environment = "MODELRELAY_TLS_KEY", .type = MR_OPTION_STRING, .offset = AT (tls_key),
    .argument = "FILE", .is_file = TRUE,
    .help = "Private key of the certificate, in PEM. Both files are read again when they change." },
  { .name = "worker-secret", .environment = "WORKER_SECRET", .type = MR_OPTION_STRING, .offset = AT (worker_secret),
    .argument = "SECRET", .secret = TRUE, .help = "What workers must present, unless each has a key of its own." },
  { .name = "admin-token", .environment = "MODELRELAY_ADMIN_TOKEN", .type = MR_OPTION_STRING, .offset = AT (admin_token),
    .argument = "TOKEN", .secret = TRUE,
    .help = "What the administrator must present; without one the admin API is closed." },
  { .name = "require-api-keys", .environment = "MODELRELAY_REQUIRE_API_KEYS", .type = MR_OPTION_BOOL,
    .offset = AT (require_api_keys), .default_value = "false", .argument = "BOOL",
    .help = "Whether clients need an API key of this relay." },
  { .name = "database", .environment = "DATABASE_URL", .type = MR_OPTION_STRING, .offset = AT (database),
    .argument = "URL", .secret = TRUE,
    .help = "Where API keys and usage are kept: sqlite:PATH, or postgresql://... for several relays. By default a file "
            "in the state directory." },
  { .name = "provider", .environment = "PROVIDER_NAME", .type = MR_OPTION_STRING, .offset = AT (provider),
    .default_value = "local", .argument = "NAME", .help = "Name of the provider that workers join." },
  { .name = "max-queue-len", .environment = "MAX_QUEUE_LEN", .type = MR_OPTION_UINT, .offset = AT (max_queue_len),
    .default_value = "100", .argument = "N", .max = G_MAXINT,
    .help = "Requests that may wait for a worker; 0 for no bound." },
  { .name = "queue-timeout", .environment = "QUEUE_TIMEOUT_SECS", .type = MR_OPTION_SECONDS,
    .offset = AT (queue_timeout_us), .default_value = "30", .argument = "SECONDS", .max = DAY_SECS,
    .help = "How long a request may wait for a worker." },
  { .name = "request-timeout", .environment = "REQUEST_TIMEOUT_SECS", .type = MR_OPTION_SECONDS,
    .offset = AT (request_timeout_us), .default_value = "300", .argument = "SECONDS", .max = DAY_SECS,
    .help = "Time for a complete answer; for a stream, the longest silence. 0 for no limit." },
  { .name = "drain-timeout", .environment = "DRAIN_TIMEOUT_SECS", .type = MR_OPTION_SECONDS,
    .offset = AT (drain_timeout_us), .default_value = "30", .argument = "SECONDS", .max = DAY_SECS,
    .help = "How long running requests may go on after SIGTERM." },
  { .name = "heartbeat-interval", .environment = "HEARTBEAT_INTERVAL", .type = MR_OPTION_SECONDS,
    .offset = AT (heartbeat_us), .default_value = "15", .argument = "SECONDS", .max = 60,
    .help = "A worker that was silent for so long is pinged; 0 for never. Workers leave after 90 seconds of silence." },
  { .name = "pong-timeout", .environment = "PONG_TIMEOUT", .type = MR_OPTION_SECONDS, .offset = AT (pong_timeout_us),
    .default_value = "45", .argument = "SECONDS", .max = DAY_SECS,
    .help = "A worker that was silent for so long is given up; 0 for never." },
  { .name = "max-requeue-count", .environment = "MAX_REQUEUE_COUNT", .type = MR_OPTION_UINT,
    .offset = AT (max_requeue_count), .default_value = "3", .argument = "N", .max = 1000,
    .help = "How often a request may go to another worker after its worker was lost." },
  { .name = "max-connections", .environment = "MAX_CONNECTIONS", .type = MR_OPTION_UINT, .offset = AT (max_connections),
    .default_value = "16384", .argument = "N", .min = 16, .max = 1000000,
    .help = "Open connections of clients and workers; above that a new one gets 503." },
  { .name = "max-connections-per-address", .environment = "MAX_CONNECTIONS_PER_ADDRESS", .type = MR_OPTION_UINT,
    .offset = AT (max_connections_per_address), .default_value = "1024", .argument = "N", .min = 1, .max = 1000000,
    .help = "The same for each address; this machine's own is exempt, for a reverse proxy." },
  { .name = "max-request-size", .environment = "MAX_REQUEST_SIZE", .type = MR_OPTION_BYTES,
    .offset = AT (max_request_bytes), .default_value = "64M", .argument = "BYTES", .min = 1024, .max = 64 << 20,
    .help = "Largest request body; K, M and G are understood." },
  { .name = "max-response-size", .environment = "MAX_RESPONSE_SIZE", .type = MR_OPTION_BYTES,
    .offset = AT (max_response_bytes), .default_value = "10G", .argument = "BYTES", .min = 1,
    .help = "An answer that grows beyond it is ended with an error." },
  { .name = "stream-window", .environment = "STREAM_WINDOW", .type = MR_OPTION_BYTES, .offset = AT (stream_window_bytes),
    .default_value = "1M", .argument = "BYTES", .min = 16 << 10, .max = 1 << 30,
    .help = "What a client that reads slowly may leave in the relay before its worker waits, and the same for uploads." },
  { .name = "unknown-models", .environment = "UNKNOWN_MODELS", .type = MR_OPTION_CHOICE, .offset = AT (unknown_models),
    .default_value = "auto", .argument = "POLICY", .choices = unknown_models_choices,
    .help = "A model that no worker serves: queue lets the request wait, reject answers 404, auto answers 404 only if "
            "workers are connected and none of them, or of those before, has ever listed it." },
  { .name = "cors-origin", .environment = "CORS_ORIGIN", .type = MR_OPTION_STRV, .offset = AT (cors_origins),
    .default_value = "*", .argument = "ORIGIN",
    .help = "Web pages that may call the client API from a browser, as https://example.org; * for all." },
  { .name = "trusted-proxy", .environment = "TRUSTED_PROXY", .type = MR_OPTION_STRV, .offset = AT (trusted_proxies),
    .default_value = "127.0.0.0/8,::1", .argument = "NETWORK",
    .help = "Whose Forwarded and X-Forwarded-For headers are believed." },
  { .name = "worker-header", .environment = "WORKER_HEADER", .type = MR_OPTION_BOOL, .offset = AT (worker_header),
    .default_value = "true", .argument = "BOOL",
    .help = "Whether answers name their worker in x-modelrelay-worker." },
  { .name = "public-url", .environment = "MODELRELAY_PUBLIC_URL", .type = MR_OPTION_STRING, .offset = AT (public_url),
    .argument = "URL",
    .help = "How clients and workers reach this relay, as https://relay.example.org: what the web pages put into "
            "commands." },
  { .name = "downloads-dir", .environment = "MODELRELAY_DOWNLOADS_DIR", .type = MR_OPTION_STRING,
    .offset = AT (downloads_dir), .argument = "DIRECTORY", .is_file = TRUE,
    .help = "Packages that the relay offers at /downloads to anybody who can reach it." },
  { .name = "affinity", .environment = "AFFINITY", .type = MR_OPTION_BOOL, .offset = AT (affinity),
    .default_value = "true", .argument = "BOOL",
    .help = "Whether a conversation goes on with the worker that has its beginning in its cache." },
  { .name = "metrics-public", .environment = "METRICS_PUBLIC", .type = MR_OPTION_BOOL, .offset = AT (metrics_public),
    .default_value = "false", .argument = "BOOL", .help = "Whether /metrics may be read without the admin token." },
  { .name = "dbus", .environment = "MODELRELAY_DBUS", .type = MR_OPTION_CHOICE, .offset = AT (dbus),
    .default_value = "auto", .argument = "BUS", .choices = mr_bus_choices,
    .help = "Where the status is shown: the system or the session bus, or none; auto is the system bus under a system "
            "unit of systemd, else the session bus." },
  { .name = "log-format", .environment = "LOG_FORMAT", .type = MR_OPTION_CHOICE, .offset = AT (log_format),
    .default_value = "auto", .argument = "FORMAT", .choices = log_format_choices,
    .help = "How the log looks; auto is journald where it listens, else text." },
  { .name = "log-level", .environment = "LOG_LEVEL", .type = MR_OPTION_CHOICE, .offset = AT (log_level),
    .default_value = "info", .argument = "LEVEL", .choices = log_level_choices,
    .help = "Lowest level that is logged." },
  { .name = NULL },
};
/* clang-format on */

static const MrOptionGroup models_group = { .name = "models", .offset = AT (models) };

static const MrProgram program = {
  .name = "modelrelay-server",
  .summary = "The relay: takes OpenAI and Anthropic requests over HTTP and passes them to connected workers.",
  .config_group = "server",
  .options = options,
  .group = &models_group,
};

const MrProgram *
mr_server_program (void)
{
  return &program;
}

char **
mr_server_config_find_models (const MrServerConfig *config, const char *name)
{
  return g_hash_table_lookup (config->models, name);
}

char *
mr_server_config_dup_database (const MrServerConfig *config)
{
  const char *state = g_getenv ("STATE_DIRECTORY");

  if (config->database != NULL)
    return g_strdup (config->database);
  /* systemd separates several directories with colons; ours is the first. */
  if (state != NULL && state[0] != '\0')
    return g_strdup_printf ("sqlite:%.*s/relay.db", (int) strcspn (state, ":"), state);
  return g_strdup_printf ("sqlite:%s/modelrelay/relay.db", g_get_user_state_dir ());
}

static gboolean
check_models (const MrServerConfig *config, GError **error)
{
  GHashTableIter iter;
  gpointer name;
  gpointer values;

  g_hash_table_iter_init (&iter, config->models);
  while (g_hash_table_iter_next (&iter, &name, &values)) {
    char **models = values;

    if (strlen (name) > MR_LIMIT_MODEL_NAME_BYTES || g_str_equal (name, MR_MODEL_ANY)) {
      g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "[models] %s: a name of at most %d bytes other than * is allowed",
                   (const char *) name, MR_LIMIT_MODEL_NAME_BYTES);
      return FALSE;
    }
    for (char **model = models; model == models || *model != NULL; model++)
      if (*model == NULL || **model == '\0' || g_str_equal (*model, MR_MODEL_ANY)) {
        g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
                     "[models] %s: a comma-separated list of one or more models of workers is allowed, without *",
                     (const char *) name);
        return FALSE;
      }
  }
  return TRUE;
}

/* The web pages know no other place than the root; and they put it into commands for a shell. */
static gboolean
check_public_url (const char *text, GError **error)
{
  if (text == NULL || g_regex_match_simple ("^https?://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$", text,
                                            G_REGEX_DOLLAR_ENDONLY, 0))
    return TRUE;
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
               "--public-url \"%s\": http:// or https:// with a host is allowed, and a port, but nothing after it",
               text);
  return FALSE;
}

static gboolean
check_downloads_dir (const char *directory, GError **error)
{
  if (directory == NULL || g_file_test (directory, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--downloads-dir \"%s\": a directory that exists is allowed",
               directory);
  return FALSE;
}

static gboolean
check_tls (const char *cert, const char *key, GError **error)
{
  g_autoptr (MrTlsIdentity) identity = NULL;

  if (cert == NULL && key == NULL)
    return TRUE;
  if (cert == NULL || key == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "--tls-cert and --tls-key belong together: give both, or neither");
    return FALSE;
  }
  identity = mr_tls_identity_new (cert, key, error);
  return identity != NULL;
}

gboolean
mr_server_config_check (const MrServerConfig *config, GError **error)
{
  g_autoptr (GPtrArray) proxies = mr_auth_parse_proxies ((const char *const *) config->trusted_proxies, error);

  if (proxies == NULL)
    return FALSE;
  if (config->listen == NULL || config->provider == NULL) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--%s must not be empty",
                 config->listen == NULL ? "listen" : "provider");
    return FALSE;
  }
  for (char **address = config->listen; *address != NULL; address++)
    if (!mr_listener_check_address (*address, error)) {
      g_prefix_error (error, "--listen: ");
      return FALSE;
    }
  if (!check_models (config, error) || (config->database != NULL && !mr_key_store_check_url (config->database, error)))
    return FALSE;
  if (!check_tls (config->tls_cert, config->tls_key, error))
    return FALSE;
  if (!check_public_url (config->public_url, error) || !check_downloads_dir (config->downloads_dir, error))
    return FALSE;
  if (config->pong_timeout_us > 0 && (config->heartbeat_us == 0 || config->pong_timeout_us <= config->heartbeat_us)) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "--pong-timeout must be greater than --heartbeat-interval, which must not be 0, or every "
                         "quiet worker is given up");
    return FALSE;
  }
  return TRUE;
}
