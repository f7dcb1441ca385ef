# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The servers that were started: the commands status, stop, restart, logs. Sourced.

# A log that grew past this is rotated when somebody looks at the status.
readonly max_log_bytes=10485760

# Every model with a run file. What ran in the foreground and ended has nothing to tell.
started_models() {
  local file name
  for file in "$state_dir"/*.run; do
    name=${file##*/} name=${name%.run}
    if [ -e "$file" ] && read_run "$name"; then
      if [ "${run[mode]}" = foreground ] && ! is_alive; then
        rm -f -- "$file"
      else
        echo "$name"
      fi
    fi
  done
}

# For the run that was read: ready, loading or dead.
server_state() {
  if ! is_alive; then
    echo dead
  elif [ "$(health_code "$(base_url "${run[host]}" "${run[port]}")")" = 200 ]; then
    echo ready
  else
    echo loading
  fi
}

# Resident memory in MiB of the run's process.
server_memory() {
  local key value
  while read -r key value _; do
    if [ "$key" = VmRSS: ]; then
      echo $((value / 1024))
      return
    fi
  done < <(cat "/proc/${run[pid]}/status" 2>/dev/null || true)
  echo 0
}

status_command() {
  parse_options 'json' "$@"
  take_arguments 0 1 MODEL
  local -a names=()
  if [ "${#args[@]}" -eq 1 ]; then
    if ! is_model_name "${args[0]}" || ! read_run "${args[0]}"; then
      die "$exit_missing" "$(printable "${args[0]}") is not running"
    fi
    names=("${args[0]}")
  else
    mapfile -t names < <(started_models)
  fi
  if [ -n "${opt[json]:-}" ]; then
    print_status_json "${names[@]}"
    return
  fi
  if [ "${#names[@]}" -eq 0 ]; then
    note "Nothing is running."
    return
  fi
  printf '%s%-21s %-7s %7s %-21s %7s %9s%s\n' "$bold" MODEL STATE PID ADDRESS UP MEMORY "$plain"
  local name
  for name in "${names[@]}"; do
    read_run "$name" || continue
    print_status_row "$name" "$(server_state)"
  done
}

print_status_row() {
  local name=$1 state=$2 since=${run[since]} color=$green up=- memory=-
  case $state in
    loading) color=$yellow ;;
    dead) color=$red ;;
  esac
  if [ "$state" != dead ]; then
    up=$(format_seconds $(($(date +%s) - since)))
    memory=$(format_mib "$(server_memory)")
  fi
  printf '%-21s %s%-7s%s %7s %-21s %7s %9s\n' "$name" "$color" "$state" "$plain" "${run[pid]}" \
    "$(base_url "${run[host]}" "${run[port]}")" "$up" "$memory"
  if [ "$state" = dead ]; then
    printf '  it ended by itself; why: %s logs %s\n' "$program" "$name"
  elif [ -e "$state_dir/$name.log" ] && [ "$(size_of "$state_dir/$name.log")" -gt "$max_log_bytes" ]; then
    rotate_log "$name"
  fi
}

print_status_json() {
  local name state separator='' memory
  printf '['
  for name; do
    read_run "$name" || continue
    state=$(server_state) memory=null
    [ "$state" = dead ] || memory=$(server_memory)
    printf '%s\n  {"name": %s, "state": %s, "pid": %s, "host": %s, "port": %s, "url": %s' \
      "$separator" "$(json_string "$name")" "$(json_string "$state")" "${run[pid]}" "$(json_string "${run[host]}")" \
      "${run[port]}" "$(json_string "$(base_url "${run[host]}" "${run[port]}")")"
    printf ', "since": %s, "memory_mib": %s}' "${run[since]}" "$memory"
    separator=,
  done
  printf '\n]\n'
}

# choose_started WORD: sets chosen to that model, all of them for "all", or the only one if WORD is empty.
choose_started() {
  local word=$1
  mapfile -t chosen < <(started_models)
  [ "$word" != all ] || return 0
  if [ -z "$word" ]; then
    [ "${#chosen[@]}" -gt 0 ] || die "$exit_missing" "nothing is running"
    [ "${#chosen[@]}" -eq 1 ] || usage_error "which one? ${chosen[*]}, or all"
  elif contains "$word" "${chosen[@]}"; then
    chosen=("$word")
  else
    die "$exit_missing" "$(printable "$word") is not running$(nearest "$word" "${chosen[@]}" all)"
  fi
}

stop_command() {
  parse_options 'timeout=' "$@"
  take_arguments 0 1 MODEL
  local name
  local -a chosen
  choose_started "${args[0]:-}"
  check_stop_timeout
  for name in "${chosen[@]}"; do
    stop_server "$name" "${opt[timeout]:-15}"
  done
}

check_stop_timeout() {
  [[ ${opt[timeout]:-15} =~ ^[0-9]{1,5}$ ]] || usage_error "--timeout must be a number of seconds"
}

# stop_server NAME SECONDS: asks, and after SECONDS insists. Only ever the process that was started.
stop_server() {
  local name=$1 tenths=$(($2 * 10)) signal
  read_run "$name" || return 0
  for signal in TERM KILL; do
    if is_alive; then
      # The llamafile leads a group of its own; in the foreground it may not.
      kill -s "$signal" -- "-${run[pid]}" 2>/dev/null || kill -s "$signal" -- "${run[pid]}" 2>/dev/null || true
    fi
    while is_alive && [ "$tenths" -gt 0 ]; do
      tenths=$((tenths - 1))
      sleep 0.1
    done
    is_alive || break
    # A killed process is gone at once, unless it waits for the disk.
    tenths=50
  done
  ! is_alive || die "$exit_failed" "$name, process ${run[pid]}, does not end"
  rm -f -- "$state_dir/$name.run"
  note "Stopped $name."
}

restart_command() {
  parse_options 'timeout= worker|w' "$@"
  take_arguments 0 1 MODEL
  local name
  local -a chosen again
  check_stop_timeout
  choose_started "${args[0]:-}"
  for name in "${chosen[@]}"; do
    read_run "$name" || continue
    [ "${run[mode]}" = background ] || die "$exit_failed" "$name runs in the foreground, of something that starts it"
    check_installed "$name"
    again=("${run_args[@]}")
    opt[host]=${run[host]} opt[port]=${run[port]}
    stop_server "$name" 15
    serve "$name" "${opt[timeout]:-600}" "${again[@]}"
    [ -z "${opt[worker]:-}" ] || print_worker_command "$name" "$(base_url "${run[host]}" "${run[port]}")"
  done
}

# The model whose log was written last; empty without one.
last_logged_model() {
  local file newest=''
  for file in "$state_dir"/*.log; do
    if [ -e "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then
      newest=$file
    fi
  done
  newest=${newest##*/}
  echo "${newest%.log}"
}

logs_command() {
  parse_options 'follow|f lines=|n' "$@"
  take_arguments 0 1 MODEL
  local name=${args[0]:-} lines=${opt[lines]:-50}
  [[ $lines =~ ^[0-9]{1,7}$ ]] || usage_error "--lines must be a number"
  if [ -z "$name" ]; then
    name=$(last_logged_model)
    [ -n "$name" ] || die "$exit_missing" "there is no log yet"
  fi
  if ! is_model_name "$name" || [ ! -e "$state_dir/$name.log" ]; then
    die "$exit_missing" "$(printable "$name") has no log"
  fi
  if [ -n "${opt[follow]:-}" ]; then
    exec tail -n "$lines" -F -- "$state_dir/$name.log"
  fi
  tail -n "$lines" -- "$state_dir/$name.log"
}
