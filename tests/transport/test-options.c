/* SPDX-License-Identifier: MIT */
/*
 * Options: every type, every place and their order, every error's sentence, secrets, and the text of --help.
 */
#include "options.h"

#include "error.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  char *name;
  char *secret;
  char **listen;
  gboolean keys;
  guint length;
  gint64 timeout_us;
  guint64 size;
  int level;
  GHashTable *aliases;
  double rate;
  gboolean quiet;
} Config;

static const char *const levels[] = { "trace", "debug", "info", NULL };

static const MrOption options[] = {
  { "worker-name", "WORKER_NAME", MR_OPTION_STRING, G_STRUCT_OFFSET (Config, name), "box", "NAME", "A name" },
  { .name = "worker-secret",
    .environment = "WORKER_SECRET",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (Config, secret),
    .argument = "SECRET",
    .help = "What workers present",
    .secret = TRUE },
  { "listen", "LISTEN_ADDR", MR_OPTION_STRV, G_STRUCT_OFFSET (Config, listen), "127.0.0.1:8080", "ADDRESS",
    "Where to listen: host:port, [address]:port or unix:/path of a socket" },
  { "require-api-keys", "REQUIRE_KEYS", MR_OPTION_BOOL, G_STRUCT_OFFSET (Config, keys), "false", NULL,
    "Want a key for every request" },
  { "max-queue-len", NULL, MR_OPTION_UINT, G_STRUCT_OFFSET (Config, length), "100", "N", "Waiting requests", 1, 1000 },
  { "queue-timeout", "QUEUE_TIMEOUT_SECS", MR_OPTION_SECONDS, G_STRUCT_OFFSET (Config, timeout_us), "30", "SECS",
    "Longest wait", 0, 86400 },
  { "max-response-size", NULL, MR_OPTION_BYTES, G_STRUCT_OFFSET (Config, size), "10G", "BYTES", "Largest answer", 1024,
    0 },
  { .name = "log-level",
    .environment = "LOG_LEVEL",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (Config, level),
    .default_value = "info",
    .argument = "LEVEL",
    .help = "What is logged",
    .choices = levels },
  { .name = "rate",
    .letter = 'r',
    .type = MR_OPTION_NUMBER,
    .offset = G_STRUCT_OFFSET (Config, rate),
    .argument = "N",
    .help = "Requests a second",
    .max = 1000 },
  { .name = "quiet",
    .letter = 'q',
    .type = MR_OPTION_BOOL,
    .offset = G_STRUCT_OFFSET (Config, quiet),
    .help = "Say nothing" },
  { NULL },
};

static const MrOptionGroup group = { "models", G_STRUCT_OFFSET (Config, aliases) };
static const MrProgram program = { "modelrelay-test", "Tests the options of programs.", "server", options, &group };

static char *directory;

/* A call with one string each: arguments and variables separated by '|'. */
static gboolean
parse (const char *arguments, const char *environment, Config *config, MrOptionsAction *action, GError **error)
{
  g_autofree char *line = g_strconcat ("program|", arguments, NULL);
  g_auto (GStrv) argv = g_strsplit (*arguments != '\0' ? line : "program", "|", -1);
  g_auto (GStrv) envp = g_strsplit (environment, "|", -1);

  memset (config, 0, sizeof *config);
  return mr_options_parse (&program, (const char *const *) argv, (const char *const *) envp, config, action, error);
}

static void
parse_well (const char *arguments, const char *environment, Config *config)
{
  g_autoptr (GError) error = NULL;
  MrOptionsAction action = MR_OPTIONS_HELP;

  if (!parse (arguments, environment, config, &action, &error))
    g_error ("%s", error->message);
  g_assert_cmpint (action, ==, MR_OPTIONS_RUN);
}

static void
assert_refused (const char *arguments, const char *environment, const char *message)
{
  g_autoptr (GError) error = NULL;
  MrOptionsAction action = MR_OPTIONS_HELP;
  Config config;

  g_assert_false (parse (arguments, environment, &config, &action, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
  g_assert_cmpint (action, ==, MR_OPTIONS_HELP);
  g_assert_null (config.name);
  g_assert_null (config.secret);
  g_assert_null (config.listen);
}

static char *
write_file (const char *name, const char *text)
{
  char *path = g_build_filename (directory, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static void
test_defaults (void)
{
  Config config;

  parse_well ("", "", &config);
  g_assert_cmpstr (config.name, ==, "box");
  g_assert_null (config.secret);
  g_assert_cmpstr (config.listen[0], ==, "127.0.0.1:8080");
  g_assert_null (config.listen[1]);
  g_assert_false (config.keys);
  g_assert_cmpuint (config.length, ==, 100);
  g_assert_cmpint (config.timeout_us, ==, 30 * G_USEC_PER_SEC);
  g_assert_cmpuint (config.size, ==, G_GUINT64_CONSTANT (10) << 30);
  g_assert_cmpint (config.level, ==, 2);
  mr_options_clear (&program, &config);
  g_assert_null (config.name);
  g_assert_null (config.listen);
  mr_options_clear (&program, &config);
}

static void
test_flags (void)
{
  Config config;

  parse_well ("--worker-name=a=b|--worker-secret|s|--listen|[::]:1, x:2|--listen=,unix:/s,|--require-api-keys|"
              "--max-queue-len|7|--queue-timeout=0.5|--max-response-size|3k|--log-level=trace",
              "", &config);
  g_assert_cmpstr (config.name, ==, "a=b");
  g_assert_cmpstr (config.secret, ==, "s");
  g_assert_cmpuint (g_strv_length (config.listen), ==, 3);
  g_assert_cmpstr (config.listen[0], ==, "[::]:1");
  g_assert_cmpstr (config.listen[1], ==, "x:2");
  g_assert_cmpstr (config.listen[2], ==, "unix:/s");
  g_assert_true (config.keys);
  g_assert_cmpuint (config.length, ==, 7);
  g_assert_cmpint (config.timeout_us, ==, G_USEC_PER_SEC / 2);
  g_assert_cmpuint (config.size, ==, 3072);
  g_assert_cmpint (config.level, ==, 0);
  mr_options_clear (&program, &config);

  parse_well ("--worker-name=a|--worker-name=|--require-api-keys=off|--listen=", "REQUIRE_KEYS=1", &config);
  g_assert_null (config.name);
  g_assert_null (config.listen);
  g_assert_false (config.keys);
  mr_options_clear (&program, &config);
}

static void
test_precedence (void)
{
  g_autofree char *path = write_file ("precedence.conf", "[worker]\nanything = 1\n[server]\n# comment\n"
                                                         "worker-name=file\nqueue-timeout = 1.25\nlisten=a, b\n"
                                                         "max-queue-len=3\nlog-level=debug\n");
  g_autofree char *flag = g_strconcat ("--queue-timeout=3|--config=", path, NULL);
  g_autofree char *environment =
      g_strconcat ("MODELRELAY_CONFIG=", path, "|WORKER_NAME=|LISTEN_ADDR=c|LOG_LEVEL=trace", NULL);
  Config config;

  parse_well (flag, "QUEUE_TIMEOUT_SECS=2|WORKER_NAME=variable", &config);
  g_assert_cmpint (config.timeout_us, ==, 3 * G_USEC_PER_SEC);
  g_assert_cmpstr (config.name, ==, "variable");
  g_assert_cmpuint (config.length, ==, 3);
  g_assert_cmpstr (config.listen[0], ==, "a");
  g_assert_cmpstr (config.listen[1], ==, "b");
  mr_options_clear (&program, &config);

  parse_well ("", environment, &config);
  g_assert_cmpint (config.timeout_us, ==, 1250000);
  g_assert_cmpstr (config.name, ==, "file");
  g_assert_cmpstr (config.listen[0], ==, "c");
  g_assert_null (config.listen[1]);
  g_assert_cmpint (config.level, ==, 0);
  mr_options_clear (&program, &config);

  parse_well ("--listen=d", environment, &config);
  g_assert_cmpstr (config.listen[0], ==, "d");
  g_assert_null (config.listen[1]);
  mr_options_clear (&program, &config);
}

static void
test_bad_values (void)
{
  static const struct {
    const char *arguments;
    const char *environment;
    const char *message;
  } cases[] = {
    { "--queue-timeout=abc", "", "--queue-timeout: \"abc\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--queue-timeout=-1", "", "--queue-timeout: \"-1\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--queue-timeout=1.", "", "--queue-timeout: \"1.\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--queue-timeout=.5", "", "--queue-timeout: \".5\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--queue-timeout=1.-5", "", "--queue-timeout: \"1.-5\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--queue-timeout=86400.1", "", "--queue-timeout: \"86400.1\" is out of range (allowed: 0 to 86400)" },
    { "--queue-timeout=99999999999999999999", "",
      "--queue-timeout: \"99999999999999999999\" is not a number of seconds (allowed: 0 to 86400)" },
    { "", "QUEUE_TIMEOUT_SECS=x",
      "QUEUE_TIMEOUT_SECS (environment): \"x\" is not a number of seconds (allowed: 0 to 86400)" },
    { "--max-queue-len=0", "", "--max-queue-len: \"0\" is out of range (allowed: 1 to 1000)" },
    { "--max-queue-len=4294967297", "", "--max-queue-len: \"4294967297\" is out of range (allowed: 1 to 1000)" },
    { "--max-queue-len= 5", "", "--max-queue-len: \" 5\" is not a whole number (allowed: 1 to 1000)" },
    { "--max-queue-len=", "", "--max-queue-len: \"\" is not a whole number (allowed: 1 to 1000)" },
    { "--max-response-size=12", "", "--max-response-size: \"12\" is out of range (allowed: at least 1K)" },
    { "--max-response-size=K", "", "--max-response-size: \"K\" is not a number of bytes (allowed: at least 1K)" },
    { "--max-response-size=99999999999G", "",
      "--max-response-size: \"99999999999G\" is not a number of bytes (allowed: at least 1K)" },
    { "--require-api-keys=maybe", "",
      "--require-api-keys: \"maybe\" is not a truth value (allowed: true, false, 1, 0, yes, no, on, off)" },
    { "--log-level=INFO", "", "--log-level: \"INFO\" is not one of the choices (allowed: trace, debug, info)" },
    { "--worker-name=\xff", "", "--worker-name: \"\xef\xbf\xbd\" is not UTF-8 text" },
    { "--worker-secret=\xffhunter2", "", "--worker-secret: the value is not UTF-8 text" },
    { "--completions=tcsh", "", "--completions: \"tcsh\" is not one of the choices (allowed: bash, zsh, fish)" },
    { "--rate=1000.5", "", "--rate: \"1000.5\" is out of range (allowed: 0 to 1000)" },
    { "--rate=1e3", "", "--rate: \"1e3\" is not a number (allowed: 0 to 1000)" },
    { "-rx", "", "--rate: \"x\" is not a number (allowed: 0 to 1000)" },
    { "-r", "", "--rate needs a value (--rate=N)" },
    { "-x", "", "unexpected argument \"-x\" (options start with --)" },
    { "-", "", "unexpected argument \"-\" (options start with --)" },
    { "--queue-timeout", "", "--queue-timeout needs a value (--queue-timeout=SECS)" },
    { "--worker-name|--listen=x", "", "--worker-name needs a value (--worker-name=NAME)" },
    { "--worker-secret-file", "", "--worker-secret-file needs a value (--worker-secret-file=FILE)" },
    { "--queue-timout=3", "", "unknown option --queue-timout; did you mean --queue-timeout?" },
    { "--worker-secrt=hunter2", "", "unknown option --worker-secrt; did you mean --worker-secret?" },
    { "--confg=x", "", "unknown option --confg; did you mean --config?" },
    { "--worker-name-file=x", "", "unknown option --worker-name-file; did you mean --worker-name?" },
    { "stray", "", "unexpected argument \"stray\" (options start with --)" },
    { "-h", "", "unexpected argument \"-h\" (options start with --)" },
    { "--worker-secret|hunter2|hunter3", "", "unexpected argument after --worker-secret" },
    { "--check-config=perhaps", "",
      "--check-config: \"perhaps\" is not a truth value (allowed: true, false, 1, 0, yes, no, on, off)" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].arguments, cases[i].environment, cases[i].message);
}

static void
test_bad_config_files (void)
{
  static const struct {
    const char *text;
    const char *message; /* after the path */
  } cases[] = {
    { "[server]\nqueue-timeout=abc\n",
      " [server] queue-timeout: \"abc\" is not a number of seconds (allowed: 0 to 86400)" },
    { "[server]\nqueue-timout=3\n", " [server] queue-timout: unknown key; did you mean queue-timeout?" },
    { "[server]\nworker-secret-fil=x\n", " [server] worker-secret-fil: unknown key; did you mean worker-secret-file?" },
    { "[server]\nconfig=x\n", " [server] config: unknown key; did you mean listen?" },
    { "[sever]\n", ": unknown group [sever]; did you mean [server]?" },
    { "[server]\nlisten=x\n\nworker-secret: hunter2\n",
      ": line 4 is neither a key=value within a [group] nor a # comment" },
    { "listen=x\n", ": line 1 is neither a key=value within a [group] nor a # comment" },
    { "[server]\n=x\n", ": line 2 is neither a key=value within a [group] nor a # comment" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = write_file ("bad.conf", cases[i].text);
    g_autofree char *flag = g_strconcat ("--config=", path, NULL);
    g_autofree char *message = g_strconcat (path, cases[i].message, NULL);

    assert_refused (flag, "", message);
  }
}

static void
test_missing_config_file (void)
{
  g_autofree char *path = g_build_filename (directory, "missing.conf", NULL);
  g_autofree char *variable = g_strconcat ("MODELRELAY_CONFIG=", path, NULL);
  g_autoptr (GError) error = NULL;
  MrOptionsAction action;
  Config config;

  g_assert_false (parse ("", variable, &config, &action, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, path));
}

static void
test_config_values_are_literal (void)
{
  g_autofree char *path = write_file ("literal.conf", "[server]\nworker-secret=a\\sb;c\\x\nworker-name = x = #y\n");
  g_autofree char *flag = g_strconcat ("--config=", path, NULL);
  Config config;

  parse_well (flag, "", &config);
  g_assert_cmpstr (config.secret, ==, "a\\sb;c\\x");
  g_assert_cmpstr (config.name, ==, "x = #y");
  mr_options_clear (&program, &config);
}

/* The free group, whose keys are the operator's own names. */
static void
test_group (void)
{
  g_autofree char *path = write_file ("group.conf", "[models]\ngpt-4o:x/y = a , b\none=c\n[server]\nworker-name=n\n");
  g_autofree char *flag = g_strconcat ("--config=", path, NULL);
  char **models;
  Config config;

  parse_well (flag, "", &config);
  g_assert_cmpuint (g_hash_table_size (config.aliases), ==, 2);
  models = g_hash_table_lookup (config.aliases, "gpt-4o:x/y");
  g_assert_cmpstr (models[0], ==, "a");
  g_assert_cmpstr (models[1], ==, "b");
  g_assert_null (models[2]);
  mr_options_clear (&program, &config);
  parse_well ("", "", &config);
  g_assert_cmpuint (g_hash_table_size (config.aliases), ==, 0);
  mr_options_clear (&program, &config);
}

static void
test_secret_files (void)
{
  g_autofree char *file = write_file ("secret", "from file \r\nsecond line\n");
  g_autofree char *credential = write_file ("worker-secret", "from credential");
  g_autofree char *named = g_strconcat ("[server]\nworker-secret-file=", file, "\n", NULL);
  g_autofree char *conf = write_file ("secret.conf", named);
  g_autofree char *file_flag = g_strconcat ("--worker-secret-file=", file, NULL);
  g_autofree char *conf_flag = g_strconcat ("--config=", conf, NULL);
  g_autofree char *both = g_strconcat ("WORKER_SECRET=from variable|CREDENTIALS_DIRECTORY=", directory, NULL);
  g_autofree char *only_credential = g_strconcat ("CREDENTIALS_DIRECTORY=", directory, NULL);
  Config config;

  parse_well (file_flag, both, &config);
  g_assert_cmpstr (config.secret, ==, "from file");
  mr_options_clear (&program, &config);
  parse_well (conf_flag, both, &config);
  g_assert_cmpstr (config.secret, ==, "from variable");
  mr_options_clear (&program, &config);
  parse_well (conf_flag, only_credential, &config);
  g_assert_cmpstr (config.secret, ==, "from credential");
  mr_options_clear (&program, &config);
  parse_well (conf_flag, "CREDENTIALS_DIRECTORY=/nowhere", &config);
  g_assert_cmpstr (config.secret, ==, "from file");
  mr_options_clear (&program, &config);
  g_unlink (credential);
}

static void
test_bad_secret_files (void)
{
  g_autofree char *empty = write_file ("empty", "  \nhunter2\n");
  g_autofree char *empty_flag = g_strconcat ("--worker-secret-file=", empty, NULL);
  g_autofree char *message = g_strdup_printf ("--worker-secret-file: the first line of \"%s\" is empty", empty);
  g_autoptr (GError) error = NULL;
  MrOptionsAction action;
  Config config;

  assert_refused (empty_flag, "", message);
  g_assert_false (parse ("--worker-secret-file=/nowhere/secret", "", &config, &action, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, "--worker-secret-file: "));
  g_assert_nonnull (strstr (error->message, "/nowhere/secret"));
}

static void
test_actions (void)
{
  static const struct {
    const char *arguments;
    MrOptionsAction action;
  } cases[] = {
    { "--help", MR_OPTIONS_HELP },
    { "stray|--nonsense|--help", MR_OPTIONS_HELP },
    { "--version|--queue-timeout=x", MR_OPTIONS_VERSION },
    { "--version=true", MR_OPTIONS_VERSION },
    { "--check-config", MR_OPTIONS_CHECK_CONFIG },
    { "--check-config=no", MR_OPTIONS_RUN },
    { "--completions=zsh", MR_OPTIONS_COMPLETE_ZSH },
    { "--completions|fish|--queue-timeout=x", MR_OPTIONS_COMPLETE_FISH },
    { "--config=/nowhere|--completions=bash", MR_OPTIONS_COMPLETE_BASH },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    MrOptionsAction action = MR_OPTIONS_RUN;
    Config config;

    g_assert_true (parse (cases[i].arguments, "", &config, &action, &error));
    g_assert_no_error (error);
    g_assert_cmpint (action, ==, cases[i].action);
    mr_options_clear (&program, &config);
  }
}

static void
test_letters (void)
{
  Config config;

  parse_well ("-r|2.5|-q", "", &config);
  g_assert_cmpfloat (config.rate, ==, 2.5);
  g_assert_true (config.quiet);
  mr_options_clear (&program, &config);
  parse_well ("-r7|--rate=0.000001|--worker-name|-r", "", &config);
  g_assert_cmpfloat (config.rate, ==, 0.000001);
  g_assert_cmpstr (config.name, ==, "-r");
  mr_options_clear (&program, &config);
}

static void
test_takes_next (void)
{
  static const struct {
    const char *flag;
    gboolean takes;
  } cases[] = {
    { "--worker-name", TRUE },
    { "--worker-secret-file", TRUE },
    { "--completions", TRUE },
    { "-r", TRUE },
    { "--worker-name=x", FALSE },
    { "--require-api-keys", FALSE },
    { "--help", FALSE },
    { "-r5", FALSE },
    { "-q", FALSE },
    { "--nonsense", FALSE },
    { "worker-name", FALSE },
    { "-", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (mr_options_takes_next (&program, cases[i].flag), ==, cases[i].takes);
}

/* Neither flags nor environment name a config file where there is none. */
static void
test_no_config_file (void)
{
  const MrProgram bare = { .name = "bare", .summary = "Bare.", .options = options };
  static const char *const plain[] = { "bare", NULL };
  static const char *const named[] = { "bare", "--config=x", NULL };
  static const char *const environment[] = { "MODELRELAY_CONFIG=/nowhere", NULL };
  g_autofree char *help = mr_options_text (&bare, MR_OPTIONS_HELP);
  g_autoptr (GError) error = NULL;
  MrOptionsAction action;
  Config config = { NULL };

  g_assert_true (mr_options_parse (&bare, plain, environment, &config, &action, &error));
  mr_options_clear (&bare, &config);
  g_assert_false (mr_options_parse (&bare, named, environment, &config, &action, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_null (strstr (help, "config"));
  g_assert_nonnull (strstr (help, "\n  --completions SHELL "));
}

static void
test_help (void)
{
  g_autofree char *help = mr_options_text (&program, MR_OPTIONS_HELP);
  g_autofree char *version = mr_options_text (&program, MR_OPTIONS_VERSION);
  g_auto (GStrv) lines = g_strsplit (help, "\n", -1);

  g_test_message ("%s", help);
  for (gsize i = 0; lines[i] != NULL; i++) {
    g_assert_cmpuint (strlen (lines[i]), <=, 80);
    g_assert_false (g_str_has_suffix (lines[i], " "));
  }
  g_assert_true (g_str_has_prefix (help, "Usage: modelrelay-test [OPTION]...\n\nTests the options of programs.\n"));
  g_assert_nonnull (strstr (help, "\n  -r, --rate N                Requests a second\n"));
  g_assert_nonnull (strstr (help, "\n      --queue-timeout SECS    Longest wait [default: 30]\n"
                                  "                              [env: QUEUE_TIMEOUT_SECS]\n"));
  g_assert_nonnull (strstr (
      help,
      "\n      --worker-secret-file FILE\n                              The same, from the first line of a file\n"));
  g_assert_nonnull (strstr (help, "[one of: trace, debug, info]"));
  g_assert_nonnull (strstr (
      help, "\n      --max-response-size BYTES\n                              Largest answer [default: 10G]\n"));
  g_assert_nonnull (strstr (help, "\n  --config FILE "));
  g_assert_cmpstr (version, ==, "modelrelay-test " MR_VERSION);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  directory = g_dir_make_tmp ("test-options-XXXXXX", NULL);
  g_assert_nonnull (directory);
  g_test_add_func ("/transport/options/defaults", test_defaults);
  g_test_add_func ("/transport/options/flags", test_flags);
  g_test_add_func ("/transport/options/precedence", test_precedence);
  g_test_add_func ("/transport/options/letters", test_letters);
  g_test_add_func ("/transport/options/takes-next", test_takes_next);
  g_test_add_func ("/transport/options/no-config-file", test_no_config_file);
  g_test_add_func ("/transport/options/bad-values", test_bad_values);
  g_test_add_func ("/transport/options/bad-config-files", test_bad_config_files);
  g_test_add_func ("/transport/options/missing-config-file", test_missing_config_file);
  g_test_add_func ("/transport/options/config-values-are-literal", test_config_values_are_literal);
  g_test_add_func ("/transport/options/group", test_group);
  g_test_add_func ("/transport/options/secret-files", test_secret_files);
  g_test_add_func ("/transport/options/bad-secret-files", test_bad_secret_files);
  g_test_add_func ("/transport/options/actions", test_actions);
  g_test_add_func ("/transport/options/help", test_help);
  result = g_test_run ();

  static const char *const files[] = { "precedence.conf", "bad.conf", "literal.conf", "secret",
                                       "secret.conf",     "empty",    "group.conf" };
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (directory, files[i], NULL);

    g_unlink (path);
  }
  g_assert_cmpint (g_rmdir (directory), ==, 0);
  g_free (directory);
  return result;
}
