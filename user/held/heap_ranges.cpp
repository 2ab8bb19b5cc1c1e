// SPDX-License-Identifier: Apache-2.0
#include "held/heap_ranges.h"

namespace leakbpf {

std::vector<HeapRange> heap_ranges(std::span<const Mapping> mappings) {
  std::vector<HeapRange> ranges;
  for (const Mapping& mapping : mappings) {
    const bool heap = mapping.path == "[heap]" || mapping.path.starts_with("[anon:");
    const bool huge_pages = mapping.path.starts_with("/anon_hugepage");
    const bool anonymous = mapping.inode == 0 && mapping.path.empty();
    if (mapping.writable && !mapping.shared && (heap || huge_pages || anonymous))
      ranges.push_back({mapping.start, mapping.end, mapping.path == "[heap]"});
  }
  return ranges;
}

} // namespace leakbpf
