// SPDX-License-Identifier: Apache-2.0
#include "target/file_mapping.h"

#include <sys/mman.h>
#include <unistd.h>

namespace leakbpf {

std::optional<Mapping> as_mapped(const UniqueFd& file) {
  void* const page = mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (page == MAP_FAILED)
    return std::nullopt;
  const auto mappings = ProcFs().mappings(getpid());
  munmap(page, 1);
  const auto address = reinterpret_cast<std::uintptr_t>(page);
  if (mappings)
    for (const Mapping& mapping : *mappings)
      if (mapping.start <= address && address < mapping.end)
        return mapping;
  return std::nullopt;
}

} // namespace leakbpf
