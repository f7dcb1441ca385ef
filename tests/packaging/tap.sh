# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for the scripts of this folder. Sourced.

n=0 failed=0

# check NAME COMMAND...: what the command writes is shown if it fails.
check() {
  local name=$1 output
  shift
  n=$((n + 1))
  if output=$("$@" 2>&1); then
    echo "ok $n - $name"
  else
    failed=$((failed + 1))
    echo "not ok $n - $name"
    printf '%s\n' "$output" | sed 's/^/# /'
  fi
}

finish() {
  echo "1..$n"
  [ "$failed" -eq 0 ]
}

# wait_for SECONDS COMMAND...: until it succeeds; the last output counts.
wait_for() {
  local end output
  end=$(($(date +%s) + $1))
  shift
  until output=$("$@" 2>&1); do
    if [ "$(date +%s)" -ge "$end" ]; then
      printf '%s\n' "$output"
      return 1
    fi
    sleep 0.1
  done
  printf '%s\n' "$output"
}

same() {
  [ "$1" = "$2" ] || { printf 'is:       %s\nexpected: %s\n' "$1" "$2"; return 1; }
}

has() {
  case $1 in
    *"$2"*) ;;
    *) printf 'is:     %s\nwithout: %s\n' "$1" "$2"; return 1 ;;
  esac
}
