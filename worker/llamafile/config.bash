# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The settings: reading, checking, changing, and the command `config`. Sourced.

# key|default|meaning
readonly config_table='models-dir||where llamafiles are kept
host|127.0.0.1|address that servers listen on
port|8000|first port that is tried
gpu-layers|auto|layers on the GPU: auto for all, or a number
context|0|context in tokens; 0 for what the model says
threads|auto|CPU threads: auto or a number
extra-args||more arguments for each server, separated by spaces
catalog-url||where update-catalog fetches the catalogue
relay-url||the relay, for the printed worker command
worker-secret-file||the file with the secret of the relay, for the same
worker-name||the name of the worker, for the same'

declare -A config=() config_default=()
declare -a config_keys=()

read_config_table() {
  local key default meaning
  while IFS='|' read -r key default meaning; do
    config_keys+=("$key")
    config_default[$key]=$default
  done <<<"$config_table"
  config_default[models-dir]=$data_dir/llamafiles
}
read_config_table

# The problem with a value, or nothing.
config_problem() {
  local key=$1 value=$2
  [[ $value != *[[:cntrl:]]* ]] || { echo "has a control character"; return; }
  case $key in
    port)
      is_port "$value" || echo "must be a port, 1 to 65535"
      ;;
    gpu-layers | threads)
      [[ $value =~ ^(auto|[0-9]{1,5})$ ]] || echo "must be auto or a number"
      ;;
    context)
      [[ $value =~ ^[0-9]{1,8}$ ]] || echo "must be a number of tokens"
      ;;
    host)
      [[ $value =~ ^[0-9A-Za-z.:-]{1,255}$ ]] || echo "must be an address without a port, as 127.0.0.1 or ::1"
      ;;
    models-dir | worker-secret-file)
      [[ -z $value || $value == /* ]] || echo "must be an absolute path"
      ;;
    catalog-url)
      [[ -z $value ]] || is_safe_url "$value" || echo "must be an https:// address"
      ;;
    relay-url)
      [[ -z $value || $value =~ ^(http|ws)s?://[^[:space:]]+$ ]] || echo "must be an http:// or https:// address"
      ;;
  esac
}

is_port() {
  [[ $1 =~ ^[1-9][0-9]{0,4}$ && $1 -le 65535 ]]
}

# Reads the file into config; sets config_error to what is wrong with it.
parse_config() {
  local line number=0 key value problem
  config_error=''
  for key in "${config_keys[@]}"; do
    config[$key]=${config_default[$key]}
  done
  [ -e "$config_file" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [[ ! $line =~ ^[[:space:]]*(#|$) ]] || continue
    if [[ ! $line =~ ^[[:space:]]*([a-z-]+)[[:space:]]*=[[:space:]]*(.*)$ ]]; then
      config_error="line $number: not KEY=VALUE"
      return
    fi
    key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
    value=${value%"${value##*[![:space:]]}"}
    if ! contains "$key" "${config_keys[@]}"; then
      config_error="line $number: unknown key $key$(nearest "$key" "${config_keys[@]}")"
      return
    fi
    problem=$(config_problem "$key" "$value")
    if [ -n "$problem" ]; then
      config_error="line $number: $key $problem"
      return
    fi
    config[$key]=${value:-${config_default[$key]}}
  done <"$config_file"
}

load_config() {
  parse_config
  [ -z "$config_error" ] || die "$exit_failed" "$config_file: $config_error"
}

# write_setting KEY [VALUE]: replaces the key's lines, at the end if there were none; without VALUE it drops them.
write_setting() {
  local key=$1 line written=no new=$config_file.new
  mkdir -p "${config_file%/*}"
  {
    if [ -e "$config_file" ]; then
      while IFS= read -r line || [ -n "$line" ]; do
        if [[ ! $line =~ ^[[:space:]]*"$key"[[:space:]]*= ]]; then
          printf '%s\n' "$line"
        elif [ $# -eq 2 ] && [ "$written" = no ]; then
          printf '%s=%s\n' "$key" "$2"
          written=yes
        fi
      done <"$config_file"
    fi
    if [ $# -eq 2 ] && [ "$written" = no ]; then
      printf '%s=%s\n' "$key" "$2"
    fi
  } >"$new"
  mv -- "$new" "$config_file"
}

check_key() {
  contains "$1" "${config_keys[@]}" || usage_error "unknown key \"$1\"$(nearest "$1" "${config_keys[@]}")"
}

config_command() {
  # Words as they are: a value may begin with -.
  args=("$@")
  local action=${args[0]:-list} key=${args[1]:-} problem
  case $action in
    list)
      take_arguments 0 1 action
      load_config
      list_config
      ;;
    get)
      take_arguments 2 2 KEY
      check_key "$key"
      load_config
      printf '%s\n' "${config[$key]}"
      ;;
    set)
      take_arguments 3 3 'KEY or VALUE'
      check_key "$key"
      problem=$(config_problem "$key" "${args[2]}")
      [ -z "$problem" ] || usage_error "$key $problem"
      write_setting "$key" "${args[2]}"
      ;;
    unset)
      take_arguments 2 2 KEY
      check_key "$key"
      write_setting "$key"
      ;;
    *) usage_error "unknown action \"$action\"$(nearest "$action" list get set unset)" ;;
  esac
}

list_config() {
  local key
  for key in "${config_keys[@]}"; do
    printf '%s=%s\n' "$bold$key$plain" "${config[$key]}"
  done
}
