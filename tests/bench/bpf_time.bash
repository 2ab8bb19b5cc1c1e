# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# How long BPF programs run, as the kernel counts it while kernel.bpf_stats_enabled is set. Part of
# tools/bench.

bpf_stats=/proc/sys/kernel/bpf_stats_enabled
stats_before= # what it was

has_statistics() { command -v bpftool >/dev/null && [[ -w $bpf_stats ]]; }

start_statistics() {
  stats_before=$(<$bpf_stats)
  echo 1 >$bpf_stats
}

stop_statistics() {
  [[ -z $stats_before ]] || echo "$stats_before" >$bpf_stats
  stats_before=
}

# run_times PID: "NAME NANOSECONDS RUNS" of each program that this process has loaded and that has
# run. Others may be traced on this machine; theirs do not count.
run_times() {
  local ids
  ids=$(awk '$1 == "prog_id:" { print $2 }' "/proc/$1/fdinfo/"* 2>/dev/null | sort -un)
  bpftool prog show | awk -v ids="$ids" '
    BEGIN { split(ids, list, "\n"); for (i in list) own[list[i] ":"] = 1 }
    own[$1] && /run_cnt/ {
      for (i = 1; i < NF; i++) {
        if ($i == "name") name = $(i + 1)
        if ($i == "run_time_ns") time = $(i + 1)
        if ($i == "run_cnt") runs = $(i + 1)
      }
      print name, time, runs
    }'
}

# run_total PID NAMES: "RUNS NANOSECONDS" of its programs whose names match, all together
run_total() {
  run_times "$1" |
    awk -v names="$2" '$1 ~ names { runs += $3; ns += $2 } END { printf "%.0f %.0f\n", runs, ns }'
}
