# SPDX-License-Identifier: Apache-2.0
# Installs the packages that a task needs and this machine lacks. Sourced by the tools.
# shellcheck shell=bash

say() { echo "leakbpf: $*" >&2; }

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "error: packages are missing and this is neither root nor is there a sudo: $*"
    exit 3
  fi
}

# distribution: "debian 12", "ubuntu 24.04"; with only two words.
distribution() (
  # shellcheck source=/dev/null
  source /etc/os-release
  echo "${ID:-unknown} ${VERSION_ID:-unknown}"
)

# packages_of PURPOSE: build, test, readers, live, bench, languages, agreement or lint, one package a
# line.
packages_of() {
  local catch2=catch2 bpftool=bpftool
  case $(distribution) in
    "ubuntu "*) bpftool=linux-tools-generic ;;
  esac
  case $1 in
    build)
      echo "clang $bpftool cmake ninja-build g++ pkg-config libbpf-dev libdw-dev libelf-dev" \
        "libzydis-dev libcli11-dev libfmt-dev nlohmann-json3-dev libiberty-dev zlib1g-dev" \
        "libprotozero-dev liblzma-dev libre2-dev libcap-ng-dev libutf8proc-dev libncurses-dev" \
        "linux-libc-dev $catch2"
      ;;
    test) echo "binutils tmux" ;;
    readers) # of the formats; an npm that is not from a package will do
      echo "chromium chromium-driver debuginfod libdebuginfod1 file golang-go python3"
      command -v npm >/dev/null || echo "npm"
      ;;
    live) echo "redis-server redis-tools uvicorn python3-fastapi wrk nginx-light" ;;
    bench) # servers, and what loads them; peers of leakbpf are measured if they are there
      echo "redis-server redis-tools uvicorn python3-fastapi wrk nodejs"
      ;;
    languages) # compilers of test programs, and allocators that they are linked with; a rustc and a
      # JDK that are not from a package will do
      echo "musl-tools golang-go nodejs libjemalloc-dev libgoogle-perftools-dev libmimalloc-dev" \
        "xz-utils"
      command -v javac >/dev/null || echo "default-jdk-headless"
      command -v rustc >/dev/null || echo "rustc"
      ;;
    agreement) # tests/agreement: gdb, and what it is asked about
      echo "gdb python3 redis-server redis-tools nginx-light wrk postgresql openssl nodejs"
      ;;
    lint) echo "clang-format clang-tidy shellcheck git jq" ;;
  esac | tr ' ' '\n'
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# On Debian 12 some packages are too old: these come from backports, with the libraries that
# must be of the same version.
backported='libbpf-dev|bpftool|catch2|libdw-dev|libelf-dev|debuginfod|libdebuginfod1'

is_too_old() {
  [[ $(distribution) == "debian 12" && $1 =~ ^($backported)$ ]] &&
    ! dpkg-query -W -f='${Version}' "$1" | grep -q bpo
}

debian_mirror() {
  local mirror
  # shellcheck disable=SC2016 # apt expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/*$' || true)
  echo "${mirror:-http://deb.debian.org/debian}"
}

enable_backports() {
  apt-cache policy 2>/dev/null | grep -q bookworm-backports && return
  say "adding bookworm-backports to the package sources"
  as_root tee /etc/apt/sources.list.d/leakbpf-backports.sources >/dev/null <<SOURCES
Types: deb
URIs: $(debian_mirror)
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
}

# apt ARGS: quiet, waits for another apt, tries once more when the network stumbled.
apt() {
  local log
  log=$(mktemp)
  local try
  for try in 1 2; do
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
      -o Dpkg::Options::=--force-confold "$@" >"$log" 2>&1 </dev/null; then
      rm -f "$log"
      return 0
    fi
    [[ $try -eq 1 ]] && sleep 5
  done
  cat "$log" >&2
  rm -f "$log"
  say "error: apt-get $* failed"
  exit 3
}

# install_packages PURPOSE...: does nothing, fast, when all is there.
install_packages() {
  local wanted=() missing=() old=() package purpose
  for purpose in "$@"; do mapfile -t -O "${#wanted[@]}" wanted < <(packages_of "$purpose"); done
  for package in "${wanted[@]}"; do
    if ! is_installed "$package" || is_too_old "$package"; then
      if [[ $(distribution) == "debian 12" && $package =~ ^($backported)$ ]]; then
        old+=("$package")
      else
        missing+=("$package")
      fi
    fi
  done
  [[ ${#missing[@]} -eq 0 && ${#old[@]} -eq 0 ]] && return
  command -v apt-get >/dev/null || {
    say "error: this system has no apt-get; needed are: ${missing[*]} ${old[*]}"
    exit 3
  }
  say "installing $((${#missing[@]} + ${#old[@]})) packages: ${missing[*]} ${old[*]}"
  [[ ${#old[@]} -eq 0 ]] || enable_backports
  apt update
  [[ ${#old[@]} -eq 0 ]] || apt install --no-install-recommends -t bookworm-backports "${old[@]}"
  [[ ${#missing[@]} -eq 0 ]] || apt install --no-install-recommends "${missing[@]}"
}
