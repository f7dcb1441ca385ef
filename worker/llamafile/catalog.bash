# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The catalogue: reading and checking it, the commands list, recommend, update-catalog. Its format is described in
# catalog.tsv. Sourced.

readonly catalog_head='# modelrelay-llamafile catalogue 1'
readonly catalog_max_bytes=1048576 catalog_max_rows=1000

declare -a models=()
declare -A model_tags=() model_parameters=() model_quant=() model_size=() model_exact=() model_ram=() model_sha256=()
declare -A model_license=() model_url=() model_page=()

# The problem with a row's fields, or nothing.
row_problem() {
  local name=$1 tags=$2 parameters=$3 quant=$4 size=$5 ram=$6 sha256=$7 license=$8 url=$9 page=${10}
  is_model_name "$name" || { echo "bad name"; return; }
  [[ $tags =~ ^[a-z0-9-]+(,[a-z0-9-]+)*$ ]] || { echo "bad tags"; return; }
  [[ $parameters =~ ^[0-9A-Za-z.-]{1,12}$ ]] || { echo "bad parameter count"; return; }
  [[ $quant =~ ^[0-9A-Za-z_-]{1,12}$ ]] || { echo "bad quantisation"; return; }
  [[ $size =~ ^(-|~?[1-9][0-9]{0,13})$ ]] || { echo "bad size"; return; }
  [[ $ram =~ ^[1-9][0-9]{0,7}$ ]] || { echo "bad minimum of memory"; return; }
  [[ $sha256 =~ ^(-|[0-9a-f]{64})$ ]] || { echo "bad SHA-256"; return; }
  [[ $license =~ ^[0-9A-Za-z.+-]{1,40}$ ]] || { echo "bad licence"; return; }
  [[ $page =~ ^https?://[^[:space:]]+$ ]] || { echo "bad source page"; return; }
  is_safe_url "$url" || [[ $sha256 != - && $url =~ ^http://[^[:space:]/]+/ ]] || echo "bad or unsafe URL"
}

# A name is part of file names.
is_model_name() {
  [[ $1 =~ ^[a-z0-9][a-z0-9._-]{0,63}$ ]]
}

# read_catalog FILE: fills the model_ tables; sets catalog_error to what is wrong with the file.
read_catalog() {
  local line number=0 problem name
  local -a field=()
  catalog_error=''
  models=() model_tags=()
  if [ "$(size_of "$1")" -gt "$catalog_max_bytes" ]; then
    catalog_error="larger than $catalog_max_bytes bytes"
    return
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    if [ "$number" -eq 1 ] && [ "$line" != "$catalog_head" ]; then
      catalog_error="line 1 is not \"$catalog_head\""
      return
    fi
    [[ -n $line && $line != '#'* ]] || continue
    split_row "$line"
    name=${field[0]}
    if [ "${#field[@]}" -ne 10 ]; then
      problem="${#field[@]} fields instead of 10"
    else
      problem=$(row_problem "${field[@]}")
    fi
    if [ -z "$problem" ] && [ -n "${model_tags[$name]:-}" ]; then
      problem="a second $name"
    fi
    if [ -n "$problem" ] || [ "${#models[@]}" -ge "$catalog_max_rows" ]; then
      catalog_error="line $number: ${problem:-more than $catalog_max_rows models}"
      return
    fi
    add_model "${field[@]}"
  done < <(tr -d '\000' <"$1")
  [ "${#models[@]}" -gt 0 ] || catalog_error="no model in it"
}

# Into read_catalog's field. read would join empty fields: a tab is white space to it.
split_row() {
  local rest=$1
  field=()
  while [[ $rest == *$'\t'* ]]; do
    field+=("${rest%%$'\t'*}")
    rest=${rest#*$'\t'}
  done
  field+=("$rest")
}

add_model() {
  local name=$1
  models+=("$name")
  model_tags[$name]=$2 model_parameters[$name]=$3 model_quant[$name]=$4 model_size[$name]=${5#\~}
  model_exact[$name]=$5 model_ram[$name]=$6 model_sha256[$name]=$7 model_license[$name]=$8 model_url[$name]=$9
  model_page[$name]=${10}
  [[ $5 != '~'* ]] || model_exact[$name]=-
}

load_catalog() {
  local file=$lib_dir/catalog.tsv
  [ ! -e "$user_catalog" ] || file=$user_catalog
  read_catalog "$file"
  [ -z "$catalog_error" ] || die "$exit_failed" "$file: $catalog_error"
}

# Stops with the nearest name where the catalogue has no such model.
check_in_catalog() {
  contains "$1" "${models[@]}" ||
    die "$exit_missing" "no model \"$(printable "$1")\" in the catalogue$(nearest "$1" "${models[@]}")"
}

has_tag() {
  [[ ,${model_tags[$1]:-}, == *",$2,"* ]]
}

# Every model of the catalogue, then those that were imported.
all_models() {
  local name
  for name in "${models[@]}"; do
    echo "$name"
  done
  while IFS= read -r name; do
    contains "$name" "${models[@]}" || echo "$name"
  done < <(installed_models)
}

list_command() {
  parse_options 'tag=|t installed json' "$@"
  take_arguments 0 1 FILTER
  load_catalog
  local name state filter=${args[0]:-}
  local -a chosen=()
  while IFS= read -r name; do
    [[ $name == *"${filter,,}"* ]] || continue
    if [ -n "${opt[tag]:-}" ] && ! has_tag "$name" "${opt[tag]}"; then
      continue
    fi
    if [ -n "${opt[installed]:-}" ]; then
      [ -e "$(model_path "$name")" ] || continue
    fi
    chosen+=("$name")
  done < <(all_models)
  if [ -n "${opt[json]:-}" ]; then
    print_models_json "${chosen[@]}"
    return
  fi
  [ "${#chosen[@]}" -gt 0 ] || die "$exit_missing" "no model matches"
  printf '%s%-21s %6s %-7s %8s %9s %-9s %s%s\n' "$bold" NAME PARAMS QUANT SIZE 'MIN RAM' STATE TAGS "$plain"
  for name in "${chosen[@]}"; do
    state=$(model_state "$name")
    print_model_row "$name" "$state"
  done
}

print_model_row() {
  local name=$1 state=$2 size ram=- color=''
  size=$(known_size "$name")
  case $state in
    running) color=$green ;;
    partial) color=$yellow ;;
  esac
  [ -z "${model_ram[$name]:-}" ] || ram=$(format_mib "${model_ram[$name]}")
  printf '%-21s %6s %-7s %8s %9s %s%-9s%s %s\n' "$name" "${model_parameters[$name]:--}" "${model_quant[$name]:--}" \
    "$size" "$ram" "$color" "$state" "$plain" "${model_tags[$name]:-imported}"
}

known_size() {
  local size=${model_size[$1]:--} path
  path=$(model_path "$1")
  [ ! -e "$path" ] || size=$(size_of "$path")
  if [ "$size" = - ]; then
    echo -
  else
    format_bytes "$size"
  fi
}

print_models_json() {
  local name separator=''
  printf '['
  for name; do
    printf '%s\n  {"name": %s, "tags": [%s], "parameters": %s, "quantisation": %s, "size": %s, "minimum_ram_mib": %s' \
      "$separator" "$(json_string "$name")" "$(json_tags "$name")" "$(json_field "${model_parameters[$name]:--}")" \
      "$(json_field "${model_quant[$name]:--}")" "$(json_number "${model_exact[$name]:--}")" \
      "$(json_number "${model_ram[$name]:--}")"
    printf ', "sha256": %s, "license": %s, "url": %s, "source": %s, "state": %s}' \
      "$(json_field "${model_sha256[$name]:--}")" "$(json_field "${model_license[$name]:--}")" \
      "$(json_field "${model_url[$name]:--}")" "$(json_field "${model_page[$name]:--}")" \
      "$(json_string "$(model_state "$name")")"
    separator=,
  done
  printf '\n]\n'
}

json_field() {
  if [ "$1" = - ]; then
    printf null
  else
    json_string "$1"
  fi
}

json_tags() {
  local tags=${model_tags[$1]:-}
  [ -z "$tags" ] || printf '"%s"' "${tags//,/\", \"}"
}

recommend_command() {
  parse_options 'tag=|t' "$@"
  take_arguments 0 0 ''
  load_catalog
  detect_gpu
  local ram name need fit best='' best_need=0 color
  # Part of a machine's memory is not the model's: the rest of the system stays in it.
  ram=$(meminfo MemTotal)
  local usable=$((ram * 3 / 4))
  printf 'Memory  %s, of which a model may take %s\n' "$(format_mib "$ram")" "$(format_mib "$usable")"
  if [ "$gpu_mib" -gt 0 ]; then
    printf 'GPU     %s, %s\n\n' "$gpu_name" "$(format_mib "$gpu_mib")"
  else
    printf 'GPU     none found: models run on the CPU, small ones at a useful speed\n\n'
  fi
  printf '%s%-21s %6s %-7s %8s %9s  %s%s\n' "$bold" NAME PARAMS QUANT SIZE NEEDS 'FITS IN' "$plain"
  while read -r need name; do
    fit=$(where_it_fits "$need" "$usable") color=$green
    case $fit in
      RAM) color=$yellow ;;
      nothing) color=$dim ;;
    esac
    printf '%s%-21s%s %6s %-7s %8s %9s  %s\n' "$color" "$name" "$plain" "${model_parameters[$name]}" \
      "${model_quant[$name]}" "$(known_size "$name")" "$(format_mib "$need")" "$fit"
    if [ "$need" -gt "$best_need" ] && has_tag "$name" chat && is_good_fit "$fit" "$need"; then
      best=$name best_need=$need
    fi
  done < <(models_by_need "${opt[tag]:-}" | sort -n)
  if [ -z "$best" ]; then
    die "$exit_missing" "no model of the catalogue fits this machine"
  fi
  printf '\nThe largest that runs well here: %s%s%s\n  %s download %s\n  %s serve %s\n' "$bold" "$best" "$plain" \
    "$program" "$best" "$program" "$best"
}

models_by_need() {
  local name
  for name in "${models[@]}"; do
    if [ -z "$1" ] || has_tag "$name" "$1"; then
      printf '%s %s\n' "${model_ram[$name]}" "$name"
    fi
  done
}

# where_it_fits NEED USABLE-RAM
where_it_fits() {
  if [ "$1" -le "$gpu_mib" ]; then
    echo GPU
  elif [ "$1" -le "$2" ]; then
    echo RAM
  else
    echo nothing
  fi
}

# On the GPU any size is quick enough; on a CPU only what is read from memory many times a second.
is_good_fit() {
  [ "$1" = GPU ] || { [ "$1" = RAM ] && [ "$gpu_mib" -eq 0 ] && [ "$2" -le 6144 ]; }
}

update_catalog_command() {
  parse_options 'reset' "$@"
  take_arguments 0 1 URL
  local url=${args[0]:-${config[catalog-url]}} new=$user_catalog.new status=0
  if [ -n "${opt[reset]:-}" ]; then
    rm -f -- "$user_catalog"
    note "Back to the catalogue that came with version $version."
    return
  fi
  [ -n "$url" ] || usage_error "no address: give a URL, or set one with: $program config set catalog-url URL"
  is_safe_url "$url" || usage_error "the address must be https://"
  mkdir -p -- "$data_dir"
  fetch "$url" --silent --show-error --max-time 60 --max-filesize "$catalog_max_bytes" --output "$new" || status=$?
  if [ "$status" -ne 0 ]; then
    rm -f -- "$new"
    die "$exit_download" "$(printable "$url") could not be fetched; the catalogue is as it was"
  fi
  read_catalog "$new"
  if [ -n "$catalog_error" ]; then
    rm -f -- "$new"
    die "$exit_refused" "not a catalogue: $(printable "$catalog_error"); the catalogue is as it was"
  fi
  mv -- "$new" "$user_catalog"
  note "Models in the catalogue now: ${#models[@]}"
}
