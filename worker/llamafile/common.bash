# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every command needs: messages and exit codes, options, sizes, JSON strings. Nothing about models. Sourced.

# Exit codes, as in the manual page. Shared with the other files.
# shellcheck disable=SC2034
readonly exit_failed=1 exit_usage=2 exit_download=3 exit_missing=4 exit_refused=5 exit_busy=6

bold='' dim='' green='' yellow='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  # shellcheck disable=SC2034
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' plain=$'\e[0m'
fi

current_command=''

note() {
  printf '%s\n' "$*" >&2
}

# die CODE MESSAGE...
die() {
  local code=$1
  shift
  printf '%s: %s\n' "$program" "$*" >&2
  exit "$code"
}

usage_error() {
  printf '%s: %s\n' "$program" "$*" >&2
  printf 'Try: %s help%s\n' "$program" "${current_command:+ $current_command}" >&2
  exit "$exit_usage"
}

contains() {
  local wanted=$1 word
  shift
  for word; do
    [ "$word" != "$wanted" ] || return 0
  done
  return 1
}

# The Levenshtein distance of two words, in $distance.
measure_distance() {
  local a=$1 b=$2 i j cost best
  local -a row=() above=()
  for ((j = 0; j <= ${#b}; j++)); do
    above[j]=$j
  done
  for ((i = 1; i <= ${#a}; i++)); do
    row[0]=$i
    for ((j = 1; j <= ${#b}; j++)); do
      cost=1
      [ "${a:i-1:1}" != "${b:j-1:1}" ] || cost=0
      best=$((above[j - 1] + cost))
      [ $((above[j] + 1)) -ge "$best" ] || best=$((above[j] + 1))
      [ $((row[j - 1] + 1)) -ge "$best" ] || best=$((row[j - 1] + 1))
      row[j]=$best
    done
    above=("${row[@]}")
  done
  distance=${above[${#b}]}
}

# nearest WORD CANDIDATE...: a clause for an error message, or nothing if no candidate is near.
nearest() {
  local word=$1 best='' least distance candidate
  least=$(((${#word} + 1) / 2 + 1))
  shift
  for candidate; do
    measure_distance "${word:0:40}" "$candidate"
    if [ "$distance" -lt "$least" ]; then
      least=$distance best=$candidate
    elif [ -z "$best" ] && [ "${#word}" -ge 3 ] && [[ $candidate == "$word"* ]]; then
      best=$candidate
    fi
  done
  [ -z "$best" ] || printf '; did you mean "%s"?' "$best"
}

asks_for_help() {
  local word
  for word; do
    case $word in
      --) return 1 ;;
      -h | --help) return 0 ;;
    esac
  done
  return 1
}

# parse_options "SPEC..." ARGUMENT...: fills opt (by long name), args, and extra (what stands behind --). A SPEC is
# "long", "long=" (takes a value) or either with "|x" for its letter.
declare -A opt=()
declare -a args=() extra=()
parse_options() {
  local spec=$1 word value name
  shift
  opt=() args=() extra=()
  while [ $# -gt 0 ]; do
    word=$1
    shift
    case $word in
      --)
        extra=("$@")
        return
        ;;
      -?*) ;;
      *)
        args+=("$word")
        continue
        ;;
    esac
    value=''
    if [[ $word == --*=* ]]; then
      value=${word#*=} word=${word%%=*}
      find_option "$spec" "$word"
      [ "$takes_value" = yes ] || usage_error "$word takes no value"
    else
      find_option "$spec" "$word"
      if [ "$takes_value" = yes ]; then
        [ $# -gt 0 ] || usage_error "$word needs a value"
        value=$1
        shift
      else
        value=yes
      fi
    fi
    opt[$name]=$value
  done
}

# Sets name and takes_value of parse_options, whose names these are.
find_option() {
  local spec word=$2 long letter
  local -a known=()
  for spec in $1; do
    letter=''
    [[ $spec != *'|'* ]] || letter=${spec#*|}
    long=${spec%%|*}
    takes_value=no
    [[ $long != *= ]] || takes_value=yes
    name=${long%=}
    known+=("--$name")
    if [ "$word" = "--$name" ] || { [ -n "$letter" ] && [ "$word" = "-$letter" ]; }; then
      return
    fi
  done
  usage_error "unknown option $word$(nearest "$word" "${known[@]}" --help)"
}

# take_arguments LEAST MOST WHAT: checks how many there are.
take_arguments() {
  [ "${#args[@]}" -ge "$1" ] || usage_error "$3 is missing"
  [ "${#args[@]}" -le "$2" ] || usage_error "too many arguments: ${args[*]:$2}"
}

# 4397807793 -> 4.4 GB: thousands, as model pages count.
format_bytes() {
  local bytes=$1
  if [ "$bytes" -ge 1000000000 ]; then
    printf '%d.%d GB' $((bytes / 1000000000)) $((bytes / 100000000 % 10))
  else
    printf '%d MB' $(((bytes + 999999) / 1000000))
  fi
}

# 3584 -> 3.5 GiB
format_mib() {
  if [ "$1" -ge 1024 ]; then
    printf '%d.%d GiB' $(($1 / 1024)) $(($1 % 1024 * 10 / 1024))
  else
    printf '%d MiB' "$1"
  fi
}

format_seconds() {
  if [ "$1" -ge 86400 ]; then
    printf '%dd %dh' $(($1 / 86400)) $(($1 % 86400 / 3600))
  elif [ "$1" -ge 3600 ]; then
    printf '%dh %dm' $(($1 / 3600)) $(($1 % 3600 / 60))
  elif [ "$1" -ge 60 ]; then
    printf '%dm %ds' $(($1 / 60)) $(($1 % 60))
  else
    printf '%ds' "$1"
  fi
}

# The text without what would steer a terminal.
printable() {
  printf '%s' "${1//[[:cntrl:]]/?}"
}

json_string() {
  local text=$1 code character
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  if [[ $text == *[[:cntrl:]]* ]]; then
    for code in {1..31} 127; do
      printf -v character '%b' "\\x$(printf %x "$code")"
      text=${text//"$character"/$(printf '\\u%04x' "$code")}
    done
  fi
  printf '"%s"' "$text"
}

# A number, or null for what is not known.
json_number() {
  if [[ $1 =~ ^[0-9]+$ ]]; then
    printf '%s' "$1"
  else
    printf 'null'
  fi
}

# A path as people write it.
short_path() {
  printf '%s' "${1/#"$HOME"\//\~/}"
}

size_of() {
  stat -L -c %s -- "$1"
}

# curl for what is fetched from elsewhere: an address that begins encrypted stays so, whatever redirects say.
fetch() {
  local url=$1 allowed='=http,https'
  shift
  [[ $url != https:* ]] || allowed='=https'
  curl --proto "$allowed" --proto-redir "$allowed" --max-redirs 10 --location --fail --connect-timeout 20 \
    --user-agent "$program/$version" "$@" -- "$url"
}

# Only loopback may be fetched without encryption where nothing else vouches for the content.
is_safe_url() {
  [[ $1 =~ ^https://[^[:space:]/]+/ || $1 =~ ^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/ ]]
}
