# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Arithmetic of tools/bench.

median() { # of the numbers on stdin
  sort -g | awk '
    { value[NR] = $1 }
    END {
      if (!NR) exit 1
      middle = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
      printf middle < 100 ? "%.2f\n" : "%.0f\n", middle
    }'
}

ratio() { # ratio FILE FILE: the median of the quotients of their lines, measured side by side
  paste "$1" "$2" | awk '{ print $1 / $2 }' | median
}

seconds_between() { # seconds_between START END: both as in $EPOCHREALTIME
  awk -v start="$1" -v end="$2" 'BEGIN { printf "%.3f\n", end - start }'
}
