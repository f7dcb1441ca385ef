/* SPDX-License-Identifier: MIT */
/*
 * Where the values of the options come from, and in which order. How a type is read is in options-values.c, the text of
 * --help in options-help.c; what a value means is the business of the program.
 *
 *   default  <  config file  <  $CREDENTIALS_DIRECTORY  <  environment  <  command line
 *
 * The places are applied in this order, a later one replaces what an earlier one gave, and a bad value is an error
 * wherever it stands.
 */
#include "options-private.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  char *config_file;
  gboolean check_config;
  int shell; /* index of --completions' choices, -1 for none */
  gboolean help;
  gboolean version;
} BuiltinValues;

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

/* Those of the config file come first. */
#define N_CONFIG_ROWS 2
static const MrOption builtin_rows[] = {
  { .name = "config",
    .environment = "MODELRELAY_CONFIG",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (BuiltinValues, config_file),
    .argument = "FILE",
    .help = "Read options from this key file",
    .is_file = TRUE },
  { .name = "check-config",
    .type = MR_OPTION_BOOL,
    .offset = G_STRUCT_OFFSET (BuiltinValues, check_config),
    .help = "Check all options and exit" },
  { .name = "completions",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (BuiltinValues, shell),
    .argument = "SHELL",
    .choices = shells,
    .help = "Print a completion script for this shell and exit" },
  { .name = "help",
    .type = MR_OPTION_BOOL,
    .offset = G_STRUCT_OFFSET (BuiltinValues, help),
    .help = "Show this help and exit" },
  { .name = "version",
    .type = MR_OPTION_BOOL,
    .offset = G_STRUCT_OFFSET (BuiltinValues, version),
    .help = "Show the version and exit" },
  { NULL },
};

const MrOption *
mr_options_builtin (const MrProgram *program)
{
  return program->config_group != NULL ? builtin_rows : builtin_rows + N_CONFIG_ROWS;
}

/* One flag of the command line. All strings are borrowed from argv. */
typedef struct {
  const MrOption *table; /* the table that @option is in */
  const MrOption *option;
  const char *value;
  gboolean is_file; /* it was --NAME-file: the value is in that file */
} Argument;

/* --- The nearest known name --- */

/* Levenshtein's distance: insertions, deletions and replacements from one name to the other. */
static guint
edit_distance (const char *from, const char *to)
{
  gsize n = strlen (to);
  g_autofree guint *row = g_new (guint, n + 1);

  for (gsize j = 0; j <= n; j++)
    row[j] = j;
  for (gsize i = 1; from[i - 1] != '\0'; i++) {
    guint diagonal = row[0];

    row[0] = i;
    for (gsize j = 1; j <= n; j++) {
      guint replaced = diagonal + (from[i - 1] != to[j - 1]);

      diagonal = row[j];
      row[j] = MIN (replaced, MIN (row[j], row[j - 1]) + 1);
    }
  }
  return row[n];
}

static void
consider (const char *wanted, const char *candidate, guint *best, char **nearest)
{
  guint distance = edit_distance (wanted, candidate);

  if (distance >= *best)
    return;
  *best = distance;
  g_free (*nearest);
  *nearest = g_strdup (candidate);
}

/* The option whose name is most like @wanted, also among the NAME-file forms. */
static char *
nearest_option (const MrProgram *program, const char *wanted, gboolean on_command_line)
{
  guint best = G_MAXUINT;
  char *nearest = NULL;

  for (const MrOption *option = program->options; option->name != NULL; option++) {
    consider (wanted, option->name, &best, &nearest);
    if (option->secret) {
      g_autofree char *file_form = g_strconcat (option->name, "-file", NULL);

      consider (wanted, file_form, &best, &nearest);
    }
  }
  for (const MrOption *option = mr_options_builtin (program); on_command_line && option->name != NULL; option++)
    consider (wanted, option->name, &best, &nearest);
  return nearest;
}

/* --- Both tables --- */

static gboolean
set_from (const MrOption *option, gboolean is_file, gpointer config, const char *text, const char *origin,
          GError **error)
{
  return (is_file ? mr_options_set_from_file : mr_options_set) (option, config, text, origin, error);
}

/* Finds @name, or NAME-file of a secret, in a table. */
static const MrOption *
find_option (const MrOption *options, const char *name, gboolean *is_file)
{
  for (const MrOption *option = options; option->name != NULL; option++) {
    const char *rest = g_str_has_prefix (name, option->name) ? name + strlen (option->name) : NULL;

    if (rest == NULL)
      continue;
    *is_file = option->secret && strcmp (rest, "-file") == 0;
    if (*rest == '\0' || *is_file)
      return option;
  }
  return NULL;
}

/* --- The config file --- */

/* Finds what GKeyFile refused: its own message would quote the line, and that might be a secret. 0: not found. */
static guint
find_bad_line (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean in_group = FALSE;

  for (guint i = 0; lines[i] != NULL; i++) {
    const char *line = g_strstrip (lines[i]);

    if (*line == '[' && g_str_has_suffix (line, "]"))
      in_group = TRUE;
    else if (*line != '\0' && *line != '#' && (!in_group || *line == '=' || strchr (line, '=') == NULL))
      return i + 1;
  }
  return 0;
}

/* One file may serve both programs, so the group of the other one is known too. */
static gboolean
check_groups (GKeyFile *file, const char *path, GError **error)
{
  static const char *const known[] = { "server", "worker", "models", NULL };
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (gsize i = 0; groups[i] != NULL; i++) {
    g_autofree char *nearest = NULL;
    guint best = G_MAXUINT;

    if (g_strv_contains (known, groups[i]))
      continue;
    for (gsize j = 0; known[j] != NULL; j++)
      consider (groups[i], known[j], &best, &nearest);
    return mr_options_error (error, "%s: unknown group [%s]; did you mean [%s]?", path, groups[i], nearest);
  }
  return TRUE;
}

static gboolean
load_key_file (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *text = NULL;
  gsize length;
  guint line;

  if (!g_file_get_contents (path, &text, &length, &failure))
    return mr_options_error (error, "config file: %s", failure->message);
  if (g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, NULL))
    return TRUE;
  line = find_bad_line (text);
  if (line == 0)
    return mr_options_error (error, "%s: not a key file", path);
  return mr_options_error (error, "%s: line %u is neither a key=value within a [group] nor a # comment", path, line);
}

/* The keys of the program's free group. */
static void
apply_group (const MrOptionGroup *group, GKeyFile *file, gpointer config)
{
  GHashTable *table = *(GHashTable **) G_STRUCT_MEMBER_P (config, group->offset);
  g_auto (GStrv) keys = g_key_file_get_keys (file, group->name, NULL, NULL);

  for (gsize i = 0; keys != NULL && keys[i] != NULL; i++) {
    g_autofree char *value = g_key_file_get_value (file, group->name, keys[i], NULL);
    char **values = g_strsplit (value, ",", -1);

    for (char **at = values; *at != NULL; at++)
      g_strstrip (*at);
    g_hash_table_replace (table, g_strdup (keys[i]), values);
  }
}

static gboolean
apply_config_file (const MrProgram *program, const char *path, gpointer config, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv) keys = NULL;

  if (!load_key_file (file, path, error) || !check_groups (file, path, error))
    return FALSE;
  keys = g_key_file_get_keys (file, program->config_group, NULL, NULL);
  for (gsize i = 0; keys != NULL && keys[i] != NULL; i++) {
    g_autofree char *origin = g_strdup_printf ("%s [%s] %s", path, program->config_group, keys[i]);
    /* The bytes as they stand: escapes and lists of key files are surprises in a URL or a secret. */
    g_autofree char *value = g_key_file_get_value (file, program->config_group, keys[i], NULL);
    gboolean is_file = FALSE;
    const MrOption *option = find_option (program->options, keys[i], &is_file);

    if (option == NULL) {
      g_autofree char *nearest = nearest_option (program, keys[i], FALSE);

      return mr_options_error (error, "%s: unknown key; did you mean %s?", origin, nearest);
    }
    if (!set_from (option, is_file, config, value, origin, error))
      return FALSE;
  }
  if (program->group != NULL)
    apply_group (program->group, file, config);
  return TRUE;
}

/* --- Environment --- */

/* An empty variable counts as unset: unit files and compose files cannot leave one out. */
static const char *
get_variable (const char *const *envp, const char *name)
{
  const char *value = name != NULL ? g_environ_getenv ((char **) envp, name) : NULL;

  return value != NULL && *value != '\0' ? value : NULL;
}

static gboolean
apply_credential (const MrOption *option, const char *directory, gpointer config, GError **error)
{
  g_autofree char *path = g_build_filename (directory, option->name, NULL);
  g_autofree char *origin = g_strdup_printf ("%s (credential)", option->name);
  GStatBuf status;

  /* An empty line counts as none: the units give it in place of a file that does not exist (SetCredential=). */
  if (g_stat (path, &status) != 0 || status.st_size <= 1)
    return TRUE;
  return mr_options_set_from_file (option, config, path, origin, error);
}

static gboolean
apply_environment (const MrOption *table, const char *const *envp, gpointer config, GError **error)
{
  const char *directory = get_variable (envp, "CREDENTIALS_DIRECTORY");

  for (const MrOption *option = table; option->name != NULL; option++) {
    const char *value = get_variable (envp, option->environment);

    if (option->secret && directory != NULL && !apply_credential (option, directory, config, error))
      return FALSE;
    if (value != NULL) {
      g_autofree char *origin = g_strdup_printf ("%s (environment)", option->environment);

      if (!mr_options_set (option, config, value, origin, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* --- Command line --- */

static gboolean
unknown_flag (const MrProgram *program, const char *name, GError **error)
{
  g_autofree char *nearest = nearest_option (program, name, TRUE);

  return mr_options_error (error, "unknown option --%s; did you mean --%s?", name, nearest);
}

static void
find_flag (const MrProgram *program, const char *name, Argument *argument)
{
  argument->table = program->options;
  argument->option = find_option (argument->table, name, &argument->is_file);
  if (argument->option == NULL) {
    argument->table = mr_options_builtin (program);
    argument->option = find_option (argument->table, name, &argument->is_file);
  }
}

/* (nullable): the option that "-x" or "-xVALUE" stands for. */
static const MrOption *
find_letter (const MrProgram *program, const char *text)
{
  for (const MrOption *option = program->options; text[0] == '-' && text[1] != '\0' && option->name != NULL; option++)
    if (option->letter == text[1])
      return option;
  return NULL;
}

gboolean
mr_options_takes_next (const MrProgram *program, const char *flag)
{
  Argument argument = { .option = find_letter (program, flag) };

  if (argument.option != NULL)
    return flag[2] == '\0' && argument.option->type != MR_OPTION_BOOL;
  if (g_str_has_prefix (flag, "--"))
    find_flag (program, flag + strlen ("--"), &argument);
  return argument.option != NULL && (argument.option->type != MR_OPTION_BOOL);
}

/* Parts @text ("--name", "--name=value", "-x", "-xvalue") into option and value. */
static gboolean
part_flag (const MrProgram *program, const char *text, Argument *argument, GError **error)
{
  const MrOption *by_letter = find_letter (program, text);
  const char *equals = strchr (text, '=');
  g_autofree char *name = NULL;

  if (by_letter != NULL) {
    *argument = (Argument){ .table = program->options, .option = by_letter };
    argument->value = text[2] != '\0' ? text + 2 : NULL;
    return TRUE;
  }
  text += strlen ("--");
  name = equals != NULL ? g_strndup (text, equals - text) : g_strdup (text);
  find_flag (program, name, argument);
  argument->value = equals != NULL ? equals + 1 : NULL;
  return argument->option != NULL || unknown_flag (program, name, error);
}

/* Reads the flag at @argv, and its value where that is the next argument; @argv is then moved on to the last one used.
 */
static gboolean
read_flag (const MrProgram *program, const char *const **argv, Argument *argument, GError **error)
{
  if (!part_flag (program, **argv, argument, error))
    return FALSE;
  if (argument->value != NULL)
    return TRUE;
  if (argument->option->type == MR_OPTION_BOOL) {
    argument->value = "true";
  } else if ((*argv)[1] == NULL || g_str_has_prefix ((*argv)[1], "--")) {
    g_autofree char *name = g_strconcat (argument->option->name, argument->is_file ? "-file" : "", NULL);

    return mr_options_error (error, "--%s needs a value (--%s=%s)", name, name,
                             argument->is_file ? "FILE" : argument->option->argument);
  } else {
    argument->value = *++*argv;
  }
  return TRUE;
}

static gboolean
unexpected_argument (const char *text, const MrOption *before, GError **error)
{
  /* It may be the rest of a secret with a space in it. */
  if (before != NULL && before->secret)
    return mr_options_error (error, "unexpected argument after --%s", before->name);
  return mr_options_error (error, "unexpected argument \"%s\" (options start with --)", text);
}

static GArray *
read_command_line (const MrProgram *program, const char *const *argv, GError **error)
{
  g_autoptr (GArray) arguments = g_array_new (FALSE, FALSE, sizeof (Argument));
  Argument argument = { NULL };

  while (*++argv != NULL) {
    if (!g_str_has_prefix (*argv, "--") && find_letter (program, *argv) == NULL) {
      unexpected_argument (*argv, argument.option, error);
      return NULL;
    }
    if (!read_flag (program, &argv, &argument, error))
      return NULL;
    g_array_append_val (arguments, argument);
  }
  return g_steal_pointer (&arguments);
}

/* The last value of a flag counts, but a list is all of them together. */
static char *
join_up_to (GArray *arguments, guint last)
{
  const MrOption *option = g_array_index (arguments, Argument, last).option;
  gboolean is_file = g_array_index (arguments, Argument, last).is_file;
  const char *separator = option->whole ? "\n" : ",";
  GString *joined = g_string_new (NULL);

  for (guint i = option->type == MR_OPTION_STRV && !is_file ? 0 : last; i <= last; i++) {
    const Argument *argument = &g_array_index (arguments, Argument, i);

    if (argument->option == option && argument->is_file == is_file)
      g_string_append_printf (joined, "%s%s", joined->len > 0 ? separator : "", argument->value);
  }
  return g_string_free (joined, FALSE);
}

static gboolean
apply_command_line (GArray *arguments, const MrOption *table, gpointer config, GError **error)
{
  for (guint i = 0; i < arguments->len; i++) {
    const Argument *argument = &g_array_index (arguments, Argument, i);
    g_autofree char *origin = g_strdup_printf ("--%s%s", argument->option->name, argument->is_file ? "-file" : "");
    g_autofree char *text = join_up_to (arguments, i);

    if (argument->table != table)
      continue;
    if (!set_from (argument->option, argument->is_file, config, text, origin, error))
      return FALSE;
  }
  return TRUE;
}

/* --- Everything together --- */

static gboolean
apply_defaults (const MrProgram *program, gpointer config, GError **error)
{
  if (program->group != NULL)
    *(GHashTable **) G_STRUCT_MEMBER_P (config, program->group->offset) =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_strfreev);
  for (const MrOption *option = program->options; option->name != NULL; option++) {
    g_autofree char *origin = g_strdup_printf ("default of --%s", option->name);

    if (option->default_value != NULL && !mr_options_set (option, config, option->default_value, origin, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
apply_all (const MrProgram *program, GArray *arguments, const char *const *envp, const char *config_file,
           gpointer config, GError **error)
{
  return apply_defaults (program, config, error) &&
         (config_file == NULL || apply_config_file (program, config_file, config, error)) &&
         apply_environment (program->options, envp, config, error) &&
         apply_command_line (arguments, program->options, config, error);
}

static MrOptionsAction
action_of (const BuiltinValues *builtin)
{
  if (builtin->help)
    return MR_OPTIONS_HELP;
  if (builtin->version)
    return MR_OPTIONS_VERSION;
  if (builtin->shell >= 0)
    return MR_OPTIONS_COMPLETE_BASH + (MrOptionsAction) builtin->shell;
  return builtin->check_config ? MR_OPTIONS_CHECK_CONFIG : MR_OPTIONS_RUN;
}

gboolean
mr_options_action_needs_values (MrOptionsAction action)
{
  return action == MR_OPTIONS_RUN || action == MR_OPTIONS_CHECK_CONFIG;
}

gboolean
mr_options_parse (const MrProgram *program, const char *const *argv, const char *const *envp, gpointer config,
                  MrOptionsAction *action, GError **error)
{
  g_autoptr (GArray) arguments = NULL;
  g_autofree char *config_file = NULL;
  const MrOption *builtin_table = mr_options_builtin (program);
  BuiltinValues builtin = { .shell = -1 };

  /* Who asks for help gets it, whatever else is wrong. */
  if (g_strv_contains (argv, "--help") || g_strv_contains (argv, "--version")) {
    *action = g_strv_contains (argv, "--help") ? MR_OPTIONS_HELP : MR_OPTIONS_VERSION;
    return TRUE;
  }
  arguments = read_command_line (program, argv, error);
  if (arguments == NULL)
    return FALSE;
  if (!apply_environment (builtin_table, envp, &builtin, error) ||
      !apply_command_line (arguments, builtin_table, &builtin, error)) {
    mr_options_clear (&(MrProgram){ .options = builtin_rows }, &builtin);
    return FALSE;
  }
  config_file = builtin.config_file;
  if (mr_options_action_needs_values (action_of (&builtin)) &&
      !apply_all (program, arguments, envp, config_file, config, error)) {
    mr_options_clear (program, config);
    return FALSE;
  }
  *action = action_of (&builtin);
  return TRUE;
}

void
mr_options_clear (const MrProgram *program, gpointer config)
{
  for (const MrOption *option = program->options; option->name != NULL; option++) {
    gpointer place = G_STRUCT_MEMBER_P (config, option->offset);

    if (option->type == MR_OPTION_STRV)
      g_clear_pointer ((char ***) place, g_strfreev);
    else if (option->type == MR_OPTION_STRING)
      g_clear_pointer ((char **) place, option->secret ? mr_options_free_secret : (void (*) (char *)) g_free);
  }
  if (program->group != NULL)
    g_clear_pointer ((GHashTable **) G_STRUCT_MEMBER_P (config, program->group->offset), g_hash_table_unref);
}
