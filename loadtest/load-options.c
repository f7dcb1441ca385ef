/* SPDX-License-Identifier: MIT */
/* The table of modelrelay-loadtest's options. See load-options.h. */
#include "load-options.h"

#include "error.h"

#include <string.h>

#define AT(member) G_STRUCT_OFFSET (MrLoadOptions, member)
#define DAY_SECS 86400
#define DEFAULT_REQUESTS 100

/* clang-format off */
static const MrOption options[] = {
  { .name = "url", .environment = "MODELRELAY_URL", .type = MR_OPTION_STRING, .offset = AT (url),
    .default_value = "http://127.0.0.1:8080", .argument = "URL",
    .help = "The relay, or any server with the same API: http:// or https://, without /v1." },
  { .name = "model", .letter = 'm', .type = MR_OPTION_STRING, .offset = AT (model), .argument = "MODEL",
    .help = "Ask this model; by default the first that the relay lists." },
  { .name = "requests", .letter = 'n', .type = MR_OPTION_UINT, .offset = AT (requests), .argument = "N",
    .min = 1, .max = MR_LOAD_MAX_REQUESTS,
    .help = "Send so many requests: 100, or with --duration as many as it takes." },
  { .name = "concurrency", .letter = 'c', .type = MR_OPTION_UINT, .offset = AT (concurrency), .default_value = "4",
    .argument = "N", .min = 1, .max = MR_LOAD_MAX_CONCURRENCY, .help = "Never have more than so many under way." },
  { .name = "duration", .type = MR_OPTION_SECONDS, .offset = AT (duration_us), .argument = "SECONDS", .max = DAY_SECS,
    .help = "Start no request after so long; those under way still end." },
  { .name = "rate", .type = MR_OPTION_NUMBER, .offset = AT (rate), .argument = "N", .max = 100000,
    .help = "Start so many requests a second, whether or not earlier ones have ended; the wait for one of the "
            "--concurrency places counts as the request's time." },
  { .name = "timeout", .type = MR_OPTION_SECONDS, .offset = AT (timeout_us), .default_value = "300",
    .argument = "SECONDS", .max = DAY_SECS, .help = "Give up a request after so long; 0 for never." },
  { .name = "stream", .type = MR_OPTION_BOOL, .offset = AT (stream), .default_value = "true",
    .help = "Ask for streamed answers." },
  { .name = "no-stream", .type = MR_OPTION_BOOL, .offset = AT (no_stream), .help = "Ask for whole answers." },
  { .name = "prompt", .type = MR_OPTION_STRING, .offset = AT (prompt), .argument = "TEXT",
    .help = "What each request asks; by default one sentence." },
  { .name = "prompt-file", .type = MR_OPTION_STRING, .offset = AT (prompt_file), .argument = "FILE", .is_file = TRUE,
    .help = "The same, from a file as it stands." },
  { .name = "max-tokens", .type = MR_OPTION_UINT, .offset = AT (max_tokens), .default_value = "128", .argument = "N",
    .min = 1, .max = 1000000, .help = "Longest answer." },
  { .name = "anthropic", .type = MR_OPTION_BOOL, .offset = AT (anthropic),
    .help = "Ask through /v1/messages instead of /v1/chat/completions." },
  { .name = "api-key", .environment = "MODELRELAY_API_KEY", .type = MR_OPTION_STRING, .offset = AT (api_key),
    .argument = "KEY", .secret = TRUE, .help = "API key, where the relay requires one." },
  { .name = "ca-file", .environment = "MODELRELAY_CA_FILE", .type = MR_OPTION_STRING, .offset = AT (ca_file),
    .argument = "FILE", .is_file = TRUE,
    .help = "Authorities, in PEM, that sign the relay's certificate, instead of the system's." },
  { .name = "json", .type = MR_OPTION_BOOL, .offset = AT (json), .help = "Print the result as JSON, for scripts." },
  { NULL },
};
/* clang-format on */

const MrProgram mr_load_program = {
  .name = "modelrelay-loadtest",
  .summary = "Sends many requests to a ModelRelay relay and says how long the answers took.",
  .options = options,
};

static gboolean
read_prompt (MrLoadOptions *load, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (load->prompt_file, &text, &length, &failure)) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--prompt-file: %s", failure->message);
    return FALSE;
  }
  if (length == 0 || length > MR_LOAD_MAX_PROMPT_BYTES || strlen (text) != length ||
      !g_utf8_validate (text, -1, NULL)) {
    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "--prompt-file: \"%s\" is not a text of 1 byte to 16 MiB in UTF-8",
                 load->prompt_file);
    return FALSE;
  }
  load->prompt = g_steal_pointer (&text);
  return TRUE;
}

gboolean
mr_load_options_complete (MrLoadOptions *load, GError **error)
{
  if (load->url == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "--url must not be empty");
    return FALSE;
  }
  if (load->api_key != NULL && strpbrk (load->api_key, "\r\n") != NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "--api-key must be one line of text");
    return FALSE;
  }
  if (load->prompt != NULL && load->prompt_file != NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_CONFIG, "choose one of --prompt and --prompt-file");
    return FALSE;
  }
  if (load->prompt_file != NULL && !read_prompt (load, error))
    return FALSE;
  if (load->prompt == NULL)
    load->prompt = g_strdup ("Describe the sea in one short paragraph.");
  load->stream = load->stream && !load->no_stream;
  if (load->requests == 0)
    load->requests = load->duration_us > 0 ? MR_LOAD_MAX_REQUESTS : DEFAULT_REQUESTS;
  return TRUE;
}
