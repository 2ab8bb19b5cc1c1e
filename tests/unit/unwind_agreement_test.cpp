// SPDX-License-Identifier: Apache-2.0
// Our rules against those of libdw, for the files of this machine.
#include "unwind_fixture.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <dwarf.h>
#include <elfutils/libdw.h>

using leakbpf::ElfFile;
using leakbpf::UnwindTable;
using namespace leakbpf::unwind_fixture;

namespace {

struct FreeFrame {
  void operator()(Dwarf_Frame* dwarf_frame) const { std::free(dwarf_frame); }
};
using DwarfFrame = std::unique_ptr<Dwarf_Frame, FreeFrame>;

DwarfFrame frame_at(Dwarf_CFI* cfi, std::uint64_t address) {
  Dwarf_Frame* dwarf_frame = nullptr;
  return DwarfFrame(dwarf_cfi_addrframe(cfi, address, &dwarf_frame) == 0 ? dwarf_frame : nullptr);
}

struct Operations {
  Dwarf_Op memory[3]{};
  Dwarf_Op* first = nullptr;
  std::size_t count = 0;
  int status = 0;

  [[nodiscard]] bool is(std::size_t i, unsigned atom) const {
    return i < count && first[i].atom == atom;
  }
};

Operations cfa_of(Dwarf_Frame* dwarf_frame) {
  Operations found;
  found.status = dwarf_frame_cfa(dwarf_frame, &found.first, &found.count);
  return found;
}

void register_of(Dwarf_Frame* dwarf_frame, int number, Operations& found) {
  found.status =
      dwarf_frame_register(dwarf_frame, number, found.memory, &found.first, &found.count);
}

/// libdw's operations are those of the file, or its own `bregx` for register + offset.
bool is_base(const Operations& operations, int& base, std::int64_t& offset) {
  if (operations.count < 1)
    return false;
  const Dwarf_Op& operation = operations.first[0];
  if (operation.atom == DW_OP_bregx) {
    base = static_cast<int>(operation.number);
    offset = static_cast<std::int64_t>(operation.number2);
    return true;
  }
  if (operation.atom < DW_OP_breg0 || operation.atom > DW_OP_breg31)
    return false;
  base = operation.atom - DW_OP_breg0;
  offset = static_cast<std::int64_t>(operation.number);
  return true;
}

bool cfa_agrees(const leakbpf_unwind_rule& rule, const Operations& cfa) {
  int base = 0;
  std::int64_t offset = 0;
  if (cfa.status != 0 || !is_base(cfa, base, offset))
    return rule.cfa == LEAKBPF_CFA_UNSUPPORTED;
  const bool base_agrees = rule.cfa_register == base && rule.cfa_offset == offset;
  switch (rule.cfa) {
  case LEAKBPF_CFA_REGISTER:
    return cfa.count == 1 && base_agrees;
  case LEAKBPF_CFA_MEMORY:
    if (!base_agrees || !cfa.is(1, DW_OP_deref))
      return false;
    return cfa.count == 2 ? rule.cfa_add == 0
                          : cfa.count == 3 && cfa.is(2, DW_OP_plus_uconst) &&
                                static_cast<std::int64_t>(cfa.first[2].number) == rule.cfa_add;
  case LEAKBPF_CFA_PLT:
    return base_agrees && cfa.count == 9 && cfa.is(1, DW_OP_breg16) && cfa.is(8, DW_OP_plus) &&
           cfa.is(4, static_cast<unsigned>(DW_OP_lit0 + rule.cfa_add));
  case LEAKBPF_CFA_UNSUPPORTED:
    return cfa.count > 3;
  default:
    return false;
  }
}

/// The operations [call_frame_cfa, plus_uconst N]: saved at CFA + N.
bool is_at_cfa(const Operations& place, std::int64_t offset) {
  if (!place.is(0, DW_OP_call_frame_cfa))
    return false;
  return place.count == 1 ? offset == 0
                          : place.count == 2 && place.is(1, DW_OP_plus_uconst) &&
                                static_cast<std::int64_t>(place.first[1].number) == offset;
}

bool return_agrees(const leakbpf_unwind_rule& rule, const Operations& place) {
  if (place.status != 0)
    return false;
  if (rule.return_register == LEAKBPF_RETURN_IN_MEMORY)
    return is_at_cfa(place, -8);
  return place.count == 1 &&
         ((place.is(0, DW_OP_regx) && place.first[0].number == rule.return_register) ||
          place.is(0, static_cast<unsigned>(DW_OP_reg0 + rule.return_register)));
}

bool is_undefined(const Operations& place) {
  return place.status == 0 && place.count == 0 && place.first == place.memory;
}

bool fp_agrees(const leakbpf_unwind_rule& rule, const Operations& place) {
  const bool same = place.count == 0 && place.first == nullptr;
  if (place.status != 0)
    return false;
  if (rule.saved_fp == LEAKBPF_SAVED_FP_SAME)
    return same;
  if (rule.saved_fp == LEAKBPF_SAVED_FP_CFA)
    return is_at_cfa(place, rule.fp_offset);
  if (rule.saved_fp == LEAKBPF_SAVED_FP_UNKNOWN)
    return is_undefined(place) || place.is(place.count - 1, DW_OP_stack_value);
  if (rule.saved_fp >= LEAKBPF_SAVED_FP_MOVED)
    return place.is(0, DW_OP_regx);
  // libdw puts the CFA in front of an expression; this one leaves it there.
  const std::size_t last = place.count - 1;
  return place.count >= 1 &&
         place.is(last,
                  static_cast<unsigned>(DW_OP_breg0 + rule.saved_fp - LEAKBPF_SAVED_FP_REGISTER)) &&
         static_cast<std::int64_t>(place.first[last].number) == rule.fp_offset;
}

bool agrees(const leakbpf_unwind_rule& rule, Dwarf_Frame* dwarf_frame) {
  Dwarf_Addr start = 0;
  Dwarf_Addr end = 0;
  bool signal_frame = false;
  dwarf_frame_info(dwarf_frame, &start, &end, &signal_frame);
  if (signal_frame || rule.cfa == LEAKBPF_CFA_SIGNAL)
    return signal_frame && rule.cfa == LEAKBPF_CFA_SIGNAL;
  Operations return_address;
  register_of(dwarf_frame, 16, return_address);
  if (rule.cfa == LEAKBPF_CFA_END)
    return is_undefined(return_address);
  if (rule.cfa == LEAKBPF_CFA_UNSUPPORTED && !is_at_cfa(return_address, -8))
    return true; // another class, and as libdw sees it
  Operations fp;
  register_of(dwarf_frame, LEAKBPF_REGISTER_FP, fp);
  if (!cfa_agrees(rule, cfa_of(dwarf_frame)))
    return false;
  return rule.cfa == LEAKBPF_CFA_UNSUPPORTED ||
         (return_agrees(rule, return_address) && fp_agrees(rule, fp));
}

/// Every function's first instruction and many places in between, as many as there is time for.
std::vector<std::uint64_t> places(const UnwindTable& table) {
  std::mt19937_64 random(1); // NOLINT: the same each time
  std::vector<std::uint64_t> found;
  for (std::size_t i = 0; i + 1 < table.rows.size(); ++i) {
    const std::uint64_t begin = table.rows[i].offset;
    const std::uint64_t end = table.rows[i + 1].offset;
    found.push_back(begin);
    found.push_back(end - 1);
    found.push_back(begin + random() % (end - begin));
  }
  std::shuffle(found.begin(), found.end(), random);
  return found;
}

} // namespace

TEST_CASE("unwind table: the same as libdw's", "[unwind]") {
  using Clock = std::chrono::steady_clock;
  for (const std::string& path : real_files()) {
    INFO(path);
    const ElfFile file = open_elf(path);
    const UnwindTable table = table_of(file);
    CHECK(table.stats.damaged == 0);
    CHECK(table.stats.unreadable_bytes == 0);
    Dwarf_CFI* cfi = dwarf_getcfi_elf(file.elf());
    REQUIRE(cfi != nullptr);
    const auto end = Clock::now() + std::chrono::milliseconds(1000);
    std::size_t compared = 0;
    std::size_t padding = 0;
    for (const std::uint64_t place : places(table)) {
      if (Clock::now() > end)
        break;
      const DwarfFrame dwarf_frame = frame_at(cfi, file.address_of(place));
      if (dwarf_frame == nullptr) { // padding, a gap, or a signal's return found by its code
        ++padding;
        continue;
      }
      INFO("offset " << place << ": " << table.rule_at(place));
      if (!agrees(table.rule_at(place), dwarf_frame.get()))
        FAIL("differs");
      ++compared;
    }
    CHECK(compared > padding);
    dwarf_cfi_end(cfi);
  }
}
