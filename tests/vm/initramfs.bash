# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $vm_dir and $work are those of tools/vm
#
# Makes the guest's file system: busybox, tests/vm/init, what tests/vm/manifest lists, and the
# shared libraries of all that, at the paths they have on this machine. make_initramfs is the entry.
# Part of tools/vm.

build= # build directory

# Copies a file of this machine to the same path in the guest. Links in the directory's path are
# resolved, as the guest has the same ones (lib -> usr/lib); a link to a file stays one.
add_file() { # add_file ROOT FILE
  local directory target
  directory=$(realpath "$(dirname "$2")")
  target=$1$directory/$(basename "$2")
  [[ ! -e $target && ! -L $target ]] || return 0
  mkdir -p "$1$directory"
  if [[ -L $2 ]]; then
    cp -P "$2" "$target"
    add_file "$1" "$(cd "$directory" && realpath -s "$(readlink "$2")")"
  else
    cp --preserve=mode,timestamps "$2" "$target"
  fi
}

add_libraries() { # add_libraries ROOT BINARY: those it needs, and the ELF interpreter
  local output library
  output=$(ldd "$2" 2>/dev/null) || return 0 # a static binary, a script, data
  if [[ $output == *"not found"* ]]; then
    die "$2 needs a library that is not there:"$'\n'"$(grep 'not found' <<<"$output")"
  fi
  while read -r library; do
    # The build's own libraries are below /leakbpf; in the guest $build is a link to that.
    if [[ $library == "$build"/* ]]; then
      add_built_file "$1" "${library#"$build"/}"
    else
      add_file "$1" "$library"
    fi
  done < <(grep -oE '/[^ ]+ \(0x' <<<"$output" | sed 's/ (0x$//')
}

add_built_file() { # add_built_file ROOT PATH-IN-BUILD
  [[ ! -e $1/leakbpf/$2 ]] || return 0
  mkdir -p "$(dirname "$1/leakbpf/$2")"
  cp -L --preserve=mode,timestamps "$build/$2" "$1/leakbpf/$2"
  add_libraries "$1" "$build/$2"
}

add_system_path() { # add_system_path ROOT PATH: a file or a directory
  if [[ -d $2 ]]; then
    local file
    mkdir -p "$1$(realpath "$2")"
    cp -a --no-preserve=ownership "$(realpath "$2")/." "$1$(realpath "$2")"
    while IFS= read -r file; do
      add_libraries "$1" "$file"
    done < <(find "$2/" -name '*.so*' -type f)
  else
    add_file "$1" "$2"
    add_libraries "$1" "$2"
  fi
}

add_manifest_entry() { # add_manifest_entry ROOT ENTRY MUST-EXIST
  local base=$build match found=no
  [[ $2 != /* ]] || base=
  while IFS= read -r match; do
    if [[ -z $base ]]; then
      add_system_path "$1" "$match"
    elif [[ -f $match ]]; then
      add_built_file "$1" "${match#"$base"/}"
    else
      continue # what a glob finds in a build directory besides files
    fi
    found=yes
  done < <(compgen -G "${base:+$base/}$2")
  [[ $found == yes || $3 == no ]] ||
    die "${base:+$base/}$2 is in tests/vm/manifest but is not there: build it first"
}

add_manifest() { # add_manifest ROOT
  local first second
  while read -r first second; do
    case $first in
    '' | '#'*) ;;
    optional) add_manifest_entry "$1" "$second" no ;;
    *) add_manifest_entry "$1" "$first" yes ;;
    esac
  done <"$vm_dir/manifest"
}

make_directories() { # make_directories ROOT: the outline of a system laid out as this one is
  local name
  mkdir -p "$1"/{dev,proc,sys,tmp,run,root,etc,leakbpf,usr/bin,usr/sbin,usr/lib,var/tmp}
  for name in bin sbin lib lib64; do
    if [[ -L /$name ]]; then
      mkdir -p "$1/usr/$name"
      ln -s "usr/$name" "$1/$name"
    elif [[ -d /$name ]]; then
      mkdir -p "$1/$name"
    fi
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
  echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$1/etc/passwd"
  printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$1/etc/group"
  echo '127.0.0.1 localhost leakbpf-vm' >"$1/etc/hosts"
  cp /etc/os-release /etc/ld.so.cache "$1/etc/" 2>/dev/null || true
  echo "$build" >"$1/etc/leakbpf-build"
}

add_guest_script() { # add_guest_script ROOT [COMMAND...]
  local script=$1/run-in-guest
  shift
  if (($# > 0)); then
    # Quoted for busybox sh, which does not know bash's $'...'.
    printf "'%s' " "${@//\'/\'\\\'\'}" >"$script"
  else
    cp "$vm_dir/run-in-guest" "$script"
  fi
}

make_initramfs() { # make_initramfs FILE BUILD-DIRECTORY [COMMAND...]
  local file=$1 root=$work/root busybox
  build=$(realpath "$2")
  shift 2
  make_directories "$root"
  busybox=$(command -v busybox)
  cp -L "$busybox" "$root/bin/busybox"
  add_libraries "$root" "$busybox"
  install -m 755 "$vm_dir/init" "$root/init"
  add_guest_script "$root" "$@"
  add_manifest "$root"
  (cd "$root" && find . -print0 | cpio --null -o -H newc -R 0:0 --quiet) | gzip -1 >"$file"
  say "initramfs: $(find "$root" -type f | wc -l) files, $(du -h "$file" | cut -f 1)"
  rm -rf "$root"
}
