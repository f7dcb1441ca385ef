# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The llamafiles on this machine: where they are, whether a file is one, the commands import and rm. Sourced.

model_path() {
  echo "${config[models-dir]}/$1.llamafile"
}

installed_models() {
  local file name
  for file in "${config[models-dir]}"/*.llamafile; do
    name=${file##*/} name=${name%.llamafile}
    if [ -f "$file" ] && is_model_name "$name"; then
      echo "$name"
    fi
  done
}

# check_installed NAME: stops with what to do about it.
check_installed() {
  local name=$1
  [ ! -f "$(model_path "$name")" ] || return 0
  load_catalog
  if contains "$name" "${models[@]}"; then
    die "$exit_missing" "$name is not on this machine; get it with: $program download $name"
  fi
  local -a known=()
  mapfile -t known < <(all_models)
  die "$exit_missing" "no model \"$(printable "$name")\"$(nearest "$name" "${known[@]}")"
}

# running, installed, partial or available.
model_state() {
  if is_running "$1"; then
    echo running
  elif [ -f "$(model_path "$1")" ]; then
    echo installed
  elif [ -e "$(model_path "$1").part" ]; then
    echo partial
  else
    echo available
  fi
}

# The first bytes of a file, as hexadecimal digits.
magic_of() {
  od -A n -t x1 -N 8 -- "$1" | tr -d ' \n'
}

# What keeps a file from being a whole llamafile, or nothing. One begins as a program (Cosmopolitan's portable format or
# ELF) and ends with the directory of a zip archive, which holds the weights: a file that was cut off has none.
llamafile_problem() {
  case $(magic_of "$1") in
    4d5a71467044* | 6a6172747372* | 7f454c46*) ;;
    47475546*)
      echo "it is GGUF: weights without the program that runs them"
      return
      ;;
    *)
      echo "it does not begin like a program"
      return
      ;;
  esac
  tail -c 65557 -- "$1" | LC_ALL=C grep -qaF $'PK\x05\x06' ||
    echo "it has no zip directory at its end; it may be cut off"
}

import_command() {
  parse_options 'force|f' "$@"
  take_arguments 1 2 FILE
  local file=${args[0]} name=${args[1]:-} path problem
  if [ -z "$name" ]; then
    name=${file##*/} name=${name%.llamafile} name=${name,,}
  fi
  is_model_name "$name" ||
    usage_error "\"$(printable "$name")\" is no name for a model: small letters, digits, dots, - and _, at most 64"
  [ -f "$file" ] || die "$exit_missing" "no file $(printable "$file")"
  problem=$(llamafile_problem "$file")
  [ -z "$problem" ] || die "$exit_refused" "$(printable "$file") is not a llamafile: $problem"
  path=$(model_path "$name")
  if [ -e "$path" ] && [ -z "${opt[force]:-}" ]; then
    die "$exit_busy" "there is a $name already; --force replaces it"
  fi
  ! is_running "$name" || die "$exit_busy" "$name is running; stop it first: $program stop $name"
  if [ "$file" -ef "$path" ]; then
    note "$name is that very file."
    return
  fi
  mkdir -p -- "${config[models-dir]}"
  # A link shares its mode with the original, so only what may be run already is linked.
  if [ ! -x "$file" ] || [ -L "$file" ] || ! ln -f -- "$file" "$path.import" 2>/dev/null; then
    check_disk "$(size_of "$file")" "${config[models-dir]}"
    cp --reflink=auto -- "$file" "$path.import"
    chmod 755 -- "$path.import"
  fi
  mv -f -- "$path.import" "$path"
  note "Imported as $name, unchecked: there is no checksum to compare it with."
}

# check_disk BYTES DIRECTORY: stops if so much does not fit.
check_disk() {
  local free
  free=$(free_disk "$2")
  # What is left free, so that logs can still be written.
  local spare=67108864
  if [ $(($1 + spare)) -gt "$free" ]; then
    die "$exit_failed" "$(format_bytes "$1") do not fit: $(format_bytes "$free") are free in $2"
  fi
}

rm_command() {
  parse_options 'yes|y' "$@"
  take_arguments 1 1000 MODEL
  local name path size=0 file answer
  local -a files=()
  for name in "${args[@]}"; do
    path=$(model_path "$name")
    if ! is_model_name "$name" || { [ ! -e "$path" ] && [ ! -e "$path.part" ]; }; then
      die "$exit_missing" "no model \"$(printable "$name")\" on this machine"
    fi
    ! is_running "$name" || die "$exit_busy" "$name is running; stop it first: $program stop $name"
    lock_download "$name"
    for file in "$path" "$path.part" "$path.part.url" "$state_dir/$name".log*; do
      if [ -e "$file" ]; then
        files+=("$file")
        size=$((size + $(size_of "$file")))
      fi
    done
  done
  if [ -z "${opt[yes]:-}" ]; then
    [ -t 0 ] || usage_error "nobody to ask; --yes removes without a question"
    read -r -p "Remove ${args[*]}, $(format_bytes "$size")? [y/N] " answer || answer=''
    [[ $answer == [yY]* ]] || die "$exit_failed" "nothing was removed"
  fi
  rm -f -- "${files[@]}"
  note "Removed ${args[*]}, $(format_bytes "$size")."
}
