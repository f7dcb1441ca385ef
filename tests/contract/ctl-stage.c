/* SPDX-License-Identifier: MIT */
/* The stage of modelrelayctl's tests; see ctl-stage.h. */
#include "ctl-stage.h"

#include <string.h>

static const char *server_path;
static const char *worker_path;
static const char *program_path;

void
ctl_stage_init (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 4);
  server_path = argv[1];
  worker_path = argv[2];
  program_path = argv[3];
}

const char *
ctl_path (void)
{
  return program_path;
}

/* The daemon prints its address when it can be used. */
static void
start_bus (CtlStage *stage)
{
  g_autofree char *daemon = g_find_program_in_path ("dbus-daemon");
  const char *argv[] = { daemon, "--session", "--nofork", "--nopidfile", "--print-address=2", NULL };
  g_autofree char *line = NULL;

  if (daemon == NULL)
    g_error ("this test needs dbus-daemon");
  stage->bus = mrt_process_start (argv, NULL);
  line = mrt_process_wait_log (stage->bus, "unix:");
  stage->bus_address = g_strconcat ("DBUS_SESSION_BUS_ADDRESS=", line, NULL);
}

static void
start_relay (CtlStage *stage, const char *option)
{
  const char *env[] = { "WORKER_SECRET=" CTL_SECRET, "MODELRELAY_ADMIN_TOKEN=" CTL_TOKEN, stage->bus_address, NULL };
  const char *argv[] = { server_path, "--listen", "127.0.0.1:0", "--dbus=session", option, NULL };
  g_autofree char *line = NULL;

  stage->relay = mrt_process_start (argv, env);
  line = mrt_process_wait_log (stage->relay, "listening address=127.0.0.1:");
  stage->port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
  stage->url = g_strdup_printf ("http://127.0.0.1:%u", stage->port);
}

static void
start_worker (CtlStage *stage)
{
  g_autofree char *backend_url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (stage->backend));
  const char *env[] = { "WORKER_SECRET=" CTL_SECRET, NULL };
  const char *argv[] = { worker_path, "--proxy-url",         stage->url, "--backend-url", backend_url, "--worker-name",
                         "tower",     "--max-concurrency=2", NULL };
  g_autofree char *line = NULL;

  stage->worker = mrt_process_start (argv, env);
  line = mrt_process_wait_log (stage->relay, "worker registered");
}

/* The relay joins its bus while it is already listening. */
static void
wait_on_bus (CtlStage *stage)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  while (mrt_now_ms () < deadline) {
    g_auto (CtlRun) run = ctl_run (stage, CTL_DBUS, "models", NULL);

    if (run.exit_code == 0)
      return;
  }
  g_error ("the relay did not come to the bus");
}

CtlStage *
ctl_stage_new (const char *option)
{
  CtlStage *stage = g_new0 (CtlStage, 1);

  start_bus (stage);
  start_relay (stage, option);
  stage->backend = mrt_backend_new ();
  start_worker (stage);
  wait_on_bus (stage);
  return stage;
}

void
ctl_stage_free (CtlStage *stage)
{
  if (stage == NULL)
    return;
  mrt_process_free (stage->worker);
  mrt_process_free (stage->relay);
  mrt_backend_free (stage->backend);
  mrt_process_free (stage->bus);
  g_free (stage->bus_address);
  g_free (stage->url);
  g_free (stage);
}

CtlRun
ctl_run (CtlStage *stage, CtlWay way, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *url = way == CTL_HTTP ? g_strconcat ("MODELRELAY_URL=", stage->url, NULL) : NULL;
  const char *http[] = { "MODELRELAY_ADMIN_TOKEN=" CTL_TOKEN, url, NULL };
  const char *dbus[] = { stage != NULL ? stage->bus_address : NULL, NULL };
  const char *nowhere[] = { "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent",
                            "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", NULL };
  const char *const *const environments[] = { http, dbus, nowhere };
  g_autoptr (MrtProcess) process = NULL;
  CtlRun run = { 0 };
  const char *argument;
  va_list arguments;

  g_ptr_array_add (argv, (gpointer) program_path);
  va_start (arguments, way);
  while ((argument = va_arg (arguments, const char *)) != NULL)
    g_ptr_array_add (argv, (gpointer) argument);
  va_end (arguments);
  g_ptr_array_add (argv, NULL);
  process = mrt_process_start ((const char *const *) argv->pdata, environments[way]);
  run.exit_code = mrt_process_wait_exit (process, MRT_WAIT_MS);
  run.out = mrt_process_get_output (process);
  run.err = mrt_process_get_log (process);
  return run;
}

void
ctl_run_clear (CtlRun *run)
{
  g_free (run->out);
  g_free (run->err);
}

void
ctl_expect (const CtlRun *run, int exit_code)
{
  if (run->exit_code != exit_code)
    g_error ("exit code %d instead of %d:\n%s%s", run->exit_code, exit_code, run->out, run->err);
  if (exit_code == 0)
    return;
  g_assert_true (g_str_has_prefix (run->err, "modelrelayctl: "));
  g_assert_true (strchr (run->err, '\n') == run->err + strlen (run->err) - 1);
}
