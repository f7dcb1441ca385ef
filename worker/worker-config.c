/* SPDX-License-Identifier: MIT */
/*
 * The worker's option table and the checks that a single option's type cannot make. Nothing here touches the network.
 */
#include "worker-config.h"

#include "bus.h"
#include "error.h"
#include "limits.h"
#include "log.h"

#include <string.h>

static const char *const log_formats[] = { "auto", "text", "json", "journald", NULL };
static const char *const log_levels[] = { "trace", "debug", "info", "warn", "error", NULL };

static const MrOption worker_options[] = {
  { .name = "proxy-url",
    .environment = "PROXY_URL",
    .type = MR_OPTION_STRV,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, proxy_urls),
    .default_value = "http://127.0.0.1:8080",
    .argument = "URL",
    .help = "Relay to serve, one link to each" },
  { .name = "worker-secret",
    .environment = "WORKER_SECRET",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, worker_secret),
    .argument = "SECRET",
    .help = "What the relay knows its workers by",
    .secret = TRUE },
  { .name = "worker-name",
    .environment = "WORKER_NAME",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, worker_name),
    .argument = "NAME",
    .help = "Name shown by the relay; by default the host's" },
  { .name = "backend-url",
    .environment = "BACKEND_URL",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, backend_url),
    .default_value = "http://127.0.0.1:8000",
    .argument = "URL",
    .help = "Model server to forward to" },
  { .name = "models",
    .environment = "MODELS",
    .type = MR_OPTION_STRV,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, models),
    .default_value = "*",
    .argument = "NAMES",
    .help = "Models to offer; * is whatever the backend lists" },
  { .name = "provider",
    .environment = "PROVIDER_NAME",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, provider),
    .default_value = "local",
    .argument = "NAME",
    .help = "Provider of the relay to join" },
  { .name = "max-concurrency",
    .environment = "MAX_CONCURRENCY",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, max_concurrency),
    .default_value = "1",
    .argument = "N",
    .help = "Requests at a time, 1 to 4096, or auto: the backend's own slot count" },
  { .name = "poll-interval",
    .environment = "MODEL_POLL_INTERVAL",
    .type = MR_OPTION_SECONDS,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, poll_interval_us),
    .default_value = "30",
    .min = 1,
    .max = 86400,
    .argument = "SECONDS",
    .help = "How often to ask the backend for its models" },
  { .name = "backend-header",
    .environment = "BACKEND_HEADER",
    .type = MR_OPTION_STRV,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, backend_headers),
    .whole = TRUE,
    .secret = TRUE,
    .argument = "HEADER",
    .help = "\"Name: value\" sent with every request to the backend" },
  { .name = "ca-file",
    .environment = "MODELRELAY_CA_FILE",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, ca_file),
    .argument = "FILE",
    .is_file = TRUE,
    .help = "Authorities, in PEM, that sign the relay's certificate, instead of the system's; for an https backend "
            "beside them" },
  { .name = "pin",
    .environment = "MODELRELAY_PIN",
    .type = MR_OPTION_STRV,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, pins),
    .argument = "PIN",
    .help =
        "A relay's public key, as sha256:HEX or sha256/BASE64: it is believed for that alone, or with --ca-file for "
        "both" },
  { .name = "log-format",
    .environment = "LOG_FORMAT",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, log_format),
    .default_value = "auto",
    .choices = log_formats,
    .argument = "FORMAT",
    .help = "How the log looks; auto is journald where it listens, else text" },
  { .name = "log-level",
    .environment = "LOG_LEVEL",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, log_level),
    .default_value = "info",
    .choices = log_levels,
    .argument = "LEVEL",
    .help = "Lowest level that is logged" },
  { .name = "dbus",
    .environment = "MODELRELAY_DBUS",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (MrWorkerConfig, dbus),
    .default_value = "auto",
    .choices = mr_bus_choices,
    .argument = "BUS",
    .help = "Where the status is shown: the system or the session bus, or none; auto is the system bus under a system "
            "unit of systemd, else the session bus" },
  { NULL },
};

const MrProgram mr_worker_program = {
  .name = "modelrelay-worker",
  .summary = "Serves the models of a local backend through a ModelRelay relay",
  .config_group = "worker",
  .options = worker_options,
};

static gboolean
fail (GError **error, const char *option, const char *value, const char *allowed)
{
  g_autofree char *shown = g_utf8_make_valid (value, -1);
  g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--%s: \"%s\" %s", option, shown, allowed);
  return FALSE;
}

static gboolean
has_control_characters (const char *text)
{
  for (const char *at = text; *at != '\0'; at++) {
    if (g_ascii_iscntrl (*at)) {
      return TRUE;
    }
  }
  return FALSE;
}

/* An option that was given an empty value has none, not even its default. */
static gboolean
check_present (const char *option, const char *value, GError **error)
{
  return value != NULL || fail (error, option, "", "must not be empty");
}

static gboolean
check_name (const char *option, const char *name, gsize max_bytes, GError **error)
{
  if (*name == '\0' || strlen (name) > max_bytes || !g_utf8_validate (name, -1, NULL) ||
      has_control_characters (name)) {
    g_autofree char *allowed =
        g_strdup_printf ("must be text of 1 to %" G_GSIZE_FORMAT " bytes on one line", max_bytes);
    return fail (error, option, name, allowed);
  }
  return TRUE;
}

static gboolean
check_url (const char *option, const char *text, gboolean relay, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_ENCODED, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0') {
    return fail (error, option, text, "is no URL; it must look like http://host:port");
  }
  const char *scheme = g_uri_get_scheme (uri);
  gboolean web = g_str_equal (scheme, "http") || g_str_equal (scheme, "https");
  if (!web && !(relay && (g_str_equal (scheme, "ws") || g_str_equal (scheme, "wss")))) {
    return fail (error, option, text,
                 relay ? "must begin with http://, https://, ws:// or wss://" : "must begin with http:// or https://");
  }
  if (g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL) {
    return fail (error, option, text, "must not have a user, a query or a fragment");
  }
  return TRUE;
}

static gboolean
check_proxy_urls (char **urls, GError **error)
{
  if (urls == NULL || *urls == NULL) {
    return fail (error, "proxy-url", "", "must be the URL of a relay");
  }
  for (char **url = urls; *url != NULL; url++) {
    if (!check_url ("proxy-url", *url, TRUE, error)) {
      return FALSE;
    }
    for (char **earlier = urls; earlier != url; earlier++) {
      if (g_str_equal (*earlier, *url)) {
        return fail (error, "proxy-url", *url, "is there twice");
      }
    }
  }
  return TRUE;
}

static gboolean
check_models (char **models, GError **error)
{
  if (models == NULL || *models == NULL) {
    return fail (error, "models", "", "must be * or at least one name");
  }
  if (g_strv_length (models) > MR_LIMIT_MODELS) {
    return fail (error, "models", models[MR_LIMIT_MODELS], "is one too many: at most 256 names");
  }
  for (char **model = models; *model != NULL; model++) {
    if (!check_name ("models", *model, MR_LIMIT_MODEL_NAME_BYTES, error)) {
      return FALSE;
    }
    if (g_str_equal (*model, "*") && models[1] != NULL) {
      return fail (error, "models", *model, "must stand alone");
    }
  }
  return TRUE;
}

static gboolean
parse_max_concurrency (const char *text, guint64 *number)
{
  if (g_str_equal (text, "auto")) {
    *number = 0;
    return TRUE;
  }
  return g_ascii_string_to_unsigned (text, 10, 1, MR_LIMIT_MAX_CONCURRENT, number, NULL);
}

/* (transfer full): %NULL unless every line is a header that may be sent along. */
static MrHeaders *
parse_backend_headers (char **lines)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();
  for (char **line = lines; line != NULL && *line != NULL; line++) {
    const char *colon = strchr (*line, ':');
    if (colon == NULL || has_control_characters (*line)) {
      return NULL;
    }
    g_autofree char *name = g_strndup (*line, colon - *line);
    g_autofree char *value = g_strstrip (g_strdup (colon + 1));
    if (!mr_header_travels (name, NULL)) {
      return NULL;
    }
    mr_headers_add (headers, name, value);
  }
  return mr_headers_are_safe (headers) ? g_steal_pointer (&headers) : NULL;
}

MrTlsTrust *
mr_worker_config_new_relay_trust (const MrWorkerConfig *config, GError **error)
{
  return mr_tls_trust_new (config->ca_file, MR_TLS_FILE_INSTEAD, (const char *const *) config->pins, error);
}

MrTlsTrust *
mr_worker_config_new_backend_trust (const MrWorkerConfig *config, GError **error)
{
  return mr_tls_trust_new (config->ca_file, MR_TLS_FILE_BESIDE, NULL, error);
}

static gboolean
check_secret (const char *secret, GError **error)
{
  if (secret == NULL || *secret == '\0') {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "--worker-secret is missing: give the secret that the relay was started with");
    return FALSE;
  }
  if (has_control_characters (secret)) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "--worker-secret must be one line of text");
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_secrets (const MrWorkerConfig *config, GError **error)
{
  char **secrets = config->relay_secrets;

  if (secrets == NULL) {
    return check_secret (config->worker_secret, error);
  }
  if (config->proxy_urls == NULL || g_strv_length (secrets) != g_strv_length (config->proxy_urls)) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "each relay needs a worker secret of its own");
    return FALSE;
  }
  for (char **secret = secrets; *secret != NULL; secret++) {
    if (!check_secret (*secret, error)) {
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
mr_worker_config_check (const MrWorkerConfig *config, GError **error)
{
  guint64 number;
  g_autoptr (MrHeaders) headers = parse_backend_headers (config->backend_headers);

  if (!check_secrets (config, error)) {
    return FALSE;
  }
  if (!check_present ("max-concurrency", config->max_concurrency, error) ||
      !check_present ("backend-url", config->backend_url, error) ||
      !check_present ("provider", config->provider, error)) {
    return FALSE;
  }
  if (!parse_max_concurrency (config->max_concurrency, &number)) {
    return fail (error, "max-concurrency", config->max_concurrency, "must be auto or a number from 1 to 4096");
  }
  if (headers == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG,
                         "--backend-header must be \"Name: value\", and none that belongs to the connection");
    return FALSE;
  }
  g_autoptr (MrTlsTrust) trust = mr_worker_config_new_relay_trust (config, error);
  return trust != NULL && check_proxy_urls (config->proxy_urls, error) &&
         (config->worker_name == NULL ||
          check_name ("worker-name", config->worker_name, MR_LIMIT_WORKER_NAME_BYTES, error)) &&
         check_url ("backend-url", config->backend_url, FALSE, error) &&
         check_name ("provider", config->provider, MR_LIMIT_MODEL_NAME_BYTES, error) &&
         check_models (config->models, error);
}

MrWorkerConfig *
mr_worker_config_new_from_args (const char *const *argv, const char *const *envp, MrOptionsAction *action,
                                GError **error)
{
  g_autoptr (MrWorkerConfig) config = g_new0 (MrWorkerConfig, 1);
  MrOptionsAction asked;

  if (!mr_options_parse (&mr_worker_program, argv, envp, config, &asked, error)) {
    return NULL;
  }
  gboolean complete = asked == MR_OPTIONS_RUN || asked == MR_OPTIONS_CHECK_CONFIG;
  if (complete && !mr_worker_config_check (config, error)) {
    return NULL;
  }
  *action = asked;
  return g_steal_pointer (&config);
}

void
mr_worker_config_free (MrWorkerConfig *config)
{
  if (config == NULL) {
    return;
  }
  mr_options_clear (&mr_worker_program, config);
  for (char **secret = config->relay_secrets; secret != NULL && *secret != NULL; secret++) {
    explicit_bzero (*secret, strlen (*secret));
  }
  g_strfreev (config->relay_secrets);
  g_free (config);
}

const char *
mr_worker_config_get_secret (const MrWorkerConfig *config, guint relay)
{
  return config->relay_secrets != NULL ? config->relay_secrets[relay] : config->worker_secret;
}

guint
mr_worker_config_get_max_concurrent (const MrWorkerConfig *config)
{
  guint64 number = 0;
  parse_max_concurrency (config->max_concurrency, &number);
  return (guint) number;
}

gboolean
mr_worker_config_discovers_models (const MrWorkerConfig *config)
{
  return g_str_equal (config->models[0], "*");
}

MrHeaders *
mr_worker_config_dup_backend_headers (const MrWorkerConfig *config)
{
  return parse_backend_headers (config->backend_headers);
}
