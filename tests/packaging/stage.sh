# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What scripts/test-packages and scripts/test-systemd share: packages built from this tree, and a tree of Debian to
# install them in. Both are kept in $MODELRELAY_CACHE (else $XDG_CACHE_HOME/modelrelay), so that a second run is fast.
# Sourced, from the top of the tree, as root. What is tested is in install.sh and systemd.sh.

cache=${MODELRELAY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/modelrelay}
tree=$cache/bookworm
work=$(mktemp -d)

list_sources() {
  git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
    [ ! -f "$file" ] || printf '%s\0' "$file"
  done
}

# Copies @1/*.deb to @2 as the next version, which differs in nothing but its number.
make_next_version() {
  local deb unpacked
  mkdir -p "$2"
  for deb in "$1"/*.deb; do
    unpacked=$work/unpacked
    dpkg-deb --raw-extract "$deb" "$unpacked"
    sed -i -E 's/^(Version: .*)/\1+1/; s/(modelrelay-[a-z]+ \(= [^)]*)\)/\1+1)/g' "$unpacked/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$unpacked" "$2" >/dev/null
    rm -rf "$unpacked"
  done
}

# Sets $debs and $next_debs: this tree's packages, built unless they were built before, and their next version.
build_packages() {
  local hash
  hash=$(list_sources | xargs -0 sha256sum | sha256sum | cut -c 1-16)
  debs=$cache/packages-$hash
  next_debs=$debs/next
  [ ! -e "$debs/lintian.txt" ] || return 0
  rm -rf "$cache"/packages-*
  mkdir -p "$debs" "$work/build/modelrelay"
  list_sources | xargs -0 cp --parents -t "$work/build/modelrelay"
  if ! (cd "$work/build/modelrelay" && DEB_BUILD_OPTIONS='nocheck parallel=2' dpkg-buildpackage -us -uc -b) \
    >"$work/build.log" 2>&1; then
    tail -n 50 "$work/build.log" >&2
    exit 1
  fi
  lintian --allow-root --fail-on error,warning --info "$work"/build/*.changes >"$work/lintian.txt" 2>&1 &&
    lintian_status=0 || lintian_status=$?
  echo "lintian: $lintian_status" >>"$work/lintian.txt"
  rm -f "$work"/build/*-dbgsym_*
  cp "$work"/build/*.deb "$debs"
  make_next_version "$debs" "$next_debs"
  cp "$work/lintian.txt" "$debs/lintian.txt"
}

# Runs a command in the tree, with nothing kept.
in_tree() {
  systemd-nspawn --quiet --register=no --keep-unit --volatile=overlay --directory "$tree" \
    --bind-ro="$debs:/debs" --bind-ro="$PWD/tests/packaging:/test" --bind-ro="$PWD/debian/tests:/debian-tests" "$@"
}

mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Codename: bookworm' 'Created-By: Packages' | head -n 1
}

# Debian's base with what our packages need, so that they install without a network.
prepare_tree() {
  local missing
  if [ ! -d "$tree" ]; then
    rm -rf "$tree.new"
    mkdir -p "$cache"
    debootstrap --variant=minbase --include=systemd-sysv,dbus,libpam-systemd,curl,ca-certificates bookworm "$tree.new" \
      "$(mirror)" >"$work/debootstrap.log" || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
    mv "$tree.new" "$tree"
  fi
  missing=$(in_tree sh -c 'apt-get --simulate install $(ls /debs/*.deb)' | awk '/^Inst/ && $2 !~ /^modelrelay-/ { print $2 }')
  if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    systemd-nspawn --quiet --register=no --keep-unit --directory "$tree" --setenv=DEBIAN_FRONTEND=noninteractive sh -c '
      apt-get -q update && apt-get -qy install --no-install-recommends "$@" && apt-get clean' sh $missing \
      >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; exit 1; }
  fi
}
