// SPDX-License-Identifier: Apache-2.0
#include "elf/vdso.h"

#include <cstring>

#include <elf.h>
#include <sys/auxv.h>

namespace leakbpf {

std::span<const char> vdso_image() {
  const auto* image = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR)); // NOLINT
  if (!image)
    return {};
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof(header));
  // The section headers are the last thing in it.
  return {image, header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize};
}

} // namespace leakbpf
