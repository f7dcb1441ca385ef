/* SPDX-License-Identifier: MIT */
/* modelrelay-demo-backend: options, signals, and the server. It stands in where no model server runs. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "server.h"

typedef struct {
  char *listen;
  char **models;
  double tokens_per_second;
  int slots;
  gboolean version;
} Options;

static gboolean
parse_options (Options *options, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "listen", 0, 0, G_OPTION_ARG_STRING, &options->listen, "Where to listen, port 0 for a free one (127.0.0.1:0)",
      "ADDRESS:PORT" },
    { "model", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->models, "A model name to list, repeatable (demo)", "NAME" },
    { "tokens-per-second", 0, 0, G_OPTION_ARG_DOUBLE, &options->tokens_per_second,
      "Pace of each answer, 0 for as fast as the client reads (30)", "N" },
    { "slots", 0, 0, G_OPTION_ARG_INT, &options->slots, "Answers written at the same time; more wait (4)", "N" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (context,
                                "Answers the OpenAI and Anthropic HTTP APIs without any model, to try ModelRelay "
                                "where no model server runs.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc > 1) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unexpected argument \"%s\"", argv[1]);
    return FALSE;
  }
  if (!isfinite (options->tokens_per_second) || options->tokens_per_second < 0) {
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--tokens-per-second must be 0 or more");
    return FALSE;
  }
  if (options->slots < 1) {
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--slots must be 1 or more");
    return FALSE;
  }
  return TRUE;
}

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
run (const Options *options, GError **error)
{
  static const char *const default_models[] = { "demo", NULL };
  const char *const *models = options->models != NULL ? (const char *const *) options->models : default_models;
  g_autoptr (GSocketAddress) wanted = parse_address (options->listen != NULL ? options->listen : "127.0.0.1:0", error);
  if (wanted == NULL)
    return FALSE;
  g_autoptr (MrDemoServer) server = mr_demo_server_new (models, options->slots, options->tokens_per_second);
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

int
main (int argc, char **argv)
{
  Options options = { .tokens_per_second = 30, .slots = 4 };
  g_autoptr (GError) error = NULL;
  int status = EXIT_SUCCESS;

  setlocale (LC_ALL, "");
  if (!parse_options (&options, argc, argv, &error)) {
    status = 2;
  } else if (options.version) {
    g_print ("modelrelay-demo-backend " MR_VERSION "\n");
  } else if (!run (&options, &error)) {
    status = EXIT_FAILURE;
  }
  if (error != NULL)
    g_printerr ("modelrelay-demo-backend: %s\n", error->message);
  g_free (options.listen);
  g_strfreev (options.models);
  return status;
}
