# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# A runtime and an SDK for the desktop app, made of Debian's packages, for machines that do not get the GNOME runtime.
# Debian has the indicator library and libportal, too: the manifest's modules for them are not needed on it. Sourced
# after stage.sh, whose $work and $cache it uses. What is done with the runtime is in scripts/test-flatpak.

platform=org.modelrelay.TestPlatform
sdk=org.modelrelay.TestSdk
branch=1
# gdbus and gsettings, with which the test looks around in the sandbox, are in libglib2.0-bin.
platform_packages=(
  adwaita-icon-theme ca-certificates dconf-gsettings-backend fonts-dejavu-core glib-networking
  libayatana-appindicator3-1 libglib2.0-bin libgtk-3-0 libgtk-4-1 libjson-glib-1.0-0 libportal1 libsecret-1-0
  libsoup-3.0-0 libxcb-screensaver0
)
sdk_packages=(
  appstream desktop-file-utils gcc gettext libayatana-appindicator3-dev libc6-dev libglib2.0-dev-bin libgnutls28-dev
  libgtk-4-bin libgtk-4-dev libjson-glib-dev libportal-dev libsecret-1-dev libsoup-3.0-dev libxcb-screensaver0-dev
  meson pkg-config
)

# add_packages TREE PACKAGE...
add_packages() {
  local root=$1
  shift
  systemd-nspawn --quiet --register=no --keep-unit --directory "$root" --setenv=DEBIAN_FRONTEND=noninteractive \
    sh -c 'apt-get -q update && apt-get -qy install --no-install-recommends "$@" && apt-get clean' sh "$@" \
    >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; return 1; }
}

# export_tree TREE NAME: its /usr and /etc as a runtime in the repository $work/repo. Takes the tree apart.
export_tree() {
  mv "$1/etc" "$1/usr/etc"
  rm -rf "$1"/usr/share/{doc,info,locale,man}
  # flatpak looks for the folder to see that this was prepared.
  mkdir "$1/files"
  cat >"$1/metadata" <<END
[Runtime]
name=$2
runtime=$platform/$(flatpak --default-arch)/$branch
sdk=$sdk/$(flatpak --default-arch)/$branch
END
  flatpak build-export --disable-sandbox --runtime "$work/repo" "$1" "$branch" >/dev/null
}

# Sets $FLATPAK_SYSTEM_DIR: an installation with both, made unless it was made before from the same packages.
prepare_runtime() {
  local new=$work/system
  FLATPAK_SYSTEM_DIR=$cache/flatpak-$(sha256sum tests/packaging/flatpak-runtime.sh | cut -c 1-16)
  export FLATPAK_SYSTEM_DIR
  [ ! -d "$FLATPAK_SYSTEM_DIR" ] || return 0
  rm -rf "$cache"/flatpak-*
  mkdir -p "$cache"
  debootstrap --variant=minbase bookworm "$work/platform" "$(mirror)" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
  add_packages "$work/platform" "${platform_packages[@]}"
  cp -a "$work/platform" "$work/sdk"
  add_packages "$work/sdk" "${sdk_packages[@]}"
  export_tree "$work/platform" "$platform"
  export_tree "$work/sdk" "$sdk"
  FLATPAK_SYSTEM_DIR=$new flatpak --system remote-add --no-gpg-verify home-made "$work/repo"
  FLATPAK_SYSTEM_DIR=$new flatpak --system install -y --noninteractive home-made "$platform//$branch" "$sdk//$branch" \
    >/dev/null
  mv "$new" "$FLATPAK_SYSTEM_DIR"
  rm -rf "$work/platform" "$work/sdk" "$work/repo"
}
