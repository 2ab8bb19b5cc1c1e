# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Measures a program under all variants of tracing: each round measures each variant once, all in
# the same process, so that a slow minute of the machine counts on all sides. Part of tools/bench.
#
# A workload is a name, a function `launch [PREFIX...]` that starts the program behind the prefix,
# and a function `meter SECONDS` that prints what the program achieves in so many seconds: a number,
# and a second one if the table is to have it. Results: $work/NAME.VARIANT, "ROUND NUMBER [NUMBER]".

declare -A failed=() # "NAME.VARIANT": why there is no number

fail() { # fail VARIANT: it said why, in its first line that sounds so or in its last
  local why
  why=$(grep -iEm 1 'error|fail' "$work/$1.log" || grep . "$work/$1.log" | tail -n 1 || true)
  failed[$workload.$1]=$(cut -c 1-100 <<<"${why:-it ended}")
  say "$workload: no ${titles[$1]}: ${failed[$workload.$1]}"
}

meter_round() { # meter_round VARIANT ROUND: fails when the program or what traces it ended meanwhile
  local seconds=$short_seconds
  if [[ $1 == default ]]; then
    sleep "$settle_seconds"
    seconds=$default_seconds
  fi
  "$meter" "$seconds" >"$work/value" || return
  is_running "$target" || return
  [[ -z $tracer ]] || is_running "$tracer" || return
  echo "$2 $(<"$work/value")" >>"$work/$workload.$1"
}

measure_traced() { # measure_traced VARIANT ROUND
  if ! start_tracer "$1"; then
    fail "$1"
    return
  fi
  meter_round "$@" || fail "$1"
  stop_tracer
}

# The process that the others have waits meanwhile; both processors are the new one's.
measure_heaptrack() { # measure_heaptrack ROUND
  local other=$target other_output=$output other_port=${port-} other_url=${url-} prefix
  helpers+=("$other")
  kill -STOP "$other"
  output=$work/heaptrack.output
  start_heaptrack
  "$launch" "${prefix[@]}"
  : >"$work/heaptrack.log"
  meter_round heaptrack "$1" || fail heaptrack
  stop_target
  target=$other output=$other_output port=$other_port url=$other_url
  kill -CONT "$target"
}

measure_variant() { # measure_variant VARIANT ROUND
  [[ -z ${absent[$1]-}${failed[$workload.$1]-} ]] || return 0
  case $1 in
    untraced) meter_round "$@" || die "$workload ended" ;;
    heaptrack) measure_heaptrack "$2" ;;
    # It takes long: in some of the rounds only.
    default) (($2 >= default_rounds)) || measure_traced "$@" ;;
    *) measure_traced "$@" ;;
  esac
}

measure_workload() { # measure_workload NAME LAUNCH METER
  local round variant workload=$1 launch=$2 meter=$3
  "$launch"
  "$meter" 1 >/dev/null # caches, compilers
  for ((round = 0; round < rounds; round++)); do
    for variant in "${variants[@]}"; do measure_variant "$variant" "$round"; done
  done
  stop_target
}

# ratio_columns NAME VARIANT: to untraced, with its spread, and to the floor
ratio_columns() {
  local own=$work/$1.$2 untraced=$work/$1.untraced floor=$work/$1.floor over_floor=
  [[ $2 != untraced ]] || return 0
  [[ ! -s $floor ]] || over_floor=$(ratios "$own" "$floor" | median || true)
  printf ' %11s %18s %9s' "$(ratios "$own" "$untraced" | median || true)" \
    "$(ratios "$own" "$untraced" | spread)" "$over_floor"
}

print_variant() { # print_variant NAME VARIANT
  local file=$work/$1.$2 second
  if [[ ! -s $file ]]; then
    printf '%-32s %12s  %s\n' "${titles[$2]}" n/a "${absent[$2]-}${failed[$1.$2]-}"
    return
  fi
  second=$(awk 'NF > 2 { print $3 }' "$file" | median || true)
  printf '%-32s %12s' "${titles[$2]}" "$(cut -d ' ' -f 2 "$file" | median)"
  printf '%-41s %9s\n' "$(ratio_columns "$1" "$2")" "$second" | sed 's/ *$//'
}

print_workload() { # print_workload NAME TITLE UNIT [SECOND UNIT]
  local variant
  echo
  echo "$2"
  printf '%-32s %12s %11s %18s %9s %9s\n' "" "$3" "x untraced" "(least..most)" "x floor" "${4-}" |
    sed 's/ *$//'
  for variant in "${variants[@]}"; do print_variant "$1" "$variant"; done
}
