# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # $root, $peer and $peer_name are tools/bench's
#
# Finds libbpf-tools' memleak on this machine, or fetches Debian 13's, with the libraries that it
# needs, into the cache. Installs nothing. find_peer is the entry. Part of tools/bench.

peer_cache=${XDG_CACHE_HOME:-$HOME/.cache}/leakbpf/peer
peer_packages=(libbpf-tools libc6 libelf1t64 libbpf1 zlib1g libzstd1)

# Runs in a subshell: the private apt of tests/vm has names of its own.
fetch_peer() (
  # shellcheck source=tests/vm/fetch.bash
  source "$root/tests/vm/fetch.bash"
  cache=$peer_cache
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  apt=$work/apt
  mkdir -p "$cache"
  update_private_apt "$apt" trixie || exit
  (cd "$apt" && apt-get -c apt.conf -q download "${peer_packages[@]}") >&2 || exit
  rm -rf "$cache/tree.new" "$cache/tree"
  for deb in "$apt"/*.deb; do
    dpkg-deb -x "$deb" "$cache/tree.new" || exit
  done
  (cd "$apt" && printf '%s\n' libbpf-tools_*.deb) >"$cache/package"
  mv "$cache/tree.new" "$cache/tree"
)

# find_peer: sets the array $peer to the command that runs memleak; it stays empty without one.
find_peer() {
  peer=()
  peer_name=
  if command -v memleak-libbpf >/dev/null; then
    peer=("$(command -v memleak-libbpf)")
    peer_name=$(dpkg-query -W -f='libbpf-tools ${Version}' libbpf-tools 2>/dev/null || true)
    return
  fi
  [[ $(uname -m) == x86_64 ]] || return 0
  local tree=$peer_cache/tree
  if [[ ! -d $tree ]]; then
    command -v dpkg-deb >/dev/null || return 0
    say "fetching libbpf-tools of Debian 13, for its memleak"
    fetch_peer || {
      say "it could not be had"
      return 0
    }
  fi
  local program
  program=$(find "$tree" -name memleak-libbpf -print -quit)
  [[ -n $program ]] || return 0
  local libraries=$tree/usr/lib/x86_64-linux-gnu
  peer=("$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$program")
  peer_name=$(cat "$peer_cache/package")
}
