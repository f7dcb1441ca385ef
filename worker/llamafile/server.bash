# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Starting a llamafile as an HTTP server: the run file, the process, the commands run and serve. Sourced.
#
# A run file, NAME.run in the state directory, says which process serves NAME. The kernel's start time and the boot it
# belongs to go with the pid: a process that got the same pid later is another one.

# The process's start time in clock ticks since boot; empty if it is gone or waits to be reaped.
process_start() {
  local stat
  local -a field
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  # The name in brackets may hold spaces and brackets.
  read -ra field <<<"${stat##*) }"
  [ "${field[0]}" = Z ] || echo "${field[19]}"
}

boot_id() {
  cat /proc/sys/kernel/random/boot_id
}

# read_run NAME: sets run (by key) and run_args; fails if there is no run file.
declare -A run=()
declare -a run_args=()
read_run() {
  local line
  run=() run_args=()
  [ -f "$state_dir/$1.run" ] || return 1
  while IFS= read -r line; do
    case $line in
      arg=*) run_args+=("${line#*=}") ;;
      *=*) run[${line%%=*}]=${line#*=} ;;
    esac
  done <"$state_dir/$1.run"
  [[ ${run[pid]:-} =~ ^[0-9]+$ && -n ${run[start]:-} ]]
}

# write_run NAME PID HOST PORT MODE ARGUMENT...
write_run() {
  local name=$1 pid=$2 new=$state_dir/$1.run.new argument
  {
    printf 'pid=%s\nstart=%s\nboot=%s\n' "$pid" "$(process_start "$pid")" "$(boot_id)"
    printf 'host=%s\nport=%s\nmode=%s\nsince=%s\n' "$3" "$4" "$5" "$(date +%s)"
    shift 5
    for argument; do
      printf 'arg=%s\n' "$argument"
    done
  } >"$new"
  mv -- "$new" "$state_dir/$name.run"
}

# Is the process of the run file that was read still there?
is_alive() {
  [ -n "${run[start]:-}" ] && [ "${run[boot]:-}" = "$(boot_id)" ] &&
    [ "$(process_start "${run[pid]}")" = "${run[start]}" ]
}

# Sets run, too.
is_running() {
  read_run "$1" && is_alive
}

# base_url HOST PORT: where a server on that address is reached from here.
base_url() {
  local host=$1
  case $host in
    0.0.0.0) host=127.0.0.1 ;;
    ::) host='[::1]' ;;
    *:*) host="[$host]" ;;
  esac
  echo "http://$host:$2"
}

# The HTTP status of /health, 000 without an answer.
health_code() {
  curl --silent --noproxy '*' --max-time 2 --output /dev/null --write-out '%{http_code}' "$1/health" || true
}

# Sets server_args from the settings: what every llamafile understands.
set_server_args() {
  local layers=${config[gpu-layers]}
  local -a more
  read -ra more <<<"${config[extra-args]}"
  if [ "$layers" = auto ]; then
    detect_gpu
    layers=''
    [ "$gpu_mib" -eq 0 ] || layers=999
  fi
  server_args=(--server --host "$1" --port "$2" ${layers:+-ngl "$layers"})
  [ "${config[context]}" = 0 ] || server_args+=(-c "${config[context]}")
  [ "${config[threads]}" = auto ] || server_args+=(-t "${config[threads]}")
  server_args+=("${more[@]}")
}

# The ports that servers were given; one that has just been started does not listen yet.
promised_ports() {
  local file name
  for file in "$state_dir"/*.run; do
    name=${file##*/}
    if is_running "${name%.run}"; then
      echo "${run[port]}"
    fi
  done
}

# first_free_port PORT: from there upwards; empty if none of a thousand is free.
first_free_port() {
  local port
  local -a promised
  mapfile -t promised < <(promised_ports)
  for ((port = $1; port < $1 + 1000 && port <= 65535; port++)); do
    if ! contains "$port" "${promised[@]}" && ! is_port_taken "$port"; then
      echo "$port"
      return
    fi
  done
}

# Sets host and port from the options, else from the settings; a port that was asked for is taken or nothing is.
choose_address() {
  host=${opt[host]:-${config[host]}} port=${opt[port]:-}
  local problem
  problem=$(config_problem host "$host")
  [ -z "$problem" ] || usage_error "--host $problem"
  if [ -n "$port" ]; then
    is_port "$port" || usage_error "--port must be a port, 1 to 65535"
    [ "$(first_free_port "$port")" = "$port" ] || die "$exit_busy" "port $port is in use"
  else
    port=$(first_free_port "${config[port]}")
    [ -n "$port" ] || die "$exit_busy" "no port is free from ${config[port]} on"
  fi
}

# Until the run file is written nobody else chooses a port. Sets start_lock.
lock_start() {
  mkdir -p -- "$state_dir"
  exec {start_lock}>"$state_dir/start.lock"
  flock "$start_lock"
}

unlock_start() {
  exec {start_lock}>&-
}

# The oldest of three goes. Copied and emptied, because the server may have it open.
rotate_log() {
  local log=$state_dir/$1.log
  [ -s "$log" ] || return 0
  [ ! -e "$log.2" ] || mv -- "$log.2" "$log.3"
  [ ! -e "$log.1" ] || mv -- "$log.1" "$log.2"
  cp -- "$log" "$log.1"
  : >"$log"
}

run_command() {
  parse_options 'host= port=|p' "$@"
  take_arguments 1 1 MODEL
  local name=${args[0]} host port
  local -a server_args
  check_installed "$name"
  lock_start
  ! is_running "$name" || die "$exit_busy" "$name runs already, at $(base_url "${run[host]}" "${run[port]}")"
  choose_address
  set_server_args "$host" "$port"
  write_run "$name" $$ "$host" "$port" foreground "${extra[@]}"
  unlock_start
  note "$name: $(base_url "$host" "$port")"
  # sh runs the portable format as the script that it is where the kernel does not know it.
  exec sh -c 'exec "$0" "$@"' "$(model_path "$name")" "${server_args[@]}" "${extra[@]}"
}

serve_command() {
  parse_options 'host= port=|p timeout= worker|w no-wait' "$@"
  take_arguments 1 1 MODEL
  local name=${args[0]} timeout=${opt[timeout]:-600} url
  [[ $timeout =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "--timeout must be a number of seconds"
  check_installed "$name"
  serve "$name" "$timeout" "${extra[@]}"
  url=$(base_url "${run[host]}" "${run[port]}")
  [ -z "${opt[worker]:-}" ] || print_worker_command "$name" "$url"
}

# serve NAME TIMEOUT ARGUMENT...: starts it unless it runs, and waits for it. Leaves run set.
serve() {
  local name=$1 timeout=$2 host port
  local -a server_args
  shift 2
  lock_start
  if is_running "$name"; then
    unlock_start
    note "$name runs already, at $(base_url "${run[host]}" "${run[port]}")"
    return
  fi
  choose_address
  set_server_args "$host" "$port"
  rotate_log "$name"
  launch "$(model_path "$name")" "$state_dir/$name.log" "${server_args[@]}" "$@"
  write_run "$name" "$launched" "$host" "$port" background "$@"
  unlock_start
  read_run "$name" || true
  [ -n "${opt[no-wait]:-}" ] || wait_until_ready "$name" "$timeout"
}

# launch FILE LOG ARGUMENT...: in a session of its own, without a terminal or a browser to open. Sets launched.
launch() {
  local file=$1 log=$2
  shift 2
  (
    exec {start_lock}>&-
    # Some write files of their own into the folder they are started in.
    cd -- "$state_dir"
    # shellcheck disable=SC2016 # for that sh
    exec env -u DISPLAY -u WAYLAND_DISPLAY BROWSER=true setsid sh -c 'exec "$0" "$@"' "$file" "$@"
  ) </dev/null >>"$log" 2>&1 &
  launched=$!
}

# wait_until_ready NAME TIMEOUT: for the run that was read.
wait_until_ready() {
  local name=$1 url end code
  url=$(base_url "${run[host]}" "${run[port]}")
  end=$(($(date +%s) + $2))
  note "Starting $name on port ${run[port]}."
  while true; do
    if ! is_alive; then
      rm -f -- "$state_dir/$name.run"
      note "$name ended before it was ready. The end of its log:"
      tail -n 15 -- "$state_dir/$name.log" | tr -d '\000-\010\013-\037' >&2
      die "$exit_failed" "$name could not be started; more: $program logs $name"
    fi
    code=$(health_code "$url")
    [ "$code" != 200 ] || break
    [ "$(date +%s)" -lt "$end" ] ||
      die "$exit_failed" "$name is still loading after $2 s; it goes on: $program status, $program logs $name"
    sleep 0.1
  done
  printf '%s%s%s is ready at %s/v1\n' "$bold" "$name" "$plain" "$url"
}

# What shares the server at URL through the relay of the settings.
print_worker_command() {
  local name=$1 url=$2
  local relay=${config[relay-url]:-http://relay.example:8080}
  local secret=${config[worker-secret-file]:-$HOME/.config/modelrelay/worker-secret}
  local -a options=(--proxy-url "$relay" --worker-secret-file "$secret" --backend-url "$url")
  [ -z "${config[worker-name]}" ] || options+=(--worker-name "${config[worker-name]}")
  printf '\nShare it:\n  modelrelay-worker'
  printf ' %s %q \\\n   ' "${options[@]}"
  printf ' --max-concurrency auto\n\nOr as a service, with these lines in ~/.config/modelrelay/worker.env:\n'
  printf '  PROXY_URL=%s\n  BACKEND_URL=%s\n  MAX_CONCURRENCY=auto\n' "$relay" "$url"
  [ -z "${config[worker-name]}" ] || printf '  WORKER_NAME=%s\n' "${config[worker-name]}"
  printf 'and the secret in ~/.config/modelrelay/worker-secret:\n  systemctl --user enable --now modelrelay-worker\n'
  if [ -z "${config[relay-url]}" ]; then
    printf '\nThe relay is an example; yours: %s config set relay-url URL\n' "$program"
  fi
}
