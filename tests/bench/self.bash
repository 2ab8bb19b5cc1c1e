# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 3, what leakbpf itself takes; 5, what the unwind tables of a process take; 6, what a large
# snapshot takes. Part of tools/bench.

run_self() {
  local percent
  start_target "$programs/many_sites"
  wait_for ready "$output" "$target"
  "$leakbpf" -p "$target" --exact -i 1 --color never >"$work/table" 2>"$work/leakbpf.log" &
  tracer=$!
  wait_for "tracing PID" "$work/leakbpf.log" "$tracer"
  wait_for '4,980 more rows' "$work/table" "$tracer" # all sites
  percent=$(percent_of_core "$tracer" "$self_seconds")
  echo
  echo "3. leakbpf itself: 5,000 sites, every allocation, refresh each second"
  printf '%-32s %12s\n' "percent of a core" "$percent" "peak RSS, MiB" "$(peak_memory "$tracer")"
  stop_tracer
  stop_target
}

run_tables() { # of what is installed; each is a process that waits
  local program
  echo
  echo "5. unwind tables of a process: rows, kernel memory, time to build"
  for program in python3.11 node; do
    command -v $program >/dev/null || continue
    if [[ $program == node ]]; then
      start_target node -e 'setTimeout(() => {}, 1e6)'
    else
      start_target "/usr/bin/$program" -c 'import time; time.sleep(1000)'
    fi
    sleep 1
    "$leakbpf" doctor -p "$target" | sed -n '/^Unwind tables/,$p' |
      grep -E "rows .*(/$program|/libc\.so|in all)" || true
    stop_target
  done
}

run_snapshot() {
  echo
  echo "6. a snapshot of 20,000 sites with stacks of 60 frames"
  "$programs/large_snapshot"
}
