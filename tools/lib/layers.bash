# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The folders of user/ in layers: each may include those before it in the list, none after it.

layers=(base core elf target plan kernel unwind python symbol reach held store render report session view cli)

# Prints the includes that go up, and folders that are not in the list. False if there are any.
check_layers() {
  git grep -n '^#include "[a-z_]*/' -- 'user/*/*.h' 'user/*/*.cpp' |
    awk -F '[:/"]' -v list="${layers[*]}" '
      BEGIN { count = split(list, names, " "); for (i = 1; i <= count; i++) rank[names[i]] = i }
      { from = $2; to = $6 }
      !(from in rank) { print $0 ": user/" from " is not in tools/lib/layers.bash"; bad = 1; next }
      (to in rank) && rank[to] > rank[from] { print $0 ": user/" to " lies above user/" from; bad = 1 }
      END { exit bad }'
}
