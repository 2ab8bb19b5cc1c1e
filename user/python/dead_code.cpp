// SPDX-License-Identifier: Apache-2.0
#include "python/dead_code.h"

#include <cstring>
#include <span>

namespace leakbpf {

bool DeadCodeMemory::read(std::uint64_t address, void* to, std::size_t size) const {
  struct Part {
    std::uint64_t address;
    std::span<const std::uint8_t> bytes;
  };
  const Part parts[] = {{record_.event.address, record_.code_bytes},
                        {record_.filename, record_.filename_bytes},
                        {record_.name, record_.name_bytes},
                        {record_.line_table, record_.line_table_bytes}};
  for (const Part& part : parts) {
    const std::uint64_t offset = address - part.address;
    if (offset >= part.bytes.size() || size > part.bytes.size() - offset)
      continue;
    std::memcpy(to, part.bytes.data() + offset, size);
    return true;
  }
  return false;
}

} // namespace leakbpf
