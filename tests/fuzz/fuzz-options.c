/* SPDX-License-Identifier: MIT */
/*
 * The options of both programs, from a command line, an environment and a config file: all three are the input's. A
 * failure leaves nothing behind and says in UTF-8 what is wrong.
 *
 *   input: program (bit 0: the worker), then three texts, a NUL between them: arguments, variables (one a line each),
 *   the config file
 */
#include "error.h"
#include "fuzz.h"
#include "server-config.h"
#include "worker-config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Takes the text up to the next NUL, or all of it, off the input. */
static char *
take_text (const guint8 **data, gsize *length)
{
  const guint8 *nul = *length > 0 ? memchr (*data, '\0', *length) : NULL;
  gsize n = nul != NULL ? (gsize) (nul - *data) : *length;
  char *text = g_strndup ((const char *) *data, n);
  gsize taken = n + (nul != NULL ? 1 : 0);

  *data += taken;
  *length -= taken;
  return text;
}

static char **
lines_after (const char *first, const char *text)
{
  g_autofree char *all = g_strconcat (first, *text != '\0' ? "\n" : "", text, NULL);

  return g_strsplit (all, "\n", -1);
}

static void
check_error (gboolean done, const GError *error)
{
  g_assert (done == (error == NULL));
  if (error != NULL) {
    g_assert (error->domain == MR_ERROR && error->code == MR_ERROR_CONFIG);
    g_assert (*error->message != '\0' && g_utf8_validate (error->message, -1, NULL));
  }
}

static void
run_server (const char *const *argv, const char *const *envp)
{
  g_autoptr (GError) error = NULL;
  MrServerConfig config = { 0 };
  MrOptionsAction action;
  gboolean done = mr_options_parse (mr_server_program (), argv, envp, &config, &action, &error);

  check_error (done, error);
  if (done && (action == MR_OPTIONS_RUN || action == MR_OPTIONS_CHECK_CONFIG)) {
    gboolean fits = mr_server_config_check (&config, &error);

    check_error (fits, error);
  }
  if (done)
    mr_options_clear (mr_server_program (), &config);
  g_assert (config.listen == NULL && config.worker_secret == NULL && config.provider == NULL);
  g_assert (config.cors_origins == NULL && config.trusted_proxies == NULL);
}

static void
run_worker (const char *const *argv, const char *const *envp)
{
  MrOptionsAction action;
  g_autoptr (GError) error = NULL;
  g_autoptr (MrWorkerConfig) config = mr_worker_config_new_from_args (argv, envp, &action, &error);

  check_error (config != NULL, error);
  if (config != NULL && (action == MR_OPTIONS_RUN || action == MR_OPTIONS_CHECK_CONFIG)) {
    g_autoptr (MrHeaders) headers = mr_worker_config_dup_backend_headers (config);

    g_assert (headers != NULL && mr_headers_are_safe (headers));
    g_assert (mr_worker_config_get_max_concurrent (config) <= 4096);
    mr_worker_config_discovers_models (config);
  }
}

static void
run (gboolean worker, const char *arguments, const char *variables, const char *config_path)
{
  g_autofree char *config_variable = g_strconcat ("MODELRELAY_CONFIG=", config_path, NULL);
  g_auto (GStrv) argv = lines_after ("program", arguments);
  g_auto (GStrv) envp = lines_after (config_variable, variables);

  if (worker)
    run_worker ((const char *const *) argv, (const char *const *) envp);
  else
    run_server ((const char *const *) argv, (const char *const *) envp);
  mr_options_hide_secrets (worker ? &mr_worker_program : mr_server_program (), argv);
}

static gboolean
contains (const guint8 *data, gsize length, const char *text)
{
  return data != NULL && memmem (data, length, text, strlen (text)) != NULL;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  /* Whoever runs the program may name any file; here that would be any file of the machine's. */
  if (contains (data, length, "/dev") || contains (data, length, "/proc"))
    return 0;

  gboolean worker = fuzz_take_byte (&data, &length) & 1;
  g_autofree char *arguments = take_text (&data, &length);
  g_autofree char *variables = take_text (&data, &length);
  int file = memfd_create ("config", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", file);

  g_assert (file >= 0 && write (file, data, length) == (gssize) length);
  run (worker, arguments, variables, path);
  close (file);
  return 0;
}
