# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The command download. A file has its own name, and may be run, only after all checks; until then it is NAME.part, with
# the address it comes from beside it. Sourced.

# How often a broken transfer is tried again without a single byte of progress.
readonly download_tries=5

download_command() {
  parse_options 'force|f' "$@"
  take_arguments 1 1 MODEL
  load_catalog
  local name=${args[0]} path
  check_in_catalog "$name"
  path=$(model_path "$name")
  if [ -e "$path" ] && [ -z "${opt[force]:-}" ]; then
    note "$name is on this machine already; --force fetches it again."
    return
  fi
  ! is_running "$name" || die "$exit_busy" "$name is running; stop it first: $program stop $name"
  mkdir -p -- "${config[models-dir]}"
  lock_download "$name"
  download_model "$name" "$path"
  note "Done: $program serve $name"
}

# One download, import or removal of a model at a time. The lock is held until the program ends.
lock_download() {
  local lock
  mkdir -p -- "$state_dir"
  exec {lock}>"$state_dir/$1.lock"
  flock --nonblock "$lock" || die "$exit_busy" "another $program is working on $1"
}

# download_model NAME PATH
download_model() {
  local name=$1 path=$2 url=${model_url[$1]} part=$2.part expected=${model_exact[$1]} have=0
  forget_other_part "$part" "$url"
  ask_length "$url"
  if [ "$expected" != - ] && [ -n "$length" ] && [ "$length" != "$expected" ]; then
    die "$exit_refused" "the server's file has $length bytes, not the $expected of the catalogue: it is another one"
  fi
  [ "$expected" != - ] || expected=$length
  [ ! -e "$part" ] || have=$(size_of "$part")
  if [ -n "$expected" ] && [ "$have" -gt "$expected" ]; then
    rm -f -- "$part"
    have=0
  fi
  [ -z "$expected" ] || check_disk $((expected - have)) "${config[models-dir]}"
  note "$name: ${expected:+$(format_bytes "$expected") }from $url"
  [ "$have" -eq 0 ] || note "Going on at $(format_bytes "$have")."
  printf '%s\n' "$url" >"$part.url"
  if [ -z "$expected" ] || [ "$have" -ne "$expected" ]; then
    transfer "$url" "$part"
  fi
  check_part "$name" "$part" "$expected"
  chmod 755 -- "$part"
  mv -- "$part" "$path"
  rm -f -- "$part.url"
}

# What was begun from another address is of another file.
forget_other_part() {
  local before=''
  [ ! -e "$1.url" ] || read -r before <"$1.url" || true
  [ "$before" = "$2" ] || rm -f -- "$1" "$1.url"
}

# Sets length to what the server says, empty if it does not.
ask_length() {
  local line code headers
  length=''
  headers=$(fetch "$1" --head --silent --show-error --max-time 60) || {
    code=$?
    # A server need not know HEAD. That there is no such file is known then, too.
    [[ $code -eq 22 && ! $headers =~ ^(.*$'\n')?HTTP/[0-9.]+\ (401|403|404|410) ]] ||
      die "$exit_download" "nothing to be had from $1"
    return 0
  }
  while IFS= read -r line; do
    line=${line%$'\r'}
    case ${line,,} in
      http/*) length='' ;;
      content-length:*) length=${line##*[: ]} ;;
    esac
  done <<<"$headers"
  [[ $length =~ ^[0-9]{1,18}$ ]] || length=''
}

transfer() {
  local url=$1 part=$2 status code have before tries=0
  local -a progress=(--silent --show-error)
  [ ! -t 2 ] || progress=(--progress-bar)
  while true; do
    before=$(part_size "$part") status=0
    code=$(fetch "$url" "${progress[@]}" --continue-at - --output "$part" --write-out '%{http_code}' \
      --speed-limit 1000 --speed-time 60) || status=$?
    have=$(part_size "$part")
    case $status in
      0) return ;;
      22)
        # 416: our part is no beginning of the file any more.
        [ "$code" != 416 ] || rm -f -- "$part"
        [[ $code =~ ^(416|429|5..)$ ]] || die "$exit_download" "the server answers with HTTP status $code"
        ;;
      23) die "$exit_failed" "$part cannot be written; is the disk full?" ;;
      33)
        # The server knows no ranges.
        rm -f -- "$part"
        continue
        ;;
    esac
    tries=$((tries + 1))
    [ "$have" -le "$before" ] || tries=1
    [ "$tries" -lt "$download_tries" ] ||
      die "$exit_download" "the transfer broke off at $(format_bytes "$have"); the same command goes on from there"
    note "Trying again in $tries s."
    sleep "$tries"
  done
}

part_size() {
  if [ -e "$1" ]; then
    size_of "$1"
  else
    echo 0
  fi
}

# check_part NAME PART EXPECTED-SIZE: what fails is removed.
check_part() {
  local name=$1 part=$2 expected=$3 size sum problem
  size=$(size_of "$part")
  if [ -n "$expected" ] && [ "$size" -ne "$expected" ]; then
    rm -f -- "$part" "$part.url"
    die "$exit_refused" "the file has $size bytes instead of $expected, and was removed"
  fi
  if [ "${model_sha256[$name]}" != - ]; then
    note "Checking the SHA-256 of $(format_bytes "$size")."
    read -r sum _ < <(sha256sum <"$part")
    if [ "$sum" != "${model_sha256[$name]}" ]; then
      rm -f -- "$part" "$part.url"
      die "$exit_refused" "the file has another SHA-256 than the catalogue says, and was removed: $sum"
    fi
  else
    note "The catalogue has no checksum for $name: only size and shape are checked."
  fi
  problem=$(llamafile_problem "$part")
  if [ -n "$problem" ]; then
    rm -f -- "$part" "$part.url"
    die "$exit_refused" "the file is no llamafile, and was removed: $problem"
  fi
}
