# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The command doctor: what could keep a model from running here, and what helps. Sourced.

problems=0

# report ok|note|bad SUBJECT TEXT [FIX...]
report() {
  local kind=$1 subject=$2 text=$3 color=$green fix
  shift 3
  case $kind in
    note) color=$yellow ;;
    bad)
      color=$red
      problems=$((problems + 1))
      ;;
  esac
  printf '%s%-4s%s  %-9s %s\n' "$color" "$kind" "$plain" "$subject" "$text"
  for fix; do
    printf '      %-9s %s> %s%s\n' '' "$dim" "$fix" "$plain"
  done
}

doctor_command() {
  parse_options '' "$@"
  take_arguments 0 0 ''
  check_settings
  check_programs
  check_store
  check_machine
  check_format
  check_servers
  check_worker
  if [ "$problems" -gt 0 ]; then
    printf '\n%d to be mended.\n' "$problems"
    exit "$exit_failed"
  fi
}

check_settings() {
  parse_config
  if [ -n "$config_error" ]; then
    report bad settings "$config_file: $config_error" "edit it, or remove the line"
  else
    report ok settings "$(short_path "$config_file")"
  fi
  local file=$lib_dir/catalog.tsv
  [ ! -e "$user_catalog" ] || file=$user_catalog
  read_catalog "$file"
  if [ -n "$catalog_error" ]; then
    report bad catalogue "$(printable "$catalog_error")" "$program update-catalog --reset"
  else
    report ok catalogue "${#models[@]} models"
  fi
}

check_programs() {
  local name package
  local -a missing=() packages=()
  while read -r name package; do
    if ! command -v "$name" >/dev/null; then
      missing+=("$name")
      packages+=("$package")
    fi
  done <<'END'
curl curl
flock util-linux
setsid util-linux
sha256sum coreutils
END
  if [ "${#missing[@]}" -gt 0 ]; then
    report bad programs "missing: ${missing[*]}" "sudo apt-get install ${packages[*]}"
  else
    report ok programs "curl, flock, setsid, sha256sum"
  fi
}

check_store() {
  local dir=${config[models-dir]} options near
  if ! mkdir -p -- "$dir" 2>/dev/null || [ ! -w "$dir" ]; then
    report bad models "$dir cannot be written" "$program config set models-dir DIRECTORY"
    return
  fi
  near=$(free_disk "$dir")
  if [ "$near" -lt 2000000000 ]; then
    report note disk "$(format_bytes "$near") free in $(short_path "$dir"): hardly a model fits" \
      "$program config set models-dir DIRECTORY"
  else
    report ok disk "$(format_bytes "$near") free in $(short_path "$dir")"
  fi
  options=$(findmnt --noheadings --output OPTIONS --target "$dir" 2>/dev/null || true)
  if [[ ,$options, == *,noexec,* ]]; then
    report bad disk "the file system of $dir forbids to run programs (noexec)" \
      "$program config set models-dir DIRECTORY-ELSEWHERE"
  fi
}

check_machine() {
  local ram
  ram=$(meminfo MemAvailable)
  if [ "$ram" -lt 2048 ]; then
    report note memory "$(format_mib "$ram") available: only the smallest models fit" "$program recommend"
  else
    report ok memory "$(format_mib "$ram") available of $(format_mib "$(meminfo MemTotal)")"
  fi
  if [ "$(uname -m)" = x86_64 ] && ! grep -qw avx "$root/proc/cpuinfo"; then
    report bad cpu "no AVX, which llamafiles need"
  fi
  detect_gpu
  if [ "$gpu_mib" -gt 0 ]; then
    report ok gpu "$gpu_name, $(format_mib "$gpu_mib")"
  elif [ -e "$root/proc/driver/nvidia/version" ]; then
    report bad gpu "the NVIDIA driver is loaded, but nvidia-smi shows no GPU" "sudo apt-get install nvidia-smi" \
      "nvidia-smi"
  else
    report note gpu "none found: models run on the CPU"
  fi
}

# Llamafiles begin with MZ, as Windows programs do; a handler for those would be given them. One for the format itself,
# with the longer magic, goes first.
check_format() {
  local file text wrong='' own=''
  for file in "$root"/proc/sys/fs/binfmt_misc/*; do
    case ${file##*/} in
      register | status | '*') continue ;;
    esac
    text=$(cat "$file" 2>/dev/null || true)
    [[ $text == enabled* ]] || continue
    case $text in
      *'magic 4d5a714670'*) own=${file##*/} ;;
      *'magic 4d5a'*) wrong=${file##*/} ;;
    esac
  done
  if [ -n "$own" ] || [ -z "$wrong" ]; then
    report ok format "nothing else claims the llamafiles' format${own:+; $own runs it}"
    return
  fi
  report bad format "binfmt_misc gives llamafiles to \"$(printable "$wrong")\", which is for Windows programs" \
    "sudo curl -Lo /usr/bin/ape https://cosmo.zip/pub/cosmos/bin/ape-$(uname -m).elf" \
    "sudo chmod +x /usr/bin/ape" \
    "echo ':APE:M::MZqFpD::/usr/bin/ape:' | sudo tee /proc/sys/fs/binfmt_misc/register" \
    "echo ':APE-jart:M::jartsr::/usr/bin/ape:' | sudo tee /proc/sys/fs/binfmt_misc/register"
}

check_servers() {
  local name port state
  port=$(first_free_port "${config[port]}")
  if [ -z "$port" ]; then
    report bad port "none is free from ${config[port]} on" "$program config set port PORT"
  elif [ "$port" != "${config[port]}" ]; then
    report note port "${config[port]} is in use; the next server gets $port"
  else
    report ok port "$port is free"
  fi
  while IFS= read -r name; do
    read_run "$name" || continue
    state=$(server_state)
    case $state in
      ready) report ok server "$name, at $(base_url "${run[host]}" "${run[port]}")" ;;
      loading) report note server "$name is alive, but not ready" "$program logs $name" ;;
      dead) report bad server "$name ended by itself" "$program logs $name" "$program restart $name" ;;
    esac
  done < <(started_models)
}

check_worker() {
  local secret=${config[worker-secret-file]} relay=${config[relay-url]}
  if ! command -v modelrelay-worker >/dev/null; then
    report note worker "modelrelay-worker is not installed: nothing shares the models" \
      "sudo apt-get install modelrelay-worker"
  else
    report ok worker "$(command -v modelrelay-worker)"
  fi
  if [ -n "$secret" ] && [ ! -r "$secret" ]; then
    report bad worker "$secret, the file with the secret, cannot be read" \
      "$program config set worker-secret-file FILE"
  fi
  if [ -z "$relay" ]; then
    report note relay "none is set, so printed commands show an example" "$program config set relay-url URL"
  elif [ "$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' \
    "${relay/#ws/http}/health" || true)" != 200 ]; then
    report bad relay "$relay/health does not answer" "curl -v ${relay/#ws/http}/health"
  else
    report ok relay "$relay"
  fi
}
