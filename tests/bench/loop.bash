# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # $work and the like are tools/bench's
#
# Sections 1 and 7: programs that print a number after each quarter of a second. Part of tools/bench.

loop_threads=(1 2 8)

number='^[0-9.]+$' # what else the output may contain (heaptrack greets) is not counted

numbers_so_far() { grep -cE "$number" "$output" || true; }

next_windows() { # next_windows SECONDS: of all threads, without those in progress
  local from count
  count=$(awk -v seconds="$1" -v threads="$threads" 'BEGIN { printf "%.0f", seconds * 4 * threads }')
  from=$(($(numbers_so_far) + threads))
  while (($(numbers_so_far) < from + count)); do
    is_running "$target" || break
    [[ -z $tracer ]] || is_running "$tracer" || break
    sleep 0.1
  done
  grep -E "$number" "$output" | sed -n "$((from + 1)),$((from + count))p"
}

# Averages of what was done in all that time: a tracer that comes and goes slows down some windows
# only. Of times per pair that is the harmonic mean.
meter_times() { # meter_times SECONDS
  next_windows "$1" | awk '$1 > 0 { pairs += 1 / $1 } END { print NR ? NR / pairs : 0 }'
}

meter_rates() { # meter_rates SECONDS
  next_windows "$1" | awk '{ sum += $1 } END { print NR ? sum / NR : 0 }'
}

launch_loop() { # launch_loop [PREFIX...]
  start_target "$@" "$programs/pairs" "$threads"
}

launch_parse() { # launch_parse [PREFIX...]
  start_target "$@" "$programs/json_parse"
}

print_programs() { # print_programs VARIANT: of the tracer that runs
  run_times "$tracer" | awk -v title="${titles[$1]}" \
    '$3 > 1000 { printf "%-32s %-24s %8.0f\n", title, $1, $2 / $3 }'
}

measure_programs() {
  local variant
  echo
  echo "   ns per run of each BPF program, in that loop with 1 thread (a session program runs twice)"
  has_statistics || {
    echo "   not measured: no bpftool, or no $bpf_stats"
    return
  }
  threads=1
  start_statistics
  start_target "$programs/pairs"
  for variant in floor skip exact memleak; do
    [[ -z ${absent[$variant]-} ]] || continue
    if start_tracer "$variant"; then
      sleep 1
      print_programs "$variant"
      stop_tracer
    fi
  done
  stop_target
  stop_statistics
}

run_loop() {
  local short_seconds=$loop_seconds
  for threads in "${loop_threads[@]}"; do
    measure_workload "loop$threads" launch_loop meter_times
    print_workload "loop$threads" \
      "1. malloc(64) + free, three functions deep, threads: $threads; ns per pair and thread" "ns"
  done
  measure_programs
}

run_parse() {
  local short_seconds=$loop_seconds
  threads=1
  measure_workload parse launch_parse meter_rates
  print_workload parse "7. JSON documents parsed by a C++ program" "per second"
}
