// SPDX-License-Identifier: Apache-2.0
#include "symbol/dwarf_lines.h"

#include "symbol/debug_file.h"
#include "symbol/dwarf_walk.h"

#include <algorithm>
#include <cstddef>
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

} // namespace

std::unique_ptr<DwarfLines> DwarfLines::open(const ElfFile& file, const std::string& root) {
  const Clock::time_point begin = Clock::now();
  std::unique_ptr<DwarfLines> lines(new DwarfLines(file));
  if (!lines->begin_handles())
    return nullptr;
  lines->find_alternate(root);
  lines->link_alternate();
  lines->index_units();
  lines->begin_time_ = Clock::now() - begin;
  return lines;
}

bool DwarfLines::begin_handles() {
  dwarf_.reset(dwarf_begin_elf(file_.elf(), DWARF_C_READ, nullptr));
  return dwarf_ != nullptr;
}

// libdw would find the file by itself, but neither below `root` nor with our checks on opening.
void DwarfLines::find_alternate(const std::string& root) {
  const char* name = nullptr;
  const void* id = nullptr;
  const ssize_t size = dwelf_dwarf_gnu_debugaltlink(dwarf_.get(), &name, &id);
  if (size > 0 && name != nullptr)
    alternate_file_ = find_alternate_file(file_, name, build_id_hex(id, size), root);
}

void DwarfLines::link_alternate() {
  if (alternate_file_)
    alternate_.reset(dwarf_begin_elf(alternate_file_->elf(), DWARF_C_READ, nullptr));
  dwarf_setalt(dwarf_.get(), alternate_.get()); // null: do not look any further
}

bool DwarfLines::rest(Clock::time_point now) {
  // What is begun again and again takes no more than half a percent of the time.
  constexpr int idle_times = 200;
  constexpr std::chrono::seconds least_idle(5);
  if (!dwarf_ || now - used_ < std::max<Clock::duration>(least_idle, idle_times * begin_time_))
    return false;
  dwarf_.reset();
  alternate_.reset();
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
