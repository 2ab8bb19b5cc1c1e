# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # $work and the like are tools/bench's
#
# Ways to trace a program, leakbpf's and others. Part of tools/bench.

variants=(untraced floor skip exact default near_zero memleak bpftrace heaptrack)
declare -A titles=([untraced]="untraced" [floor]="floor: empty programs"
  [skip]="floor, returns skipped" [exact]="leakbpf --exact" [default]="leakbpf"
  [near_zero]="leakbpf --kinds mmap,brk,pages" [memleak]="libbpf-tools memleak"
  [bpftrace]="bpftrace script" [heaptrack]="heaptrack from the start")
declare -A absent=() # why a variant is not there at all

find_variants() {
  find_peer
  [[ ${#peer[@]} -gt 0 ]] || absent[memleak]="not installed"
  command -v bpftrace >/dev/null || absent[bpftrace]="not installed"
  heaptrack_files=$(dirname "$(command -v heaptrack || true)")/../lib/heaptrack
  [[ -x $heaptrack_files/libexec/heaptrack_interpret ]] || absent[heaptrack]="not installed"
}

# The file whose malloc a process uses: the peers have to be told when it is not libc.
allocator_of() { # allocator_of PID
  awk '$6 ~ /\/lib(jemalloc|tcmalloc|mimalloc)[^\/]*$/ { found = $6 }
    $6 ~ /\/libc[.-][^\/]*$/ { libc = $6 }
    END { print found ? found : libc }' "/proc/$1/maps"
}

# The simplest leak finder that can be written so: a table of blocks, stacks at malloc. The interval
# comes last, when all is attached.
bpftrace_script() { # bpftrace_script FILE
  printf '%s\n' "uprobe:$1:malloc { @size[tid] = arg0; }
    uretprobe:$1:malloc /@size[tid]/ {
      @block[retval] = @size[tid]; @stack[retval] = ustack; delete(@size[tid]);
    }
    uprobe:$1:free /@block[arg0]/ { delete(@block[arg0]); delete(@stack[arg0]); }
    END { clear(@size); clear(@block); clear(@stack); }
    interval:ms:100 { printf(\"ready\\n\"); }"
}

# memleak finds libc by itself. Of another name it keeps 31 characters: it gets a short one.
memleak_command() {
  local allocator
  allocator=$(allocator_of "$target")
  command=("${peer[@]}" -p "$target")
  if [[ $allocator != */libc[.-]* ]]; then
    ln -sf "$allocator" "$work/allocator"
    command=(env -C "$work" "${command[@]}" -O ./allocator)
  fi
  command+=(3600)
  words="^Tracing outstanding"
}

# tracer_command VARIANT [OPTION...]: sets `command`, and `words`, which come when it has attached.
tracer_command() {
  words="tracing PID"
  command=("$leakbpf" snapshot -p "$target" -o /dev/null -d 3600)
  case $1 in
    floor) command=("$programs/floor" "$target") words=^ready ;;
    skip) command=("$programs/floor" --skip "$target") words=^ready ;;
    exact) command+=(--exact) ;;
    default) ;;
    near_zero) command+=(--kinds "mmap,brk,pages") ;;
    memleak) memleak_command ;;
    bpftrace)
      command=(bpftrace -p "$target" -e "$(bpftrace_script "$(allocator_of "$target")")")
      words=^ready
      ;;
  esac
  command+=("${@:2}")
}

# start_tracer VARIANT [OPTION...]: returns when it has attached; fails when it did not, and its own
# words are in $work/VARIANT.log.
start_tracer() {
  local command words log=$work/$1.log
  tracer_command "$@"
  : >"$log"
  stdbuf -oL "${command[@]}" >"$log" 2>&1 &
  tracer=$!
  comes "$words" "$log" "$tracer" && return
  stop_tracer
  return 1
}

must_start_tracer() {
  start_tracer "$@" && return
  cat "$work/$1.log" >&2
  die "${titles[$1]} does not start"
}

# heaptrack attaches to nothing here: that ends the servers. So it has a process of its own, which
# is started as its script does it; what it records goes the same way, but is not kept.
start_heaptrack() { # sets `prefix` of the command that is to be recorded
  rm -f "$work/pipe"
  mkfifo "$work/pipe"
  "$heaptrack_files/libexec/heaptrack_interpret" <"$work/pipe" 2>/dev/null |
    gzip -c >/dev/null &
  helpers+=($!)
  prefix=(env "LD_PRELOAD=$heaptrack_files/libheaptrack_preload.so"
    "DUMP_HEAPTRACK_OUTPUT=$work/pipe")
}
