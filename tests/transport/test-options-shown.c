/* SPDX-License-Identifier: MIT */
/*
 * What is made from a table beside --help: completion scripts and parts of manual pages. Whether shells and readers of
 * manuals take them is tested with the real programs; here it is texts that could be misread.
 */
#include "options.h"

#include <string.h>

typedef struct {
  char *text;
  char *secret;
  char **list;
  gboolean on;
  gboolean plain;
  int choice;
  guint number;
} Config;

static const char *const choices[] = { "red", "green", NULL };

static const MrOption options[] = {
  { .name = "text",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (Config, text),
    .argument = "A:B",
    .help = "It's [not] \\ $(x): more" },
  { .name = "secret",
    .type = MR_OPTION_STRING,
    .offset = G_STRUCT_OFFSET (Config, secret),
    .argument = "S",
    .help = ".hidden; or not",
    .default_value = "never-shown",
    .secret = TRUE },
  { .name = "list",
    .environment = "LIST",
    .type = MR_OPTION_STRV,
    .offset = G_STRUCT_OFFSET (Config, list),
    .argument = "PATH",
    .help = "Files",
    .is_file = TRUE },
  { .name = "on",
    .type = MR_OPTION_BOOL,
    .offset = G_STRUCT_OFFSET (Config, on),
    .argument = "BOOL",
    .help = "Whether" },
  { .name = "plain", .type = MR_OPTION_BOOL, .offset = G_STRUCT_OFFSET (Config, plain), .help = "Plainly" },
  { .name = "choice",
    .type = MR_OPTION_CHOICE,
    .offset = G_STRUCT_OFFSET (Config, choice),
    .argument = "COLOUR",
    .help = "Which",
    .choices = choices },
  { .name = "number",
    .letter = 'n',
    .type = MR_OPTION_UINT,
    .offset = G_STRUCT_OFFSET (Config, number),
    .argument = "N",
    .help = "How many",
    .default_value = "3",
    .max = 9 },
  { NULL },
};

static const char *const common[] = { "text", "secret", NULL };
static const char *const show_options[] = { "on", "number", NULL };
static const MrOptionCommand commands[] = {
  { "show", "THING", "Show it's state", show_options },
  { "things add", "NAME", "Add one", NULL },
  { "things drop", "NAME", "Drop one", NULL },
  { "help", NULL, "Help", NULL },
  { NULL },
};

static const MrProgram plain = {
  .name = "a-program", .summary = "Is there.", .config_group = "server", .options = options
};
static const MrProgram with_commands = {
  .name = "ctl", .summary = "Is there.", .options = options, .commands = commands, .common = common
};

static void
assert_has (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("\"%s\" is not in:\n%s", part, text);
}

static void
test_bash (void)
{
  g_autofree char *script = mr_options_text (&plain, MR_OPTIONS_COMPLETE_BASH);

  assert_has (script, "complete -F _a-program a-program");
  assert_has (script, "    --text | --text=) :; return ;;\n");
  assert_has (script, "    --secret-file | --secret-file=) compopt -o default; return ;;\n");
  assert_has (script, "    --list | --list=) compopt -o default; return ;;\n");
  assert_has (script, "    --on=) mapfile -t COMPREPLY < <(compgen -W 'true false' -- \"$cur\"); return ;;\n");
  assert_has (script, "    -n | --number | --number=) :; return ;;\n");
  assert_has (script, "    --choice | --choice=) mapfile -t COMPREPLY < <(compgen -W 'red green' -- \"$cur\"); return");
  g_assert_null (strstr (script, "--plain="));
  g_assert_null (strstr (script, "never-shown"));
}

static void
test_zsh (void)
{
  g_autofree char *script = mr_options_text (&plain, MR_OPTIONS_COMPLETE_ZSH);

  g_assert_true (g_str_has_prefix (script, "#compdef a-program\n"));
  assert_has (script, "'--text=[It'\\''s \\[not\\] \\\\ $(x)]:A\\:B: '\n");
  assert_has (script, "'--secret=[.hidden]:S: '\n");
  assert_has (script, "'*--list=[Files]:PATH:_files'\n");
  assert_has (script, "'--on=-[Whether]::BOOL:(true false)'\n");
  assert_has (script, "'--plain[Plainly]'\n");
  assert_has (script, "'(-n --number)--number=[How many]:N: '\n");
  assert_has (script, "'(-n --number)-n+[How many]:N: '\n");
}

static void
test_fish (void)
{
  g_autofree char *script = mr_options_text (&plain, MR_OPTIONS_COMPLETE_FISH);

  assert_has (script, "complete -c a-program -l text -x -d 'It\\'s [not] \\\\ $(x)'\n");
  assert_has (script, "complete -c a-program -l list -r -F -d 'Files'\n");
  assert_has (script, "complete -c a-program -l on -a 'true false' -d 'Whether'\n");
  assert_has (script, "complete -c a-program -l plain -d 'Plainly'\n");
  assert_has (script, "complete -c a-program -s n -l number -x -d 'How many'\n");
}

/* Each command offers its own flags, and words of commands come one after the other. */
static void
test_commands (void)
{
  g_autofree char *bash = mr_options_text (&with_commands, MR_OPTIONS_COMPLETE_BASH);
  g_autofree char *zsh = mr_options_text (&with_commands, MR_OPTIONS_COMPLETE_ZSH);
  g_autofree char *fish = mr_options_text (&with_commands, MR_OPTIONS_COMPLETE_FISH);

  assert_has (bash, "flags=' --text --secret --secret-file --completions --help --version'\n");
  assert_has (bash, "'show' | 'show '*) flags+=' --on --number' ;;\n");
  assert_has (bash, "    '') next='show things help' ;;\n    'things') next='add drop' ;;\n");
  assert_has (zsh, "'show:Show it'\\''s state'\n");
  assert_has (fish, "complete -c ctl -n '__ctl_at things' -a add -d 'Add one'\n");
  assert_has (fish, "complete -c ctl -n '__ctl_in show' -l on ");
}

static void
test_manual (void)
{
  g_autoptr (GString) page = g_string_new (NULL);
  g_autoptr (GString) keys = g_string_new (NULL);
  g_autoptr (GString) list = g_string_new (NULL);

  mr_options_append_manual (page, &plain, NULL);
  assert_has (page->str, ".TP\n\\fB\\%\\-\\-text\\fR \\fIA:B\\fR\nIt's [not] \\e $(x): more.\n");
  assert_has (page->str, "\n\\&.hidden; or not.\n");
  assert_has (page->str, "\\fB\\%\\-n\\fR, \\fB\\%\\-\\-number\\fR \\fIN\\fR\nHow many.\nAllowed: ");
  assert_has (page->str, "\\fB\\%\\-\\-on\\fR[=\\fIBOOL\\fR]\n");
  assert_has (page->str, "\nEnvironment: \\fB\\%LIST\\fR.\n");
  assert_has (page->str, "\\fB\\%\\-\\-completions\\fR \\fISHELL\\fR\n");
  g_assert_null (strstr (page->str, "never"));

  mr_options_append_manual_keys (keys, &plain);
  assert_has (keys->str, "\\fB\\%secret\\fR = \\fIS\\fR\n");
  assert_has (keys->str, "the file that \\fB\\%secret\\-file\\fR\nnames, or of the credential \\fB\\%secret\\fR.\n");
  g_assert_null (strstr (keys->str, "completions"));

  mr_options_append_manual_commands (list, &with_commands);
  assert_has (list->str, ".TP\n\\fB\\%show\\fR \\fITHING\\fR\nShow it's state.\n.RS\n.TP\n\\fB\\%\\-\\-on\\fR");
}

/* No line begins with a request, however it is broken. */
static void
test_manual_lines (void)
{
  g_autoptr (GString) page = g_string_new (NULL);
  const MrOption long_row[] = {
    { .name = "x",
      .type = MR_OPTION_STRING,
      .argument = "X",
      .help = "A sentence that is long enough to be broken at the end of this line where .dots 'and quotes .stand 'so "
              ".that a break before them .would make 'requests .of them, and so on until the end of the second line" },
    { NULL },
  };
  const MrProgram wordy = { .name = "wordy", .options = long_row };
  g_auto (GStrv) lines = NULL;

  mr_options_append_manual (page, &wordy, NULL);
  lines = g_strsplit (page->str, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_assert_cmpuint (strlen (*line), <=, 81);
    g_assert_false (**line == '\'' || (**line == '.' && !g_str_equal (*line, ".TP")));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transport/options-shown/bash", test_bash);
  g_test_add_func ("/transport/options-shown/zsh", test_zsh);
  g_test_add_func ("/transport/options-shown/fish", test_fish);
  g_test_add_func ("/transport/options-shown/commands", test_commands);
  g_test_add_func ("/transport/options-shown/manual", test_manual);
  g_test_add_func ("/transport/options-shown/manual-lines", test_manual_lines);
  return g_test_run ();
}
