# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 9: does leakbpf, as it comes, find a leak of 5 MB a minute among 100 call stacks that
# churn, and how well does it know the rate? Part of tools/bench.

churns_per_second=50000
at_once=2 # programs; more would wait for processors rather than churn

measure_batch() { # measure_batch SEED...: N.json and N.ledger of each in $work/accuracy
  local seed file programs_now=() tracers_now=()
  for seed in "$@"; do
    file=$work/accuracy/$seed
    : >"$file.ledger"
    "$programs/leak_among_churn" "$churns_per_second" "$seed" >"$file.ledger" &
    programs_now+=($!)
    helpers+=($!)
    wait_for ready "$file.ledger" $!
    "$leakbpf" snapshot -q -p $! -d "$accuracy_seconds" -o "$file.json" 2>"$file.log" &
    tracers_now+=($!)
    helpers+=($!)
  done
  wait "${tracers_now[@]}" || cat "$work"/accuracy/*.log >&2
  kill "${programs_now[@]}" # each writes its ledger
  wait "${programs_now[@]}" || true
}

run_accuracy() { # run_accuracy [PROGRAMS]
  local seed seeds
  mapfile -t seeds < <(seq "${1:-$accuracy_programs}")
  rm -rf "$work/accuracy"
  mkdir "$work/accuracy"
  for ((seed = 0; seed < ${#seeds[@]}; seed += at_once)); do
    measure_batch "${seeds[@]:seed:at_once}"
  done
  echo
  echo "9. a leak of 5 MB/min among 100 call stacks that churn $churns_per_second blocks a second"
  echo "   leakbpf snapshot -d $accuracy_seconds, programs: ${#seeds[@]}"
  /usr/bin/python3 "$root/tests/bench/accuracy.py" "$work/accuracy"
}
