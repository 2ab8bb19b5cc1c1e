// SPDX-License-Identifier: Apache-2.0
#include "reach/holder_text.h"

#include "elf/debug_file.h"
#include "symbol/data_symbols.h"
#include "target/mapped_file.h"

#include <fmt/format.h>

namespace leakbpf {

std::string HolderNames::name(const Holder& holder, std::span<const Mapping> mappings) {
  switch (holder.kind) {
  case HolderKind::data:
    return variable(holder.address, mappings);
  case HolderKind::stack:
    return holder.thread == 0 || holder.thread == pid_
               ? "the main thread's stack"
               : fmt::format("the stack of thread {}", holder.thread);
  case HolderKind::memory:
    break;
  }
  return "memory that the program mapped, or an allocator whose blocks are not known";
}

std::string HolderNames::variable(std::uint64_t address, std::span<const Mapping> mappings) {
  // Where the file begins that the address lies in, or behind the last part of.
  const Mapping* file = nullptr;
  for (const Mapping& mapping : mappings) {
    if (mapping.start > address)
      break;
    if (mapping.inode != 0 &&
        (!file || mapping.inode != file->inode || mapping.device != file->device))
      file = &mapping;
  }
  if (!file)
    return "a global variable";
  const auto [known, is_new] = variables_.try_emplace(address);
  if (is_new) {
    const std::string found = find_variable(*file, address);
    const std::string base = file->path.substr(file->path.rfind('/') + 1);
    known->second = found.empty() ? fmt::format("a global variable of {}", base)
                                  : fmt::format("global `{}` ({})", found, base);
  }
  return known->second;
}

std::string HolderNames::find_variable(const Mapping& file, std::uint64_t address) const {
  MappedFile mapped;
  mapped.device = file.device;
  mapped.inode = file.inode;
  mapped.path = file.path;
  mapped.pid = pid_;
  mapped.start = file.start;
  mapped.end = file.end;
  mapped.root = proc_.path(pid_, "root");
  auto opened = open_mapped_file(proc_, mapped);
  if (!opened)
    return "";
  const auto elf = ElfFile::take(*std::move(opened), file.path);
  if (!elf)
    return "";
  const std::uint64_t start = elf->address_of(file.offset);
  if (start == ~std::uint64_t{0})
    return "";
  const std::uint64_t place = address - file.start + start;
  if (std::string name = variable_at(*elf, place); !name.empty())
    return name;
  const auto debug = find_debug_file(*elf, mapped.root);
  return debug ? variable_at(*debug, place) : "";
}

} // namespace leakbpf
