# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # $work and the like are tools/bench's
#
# What tools/bench starts, waits for, and never leaves behind.

target=    # PID of the program that is measured
output=    # file that it writes to
tracer=    # PID of what traces it
helpers=() # PIDs of others

die() {
  say "error: $*"
  exit 1
}

clean_up() {
  local pid
  for pid in $tracer $target "${helpers[@]}"; do
    kill "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true # it may be stopped meanwhile
  done
  # Whoever waits for the other end of this pipe waits no longer: opening both never blocks.
  [[ ! -p $work/pipe ]] || : <>"$work/pipe"
  stop_statistics
  rm -rf "$work"
}

is_running() { kill -0 "$1" 2>/dev/null; }

comes() { # comes WORDS FILE PID [SECONDS]: will it have written them, within 20 s or so many?
  local end=$((SECONDS + ${4:-20}))
  while ((SECONDS < end)); do
    ! grep -q "$1" "$2" || return 0
    is_running "$3" || break
    sleep 0.02
  done
  grep -q "$1" "$2"
}

wait_for() { # wait_for WORDS FILE PID [SECONDS]
  comes "$@" && return
  cat "$2" >&2
  die "no \"$1\" came"
}

start_target() { # start_target COMMAND...: its output in $output
  output=${output:-$work/target}
  : >"$output"
  "$@" >"$output" &
  target=$!
}

stop() { # stop PID
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

stop_tracer() {
  [[ -n $tracer ]] || return 0
  stop "$tracer"
  tracer=
  sleep 0.1 # the kernel takes the probes out
}

stop_target() {
  stop "$target"
  target=
  output=
}

cpu_ticks() { # cpu_ticks PID: user and system time
  local stat
  stat=$(<"/proc/$1/stat")
  read -ra stat <<<"${stat##*) }"
  echo $((stat[11] + stat[12]))
}

percent_of_core() { # percent_of_core PID SECONDS: what it takes in the next so many
  local begin begin_time end
  begin=$(cpu_ticks "$1") begin_time=$EPOCHREALTIME
  sleep "$2"
  end=$(cpu_ticks "$1")
  awk -v ticks=$((end - begin)) -v hertz="$(getconf CLK_TCK)" \
    -v seconds="$(seconds_between "$begin_time" "$EPOCHREALTIME")" \
    'BEGIN { printf "%.2f\n", 100 * ticks / hertz / seconds }'
}

peak_memory() { # peak_memory PID: MiB
  awk '/^VmHWM/ { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"
}
