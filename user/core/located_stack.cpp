// SPDX-License-Identifier: Apache-2.0
#include "core/located_stack.h"

#include <leakbpf/stack_hash.h>

namespace leakbpf {

std::uint64_t hash_places(const LocatedStack& stack) {
  std::uint64_t hash = stack.end;
  for (const CodePlace& place : stack.places) {
    hash = unwind_hash(hash, std::uint64_t{place.module} << 1 | (place.is_return ? 1 : 0));
    hash = unwind_hash(hash, place.offset);
  }
  return hash == 0 ? 1 : hash;
}

} // namespace leakbpf
