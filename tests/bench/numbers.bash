# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Arithmetic of tools/bench.

# As many digits as matter: 0.034, 3.41, 341.
readable='function readable(number) {
  return sprintf(number < 1 ? "%.3f" : number < 100 ? "%.2f" : "%.0f", number)
}'

median() { # of the numbers on stdin
  sort -g | awk "$readable"'
    { value[NR] = $1 }
    END {
      if (!NR) exit 1
      middle = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
      print readable(middle)
    }'
}

spread() { # of the numbers on stdin: LEAST..MOST
  sort -g | awk "$readable"'
    NR == 1 { least = $1 }
    { most = $1 }
    END { print readable(least) ".." readable(most) }'
}

# ratios FILE FILE: the quotients of what was measured side by side. The lines of both begin with
# the number of the round; a round that one of them lacks counts for nothing.
ratios() {
  awk 'NR == FNR { below[$1] = $2; next } below[$1] > 0 { print $2 / below[$1] }' "$2" "$1"
}

seconds_between() { # seconds_between START END: both as in $EPOCHREALTIME
  awk -v start="$1" -v end="$2" 'BEGIN { printf "%.3f\n", end - start }'
}
