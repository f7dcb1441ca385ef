/* SPDX-License-Identifier: MIT */
/* modelrelay-demo-backend: options, signals, and the server. It stands in where no model server runs. */
#include "demo-options.h"
#include "server.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <locale.h>
#include <stdlib.h>

enum { EXIT_BAD_OPTION = 2 };

static GSocketAddress *
parse_address (const char *text, GError **error)
{
  g_autoptr (GSocketConnectable) parsed = g_network_address_parse (text, 0, error);
  if (parsed == NULL)
    return NULL;
  GNetworkAddress *named = G_NETWORK_ADDRESS (parsed);
  GSocketAddress *address = g_inet_socket_address_new_from_string (g_network_address_get_hostname (named),
                                                                   g_network_address_get_port (named));
  if (address == NULL)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--listen wants an IP address and a port, not \"%s\"",
                 text);
  return address;
}

static gboolean
on_signal (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
run (const MrDemoOptions *options, GError **error)
{
  g_autoptr (GSocketAddress) wanted = parse_address (options->listen, error);
  if (wanted == NULL)
    return FALSE;
  g_autoptr (MrDemoServer) server =
      mr_demo_server_new ((const char *const *) options->models, options->slots, options->tokens_per_second);
  g_autoptr (GSocketAddress) address = mr_demo_server_listen (server, wanted, error);
  if (address == NULL)
    return FALSE;

  g_autofree char *shown = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address));
  g_printerr ("listening on http://%s\n", shown);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGINT, on_signal, loop);
  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_main_loop_run (loop);
  return TRUE;
}

/* An option that was given an empty value has none, not even its default. */
static gboolean
read_options (char **argv, MrDemoOptions *options, MrOptionsAction *action, GError **error)
{
  g_auto (GStrv) environment = g_get_environ ();

  if (!mr_options_parse (&mr_demo_program, (const char *const *) argv, (const char *const *) environment, options,
                         action, error))
    return FALSE;
  if (*action != MR_OPTIONS_RUN || (options->listen != NULL && options->models != NULL))
    return TRUE;
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--listen and --model must not be empty");
  return FALSE;
}

int
main (int argc, char **argv)
{
  MrDemoOptions options = { 0 };
  MrOptionsAction action = MR_OPTIONS_RUN;
  g_autoptr (GError) error = NULL;
  int status = EXIT_SUCCESS;

  setlocale (LC_ALL, "");
  if (!read_options (argv, &options, &action, &error)) {
    status = EXIT_BAD_OPTION;
  } else if (action != MR_OPTIONS_RUN) {
    g_autofree char *text = mr_options_text (&mr_demo_program, action);

    g_print ("%s\n", text);
  } else if (!run (&options, &error)) {
    status = EXIT_FAILURE;
  }
  if (error != NULL)
    g_printerr ("modelrelay-demo-backend: %s\n", error->message);
  mr_options_clear (&mr_demo_program, &options);
  return status;
}
