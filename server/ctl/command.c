/* SPDX-License-Identifier: MIT */
/* The table of commands, and what several of them need. See command.h. */
#include "command.h"

#include "ctl-error.h"
#include "fact.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COMMAND_COLUMN 28
#define LEAST_PREFIX 4

static gboolean run_help (const MrContext *context, GError **error);

static const char *const usage_options[] = { "from", "to", "key", "model", NULL };
static const char *const test_options[] = { "model", "api-key", NULL };
static const char *const top_options[] = { "once", "interval", "sort", NULL };
static const char *const create_options[] = {
  "scope", "models", "requests-per-minute", "max-concurrent", "tokens-per-day", "priority", "expires", NULL
};

/* clang-format off */
static const MrCommand commands[] = {
  { "status", NULL, "How the relay is doing, on one screen", 0, 0, NULL, mr_command_status },
  { "workers", NULL, "Connected workers, their slots and models", 0, 0, NULL, mr_command_workers },
  { "models", NULL, "Models that clients can use now", 0, 0, NULL, mr_command_models },
  { "requests", NULL, "Requests that wait or run", 0, 0, NULL, mr_command_requests },
  { "top", NULL, "The same live, until q is pressed", 0, 0, top_options, mr_command_top },
  { "usage", NULL, "Requests and tokens by day, key and model", 0, 0, usage_options, mr_command_usage },
  { "test", "[PROMPT]", "Send a prompt and time the answer", 0, G_MAXUINT, test_options, mr_command_test },
  { "drain", "WORKER", "Give a worker no new requests", 1, 1, NULL, mr_command_drain },
  { "refresh", "[WORKER]", "Let workers look for models again", 0, 1, NULL, mr_command_refresh },
  { "cancel", "REQUEST", "End a request", 1, 1, NULL, mr_command_cancel },
  { "keys list", NULL, "API keys, dead ones too", 0, 0, NULL, mr_command_keys_list },
  { "keys show", "KEY", "All about one key", 1, 1, NULL, mr_command_keys_show },
  { "keys create", "NAME", "Make a key; its secret is shown this once", 1, 1, create_options, mr_command_keys_create },
  { "keys revoke", "KEY", "End a key and what runs with it", 1, 1, NULL, mr_command_keys_revoke },
  { "help", "[COMMAND]", "This help, or a command's", 0, 2, NULL, run_help },
};
/* clang-format on */

static const char exit_codes[] = "Exit codes:\n"
                                 "  0  done\n"
                                 "  1  the relay was asked and said no, or could not do it\n"
                                 "  2  the command line is wrong; nothing was done\n"
                                 "  3  no relay can be reached\n"
                                 "  4  not allowed: no token, a wrong one, or not this user\n"
                                 "  5  no such worker, key, request or model\n";

const MrCommand *
mr_command_find (char **words, guint *n_words)
{
  for (guint n = MIN (g_strv_length (words), 2); n > 0; n--) {
    g_autofree char *name = n == 2 ? g_strdup_printf ("%s %s", words[0], words[1]) : g_strdup (words[0]);

    for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
      if (strcmp (commands[i].name, name) == 0) {
        *n_words = n;
        return &commands[i];
      }
    }
  }
  return NULL;
}

const char *const *
mr_command_options (char **words)
{
  guint n_words;
  const MrCommand *command = mr_command_find (words, &n_words);

  return command != NULL ? command->options : NULL;
}

const MrProgram *
mr_command_program (void)
{
  static MrOptionCommand rows[G_N_ELEMENTS (commands) + 1];
  static const MrProgram program = {
    .name = "modelrelayctl",
    .summary = "Looks after a ModelRelay relay: over D-Bus on the same machine, or over its\n"
               "admin API with --url.",
    .options = mr_ctl_options_table,
    .commands = rows,
    .common = mr_ctl_options_common,
  };

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    rows[i] = (MrOptionCommand){ commands[i].name, commands[i].arguments, commands[i].summary, commands[i].options };
  return &program;
}

/* --- Help --- */

static void
append_command (GString *out, const MrCommand *command)
{
  gsize start = out->len;

  g_string_append_printf (out, "  %s%s%s", command->name, command->arguments != NULL ? " " : "",
                          command->arguments != NULL ? command->arguments : "");
  g_string_append_printf (out, "%*s%s\n", (int) (COMMAND_COLUMN - (out->len - start)), "", command->summary);
}

char *
mr_command_help (const MrCommand *command)
{
  GString *out = g_string_new ("Usage: modelrelayctl ");

  if (command != NULL) {
    g_string_append_printf (out, "%s [OPTION]...%s%s\n\n%s.\n", command->name, command->arguments != NULL ? " " : "",
                            command->arguments != NULL ? command->arguments : "", command->summary);
    if (command->options != NULL)
      g_string_append (out, "\nOptions:\n");
    if (command->options != NULL)
      mr_options_append_help (out, mr_command_program (), command->options);
  } else {
    g_string_append_printf (out, "COMMAND [OPTION]... [ARGUMENT]...\n\n%s\n\nCommands:\n",
                            mr_command_program ()->summary);
    for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
      append_command (out, &commands[i]);
    g_string_append (out, "\nWORKER, KEY and REQUEST are a name, an id, or at least four first characters of\n"
                          "an id. \"modelrelayctl help COMMAND\" lists a command's own options.\n");
  }
  g_string_append (out, command != NULL ? "\nOptions of every command:\n" : "\nOptions:\n");
  mr_options_append_help (out, mr_command_program (), NULL);
  g_string_append_printf (out, "\n%s", exit_codes);
  return g_string_free (out, FALSE);
}

static gboolean
unknown_command (char **words, GError **error)
{
  /* "keys" without its second word, or with a wrong one. */
  if (strcmp (words[0], "keys") == 0)
    return mr_ctl_fail (error, MR_CTL_USAGE,
                        "\"keys\" wants list, show, create or revoke after it; see "
                        "modelrelayctl --help");
  return mr_ctl_fail (error, MR_CTL_USAGE, "there is no command \"%s\"; see modelrelayctl --help", words[0]);
}

static gboolean
run_help (const MrContext *context, GError **error)
{
  guint n_words;
  const MrCommand *command = mr_command_find (context->arguments, &n_words);
  g_autofree char *help = NULL;

  if (command == NULL && context->arguments[0] != NULL && strcmp (context->arguments[0], "keys") != 0)
    return unknown_command (context->arguments, error);
  help = mr_command_help (command);
  mr_command_print (g_string_new (help));
  return TRUE;
}

/* --- Running --- */

/* A pipe gets whole lines: what would be cut there could not be found again. */
static void
init_style (MrContext *context)
{
  struct winsize size = { 0 };

  context->terminal = isatty (STDOUT_FILENO);
  context->style.color = context->terminal && !context->options->no_color && g_getenv ("NO_COLOR") == NULL &&
                         g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  context->style.utf8 = g_get_charset (NULL);
  context->style.width = G_MAXUINT;
  if (context->terminal)
    context->style.width = ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

gboolean
mr_command_run (const MrCtlOptions *options, GError **error)
{
  MrContext context = { .options = options };
  const MrCommand *command;
  guint n_words = 0;
  guint n_arguments;

  command = mr_command_find (options->words, &n_words);
  if (command == NULL)
    return unknown_command (options->words, error);
  context.arguments = options->words + n_words;
  n_arguments = g_strv_length (context.arguments);
  if (n_arguments < command->min)
    return mr_ctl_fail (error, MR_CTL_USAGE, "\"%s\" wants %s; see modelrelayctl help %s", command->name,
                        command->arguments, command->name);
  if (n_arguments > command->max)
    return mr_ctl_fail (error, MR_CTL_USAGE, "\"%s\" does not take \"%s\"; see modelrelayctl help %s", command->name,
                        context.arguments[command->max], command->name);
  init_style (&context);
  return command->run (&context, error);
}

void
mr_command_print (GString *text)
{
  fwrite (text->str, 1, text->len, stdout);
  fflush (stdout);
  g_string_free (text, TRUE);
}

void
mr_command_print_json (JsonNode *node)
{
  GString *text = g_string_new (NULL);
  g_autofree char *json = json_to_string (node, TRUE);

  g_string_append_printf (text, "%s\n", json);
  mr_command_print (text);
}

MrSource *
mr_context_open (const MrContext *context, GError **error)
{
  return mr_source_new (context->options, error);
}

/* --- Names --- */

typedef enum { BY_ID, BY_NAME, BY_PREFIX, N_WAYS } Way;

static gboolean
matches (JsonNode *item, Way way, const char *id_member, const char *name_member, const char *wanted)
{
  const char *id = mr_fact_string (item, id_member, "");

  if (way == BY_NAME)
    return strcmp (mr_fact_string (item, name_member, ""), wanted) == 0;
  return way == BY_ID ? strcmp (id, wanted) == 0 : strlen (wanted) >= LEAST_PREFIX && g_str_has_prefix (id, wanted);
}

JsonNode *
mr_command_resolve (JsonNode *list, const char *id_member, const char *name_member, const char *what,
                    const char *wanted, GError **error)
{
  g_autofree char *clean = mr_style_clean (wanted);

  for (Way way = BY_ID; way < N_WAYS; way++) {
    g_autoptr (GString) ids = g_string_new (NULL);
    JsonNode *found = NULL;
    guint n = 0;

    for (guint i = 0; i < mr_fact_length (list); i++) {
      JsonNode *item = mr_fact_item (list, i);

      if (!matches (item, way, id_member, name_member, wanted))
        continue;
      found = item;
      g_string_append_printf (ids, "%s%s", n++ > 0 ? ", " : "", mr_fact_string (item, id_member, "?"));
    }
    if (n == 1)
      return found;
    if (n > 1) {
      mr_ctl_fail (error, MR_CTL_USAGE, "\"%s\" may be %u %ss; name one by its id: %s", clean, n, what, ids->str);
      return NULL;
    }
  }
  mr_ctl_fail (error, MR_CTL_NOT_FOUND, "there is no %s \"%s\"; \"modelrelayctl %ss%s\" shows those there are", what,
               clean, what, strcmp (what, "key") == 0 ? " list" : "");
  return NULL;
}
