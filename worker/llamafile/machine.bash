# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What this machine has: memory, graphics memory, disk, ports. Sourced.

# Where /proc and /sys are; a test has its own.
root=${MODELRELAY_LLAMAFILE_ROOT:-}

# meminfo KEY: in MiB.
meminfo() {
  local key value
  while read -r key value _; do
    if [ "$key" = "$1:" ]; then
      echo $((value / 1024))
      return
    fi
  done <"$root/proc/meminfo"
  echo 0
}

# Sets gpu_name and gpu_mib, the largest GPU's memory; 0 without one. Models are not spread over several.
detect_gpu() {
  local mib name file bytes
  gpu_name='' gpu_mib=0
  if command -v nvidia-smi >/dev/null; then
    while IFS=, read -r mib name; do
      mib=${mib// /}
      if [[ $mib =~ ^[0-9]+$ && $mib -gt $gpu_mib ]]; then
        gpu_mib=$mib gpu_name=$(printable "${name# }")
      fi
    done < <(timeout 10 nvidia-smi --query-gpu=memory.total,name --format=csv,noheader,nounits 2>/dev/null || true)
  fi
  for file in "$root"/sys/class/drm/*/device/mem_info_vram_total; do
    if [ -r "$file" ] && read -r bytes <"$file" && [[ $bytes =~ ^[0-9]+$ ]] && [ $((bytes >> 20)) -gt "$gpu_mib" ]; then
      gpu_mib=$((bytes >> 20)) gpu_name='AMD GPU'
    fi
  done
}

# free_disk DIRECTORY: bytes that this user may write there.
free_disk() {
  local free
  free=$(df --output=avail --block-size=1 -- "$1")
  free=${free##*$'\n'}
  echo "${free// /}"
}

# Does anything listen on the port, at any address?
is_port_taken() {
  local port local_address state
  printf -v port ':%04X' "$1"
  while read -r _ local_address _ state _; do
    if [ "$state" = 0A ] && [[ $local_address == *"$port" ]]; then
      return 0
    fi
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
  return 1
}
