# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $cache and $work are those of tools/vm
#
# Fetches Debian's cloud kernels into $cache, without root and without installing anything.
# fetch_kernels is the entry. Part of tools/vm.

mirror=http://deb.debian.org/debian

# A private apt: its own sources, lists and cache in a directory that is removed after use. The
# machine's own configuration counts only for what says how to reach the network.
make_private_apt() { # make_private_apt DIRECTORY SUITE KEYRING
  local apt=$1
  rm -rf "$apt"
  mkdir -p "$apt"/etc/{sources.list.d,preferences.d} "$apt"/state/lists/partial \
    "$apt"/cache/archives/partial
  : >"$apt/state/status"
  echo "deb [arch=amd64 signed-by=$3] $mirror $2 main" >"$apt/etc/sources.list"
  cat >"$apt/apt.conf" <<CONFIG
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "$apt/etc/sources.list.d";
Dir::Etc::preferences "$apt/etc/preferences";
Dir::Etc::preferencesparts "$apt/etc/preferences.d";
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONFIG
}

update_private_apt() { # update_private_apt DIRECTORY SUITE
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [[ -e $cache/keyring/$keyring ]]; then
    keyring=$cache/keyring/$keyring
  fi
  make_private_apt "$1" "$2" "$keyring"
  if apt-get -c "$1/apt.conf" -q update >"$work/apt-update" 2>&1; then
    return 0
  fi
  # An old keyring does not know sid's present key; trixie is signed with old and new ones.
  if grep -qE 'NO_PUBKEY|not signed|no public key' "$work/apt-update" &&
    [[ $2 != trixie && ! -e $cache/keyring ]]; then
    say "$2 is signed with a key this machine does not know: fetching Debian's newer keyring"
    fetch_keyring && update_private_apt "$1" "$2"
    return
  fi
  cat "$work/apt-update" >&2
  return 1
}

fetch_keyring() {
  local apt=$cache/keyring.apt
  update_private_apt "$apt" trixie || return
  (cd "$apt" && apt-get -c apt.conf -q download debian-archive-keyring >&2) || return
  mkdir -p "$cache/keyring.new"
  dpkg-deb -x "$apt"/debian-archive-keyring_*.deb "$cache/keyring.new" || return
  mv "$cache/keyring.new" "$cache/keyring"
}

newest_release() { # newest_release APT-DIRECTORY SERIES: as in "6.1.0-50-cloud-amd64"
  apt-cache -c "$1/apt.conf" pkgnames "linux-image-$2" |
    sed -nE "s/^linux-image-(${2//./\\.}[0-9.]*[^-]*(-[0-9]+)?-cloud-amd64)\$/\1/p" |
    sort -V | tail -n 1
}

find_release() { # find_release APT-DIRECTORY SERIES SUITE
  local release
  release=$(newest_release "$1" "$2.")
  if [[ -z $release && $3 == sid ]]; then # sid moves on
    release=$(newest_release "$1" "")
    say "$3 has no $2 any more: taking its newest kernel"
  fi
  echo "$release"
}

# The kernel and its configuration were one package up to 6.12 and are two in 7.x.
download_kernel() { # download_kernel APT-DIRECTORY RELEASE
  local packages=() package
  for package in "linux-image-$2" "linux-binary-$2" "linux-base-$2"; do
    if apt-cache -c "$1/apt.conf" show "$package" >/dev/null 2>&1; then
      packages+=("$package")
    fi
  done
  (cd "$1" && apt-get -c apt.conf -q download "${packages[@]}" >&2)
}

unpack_kernel() { # unpack_kernel APT-DIRECTORY RELEASE TO
  local deb tree=$1/tree
  for deb in "$1"/*.deb; do
    dpkg-deb -x "$deb" "$tree" || return
  done
  rm -rf "$3"
  mkdir -p "$3"
  find "$tree" -type f \( -name "vmlinuz-$2" -o -name vmlinuz \) -exec cp {} "$3/vmlinuz" \;
  find "$tree" -type f \( -name "config-$2" -o -path "*/$2/config" \) -exec cp {} "$3/config" \;
  (cd "$1" && printf '%s\n' ./*.deb | sed 's:^\./::') >"$3/packages"
  echo "$2" >"$3/release"
  [[ -s $3/vmlinuz && -s $3/config ]]
}

fetch_kernel() { # fetch_kernel SERIES
  local series=$1 suite release apt=$cache/$1.apt
  suite=$(suite_of "$series")
  say "$series: asking Debian $suite for its newest kernel"
  update_private_apt "$apt" "$suite" || return
  release=$(find_release "$apt" "$series" "$suite") || return
  if [[ -z $release ]]; then
    say "$series: Debian $suite has no such cloud kernel"
    return 1
  fi
  say "$series: fetching $release"
  download_kernel "$apt" "$release" || return
  unpack_kernel "$apt" "$release" "$cache/$series.new" || return
  rm -rf "${cache:?}/$series"
  mv "$cache/$series.new" "$cache/$series"
}

# fetch_kernels REFRESH SERIES...: those that are not in the cache, or all when REFRESH is "yes".
# False when one could not be had.
fetch_kernels() {
  local refresh=$1 series absent=0
  shift
  mkdir -p "$cache"
  exec {lock}>"$cache/lock"
  flock "$lock" # one fetch at a time
  [[ $refresh == no ]] || rm -rf "$cache/keyring"
  for series in "$@"; do
    if [[ -s $cache/$series/vmlinuz && $refresh == no ]]; then
      continue
    fi
    fetch_kernel "$series" || {
      say "$series: no kernel could be fetched"
      absent=$((absent + 1))
    }
  done
  rm -rf "$cache"/*.apt "$cache"/*.new
  exec {lock}>&-
  ((absent == 0))
}
