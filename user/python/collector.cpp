// SPDX-License-Identifier: Apache-2.0
#include "python/collector.h"

#include "python/evaluation_code.h"
#include "python/instruction_cursor.h"
#include "unwind/function_ranges.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace leakbpf {

namespace {

constexpr std::uint32_t sdt_note_type = 3;
constexpr std::uint64_t most_collector_code = 512;

/// The address in an SDT note of the provider "python" with this name; 0: it is another.
std::uint64_t sdt_address(std::string_view descriptor, std::string_view wanted) {
  constexpr std::size_t addresses = 3 * sizeof(std::uint64_t); // of the mark, a base, a semaphore
  if (descriptor.size() < addresses)
    return 0;
  const std::string_view names = descriptor.substr(addresses);
  const std::size_t provider_end = names.find('\0');
  if (provider_end == std::string_view::npos || names.substr(0, provider_end) != "python")
    return 0;
  const std::string_view rest = names.substr(provider_end + 1);
  if (rest.substr(0, rest.find('\0')) != wanted)
    return 0;
  std::uint64_t address = 0;
  std::memcpy(&address, descriptor.data(), sizeof(address));
  return address;
}

std::uint64_t find_sdt_mark(const ElfFile& file, std::string_view name) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_NOTE)
      continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    GElf_Nhdr note{};
    std::size_t name_at = 0;
    std::size_t at = 0;
    for (std::size_t next = 0;
         data != nullptr && (next = gelf_getnote(data, next, &note, &name_at, &at)) > 0;) {
      if (note.n_type != sdt_note_type || at + note.n_descsz > data->d_size)
        continue;
      const std::string_view descriptor(static_cast<const char*>(data->d_buf) + at, note.n_descsz);
      if (const std::uint64_t address = sdt_address(descriptor, name))
        return address;
    }
  }
  return 0;
}

/// Where the code at an address jumps to first.
std::optional<std::uint64_t> first_jump(const ElfFile& file, std::uint64_t address) {
  const CodeBlock block = code_at(file, address, 64);
  for (InstructionCursor cursor(block.code, block.address); cursor.next();)
    if (cursor.category() == ZYDIS_CATEGORY_UNCOND_BR)
      if (const auto target = cursor.absolute(0))
        return target;
  return std::nullopt;
}

/// Where the function begins that an address lies in.
std::optional<std::uint64_t> begin_of(const FunctionRanges& functions, std::uint64_t address) {
  const auto function = function_at(functions, address);
  return function != functions.end() ? std::optional(function->first) : std::nullopt;
}

} // namespace

std::optional<CodeBlock> find_collector(const ElfFile& file, const InterpreterFile& interpreter) {
  if (!interpreter.collector.code.empty())
    return interpreter.collector;
  const std::uint64_t mark = find_sdt_mark(file, "gc__start");
  if (mark == 0)
    return std::nullopt;
  const auto table = build_unwind_table(file);
  if (!table)
    return std::nullopt;
  const FunctionRanges functions = function_ranges(file);
  auto begin = begin_of(functions, mark);
  // The marks are unlikely code, which compilers put elsewhere; it jumps back into the function.
  if (begin && !begins_a_frame(file, *table, *begin)) {
    const auto back = first_jump(file, mark);
    begin = back ? begin_of(functions, *back) : std::nullopt;
  }
  if (!begin || !begins_a_frame(file, *table, *begin))
    return std::nullopt;
  return code_at(file, *begin, std::min(functions.at(*begin) - *begin, most_collector_code));
}

} // namespace leakbpf
