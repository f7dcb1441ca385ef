# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The commands help and version. Sourced.

version_command() {
  parse_options '' "$@"
  take_arguments 0 0 ''
  printf '%s %s\n' "$program" "$version"
}

help_command() {
  parse_options '' "$@"
  take_arguments 0 1 COMMAND
  if [ "${#args[@]}" -eq 0 ]; then
    print_overview
    return
  fi
  # shellcheck disable=SC2086 # a list of words
  if ! contains "${args[0]}" $commands; then
    usage_error "unknown command \"${args[0]}\"$(nearest "${args[0]}" $commands)"
  fi
  print_help "${args[0]}"
}

print_overview() {
  cat <<END
Usage: $program COMMAND [OPTIONS]
Gets language models that are one executable file each, and runs them for
modelrelay-worker.

${bold}Models${plain}
  list [FILTER]          what there is, and what is on this machine
  recommend              what fits this machine's memory and GPU
  download MODEL         fetch one; an interrupted download goes on
  import FILE [NAME]     take over a llamafile that is here already
  rm MODEL...            remove from this machine
  update-catalog [URL]   fetch a newer list

${bold}Servers${plain}
  serve MODEL            start in the background, wait until it is ready
  run MODEL              start in the foreground
  status [MODEL]         what runs, where, since when
  test [MODEL] [PROMPT]  send a prompt, show the answer and the speed
  logs [MODEL]           what a server says
  stop [MODEL|all]       end it
  restart [MODEL|all]    end and start again, as before

${bold}This program${plain}
  config ACTION          settings: list, get, set, unset
  doctor                 look for what keeps models from running
  version                print the version
  help [COMMAND]         more about a command
END
}

# shellcheck disable=SC2016 # $ is text here
print_help() {
  case $1 in
    list) say 'list [FILTER] [-t|--tag TAG] [--installed] [--json]' \
      "Lists the models whose name contains FILTER. Tags are chat, small, large, vision. The last column of an \
imported model says \"imported\". --json prints everything that the catalogue knows, as an array." ;;
    recommend) say 'recommend [-t|--tag TAG]' \
      "Shows which models fit into the GPU or into three quarters of the memory, and names the largest one that \
runs well: any that fits the GPU, without one up to 6 GiB." ;;
    download) say 'download MODEL [-f|--force]' \
      "Fetches a model into the models-dir. If it breaks off, the same command goes on where it ended. Size and \
SHA-256 are checked before the file gets its name; where the catalogue has no SHA-256, that is said. \
--force fetches what is here already." ;;
    import) say 'import FILE [NAME] [-f|--force]' \
      "Takes over a llamafile, as a hard link where that is possible, else as a copy. NAME is the name of the \
file without .llamafile, if none is given." ;;
    rm) say 'rm MODEL... [-y|--yes]' \
      "Removes models and their logs, after a question. --yes asks nothing." ;;
    update-catalog) say 'update-catalog [URL] [--reset]' \
      "Fetches a catalogue from URL, else from the setting catalog-url, and uses it if it is without a mistake. \
--reset goes back to the one that came with the program." ;;
    serve) say 'serve MODEL [-p|--port PORT] [--host ADDRESS]' \
      '      [-w|--worker] [--timeout SECONDS] [--no-wait] [-- ARGUMENT...]' \
      "Starts a model as an HTTP server in the background and waits, at most 600 s, until it is ready. Without \
--port it gets the first free port from the setting \"port\" on. --worker prints the command that shares it \
through a relay. What stands behind -- is passed on to the llamafile." ;;
    run) say 'run MODEL [-p|--port PORT] [--host ADDRESS]' \
      '      [-- ARGUMENT...]' \
      "Starts a model as an HTTP server in the foreground, as a service manager wants it. What stands behind -- \
is passed on to the llamafile." ;;
    status) say 'status [MODEL] [--json]' \
      "Shows the servers: ready, loading or dead (ended by itself)." ;;
    test) say 'test [MODEL] [PROMPT] [--max-tokens N]' \
      "Sends a prompt to a running server, prints the answer as it comes, and the speed." ;;
    logs) say 'logs [MODEL] [-f|--follow] [-n|--lines N]' \
      "Prints the last 50 lines of what a server wrote, of the one that wrote last if no MODEL is given. \
--follow goes on printing. Three older logs are kept beside it." ;;
    stop) say 'stop [MODEL|all] [--timeout SECONDS]' \
      "Ends a server; after 15 s it is killed. MODEL may be left out if only one runs." ;;
    restart) say 'restart [MODEL|all] [-w|--worker]' \
      '      [--timeout SECONDS]' \
      "Ends a server and starts it again on the same port with the same arguments." ;;
    config) say 'config list | get KEY | set KEY VALUE | unset KEY' \
      'The settings are lines KEY=VALUE in' "  $config_file" '' 'Keys:' \
      "$(config_key_lines)" ;;
    doctor) say 'doctor' \
      "Checks settings, programs, disk, memory, GPU, the file format, ports, servers and the worker, and prints \
what helps. Its exit code is 1 if something must be mended." ;;
    version) say 'version' 'Prints the version.' ;;
    help) say 'help [COMMAND]' 'Prints this help.' ;;
  esac
}

config_key_lines() {
  local key default meaning
  while IFS='|' read -r key default meaning; do
    printf '  %-19s %s%s\n' "$key" "$meaning" "${default:+ [$default]}"
  done <<<"$config_table"
}

# say USAGE LINE...: a line may be a paragraph.
say() {
  printf 'Usage: %s %s\n' "$program" "$1"
  shift
  printf '%s\n' "$@" | fold -s -w 79
}
