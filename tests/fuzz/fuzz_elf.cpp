// SPDX-License-Identifier: Apache-2.0
// Any bytes as an ELF file: searched for allocators, and asked for names.
#include "plan/elf_functions.h"
#include "symbol/module.h"

#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("elf", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size))
    std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  (void)leakbpf::find_functions(path, path, "", [](std::string_view, bool) { return true; });
  if (const auto module = leakbpf::Module::open(path, ""))
    for (std::uint64_t offset = 0; offset < size; offset += 97)
      (void)module->resolve(offset, offset % 2 == 0);
  close(file);
  return 0;
}
