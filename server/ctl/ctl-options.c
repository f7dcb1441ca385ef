/* SPDX-License-Identifier: MIT */
/* The table of modelrelayctl's options. See ctl-options.h. */
#include "ctl-options.h"

#include "ctl-error.h"

#include <string.h>

#define AT(member) G_STRUCT_OFFSET (MrCtlOptions, member)

static const char *const bus_choices[] = { "auto", "system", "session", NULL };
static const char *const sort_choices[] = { "name", "load", "speed", "requests", NULL };

const char *const mr_ctl_options_common[] = { "url", "ca-file", "token", "dbus", "json", "no-color", NULL };

/* clang-format off */
const MrOption mr_ctl_options_table[] = {
  { .name = "url", .environment = "MODELRELAY_URL", .type = MR_OPTION_STRING, .offset = AT (url), .argument = "URL",
    .help = "Ask the admin API there, as https://relay.example or unix:/path, instead of D-Bus on this machine" },
  { .name = "ca-file", .environment = "MODELRELAY_CA_FILE", .type = MR_OPTION_STRING, .offset = AT (ca_file),
    .argument = "FILE", .is_file = TRUE,
    .help = "Authorities, in PEM, that sign the certificate of --url, instead of the system's" },
  { .name = "token", .environment = "MODELRELAY_ADMIN_TOKEN", .type = MR_OPTION_STRING, .offset = AT (token),
    .argument = "TOKEN", .secret = TRUE, .help = "Admin token for --url" },
  { .name = "dbus", .type = MR_OPTION_CHOICE, .offset = AT (bus), .default_value = "auto", .argument = "BUS",
    .choices = bus_choices, .help = "Which bus to ask; auto tries the session bus first" },
  { .name = "json", .type = MR_OPTION_BOOL, .offset = AT (json), .help = "Print the answer as JSON, for scripts" },
  { .name = "no-color", .type = MR_OPTION_BOOL, .offset = AT (no_color), .help = "No colours; NO_COLOR does the same" },
  { .name = "api-key", .environment = "MODELRELAY_API_KEY", .type = MR_OPTION_STRING, .offset = AT (api_key),
    .argument = "KEY", .secret = TRUE, .help = "Client API key, where the relay requires one" },
  { .name = "model", .type = MR_OPTION_STRING, .offset = AT (model), .argument = "MODEL", .help = "This model" },
  { .name = "from", .type = MR_OPTION_STRING, .offset = AT (from), .argument = "DAY",
    .help = "First day, YYYY-MM-DD (UTC); by default 29 days before the last" },
  { .name = "to", .type = MR_OPTION_STRING, .offset = AT (to), .argument = "DAY",
    .help = "Last day, included; by default today" },
  { .name = "key", .type = MR_OPTION_STRING, .offset = AT (key), .argument = "KEY",
    .help = "This key only, by name or id" },
  { .name = "scope", .type = MR_OPTION_STRING, .offset = AT (scope), .argument = "SCOPE",
    .help = "client (the default) or worker" },
  { .name = "models", .type = MR_OPTION_STRV, .offset = AT (models), .argument = "GLOB",
    .help = "Models that the key may use, with * and ?" },
  { .name = "requests-per-minute", .type = MR_OPTION_UINT, .offset = AT (requests_per_minute), .argument = "N",
    .help = "At most so many requests a minute" },
  { .name = "max-concurrent", .type = MR_OPTION_UINT, .offset = AT (max_concurrent), .argument = "N",
    .help = "At most so many requests at a time" },
  { .name = "tokens-per-day", .type = MR_OPTION_UINT, .offset = AT (tokens_per_day), .argument = "N",
    .help = "At most so many tokens a day" },
  { .name = "priority", .type = MR_OPTION_STRING, .offset = AT (priority), .argument = "PRIORITY",
    .help = "high, normal (the default) or low" },
  { .name = "expires", .type = MR_OPTION_STRING, .offset = AT (expires), .argument = "TIME",
    .help = "When it ends: YYYY-MM-DD, or a time as 2027-01-31T12:00:00Z" },
  { .name = "once", .type = MR_OPTION_BOOL, .offset = AT (once), .help = "Print one frame and exit" },
  { .name = "interval", .type = MR_OPTION_SECONDS, .offset = AT (interval_us), .default_value = "1", .argument = "SECONDS",
    .min = 0, .max = 3600, .help = "Time between two frames, 0.2 at least" },
  { .name = "sort", .type = MR_OPTION_CHOICE, .offset = AT (sort), .default_value = "name", .argument = "COLUMN",
    .choices = sort_choices, .help = "Order of the workers" },
  { NULL },
};
/* clang-format on */

/* Parts flags (with the program's name first) from words. */
static void
separate (const MrProgram *program, char **argv, GPtrArray *flags, GStrvBuilder *words)
{
  g_ptr_array_add (flags, argv[0]);
  for (char **at = argv + 1; *at != NULL; at++) {
    if (strcmp (*at, "--") == 0) {
      g_strv_builder_addv (words, (const char **) at + 1);
      break;
    }
    if (!g_str_has_prefix (*at, "-") || (*at)[1] == '\0') {
      g_strv_builder_add (words, *at);
      continue;
    }
    g_ptr_array_add (flags, *at);
    if (mr_options_takes_next (program, *at) && at[1] != NULL)
      g_ptr_array_add (flags, *++at);
  }
  g_ptr_array_add (flags, NULL);
}

static gboolean
has_flag (GPtrArray *flags, const char *name)
{
  for (guint i = 1; i + 1 < flags->len; i++) {
    const char *flag = g_ptr_array_index (flags, i);

    if (g_str_has_prefix (flag, name) && (flag[strlen (name)] == '\0' || flag[strlen (name)] == '='))
      return TRUE;
  }
  return FALSE;
}

static MrOption *
rows_for (const char *const *names)
{
  GArray *rows = g_array_new (TRUE, TRUE, sizeof (MrOption));

  for (const MrOption *row = mr_ctl_options_table; row->name != NULL; row++)
    if (g_strv_contains (mr_ctl_options_common, row->name) || (names != NULL && g_strv_contains (names, row->name)))
      g_array_append_val (rows, *row);
  return (MrOption *) g_array_free (rows, FALSE);
}

/* A bus that is asked for by name counts more than an address in the environment. The credentials of our other programs
 * are not ours. */
static char **
make_environment (const char *const *envp, GPtrArray *flags)
{
  char **own = g_environ_unsetenv (g_strdupv ((char **) envp), "CREDENTIALS_DIRECTORY");

  return has_flag (flags, "--dbus") ? g_environ_unsetenv (own, "MODELRELAY_URL") : own;
}

static gboolean
parse_flags (GPtrArray *flags, const char *const *envp, const char *const *names, MrCtlOptions *options, GError **error)
{
  g_autofree MrOption *rows = rows_for (names);
  g_auto (GStrv) environment = make_environment (envp, flags);
  const MrProgram program = { .name = "modelrelayctl", .options = rows };
  g_autoptr (GError) failure = NULL;
  MrOptionsAction action;

  if (has_flag (flags, "--config") || has_flag (flags, "--check-config"))
    return mr_ctl_fail (error, MR_CTL_USAGE, "modelrelayctl has no config file; its settings are flags and variables");
  if (has_flag (flags, "--dbus") && has_flag (flags, "--url"))
    return mr_ctl_fail (error, MR_CTL_USAGE, "choose one of --url and --dbus");
  if (!mr_options_parse (&program, (const char *const *) flags->pdata, (const char *const *) environment, options,
                         &action, &failure))
    return mr_ctl_fail (error, MR_CTL_USAGE, "%s", failure->message);
  if (action != MR_OPTIONS_RUN)
    options->action = action;
  return TRUE;
}

/* The two short flags that everybody tries. */
static void
expand_short (GPtrArray *flags, MrCtlOptions *options)
{
  for (guint i = flags->len - 1; i-- > 1;) {
    const char *flag = g_ptr_array_index (flags, i);

    if (strcmp (flag, "-h") != 0 && strcmp (flag, "-V") != 0)
      continue;
    options->action = flag[1] == 'h' ? MR_OPTIONS_HELP : MR_OPTIONS_VERSION;
    g_ptr_array_remove_index (flags, i);
  }
}

gboolean
mr_ctl_options_parse (char **argv, const char *const *envp, const char *const *(*allowed) (char **words),
                      MrCtlOptions *options, GError **error)
{
  const MrProgram all = { .name = "modelrelayctl", .options = mr_ctl_options_table };
  g_autoptr (GPtrArray) flags = g_ptr_array_new ();
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  gboolean done;

  separate (&all, argv, flags, words);
  options->words = g_strv_builder_end (words);
  expand_short (flags, options);
  done = parse_flags (flags, envp, options->words[0] != NULL ? allowed (options->words) : NULL, options, error);
  mr_options_hide_secrets (&all, argv);
  return done;
}

void
mr_ctl_options_clear (MrCtlOptions *options)
{
  const MrProgram all = { .options = mr_ctl_options_table };

  mr_options_clear (&all, options);
  g_clear_pointer (&options->words, g_strfreev);
}
