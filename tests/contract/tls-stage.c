/* SPDX-License-Identifier: MIT */
/* A relay behind TLS. See tls-stage.h. */
#include "tls-stage.h"

#include <string.h>

#define LISTENING "listening address=https://127.0.0.1:"

char *
tls_stage_file (TlsStage *stage, const char *name)
{
  return g_build_filename (stage->directory, name, NULL);
}

MrtProcess *
tls_stage_relay (const char *cert, const char *key, guint16 *port, const char *const *more)
{
  static const char *const env[] = { "WORKER_SECRET=" STAGE_SECRET, NULL };
  const char *fixed[] = { stage_server_path (), "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *line = NULL;
  MrtProcess *process;

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, (gpointer) fixed[i]);
  for (const char *const *option = more; option != NULL && *option != NULL; option++)
    g_ptr_array_add (argv, (gpointer) *option);
  g_ptr_array_add (argv, NULL);
  process = mrt_process_start ((const char *const *) argv->pdata, env);
  line = mrt_process_wait_log (process, LISTENING);
  *port = (guint16) g_ascii_strtoull (strstr (line, LISTENING) + strlen (LISTENING), NULL, 10);
  return process;
}

TlsStage *
tls_stage_new (const char *option, ...)
{
  TlsStage *stage = g_new0 (TlsStage, 1);
  g_autoptr (GPtrArray) more = g_ptr_array_new ();
  va_list options;

  stage->directory = mrt_directory_new ();
  stage->ca = tls_stage_file (stage, "ca.pem");
  stage->cert = tls_stage_file (stage, "cert.pem");
  stage->key = tls_stage_file (stage, "key.pem");
  stage->authority = mrt_authority_new ("Test authority", stage->ca);
  mrt_authority_issue (stage->authority, "DNS:localhost,IP:127.0.0.1", 30 * MRT_DAY_SECS, stage->cert, stage->key);
  va_start (options, option);
  for (; option != NULL; option = va_arg (options, const char *))
    g_ptr_array_add (more, (gpointer) option);
  va_end (options);
  g_ptr_array_add (more, NULL);
  stage->relay.process = tls_stage_relay (stage->cert, stage->key, &stage->tls_port, (const char *const *) more->pdata);
  stage->tunnel = mrt_tunnel_to_tls (stage->tls_port, stage->ca);
  stage->relay.port = mrt_tunnel_get_port (stage->tunnel);
  return stage;
}

void
tls_stage_free (TlsStage *stage)
{
  if (stage == NULL)
    return;
  mrt_tunnel_free (stage->tunnel);
  mrt_process_free (stage->relay.process);
  mrt_authority_free (stage->authority);
  g_free (stage->ca);
  g_free (stage->cert);
  g_free (stage->key);
  mrt_directory_remove (stage->directory);
  g_free (stage);
}
