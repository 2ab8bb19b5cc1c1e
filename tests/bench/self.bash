# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 3, what leakbpf itself takes; 5, what the unwind tables of a process take; 6, what a large
# snapshot takes. Part of tools/bench.

itself() { # itself SITES: a line of the table. Each site is two call stacks: one churns
  local percent
  start_target "$programs/many_sites" "$1"
  wait_for ready "$output" "$target"
  "$leakbpf" -p "$target" --exact -i 1 --color never >"$work/table" 2>"$work/leakbpf.log" &
  tracer=$!
  wait_for "tracing PID" "$work/leakbpf.log" "$tracer"
  wait_for "$(spelled $(($1 - 20))) more rows" "$work/table" "$tracer" # all sites
  percent=$(percent_of_core "$tracer" "$self_seconds")
  printf '%-32s %12s %12s\n' "sites: $(spelled "$1")" "$percent" "$(peak_memory "$tracer")"
  stop_tracer
  stop_target
}

run_self() {
  local sites
  echo
  echo "3. leakbpf itself: every allocation, refresh each second"
  printf '%-32s %12s %12s\n' "" "% of a core" "peak RSS MiB"
  for sites in 5000 10000; do itself "$sites"; done
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
