# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The command test: one prompt to a running server, its answer as it comes, and the speed. Sourced.

# unescape_json TEXT: into $unescaped. Line breaks and tabs stay; what else would steer a terminal goes.
unescape_json() {
  local rest=$1 code low
  unescaped=''
  while [[ $rest == *\\* ]]; do
    unescaped+=${rest%%\\*}
    rest=${rest#*\\}
    case $rest in
      n*) unescaped+=$'\n' ;;
      t*) unescaped+=$'\t' ;;
      u*)
        [[ ${rest:1:4} =~ ^[0-9A-Fa-f]{4}$ ]] || break
        code=$((16#${rest:1:4}))
        rest=${rest:4}
        # Two halves make one character beyond the first 65536.
        if [ $((code >> 10)) -eq 54 ] && [[ ${rest:1:6} =~ ^\\u([0-9A-Fa-f]{4})$ ]]; then
          low=$((16#${BASH_REMATCH[1]}))
          code=$((65536 + ((code & 1023) << 10) + (low & 1023)))
          rest=${rest:6}
        fi
        append_character "$code"
        ;;
      [\"\\/]*) unescaped+=${rest:0:1} ;;
    esac
    rest=${rest:1}
  done
  unescaped+=$rest
  unescaped=${unescaped//[$'\x01'-$'\x08'$'\x0b'-$'\x1f'$'\x7f']/}
}

append_character() {
  local character
  if [ "$1" -ge 32 ] || [ "$1" -eq 9 ] || [ "$1" -eq 10 ]; then
    printf -v character '%b' "\\U$(printf %08x "$1")"
    unescaped+=$character
  fi
}

milliseconds() {
  echo $(($(date +%s%N) / 1000000))
}

# The id of the first model that the server at URL lists.
first_model() {
  local list
  list=$(curl --silent --noproxy '*' --max-time 10 --fail "$1/v1/models" || true)
  if [[ $list =~ \"id\"\ *:\ *\"(([^\"\\]|\\.)*)\" ]]; then
    unescape_json "${BASH_REMATCH[1]}"
    printf '%s' "$unescaped"
  fi
}

test_command() {
  parse_options 'max-tokens=' "$@"
  take_arguments 0 2 MODEL
  local name=${args[0]:-} prompt=${args[1]:-'Say hello, and name one thing that you can help with.'} url body
  local -a chosen
  choose_started "$name"
  [ "${#chosen[@]}" -eq 1 ] || usage_error "one at a time: ${chosen[*]}"
  name=${chosen[0]}
  [[ ${opt[max-tokens]:-256} =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "--max-tokens must be a number"
  is_running "$name" || die "$exit_failed" "$name ended; why: $program logs $name"
  url=$(base_url "${run[host]}" "${run[port]}")
  printf -v body '{"model": %s, "messages": [{"role": "user", "content": %s}], "max_tokens": %s, "stream": true, %s}' \
    "$(json_string "$(first_model "$url")")" "$(json_string "$prompt")" "${opt[max-tokens]:-256}" \
    '"stream_options": {"include_usage": true}'
  stream_answer "$url" "$body"
}

# stream_answer URL BODY: the answer to standard output, its figures to standard error.
stream_answer() {
  local started first='' ended line pieces=0 tokens='' other=''
  local content='"(reasoning_)?content" *: *"(([^"\\]|\\.)*)"' usage='"completion_tokens" *: *([0-9]+)'
  started=$(milliseconds)
  while IFS= read -r line; do
    if [[ $line != 'data:'* ]]; then
      other+=${line:0:300}
      continue
    fi
    [[ ! $line =~ $usage ]] || tokens=${BASH_REMATCH[1]}
    if [[ $line =~ $content && -n ${BASH_REMATCH[2]} ]]; then
      [ -n "$first" ] || first=$(milliseconds)
      pieces=$((pieces + 1))
      if [ -z "${BASH_REMATCH[1]}" ]; then
        unescape_json "${BASH_REMATCH[2]}"
        printf '%s' "$unescaped"
      fi
    fi
  done < <(curl --silent --show-error --no-buffer --noproxy '*' --max-time 600 \
    --header 'Content-Type: application/json' --data-binary @- "$1/v1/chat/completions" <<<"$2" 2>&1 || true)
  ended=$(milliseconds)
  [ -n "$first" ] || die "$exit_failed" "no answer: $(printable "${other:0:300}")"
  printf '\n'
  print_speed "$((first - started))" "$((ended - first))" "${tokens:-$pieces}"
}

# print_speed MS-TO-FIRST MS-AFTER TOKENS: the first token is the prompt's price, so it does not count for the speed.
print_speed() {
  local tenths=0
  [ "$2" -eq 0 ] || tenths=$((($3 - 1) * 10000 / $2))
  note "$3 tokens, the first after $1 ms, then $((tenths / 10)).$((tenths % 10)) tokens/s"
}
