#!/bin/bash
# SPDX-License-Identifier: MIT
# The packages in /debs, in a tree without a running systemd: install, upgrade, remove, purge, and what remains. Started
# by scripts/test-packages within such a tree, which is thrown away afterwards.
set -u
. /test/tap.sh
export DEBIAN_FRONTEND=noninteractive

install_from() {
  apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confdef install "$1"/*.deb
}

mode_of() {
  stat -c '%a %U:%G' "$1"
}

# Secrets must not get into the log of what was installed.
installs_without_telling_secrets() {
  local output secret
  output=$(install_from /debs 2>&1) || { echo "$output"; return 1; }
  for secret in worker-secret admin-token; do
    grep -Eq '^[A-Za-z0-9_-]{43}$' "/etc/modelrelay/$secret" || { cat "/etc/modelrelay/$secret"; return 1; }
    has "$output" "/etc/modelrelay/$secret" || return 1
    if grep -qF "$(cat "/etc/modelrelay/$secret")" <<<"$output"; then
      echo "$secret is printed"
      return 1
    fi
  done
}

programs_run() {
  local program
  for program in $(dpkg -L $packages | grep '^/usr/bin/'); do
    timeout 10 "$program" --version </dev/null || { echo "$program: $?"; return 1; }
  done
}

configuration_is_valid() {
  local secret
  secret=$(cat /etc/modelrelay/worker-secret)
  WORKER_SECRET=$secret setpriv --reuid=modelrelay --regid=modelrelay --clear-groups \
    modelrelay-server --config /etc/modelrelay/server.conf --check-config &&
    (set -a && . /etc/modelrelay/worker.env && WORKER_SECRET=$secret modelrelay-worker --check-config)
}

nobody_reads_secrets() {
  ! setpriv --reuid=nobody --regid=nogroup --clear-groups ls /etc/modelrelay
}

# What differs from Debian's own files afterwards: the user stays, everything else of ours is gone.
remains() {
  find / -xdev \( -path /debs -o -path /test -o -path /debian-tests -o -path /proc -o -path /sys -o -path /run/host \
    -o -path /var/cache/apt -o -path /var/log \) -prune -o -name '*modelrelay*' -print
}

packages=$(cd /debs && for deb in *.deb; do echo "${deb%%_*}"; done)
check '/contract/N2/installs' installs_without_telling_secrets
check '/contract/N2/programs-run' programs_run
check '/contract/N2/folder-is-closed' same "$(mode_of /etc/modelrelay)" '750 root:modelrelay'
check '/contract/N2/relay-reads-its-file' same "$(mode_of /etc/modelrelay/server.conf)" '640 root:modelrelay'
check '/contract/N2/worker-file-is-closed' same "$(mode_of /etc/modelrelay/worker.env)" '640 root:root'
check '/contract/N2/worker-secret-is-closed' same "$(mode_of /etc/modelrelay/worker-secret)" '600 root:root'
check '/contract/N2/admin-token-is-closed' same "$(mode_of /etc/modelrelay/admin-token)" '600 root:root'
check '/contract/N2/secrets-are-not-read' nobody_reads_secrets
check '/contract/N2/configuration-is-valid' configuration_is_valid
check '/contract/N2/smoke' setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/tmp /debian-tests/smoke

echo 'log-level = debug' >>/etc/modelrelay/server.conf
echo 'LOG_LEVEL=debug' >>/etc/modelrelay/worker.env
before=$(sha256sum /etc/modelrelay/*)
check '/contract/N2/upgrades' install_from /debs/next
check '/contract/N2/upgrade-keeps-configuration' same "$(sha256sum /etc/modelrelay/*)" "$before"
check '/contract/N2/upgrade-is-a-new-version' has "$(dpkg-query -W -f '${Version}' modelrelay-server)" '+1'

check '/contract/N2/removes' apt-get -qy remove $packages
check '/contract/N2/remove-keeps-configuration' same "$(sha256sum /etc/modelrelay/*)" "$before"
check '/contract/N2/remove-takes-programs' same "$(ls /usr/bin/modelrelay* 2>/dev/null)" ''
touch /etc/modelrelay/worker-gpu-1.env
mkdir -p /var/lib/modelrelay && touch /var/lib/modelrelay/relay.db
check '/contract/N2/purges' dpkg --purge $packages
check '/contract/N2/purge-leaves-nothing' same "$(remains)" ''
check '/contract/N2/installs-again' install_from /debs
finish
