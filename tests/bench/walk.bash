# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 4: what the stack walk takes in the kernel. Part of tools/bench.

event_nanoseconds() { # event_nanoseconds COMMAND...: ns of BPF per block, a number per window
  local before after window names='^on_allocate_(session|return)$'
  start_target "$@"
  must_start_tracer exact
  for ((window = 0; window < walk_windows; window++)); do
    read -ra before < <(run_total "$tracer" "$names")
    sleep 0.5
    read -ra after < <(run_total "$tracer" "$names")
    # A session program runs twice for each block, a return program once.
    awk -v runs=$((after[0] - before[0])) -v ns=$((after[1] - before[1])) -v each="$runs_each" \
      'BEGIN { if (runs) printf "%.1f\n", each * ns / runs }'
  done
  stop_tracer
  stop_target
}

# The numbers of frames are those of Debian 12's python3.11.
measure_mixed() {
  local round shape
  for ((round = 0; round < walk_rounds; round++)); do
    for shape in "3 0" "25 2" "50 2"; do
      # shellcheck disable=SC2086 # two words
      event_nanoseconds /usr/bin/python3 "$root/tests/bench/deep.py" $shape >>"$work/mixed.$shape"
    done
  done
  echo "   a block in Python, all that the programs do for it; ns of BPF run time"
  printf '%-32s %12.0f\n' "3 Python, 15 native frames" "$(median <"$work/mixed.3 0")" \
    "25 Python, 25 native frames" "$(median <"$work/mixed.25 2")" \
    "50 Python, 25 native frames" "$(median <"$work/mixed.50 2")"
}

measure_walk() {
  local round frames temperature
  for ((round = 0; round < walk_rounds; round++)); do
    for frames in 2 22; do
      event_nanoseconds "$programs/deep" $frames >>"$work/walk.$frames.cached"
      event_nanoseconds "$programs/deep" $frames cold >>"$work/walk.$frames.cold"
    done
  done
  for temperature in cached cold; do
    paste <(median <"$work/walk.2.$temperature") <(median <"$work/walk.22.$temperature") |
      awk -v what="rules $temperature" \
        '{ printf "%-32s %12.0f %12.1f per frame\n", what, $2 - $1, ($2 - $1) / 20 }'
  done
}

run_walk() {
  local runs_each=1
  echo
  echo "4. the walk of 20 more frames without frame pointers; ns of BPF run time"
  has_statistics || {
    echo "   not measured: no bpftool, or no $bpf_stats"
    return
  }
  ! "$leakbpf" doctor | grep -q 'leakbpf uses: session' || runs_each=2
  start_statistics
  measure_walk
  measure_mixed
  stop_statistics
}
