/* SPDX-License-Identifier: MIT */
/*
 * Completion scripts for bash, zsh and fish, made from the table of options. They need nothing but the shell, so that
 * they work when installed and when read in by hand. What the values of options mean is not known here.
 *
 * Each script finds the words of the command that were typed so far, skipping flags and their values, and then offers
 * flags of that command, the next word of a command, or what may stand behind a flag.
 */
#include "options-private.h"

#include <string.h>

/* Everything that a script is made of. */
typedef struct {
  const MrProgram *program; /* Borrowed */
  GPtrArray *common;        /* flags of every command, or of a program without commands */
  GPtrArray *all;           /* and those of single commands */
  char *function;           /* the name of the shell function */
} Script;

typedef void (*AppendFlag) (GString *out, const MrFlag *flag, const char *context);

static GPtrArray *
add_builtin (const MrProgram *program, GPtrArray *flags)
{
  g_ptr_array_extend_and_steal (flags, mr_options_list_flags (mr_options_builtin (program), NULL));
  return flags;
}

static void
script_init (Script *script, const MrProgram *program)
{
  script->program = program;
  script->common = add_builtin (program, mr_options_list_flags (program->options, program->common));
  script->all = add_builtin (program, mr_options_list_flags (program->options, NULL));
  script->function = g_strconcat ("_", program->name, NULL);
}

static void
script_clear (Script *script)
{
  g_ptr_array_unref (script->common);
  g_ptr_array_unref (script->all);
  g_free (script->function);
}

static const MrFlag *
flag_at (GPtrArray *flags, guint i)
{
  return g_ptr_array_index (flags, i);
}

static void
append_header (GString *out, const Script *script, const char *shell)
{
  g_string_append_printf (out, "# Completion of %s for %s, made from the program's own table of options.\n",
                          script->program->name, shell);
}

/* The short form with a dash, or nothing. */
static const char *
letter_of (const MrFlag *flag, const char *separator, char buffer[8])
{
  g_snprintf (buffer, 8, "-%c%s", flag->option->letter, separator);
  return flag->option->letter != 0 ? buffer : "";
}

/* A flag with nothing behind it: that it may be told "=false" is of no use to anybody. */
static gboolean
is_plain_switch (const MrFlag *flag)
{
  return flag->kind == MR_FLAG_SWITCH && flag->argument == NULL;
}

/* The first clause of a help text: menus are narrow. */
static char *
brief (const char *text)
{
  gsize length = strlen (text);

  for (const char *at = text; *at != '\0'; at++)
    if (strchr (".;:", *at) != NULL && (at[1] == ' ' || at[1] == '\0')) {
      length = at - text;
      break;
    }
  return g_strndup (text, length);
}

/* Puts a backslash before each of @special. */
static char *
escape (const char *text, const char *special)
{
  GString *out = g_string_new (NULL);

  for (const char *at = text; *at != '\0'; at++) {
    if (strchr (special, *at) != NULL)
      g_string_append_c (out, '\\');
    g_string_append_c (out, *at);
  }
  return g_string_free (out, FALSE);
}

/* Appends @text in single quotes, as bash and zsh read them. */
static void
append_quoted (GString *out, const char *text)
{
  g_autofree char *quoted = g_shell_quote (text);

  g_string_append (out, quoted);
}

/* --- Commands --- */

/* (transfer full): the words that may follow the words @before ("" for the first one), without doubles. */
static GPtrArray *
next_words (const MrProgram *program, const char *before)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  gsize length = strlen (before);

  for (const MrOptionCommand *command = program->commands; command->name != NULL; command++) {
    const char *rest = command->name + length + (length > 0);
    g_autofree char *word = NULL;

    if (!g_str_has_prefix (command->name, before) || (length > 0 && command->name[length] != ' '))
      continue;
    word = g_strndup (rest, strcspn (rest, " "));
    if (!g_ptr_array_find_with_equal_func (words, word, g_str_equal, NULL))
      g_ptr_array_add (words, g_steal_pointer (&word));
  }
  return words;
}

/* (transfer full): what may have been typed before a word of a command: nothing, and the first word of two. */
static GPtrArray *
places_of_words (const MrProgram *program)
{
  g_autoptr (GPtrArray) first = next_words (program, "");
  GPtrArray *places = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (places, g_strdup (""));
  for (guint i = 0; i < first->len; i++) {
    g_autoptr (GPtrArray) second = next_words (program, g_ptr_array_index (first, i));

    if (second->len > 0)
      g_ptr_array_add (places, g_strdup (g_ptr_array_index (first, i)));
  }
  return places;
}

/* Appends the flags whose value is the next argument, as alternatives of a case. */
static void
append_value_flags (GString *out, const Script *script, const char *separator)
{
  const char *before = "";
  char letter[8];

  for (guint i = 0; i < script->all->len; i++) {
    const MrFlag *flag = flag_at (script->all, i);

    if (flag->kind == MR_FLAG_SWITCH)
      continue;
    g_string_append_printf (out, "%s%s--%s", before, letter_of (flag, separator, letter), flag->name);
    before = separator;
  }
}

/* Appends the loop of bash and zsh that puts the words of the command into $command. */
static void
append_find_command (GString *out, const Script *script, const char *last_index)
{
  g_string_append_printf (out, "  local command='' i\n  for ((i = %s)); do\n    case ${words[i]} in\n      ",
                          last_index);
  append_value_flags (out, script, " | ");
  g_string_append (out, ") ((i++)) ;;\n"
                        "      -*) ;;\n"
                        "      *) command+=\"${command:+ }${words[i]}\" ;;\n"
                        "    esac\n"
                        "  done\n");
}

/* Appends the flags of single commands, as cases of bash and zsh. */
static void
append_command_cases (GString *out, const Script *script, AppendFlag append, const char *begin, const char *end)
{
  g_string_append (out, "  case $command in\n");
  for (const MrOptionCommand *command = script->program->commands; command->name != NULL; command++) {
    g_autoptr (GPtrArray) flags = NULL;

    if (command->options == NULL)
      continue;
    flags = mr_options_list_flags (script->program->options, command->options);
    g_string_append_printf (out, "    '%s' | '%s '*)%s", command->name, command->name, begin);
    for (guint i = 0; i < flags->len; i++)
      append (out, flag_at (flags, i), NULL);
    g_string_append_printf (out, "%s ;;\n", end);
  }
  g_string_append (out, "  esac\n");
}

/* --- bash --- */

static void
append_bash_flag (GString *out, const MrFlag *flag, const char *context)
{
  g_string_append_printf (out, " --%s", flag->name);
}

static void
append_bash_value (GString *out, const MrFlag *flag)
{
  char letter[8];

  if (is_plain_switch (flag))
    return;
  g_string_append (out, "    ");
  if (flag->kind != MR_FLAG_SWITCH)
    g_string_append_printf (out, "%s--%s | ", letter_of (flag, " | ", letter), flag->name);
  g_string_append_printf (out, "--%s=) ", flag->name);
  if (flag->kind == MR_FLAG_CHOICE) {
    g_autofree char *choices = g_strjoinv (" ", (char **) flag->option->choices);

    g_string_append_printf (out, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\")", choices);
  } else if (flag->kind == MR_FLAG_SWITCH) {
    g_string_append (out, "mapfile -t COMPREPLY < <(compgen -W 'true false' -- \"$cur\")");
  } else {
    g_string_append (out, flag->kind == MR_FLAG_FILE ? "compopt -o default" : ":");
  }
  g_string_append (out, "; return ;;\n");
}

/* What comes next in the place of a word: $next. */
static void
append_bash_words (GString *out, const Script *script)
{
  g_autoptr (GPtrArray) places = places_of_words (script->program);

  /* help takes the words of a command. */
  g_string_append (out, "  local about=${command#help} next=\n  case ${about# } in\n");
  for (guint i = 0; i < places->len; i++) {
    g_autoptr (GPtrArray) words = next_words (script->program, g_ptr_array_index (places, i));

    g_string_append_printf (out, "    '%s') next='", (const char *) g_ptr_array_index (places, i));
    for (guint j = 0; j < words->len; j++)
      g_string_append_printf (out, "%s%s", j > 0 ? " " : "", (const char *) g_ptr_array_index (words, j));
    g_string_append (out, "' ;;\n");
  }
  g_string_append (out, "  esac\n");
}

static void
append_bash (GString *out, const Script *script)
{
  append_header (out, script, "bash");
  /* Split at spaces alone: bash itself splits at colons, and URLs have some. */
  g_string_append_printf (out, "%s ()\n{\n", script->function);
  g_string_append (out, "  local line=${COMP_LINE:0:COMP_POINT} words cur prev\n"
                        "  read -ra words <<< \"$line\"\n"
                        "  [[ $line == *[[:space:]] ]] && words+=('')\n"
                        "  cur=${words[-1]} prev=${words[-2]}\n"
                        "  [[ $cur == --*=* ]] && prev=${cur%%=*}= cur=${cur#*=}\n"
                        "  COMPREPLY=()\n"
                        "  case $prev in\n");
  for (guint i = 0; i < script->all->len; i++)
    append_bash_value (out, flag_at (script->all, i));
  g_string_append (out, "  esac\n  local flags='");
  for (guint i = 0; i < script->common->len; i++)
    append_bash_flag (out, flag_at (script->common, i), NULL);
  g_string_append (out, "'\n");
  if (script->program->commands != NULL) {
    append_find_command (out, script, "1; i < ${#words[@]} - 1; i++");
    append_command_cases (out, script, append_bash_flag, " flags+='", "'");
    append_bash_words (out, script);
    g_string_append (out, "  [[ $cur != -* && -n $next ]] && flags=$next\n");
  }
  g_string_append_printf (out, "  mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n}\ncomplete -F %s %s",
                          script->function, script->program->name);
}

/* --- zsh --- */

/* What zsh's _arguments is told of what stands behind a flag. */
static char *
zsh_value (const MrFlag *flag)
{
  g_autofree char *name = escape (flag->argument != NULL ? flag->argument : "", ":\\");
  g_autofree char *choices = NULL;

  if (is_plain_switch (flag))
    return g_strdup ("");
  switch (flag->kind) {
  case MR_FLAG_CHOICE:
    choices = g_strjoinv (" ", (char **) flag->option->choices);
    return g_strdup_printf (":%s:(%s)", name, choices);
  case MR_FLAG_FILE:
    return g_strdup_printf (":%s:_files", name);
  case MR_FLAG_SWITCH:
    return g_strdup_printf ("::%s:(true false)", name);
  case MR_FLAG_TEXT:
  default:
    return g_strdup_printf (":%s: ", name);
  }
}

static void
append_zsh_flag (GString *out, const MrFlag *flag, const char *context)
{
  g_autofree char *clause = brief (flag->help);
  g_autofree char *help = escape (clause, "[]\\");
  g_autofree char *value = zsh_value (flag);
  const char *repeated = flag->option->type == MR_OPTION_STRV ? "*" : "";
  char letter = flag->option->letter;
  g_autofree char *twin = letter != 0 ? g_strdup_printf ("(-%c --%s)", letter, flag->name) : g_strdup (repeated);
  const char *joint = is_plain_switch (flag) ? "" : flag->kind == MR_FLAG_SWITCH ? "=-" : "=";
  g_autofree char *specification = g_strdup_printf ("%s--%s%s[%s]%s", twin, flag->name, joint, help, value);

  g_string_append (out, "\n    ");
  append_quoted (out, specification);
  if (letter != 0) {
    g_autofree char *short_form = g_strdup_printf ("%s-%c+[%s]%s", twin, letter, help, value);

    g_string_append (out, "\n    ");
    append_quoted (out, short_form);
  }
}

static const char *
summary_of (const MrProgram *program, const char *before, const char *word)
{
  g_autofree char *name = *before != '\0' ? g_strconcat (before, " ", word, NULL) : g_strdup (word);

  for (const MrOptionCommand *command = program->commands; command->name != NULL; command++)
    if (g_str_equal (command->name, name))
      return command->summary;
  return NULL;
}

/* The words of commands with their summaries: $next. */
static void
append_zsh_words (GString *out, const Script *script)
{
  g_autoptr (GPtrArray) places = places_of_words (script->program);

  g_string_append (out, "  local about=${command#help}\n  local -a next\n  case ${about# } in\n");
  for (guint i = 0; i < places->len; i++) {
    const char *place = g_ptr_array_index (places, i);
    g_autoptr (GPtrArray) words = next_words (script->program, place);

    g_string_append_printf (out, "    '%s') next=(", place);
    for (guint j = 0; j < words->len; j++) {
      const char *word = g_ptr_array_index (words, j);
      const char *summary = summary_of (script->program, place, word);
      g_autofree char *entry = summary != NULL ? g_strconcat (word, ":", summary, NULL) : g_strdup (word);

      g_string_append (out, "\n      ");
      append_quoted (out, entry);
    }
    g_string_append (out, ") ;;\n");
  }
  g_string_append (out, "  esac\n");
}

static void
append_zsh (GString *out, const Script *script)
{
  g_string_append_printf (out, "#compdef %s\n", script->program->name);
  append_header (out, script, "zsh");
  g_string_append_printf (out, "%s () {\n  local context state line\n  local -A opt_args\n  local -a specs=(",
                          script->function);
  for (guint i = 0; i < script->common->len; i++)
    append_zsh_flag (out, flag_at (script->common, i), NULL);
  g_string_append (out, "\n  )\n");
  if (script->program->commands != NULL) {
    append_find_command (out, script, "2; i < CURRENT; i++");
    append_command_cases (out, script, append_zsh_flag, " specs+=(", "\n    )");
    append_zsh_words (out, script);
    g_string_append (out, "  _arguments $specs '*: :->word'\n"
                          "  if [[ $state == word ]] && (( $#next )); then\n"
                          "    _describe -t commands command next\n"
                          "  fi\n");
  } else {
    g_string_append (out, "  _arguments $specs\n");
  }
  /* The whole file is the function that zsh loads by itself: it then has to call the one in it. */
  g_string_append_printf (out, "}\nif [[ $funcstack[1] == %s ]]; then\n  %s \"$@\"\nelse\n  compdef %s %s\nfi",
                          script->function, script->function, script->function, script->program->name);
}

/* --- fish --- */

/* Appends @text in single quotes, in which fish knows backslashes. */
static void
append_fish_quoted (GString *out, const char *text)
{
  g_autofree char *escaped = escape (text, "'\\");

  g_string_append_printf (out, "'%s'", escaped);
}

/* @context: the program's name, and under which condition, or nothing. */
static void
append_fish_flag (GString *out, const MrFlag *flag, const char *context)
{
  g_autofree char *help = brief (flag->help);
  g_autofree char *choices = flag->kind == MR_FLAG_CHOICE ? g_strjoinv (" ", (char **) flag->option->choices) : NULL;

  g_string_append_printf (out, "complete -c %s", context);
  if (flag->option->letter != 0)
    g_string_append_printf (out, " -s %c", flag->option->letter);
  g_string_append_printf (out, " -l %s", flag->name);
  if (flag->kind == MR_FLAG_CHOICE)
    g_string_append_printf (out, " -x -a '%s'", choices);
  else if (flag->kind == MR_FLAG_SWITCH)
    g_string_append (out, is_plain_switch (flag) ? "" : " -a 'true false'");
  else
    g_string_append (out, flag->kind == MR_FLAG_FILE ? " -r -F" : " -x");
  g_string_append (out, " -d ");
  append_fish_quoted (out, help);
  g_string_append_c (out, '\n');
}

/* Appends the functions that conditions are made of. */
static void
append_fish_functions (GString *out, const Script *script)
{
  g_string_append_printf (out, "function _%s_words\n", script->function);
  g_string_append (out, "  set -l words (commandline -opc)\n"
                        "  set -l skip yes\n"
                        "  for word in $words\n"
                        "    if test -n \"$skip\"\n"
                        "      set skip\n"
                        "      continue\n"
                        "    end\n"
                        "    switch $word\n"
                        "      case ");
  append_value_flags (out, script, " ");
  g_string_append (out, "\n"
                        "        set skip yes\n"
                        "      case '-*'\n"
                        "      case '*'\n"
                        "        echo $word\n"
                        "    end\n"
                        "  end\n"
                        "end\n");
  /* help takes the words of a command. */
  g_string_append_printf (out,
                          "function _%s_at\n"
                          "  set -l typed (_%s_words)\n"
                          "  test \"$typed[1]\" = help; and set -e typed[1]\n"
                          "  test \"$typed\" = \"$argv\"\n"
                          "end\n"
                          "function _%s_in\n"
                          "  set -l typed (_%s_words)\n"
                          "  string match -q -- \"$argv *\" \"$typed \"\n"
                          "end\n",
                          script->function, script->function, script->function, script->function);
}

static void
append_fish_commands (GString *out, const Script *script)
{
  const MrProgram *program = script->program;
  g_autoptr (GPtrArray) places = places_of_words (program);

  for (guint i = 0; i < places->len; i++) {
    const char *place = g_ptr_array_index (places, i);
    g_autoptr (GPtrArray) words = next_words (program, place);

    for (guint j = 0; j < words->len; j++) {
      const char *summary = summary_of (program, place, g_ptr_array_index (words, j));

      g_string_append_printf (out, "complete -c %s -n '_%s_at %s' -a %s", program->name, script->function, place,
                              (const char *) g_ptr_array_index (words, j));
      if (summary != NULL) {
        g_string_append (out, " -d ");
        append_fish_quoted (out, summary);
      }
      g_string_append_c (out, '\n');
    }
  }
  for (const MrOptionCommand *command = program->commands; command->name != NULL; command++) {
    g_autofree char *context = g_strdup_printf ("%s -n '_%s_in %s'", program->name, script->function, command->name);
    g_autoptr (GPtrArray) flags = NULL;

    if (command->options == NULL)
      continue;
    flags = mr_options_list_flags (program->options, command->options);
    for (guint i = 0; i < flags->len; i++)
      append_fish_flag (out, flag_at (flags, i), context);
  }
}

static void
append_fish (GString *out, const Script *script)
{
  append_header (out, script, "fish");
  g_string_append_printf (out, "complete -c %s -f\n", script->program->name);
  for (guint i = 0; i < script->common->len; i++)
    append_fish_flag (out, flag_at (script->common, i), script->program->name);
  if (script->program->commands != NULL) {
    append_fish_functions (out, script);
    append_fish_commands (out, script);
  }
  g_string_truncate (out, out->len - 1);
}

char *
mr_options_completions (const MrProgram *program, MrOptionsAction action)
{
  GString *out = g_string_new (NULL);
  Script script;

  script_init (&script, program);
  if (action == MR_OPTIONS_COMPLETE_BASH)
    append_bash (out, &script);
  else if (action == MR_OPTIONS_COMPLETE_ZSH)
    append_zsh (out, &script);
  else
    append_fish (out, &script);
  script_clear (&script);
  return g_string_free (out, FALSE);
}
