# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # $work and the like are tools/bench's
#
# Section 2: how long one waits for the first table, and for the first Python line. Part of
# tools/bench.

libraries=40 # that the target of the first table has mapped

# live_view OPTION...: its table comes from file descriptor ${table[0]}
live_view() {
  coproc table { exec "$leakbpf" -p "$target" -q "$@"; }
  tracer=$! # of the coprocess
}

time_first_table() { # time_first_table INTERVAL: seconds
  local start=$EPOCHREALTIME line
  live_view -i "$1"
  IFS= read -r -t 20 -u "${table[0]}" line || die "no table came: ${line-}"
  seconds_between "$start" "$EPOCHREALTIME"
  stop_tracer 2>/dev/null
}

time_first_line() { # seconds until a table names a line of the leaking module
  local start=$EPOCHREALTIME line found='' from
  live_view -i 0.1
  from=${table[0]}
  while [[ -z $found ]] && IFS= read -r -t 20 -u "$from" line; do
    [[ $line != *"leak at "*"module_1499.py:4"* ]] || found=yes
  done
  [[ -n $found ]] || die "no Python line came"
  seconds_between "$start" "$EPOCHREALTIME"
  stop_tracer 2>/dev/null
}

measure_first_table() {
  local i interval files=()
  mkdir "$work/libraries"
  for ((i = 0; i < libraries; i++)); do
    cp "$programs/libone_library.so" "$work/libraries/lib$i.so"
    files+=("$work/libraries/lib$i.so")
  done
  start_target "$programs/many_libraries" "${files[@]}"
  wait_for ready "$output" "$target"
  for ((i = 0; i < first_tables; i++)); do
    for interval in 0.1 1; do
      time_first_table "$interval" >>"$work/table.$interval"
    done
  done
  stop_target
  echo
  echo "2. seconds from the start of leakbpf to its first table, $libraries libraries in the target"
  printf '%-32s %12s\n' "-i 0.1" "$(median <"$work/table.0.1")" "-i 1 (the default)" \
    "$(median <"$work/table.1")"
}

measure_first_line() {
  local i
  mkdir "$work/modules"
  start_target /usr/bin/python3 "$root/tests/bench/many_modules.py" "$work/modules"
  wait_for ready "$output" "$target"
  for ((i = 0; i < first_tables; i++)); do
    time_first_line >>"$work/first_line"
  done
  stop_target
  printf '%-32s %12s\n' "first Python line, -i 0.1" "$(median <"$work/first_line")"
}

run_first() {
  measure_first_table
  measure_first_line
}
