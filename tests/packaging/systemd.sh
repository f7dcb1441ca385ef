#!/bin/bash
# SPDX-License-Identifier: MIT
# The services under a real systemd, from the packages in /debs: scripts/test-systemd boots a tree in which this is a
# service of its own. Argument: quick or full. The tree is thrown away afterwards.
set -u
. /test/tap.sh
export DEBIAN_FRONTEND=noninteractive
relay=http://127.0.0.1:8080

property() {
  systemctl show --property "$2" --value "$1"
}

is_property() {
  same "$(property "$1" "$2")" "$3"
}

has_status() {
  has "$(property "$1" StatusText)" "$2"
}

install_from() {
  apt-get -qy --no-install-recommends install "$1"/*.deb
}

# drop_in SERVICE LINE...
drop_in() {
  mkdir -p "/etc/systemd/system/$1.service.d"
  printf '%s\n' "${@:2}" >"/etc/systemd/system/$1.service.d/test.conf"
  systemctl daemon-reload
}

# ask PROMPT: a streamed request, to its end
ask() {
  has "$(curl --silent --show-error --fail --no-buffer "$relay/v1/chat/completions" \
    -H 'Content-Type: application/json' \
    --data "{\"model\":\"demo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}" 2>&1)" 'data: [DONE]'
}

# The first edit is the relay's address, which stays; the second is the backend's.
start_worker() {
  systemd-run --quiet --unit demo-backend modelrelay-demo-backend --listen 127.0.0.1:8001 --tokens-per-second 20 &&
    sed -i 's|^BACKEND_URL=.*|BACKEND_URL=http://127.0.0.1:8001|' /etc/modelrelay/worker.env &&
    systemctl start modelrelay-worker@gpu-1 &&
    wait_for 10 has_model
}

has_model() {
  has "$(curl --silent "$relay/v1/models")" demo
}

journal_has_fields() {
  local entry field
  entry=$(journalctl --unit modelrelay-server --output json MODELRELAY_EVENT='request dispatched' --lines 1)
  for field in MODELRELAY_REQUEST_ID MODELRELAY_WORKER MODELRELAY_MODEL; do
    has "$entry" "\"$field\"" || return 1
  done
}

reload_is_done() {
  echo 'worker-header = false' >>/etc/modelrelay/server.conf
  systemctl reload modelrelay-server &&
    wait_for 5 is_property modelrelay-server SubState running &&
    wait_for 5 journal_says modelrelay-server 'configuration reloaded'
}

journal_says() {
  has "$(journalctl --unit "$1" --output cat)" "$2"
}

bad_reload_is_refused() {
  local pid before status
  pid=$(property modelrelay-server MainPID)
  before=$(cat /etc/modelrelay/server.conf)
  echo 'nonsense = 1' >>/etc/modelrelay/server.conf
  systemctl reload modelrelay-server && status=0 || status=$?
  printf '%s\n' "$before" >/etc/modelrelay/server.conf
  [ "$status" -ne 0 ] && is_property modelrelay-server MainPID "$pid" && is_property modelrelay-server SubState running
}

# A secret is nowhere but in the process's own credentials.
credentials_are_used() {
  local pid token status
  pid=$(property modelrelay-server MainPID)
  token=$(cat /etc/modelrelay/admin-token)
  status=$(curl --silent --output /dev/null --write-out '%{http_code}' -H "Authorization: Bearer $token" \
    "$relay/admin/workers")
  same "$status" 200 && ! grep -qaF "$token" "/proc/$pid/environ" "/proc/$pid/cmdline" &&
    ! grep -qF "$token" <(journalctl --output export)
}

# Without the files the units start all the same, and the admin API is closed.
missing_credential_is_none() {
  local status
  mv /etc/modelrelay/admin-token /root
  systemctl restart modelrelay-server && status=$(curl --silent --output /dev/null --write-out '%{http_code}' \
    -H 'Authorization: Bearer x' "$relay/admin/workers")
  mv /root/admin-token /etc/modelrelay
  same "$status" 403 && systemctl restart modelrelay-server && wait_for 10 has_model
}

is_on_the_bus() {
  has "$(busctl get-property "$1" "$2" "$3" "$4")" "$5"
}

runs_unprivileged() {
  local pid
  pid=$(property "$1" MainPID)
  same "$(ps -o user= -p "$pid" 2>/dev/null || stat -c %U "/proc/$pid")" modelrelay &&
    grep -q '^CapEff:.0*$' "/proc/$pid/status" && grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
}

drains_on_stop() {
  local stream status
  ask 'Count slowly, please' &
  stream=$!
  wait_for 5 has_status modelrelay-server '1 running' && systemctl stop "$1"
  wait "$stream" && status=0 || status=$?
  same "$status" 0 && is_property "$1" Result success && systemctl start "$1" && wait_for 10 has_model
}

# restarts_after SERVICE SIGNAL RESULT: another process is ready, and requests are answered
restarts_after() {
  local pid restarts
  pid=$(property "$1" MainPID)
  restarts=$(property "$1" NRestarts)
  kill "-$2" "$pid" || return 1
  wait_for 15 is_property "$1" NRestarts $((restarts + 1)) && wait_for 10 is_property "$1" SubState running &&
    wait_for 20 has_model && ask again
}

watchdog_bites() {
  drop_in "$1" '[Service]' 'WatchdogSec=1' && systemctl restart "$1" && wait_for 10 has_model &&
    restarts_after "$1" STOP && journal_says "$1" 'Watchdog timeout'
}

# Connects as fast as it can until the file is gone; one refusal is one too many.
knock() {
  local count=0
  while [ -e /run/knocking ]; do
    if ! curl --silent --show-error --max-time 20 --output /dev/null "$relay/health"; then
      echo refused >>/run/refused
    fi
    count=$((count + 1))
  done
  echo "$count" >/run/knocked
}

nobody_is_refused() {
  local knocker
  rm -f /run/refused
  touch /run/knocking
  knock 2>>/run/refused &
  knocker=$!
  "$@"
  local status=$?
  sleep 0.3
  rm /run/knocking
  wait "$knocker"
  [ ! -e /run/refused ] || [ ! -s /run/refused ] || { cat /run/refused; return 1; }
  [ "$status" -eq 0 ] && [ "$(cat /run/knocked)" -gt 10 ]
}

socket_takes_over() {
  systemctl stop modelrelay-server && systemctl enable --quiet --now modelrelay-server.socket &&
    systemctl start modelrelay-server && is_property modelrelay-server.socket SubState running && wait_for 20 has_model
}

restart_thrice() {
  systemctl restart modelrelay-server && systemctl restart modelrelay-server && systemctl restart modelrelay-server
}

first_connection_starts_it() {
  systemctl stop modelrelay-server 2>/dev/null
  has "$(curl --silent --max-time 20 "$relay/health")" '"status":"ok"' && is_property modelrelay-server ActiveState active
}

upgrade_keeps_it_running() {
  local server worker
  server=$(property modelrelay-server MainPID)
  worker=$(property modelrelay-worker@gpu-1 MainPID)
  install_from /debs/next || return 1
  wait_for 10 has_model && [ "$(property modelrelay-server MainPID)" != "$server" ] &&
    wait_for 10 worker_is_another "$worker"
}

worker_is_another() {
  [ "$(property modelrelay-worker@gpu-1 MainPID)" != "$1" ] &&
    is_property modelrelay-worker@gpu-1 ActiveState active
}

# --- full only ---

# The relay asks for the time that its drain may take, whatever the unit says.
drain_timeout_counts() {
  drop_in modelrelay-server '[Service]' 'TimeoutStopSec=1' && systemctl restart modelrelay-server &&
    wait_for 20 has_model && drains_on_stop modelrelay-server
}

worker_reads_its_own_file() {
  echo 'WORKER_NAME=named-by-file' >/etc/modelrelay/worker-gpu-2.env
  systemctl start modelrelay-worker@gpu-2 && wait_for 10 relay_knows named-by-file &&
    systemctl stop modelrelay-worker@gpu-2
}

relay_knows() {
  has "$(curl --silent -H "Authorization: Bearer $(cat /etc/modelrelay/admin-token)" "$relay/admin/workers")" "\"$1\""
}

user_unit_works() {
  useradd --create-home person && loginctl enable-linger person &&
    install -d -o person /home/person/.config /home/person/.config/modelrelay &&
    echo 'BACKEND_URL=http://127.0.0.1:8001' >/home/person/.config/modelrelay/worker.env &&
    echo 'WORKER_NAME=of-a-person' >>/home/person/.config/modelrelay/worker.env &&
    install -o person -m 600 /etc/modelrelay/worker-secret /home/person/.config/modelrelay &&
    wait_for 10 systemctl --user --machine person@ start modelrelay-worker && wait_for 10 relay_knows of-a-person &&
    has "$(systemctl --user --machine person@ show --property StatusText modelrelay-worker)" backend
}

bad_option_is_not_retried() {
  cp /etc/modelrelay/server.conf /root
  echo 'nonsense = 1' >>/etc/modelrelay/server.conf
  systemctl restart modelrelay-server
  is_property modelrelay-server Result exit-code && is_property modelrelay-server ExecMainStatus 2 &&
    wait_for 3 is_property modelrelay-server ActiveState failed
  local status=$?
  cp /root/server.conf /etc/modelrelay/server.conf
  systemctl reset-failed modelrelay-server modelrelay-server.socket
  return "$status"
}

run_full() {
  check '/contract/N1/drain-timeout-counts' drain_timeout_counts
  check '/contract/N1/worker-reads-its-own-file' worker_reads_its_own_file
  check '/contract/N1/user-unit' user_unit_works
  check '/contract/N1/worker-watchdog' watchdog_bites modelrelay-worker@gpu-1
  check '/contract/N1/worker-restarts' restarts_after modelrelay-worker@gpu-1 KILL
  check '/contract/N1/bad-option-is-not-retried' bad_option_is_not_retried
}

packages=$(cd /debs && for deb in *.deb; do echo "${deb%%_*}"; done)
check '/contract/N2/install-starts-the-relay' install_from /debs
check '/contract/N1/relay-is-ready' is_property modelrelay-server SubState running
check '/contract/N1/relay-is-enabled' systemctl is-enabled modelrelay-server
check '/contract/N1/relay-answers' curl --silent --fail "$relay/health"
check '/contract/N1/relay-status' has_status modelrelay-server '0 workers; requests: 0 running, 0 waiting'
check '/contract/N1/worker-after-two-edits' start_worker
check '/contract/N1/worker-status' wait_for 4 has_status modelrelay-worker@gpu-1 'connected to'
check '/contract/N1/instance-is-the-name' relay_knows gpu-1
check '/contract/N1/relay-status-follows' wait_for 4 has_status modelrelay-server '1 worker;'
check '/contract/N1/streams' ask Hello
check '/contract/H2/journal-fields' journal_has_fields
check '/contract/M1/relay-on-the-system-bus' is_on_the_bus org.modelrelay.Server1 /org/modelrelay/Server1 org.modelrelay.Server1 Status ok
check '/contract/M1/worker-on-the-system-bus' is_on_the_bus org.modelrelay.Worker1.gpu-1 /org/modelrelay/Worker1 org.modelrelay.Worker1 State connected
check '/contract/N1/relay-runs-unprivileged' runs_unprivileged modelrelay-server
check '/contract/N1/worker-runs-unprivileged' runs_unprivileged modelrelay-worker@gpu-1
check '/contract/N1/relay-sandbox' systemd-analyze security --threshold=20 modelrelay-server
check '/contract/N1/worker-sandbox' systemd-analyze security --threshold=20 modelrelay-worker@gpu-1
check '/contract/N1/credentials' credentials_are_used
check '/contract/N1/reload' reload_is_done
check '/contract/N1/bad-reload-is-refused' bad_reload_is_refused
check '/contract/N1/missing-credential' missing_credential_is_none
check '/contract/F5/relay-drains' drains_on_stop modelrelay-server
check '/contract/F6/worker-drains' drains_on_stop modelrelay-worker@gpu-1
check '/contract/F7/relay-restarts' restarts_after modelrelay-server KILL
check '/contract/N1/relay-watchdog' watchdog_bites modelrelay-server
[ "$1" = quick ] || run_full
check '/contract/N1/socket-takes-over' socket_takes_over
check '/contract/N1/socket-restart-refuses-nobody' nobody_is_refused restart_thrice
check '/contract/N1/first-connection-starts-it' first_connection_starts_it
check '/contract/N2/upgrade-refuses-nobody' nobody_is_refused upgrade_keeps_it_running
systemctl stop demo-backend
check '/contract/N2/purge-stops-everything' apt-get -qy purge $packages
check '/contract/N2/purge-leaves-no-unit' same "$(systemctl list-units --all --plain --no-legend 'modelrelay-server*' 'modelrelay-worker*')" ''
check '/contract/N2/purge-leaves-no-process' same "$(pgrep -u modelrelay 2>/dev/null)" ''
finish
