/* SPDX-License-Identifier: MIT */
/*
 * modelrelay-loadtest: reads the command line, asks for a model, runs, reports. Its exit codes: 0 all went well, 1 some
 * did not, 2 bad command line, 3 the server cannot be reached.
 */
#include "load-models.h"
#include "load-progress.h"
#include "load-report.h"
#include "load-run.h"

#include "error.h"
#include "program.h"

#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { EXIT_ALL_WELL = 0, EXIT_SOME_FAILED = 1, EXIT_BAD_OPTION = 2, EXIT_UNREACHABLE = 3 };

typedef struct {
  MrLoadOptions options;
  MrReactor *reactor;
  MrHttpClient *client;
  GMainLoop *loop;
  MrStyle terminal;       /* standard error, for the progress line */
  char *model;            /* Owned; NULL until it is known */
  MrLoadModels *question; /* Borrowed: its own; NULL when it is answered */
  MrLoadRun *run;
  MrLoadProgress *progress; /* NULL where nobody looks */
  gboolean interrupted;
  int status;
} Program;

static int
fail (int status, const char *problem)
{
  (void) fprintf (stderr, "%s: %s\n", mr_load_program.name, problem);
  return status;
}

/* A terminal that knows neither colours nor a way back in the line. */
static gboolean
is_dumb (void)
{
  return g_strcmp0 (g_getenv ("TERM"), "dumb") == 0;
}

static MrStyle
style_of (int fd)
{
  struct winsize size = { 0 };
  gboolean terminal = isatty (fd);
  MrStyle style = { .utf8 = g_get_charset (NULL), .width = G_MAXUINT };

  style.color = terminal && g_getenv ("NO_COLOR") == NULL && !is_dumb ();
  if (terminal)
    style.width = ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  return style;
}

static void
report (Program *program)
{
  MrLoadTally *tally = mr_load_run_get_tally (program->run);
  MrStyle style = style_of (STDOUT_FILENO);
  g_autoptr (GString) out = g_string_new (NULL);
  MrLoadResult result = { &program->options, program->model, tally, mr_load_run_get_elapsed (program->run) };

  g_clear_pointer (&program->progress, mr_load_progress_free);
  mr_load_tally_sort (tally);
  if (program->options.json)
    mr_load_report_append_json (out, &result);
  else
    mr_load_report_append_text (out, &result, &style);
  fputs (out->str, stdout);
  fflush (stdout);
  if (tally->ok == 0 && tally->failed > 0 && tally->unreachable == tally->failed)
    program->status = EXIT_UNREACHABLE;
  else if (tally->failed > 0 || program->interrupted)
    program->status = EXIT_SOME_FAILED;
}

static void
on_run_over (MrLoadRun *run, gpointer data)
{
  Program *program = data;

  g_main_loop_quit (program->loop);
}

static void
start_run (Program *program)
{
  program->run =
      mr_load_run_new (program->reactor, program->client, &program->options, program->model, on_run_over, program);
  if (isatty (STDERR_FILENO) && !is_dumb ())
    program->progress = mr_load_progress_new (program->reactor, program->run, &program->terminal);
}

static void
on_model (const char *model, const char *problem, gboolean reached, gpointer data)
{
  Program *program = data;

  program->question = NULL;
  if (model != NULL) {
    program->model = g_strdup (model);
    start_run (program);
  } else {
    g_autofree char *sentence = g_strdup_printf ("%s: %s", program->options.url, problem);

    program->status = fail (reached ? EXIT_SOME_FAILED : EXIT_UNREACHABLE, sentence);
    g_main_loop_quit (program->loop);
  }
}

/* What was measured so far is worth a report. */
static gboolean
on_interrupt (gpointer data)
{
  Program *program = data;

  program->interrupted = TRUE;
  if (program->run != NULL)
    mr_load_run_stop (program->run);
  g_clear_pointer (&program->question, mr_load_models_stop);
  g_main_loop_quit (program->loop);
  return G_SOURCE_CONTINUE;
}

static void
run (Program *program)
{
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, program);
  guint terminate = g_unix_signal_add (SIGTERM, on_interrupt, program);

  program->terminal = style_of (STDERR_FILENO);
  program->loop = g_main_loop_new (NULL, FALSE);
  if (program->options.model != NULL) {
    program->model = g_strdup (program->options.model);
    start_run (program);
  } else {
    program->question = mr_load_models_ask (program->reactor, program->client, &program->options, on_model, program);
  }
  g_main_loop_run (program->loop);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  if (program->run != NULL)
    report (program);
  else if (program->interrupted)
    program->status = EXIT_SOME_FAILED;
  g_clear_pointer (&program->run, mr_load_run_free);
  g_clear_pointer (&program->loop, g_main_loop_unref);
  g_free (program->model);
}

static gboolean
set_trust (MrHttpClient *client, const MrLoadOptions *options, GError **error)
{
  g_autoptr (MrTlsTrust) trust = NULL;

  if (options->ca_file == NULL)
    return TRUE;
  trust = mr_tls_trust_new (options->ca_file, MR_TLS_FILE_INSTEAD, NULL, error);
  if (trust == NULL)
    return FALSE;
  mr_http_client_set_trust (client, trust);
  return TRUE;
}

static int
connect_and_run (Program *program)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) url = g_uri_parse (program->options.url, G_URI_FLAGS_ENCODED, NULL);
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (MrHttpClient) client = url != NULL ? mr_http_client_new (reactor, url, NULL) : NULL;

  if (client == NULL) {
    g_autofree char *problem =
        g_strdup_printf ("--url \"%s\": http:// or https:// with a host is allowed", program->options.url);

    return fail (EXIT_BAD_OPTION, problem);
  }
  if (!set_trust (client, &program->options, &error))
    return fail (EXIT_BAD_OPTION, error->message);
  program->reactor = reactor;
  program->client = client;
  run (program);
  return program->status;
}

int
main (int argc, char **argv)
{
  Program program = { .status = EXIT_ALL_WELL };
  MrOptionsAction action = MR_OPTIONS_RUN;
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;
  gboolean good;
  int status = EXIT_ALL_WELL;

  setlocale (LC_ALL, "");
  mr_program_init ();
  good = mr_options_parse (&mr_load_program, (const char *const *) argv, (const char *const *) environment,
                           &program.options, &action, &error);
  mr_options_hide_secrets (&mr_load_program, argv);
  if (good && action != MR_OPTIONS_RUN) {
    g_autofree char *text = mr_options_text (&mr_load_program, action);

    (void) printf ("%s\n", text);
  } else if (good && mr_load_options_complete (&program.options, &error)) {
    status = connect_and_run (&program);
  } else {
    status = fail (EXIT_BAD_OPTION, error->message);
  }
  mr_options_clear (&mr_load_program, &program.options);
  return status;
}
