# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 10: what becomes of the cost of an event, and of leakbpf itself, as there is more of
# everything. Part of tools/bench.

scaled_sites=(10 100 1000 10000 100000)
scaled_threads=(1 8 64)
scaled_targets=(1 20 200) # the most last: leakbpf may need long to let go of them
longest_stop=10           # seconds that are waited for that

# scaled_event LIVE SITES THREADS: sets `built`, the blocks that were live, and `event`, the ns of
# BPF per pair of malloc and free. The blocks are taken after the attach, for some time at most:
# where a probe is dear, ten million would take minutes.
scaled_event() {
  local before after pairs_before pairs_after live=$1
  start_target "$programs/scaled_pairs" "$@" "$build_seconds"
  wait_for ready "$output" "$target"
  must_start_tracer exact --max-live $((live + live / 4 + 100000)) --max-stacks 262144
  kill -USR1 "$target"
  wait_for built "$output" "$target" $((build_seconds + 60))
  built=$(sed -n 's/^built //p' "$output")
  read -ra before < <(run_total "$tracer" .)
  read -ra pairs_before < <(run_total "$tracer" '^on_free')
  sleep "$scaled_seconds"
  read -ra after < <(run_total "$tracer" .)
  read -ra pairs_after < <(run_total "$tracer" '^on_free')
  event=$(awk -v ns=$((after[1] - before[1])) -v pairs=$((pairs_after[0] - pairs_before[0])) \
    'BEGIN { if (pairs) printf "%.0f", ns / pairs; else print "n/a" }')
  stop_target # first: its threads would keep leakbpf from the processors
  stop_tracer
}

# spelled NUMBER: 1234567 as 1,234,567
spelled() {
  sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"
}

scale_events() { # scale_events LARGEST_POWER
  local count power built event
  for ((power = 3; power <= $1; power++)); do
    scaled_event $((10 ** power)) 1 1
    printf '%-32s %12s\n' "live blocks: $(spelled "$built")" "$event"
  done
  for count in "${scaled_sites[@]}"; do
    scaled_event 0 "$count" 1
    printf '%-32s %12s\n' "call stacks: $(spelled "$count")" "$event"
  done
  for count in "${scaled_threads[@]}"; do
    scaled_event 0 1 "$count"
    printf '%-32s %12s\n' "threads: $count" "$event"
  done
}

# Each target has links of its own, and the kernel takes its time over each that goes.
time_stop() { # sets `stop_time`: seconds that the tracer needs to end, "> N" if more than so many
  local start=$EPOCHREALTIME end=$((SECONDS + longest_stop))
  kill "$tracer"
  while is_running "$tracer" && ((SECONDS < end)); do sleep 0.05; done
  if is_running "$tracer"; then
    stop_time="> $longest_stop"
    tracer= # it ends when it can
  else
    stop_time=$(seconds_between "$start" "$EPOCHREALTIME")
    stop_tracer
  fi
}

scaled_targets() { # scaled_targets COUNT: a line of the table
  local start pids percent memory stop_time
  start_target "$programs/idle_processes" "$1"
  wait_for ready "$output" "$target"
  pids=$(grep -E '^[0-9]+$' "$output" | paste -sd, -)
  : >"$work/table"
  start=$EPOCHREALTIME
  "$leakbpf" -p "$pids" --exact -i 1 --color never >"$work/table" 2>"$work/leakbpf.log" &
  tracer=$!
  comes . "$work/table" "$tracer" 60 || {
    tail -n 3 "$work/leakbpf.log" >&2
    die "no table of $1 targets came"
  }
  start=$(seconds_between "$start" "$EPOCHREALTIME")
  sleep 1 # what is done once
  percent=$(percent_of_core "$tracer" "$targets_seconds")
  memory=$(peak_memory "$tracer")
  time_stop
  printf '%-32s %13.2f %12s %12s %12s\n' "targets: $1" "$start" "$percent" "$memory" "$stop_time"
  stop_target
}

run_scaling() { # run_scaling [LARGEST_POWER]
  local count
  echo
  echo "10. leakbpf --exact as there is more; ns of BPF per malloc and free, stacks of 23 frames"
  if has_statistics; then
    start_statistics
    scale_events "${1:-$most_live_power}"
    stop_statistics
  else
    echo "    not measured: no bpftool, or no $bpf_stats"
  fi
  printf '%-32s %13s %12s %12s %12s\n' "" "first table s" "% of a core" "peak RSS MiB" "to its end s"
  for count in "${scaled_targets[@]}"; do scaled_targets "$count"; done
}
