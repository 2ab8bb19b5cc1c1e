# SPDX-License-Identifier: Apache-2.0
# Builds what is not built yet. Sourced by the tools, which set `root` and source packages.bash.
# shellcheck shell=bash disable=SC2154

# sources_changed ROOT STAMP: is any source newer than the stamp?
sources_changed() {
  [[ ! -e $2 ]] && return 0
  [[ -n $(find "$1/bpf" "$1/user" "$1/include" "$1/vmlinux" "$1/demo" "$1/cmake" "$1/tests" \
    "$1/CMakeLists.txt" "$1/CMakePresets.json" -newer "$2" -print -quit) ]]
}

# build PRESET [TARGET...]: progress on stderr.
build() (
  cd "$root" || exit
  local preset=$1
  shift
  local targets=()
  [[ $# -eq 0 ]] || targets=(--target "$@")
  local log
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    exit 3
  fi
  say "building ($preset)"
  cmake --build --preset "$preset" "${targets[@]}" >&2 || exit 3
)
