// SPDX-License-Identifier: Apache-2.0
#include "symbol/dwarf_lines.h"

#include "elf/debug_file.h"
#include "symbol/dwarf_walk.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include <dwarf.h>
#include <elfutils/libdwelf.h>

namespace leakbpf {

namespace {

/// Mangled name of a function or inlined call, wherever its declaration is; null when it has none.
/// Other linkage names are internal labels (glibc's malloc is __GI___libc_malloc there).
const char* mangled_name(Dwarf_Die& die) {
  for (const unsigned int name : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    Dwarf_Attribute attribute{};
    if (dwarf_attr_integrate(&die, name, &attribute) == nullptr)
      continue;
    const char* linkage = dwarf_formstring(&attribute);
    return linkage != nullptr && is_mangled(linkage) ? linkage : nullptr;
  }
  return nullptr;
}

std::string function_name(Dwarf_Die& die) {
  if (const char* mangled = mangled_name(die))
    return demangle(mangled);
  const char* plain = dwarf_diename(&die);
  return plain == nullptr ? "" : plain;
}

std::uint64_t number(Dwarf_Die& die, unsigned int name) {
  Dwarf_Attribute attribute{};
  Dwarf_Word value = 0;
  if (dwarf_attr(&die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0)
    return 0;
  return value;
}

void set_line_of_address(SourceFrame& frame, Dwarf_Die& unit, std::uint64_t address) {
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  if (line == nullptr)
    return;
  if (const char* file = dwarf_linesrc(line, nullptr, nullptr))
    frame.file = file;
  int number = 0;
  if (dwarf_lineno(line, &number) == 0 && number > 0)
    frame.line = static_cast<std::uint32_t>(number);
}

/// Where the inlined `call` was written: the line of the frame it was inlined into.
void set_line_of_call(SourceFrame& frame, Dwarf_Die& unit, Dwarf_Die& call) {
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  Dwarf_Attribute attribute{};
  Dwarf_Word index = 0;
  if (dwarf_attr(&call, DW_AT_call_file, &attribute) != nullptr &&
      dwarf_formudata(&attribute, &index) == 0 && dwarf_getsrcfiles(&unit, &files, &count) == 0 &&
      index < count) {
    // Before DWARF 5 number 0 means none, and libdw answers "???".
    const bool none = index == 0 && dwarf_filesrc(files, 0, nullptr, nullptr) != nullptr &&
                      std::string(dwarf_filesrc(files, 0, nullptr, nullptr)) == "???";
    if (const char* file = none ? nullptr : dwarf_filesrc(files, index, nullptr, nullptr))
      frame.file = file;
  }
  frame.line = static_cast<std::uint32_t>(number(call, DW_AT_call_line));
}

// libdw takes all of it into memory, inflated.
constexpr std::uint64_t most_debug_bytes = std::uint64_t{1} << 30;

/// The size in the header of GNU's old form of compression: "ZLIB", then 8 bytes, the highest
/// first.
std::uint64_t old_inflated_bytes(const ElfFile& file, const GElf_Shdr& header) {
  constexpr std::size_t magic_bytes = 4;
  std::uint64_t size = 0;
  const auto bytes = file.read(header.sh_offset, magic_bytes + sizeof size);
  for (std::size_t i = magic_bytes; i < bytes.size(); i++)
    size = size << 8 | bytes[i];
  return size;
}

/// What a section takes once it is inflated: by its header when it is compressed.
std::uint64_t inflated_bytes(const ElfFile& file, const GElf_Shdr& header, std::string_view name) {
  if (name.starts_with(".zdebug"))
    return header.sh_size + std::min(old_inflated_bytes(file, header), 2 * most_debug_bytes);
  Elf64_Chdr compressed{};
  if ((header.sh_flags & SHF_COMPRESSED) == 0)
    return header.sh_size;
  const auto bytes = file.read(header.sh_offset, sizeof compressed);
  if (bytes.size() == sizeof compressed)
    std::memcpy(&compressed, bytes.data(), sizeof compressed);
  return header.sh_size + std::min<std::uint64_t>(compressed.ch_size, 2 * most_debug_bytes);
}

/// Bytes of the file's debug sections in memory.
std::uint64_t debug_bytes(const ElfFile& file) {
  std::size_t names = 0;
  std::uint64_t sum = 0;
  if (elf_getshdrstrndx(file.elf(), &names) != 0)
    return 0;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS)
      continue;
    const char* name = elf_strptr(file.elf(), names, header.sh_name);
    const std::string_view text = name == nullptr ? "" : name;
    if (text.starts_with(".debug") || text.starts_with(".zdebug") ||
        text.starts_with(".gnu.debug") || text.starts_with(".eh_"))
      sum += std::min(inflated_bytes(file, header, text), 2 * most_debug_bytes);
  }
  return sum;
}

} // namespace

std::unique_ptr<DwarfLines> DwarfLines::open(const ElfFile& file, const std::string& root) {
  const Clock::time_point begin = Clock::now();
  std::unique_ptr<DwarfLines> lines(new DwarfLines(file));
  if (!lines->begin_handles())
    return nullptr;
  if (!lines->find_alternate(root))
    return nullptr;
  lines->link_alternate();
  lines->index_units();
  lines->begin_time_ = Clock::now() - begin;
  return lines;
}

bool DwarfLines::begin_handles() {
  if (debug_bytes(file_) > most_debug_bytes)
    return false;
  elf_ = file_.another_handle();
  dwarf_.reset(dwarf_begin_elf(elf_.get(), DWARF_C_READ, nullptr));
  return dwarf_ != nullptr;
}

/// False: a file that is needed is missing. libdw would go and open whatever is at the path that is
/// recorded, a FIFO too, outside of `root`.
bool DwarfLines::find_alternate(const std::string& root) {
  const char* name = nullptr;
  const void* id = nullptr;
  const ssize_t size = dwelf_dwarf_gnu_debugaltlink(dwarf_.get(), &name, &id);
  if (size <= 0 || name == nullptr)
    return true;
  alternate_file_ = find_alternate_file(file_, name, build_id_hex(id, size), root);
  return alternate_file_ && debug_bytes(*alternate_file_) <= most_debug_bytes;
}

void DwarfLines::link_alternate() {
  if (!alternate_file_)
    return;
  alternate_elf_ = alternate_file_->another_handle();
  alternate_.reset(dwarf_begin_elf(alternate_elf_.get(), DWARF_C_READ, nullptr));
  if (alternate_)
    dwarf_setalt(dwarf_.get(), alternate_.get());
  else
    dwarf_.reset(); // libdw would look for one by itself
}

bool DwarfLines::rest(Clock::time_point now) {
  // What is begun again and again takes no more than half a percent of the time.
  constexpr int idle_times = 200;
  constexpr std::chrono::seconds least_idle(5);
  if (!dwarf_ || now - used_ < std::max<Clock::duration>(least_idle, idle_times * begin_time_))
    return false;
  dwarf_.reset();
  elf_.reset();
  alternate_.reset();
  alternate_elf_.reset();
  return true;
}

void DwarfLines::index_units() {
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die{};
  std::uint8_t type = 0;
  // No sub-entry is asked for: libdw would open the .dwo file of a split unit by its recorded path.
  while (dwarf_get_units(dwarf_.get(), unit, &unit, nullptr, &type, &die, nullptr) == 0)
    if (type == DW_UT_compile || type == DW_UT_skeleton)
      for (const AddressRange& range : code_ranges(die))
        units_.add(range.low, range.high, dwarf_dieoffset(&die));
  units_.seal([](Dwarf_Off a, Dwarf_Off b) { return a < b; });
}

const DwarfLines::DieIndex& DwarfLines::functions_of(Dwarf_Off unit_offset, Dwarf_Die& unit) {
  auto [found, inserted] = functions_.try_emplace(unit_offset);
  if (inserted) {
    collect_functions(unit, found->second);
    found->second.seal([](Dwarf_Off a, Dwarf_Off b) { return a < b; });
  }
  return found->second;
}

DwarfPlace DwarfLines::find(std::uint64_t address) {
  DwarfPlace place;
  used_ = Clock::now();
  const auto* covering = units_.find(address);
  Dwarf_Die unit{};
  if (covering != nullptr && !dwarf_ && begin_handles())
    link_alternate();
  if (covering == nullptr || !dwarf_ ||
      dwarf_offdie(dwarf_.get(), covering->value, &unit) == nullptr)
    return place;
  SourceFrame frame;
  set_line_of_address(frame, unit, address);

  const auto* found = functions_of(covering->value, unit).find(address);
  Dwarf_Die function{};
  if (found != nullptr && dwarf_offdie(dwarf_.get(), found->value, &function) != nullptr) {
    // From the innermost call outwards: each frame gets its name from its own entry, and the
    // entry says at which line of the next frame it was called.
    std::vector<Dwarf_Die> calls = inlined_calls(function, address);
    for (; !calls.empty(); calls.pop_back()) {
      frame.function = function_name(calls.back());
      frame.inlined = true;
      place.frames.push_back(std::exchange(frame, SourceFrame{}));
      set_line_of_call(frame, unit, calls.back());
    }
    frame.function = function_name(function);
    place.full_name = mangled_name(function) != nullptr;
    place.function_low = found->low;
  }
  place.frames.push_back(std::move(frame));
  return place;
}

} // namespace leakbpf
