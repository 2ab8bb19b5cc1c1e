// SPDX-License-Identifier: Apache-2.0
// Where stacks end in a C library without call-frame information.
#include "unwind/elf_code.h"
#include "unwind_fixture.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using leakbpf::UnwindTable;
using leakbpf::cfi::Bytes;
using leakbpf::cfi::ElfImage;
using leakbpf::cfi::Section;
using namespace leakbpf::unwind_fixture;
using Symbol = ElfImage::Symbol;

namespace {

const auto end_of_stack = only(LEAKBPF_CFA_END);
const auto nothing = only(LEAKBPF_CFA_NONE);

leakbpf_unwind_rule rule_at(const UnwindTable& table, std::uint64_t at) {
  return table.rule_at(ElfImage::code_offset + at);
}

Bytes eh_frame_of(std::uint64_t at, std::uint32_t size) {
  Section section(ElfImage::eh_frame_address);
  section.fde(section.cie(), ElfImage::code_address + at, size, {});
  section.bytes.u32(0);
  return section.bytes;
}

/// As Debian's libc.so lies: static functions have no symbols.
ElfImage stripped_library() {
  ElfImage image;
  image.symbol_table = SHT_DYNSYM;
  image.symbols = {{"versionsort", 0x100, 0x20},       {"_init", 0x200, 1, STB_WEAK},
                   {"__libc_start_main", 0x340, 0x34}, {"getenv", 0x400, 0x30},
                   {"pthread_exit", 0x800, 0x24f},     {"pthread_create", 0xb40, 0x215, STB_WEAK},
                   {"pthread_detach", 0xd60, 0x20},    {"malloc", 0, 0, 1, 2, 0, SHN_UNDEF}};
  return image;
}

Symbol local(const std::string& name, std::uint64_t at, std::uint64_t size) {
  return {name, at, size, STB_LOCAL};
}

Symbol hidden(const std::string& name, std::uint64_t at, std::uint64_t size) {
  return {name, at, size, STB_LOCAL, STT_FUNC, STV_HIDDEN};
}

} // namespace

TEST_CASE("start code: without symbols, what is next to exported functions", "[unwind]") {
  const UnwindTable table = table_of(stripped_library());
  CHECK(rule_at(table, 0x150) == nothing);
  CHECK(rule_at(table, 0x200) == nothing);
  CHECK(rule_at(table, 0x201) == end_of_stack);
  CHECK(rule_at(table, 0x340) == end_of_stack);
  CHECK(rule_at(table, 0x3ff) == end_of_stack);
  CHECK(rule_at(table, 0x400) == nothing);
  CHECK(rule_at(table, 0x430) == nothing);
  CHECK(rule_at(table, 0xa4e) == nothing); // pthread_exit
  CHECK(rule_at(table, 0xa4f) == end_of_stack);
  CHECK(rule_at(table, 0xb3f) == end_of_stack);
  CHECK(rule_at(table, 0xb40) == nothing); // pthread_create itself
  CHECK(rule_at(table, 0xd54) == nothing);
  CHECK(rule_at(table, 0xd60) == nothing);
  CHECK(table.rows.back().rule == 0);
}

TEST_CASE("start code: only up to some distance, and not out of the code", "[unwind]") {
  ElfImage image;
  image.symbols = {{"__libc_start_main", 0x800, 0x40}};
  const UnwindTable table = table_of(image);
  CHECK(rule_at(table, 0x5ff) == nothing);
  CHECK(rule_at(table, 0x600) == end_of_stack);
  CHECK(rule_at(table, 0xa3f) == end_of_stack);
  CHECK(rule_at(table, 0xa40) == nothing);
  image.symbols = {{"__libc_start_main", 0x10, 0x20}, {"pthread_create", 0xf00, 0x8000}};
  const UnwindTable at_ends = table_of(image);
  CHECK(rule_at(at_ends, 0) == end_of_stack);
  CHECK(rule_at(at_ends, 0xeff) == end_of_stack);
  CHECK(rule_at(at_ends, 0xf00) == nothing);
  CHECK(rule_at(at_ends, 0xfff) == nothing);
  // Over another's place, in any order; a function without a size reaches to the next one.
  image.symbols = {{"pthread_create", 0x200, 0x40},
                   {"__libc_start_main", 0x180, 0x20},
                   {"by_hand", 0x120, 0, STB_GLOBAL, STT_NOTYPE}};
  const UnwindTable close = table_of(image);
  CHECK(rule_at(close, 0x11f) == nothing);
  CHECK(rule_at(close, 0x150) == nothing);
  CHECK(rule_at(close, 0x180) == end_of_stack);
  CHECK(rule_at(close, 0x1ff) == end_of_stack);
  CHECK(rule_at(close, 0x200) == nothing);
  CHECK(rule_at(close, 0x240) == end_of_stack);
}

TEST_CASE("start code: with symbols, other functions have their own", "[unwind]") {
  ElfImage image; // as a static program lies
  image.symbols = {{"main", 0x100, 0x60},
                   hidden("__init_libc", 0x160, 0x100),
                   hidden("__libc_start_init", 0x260, 0x30),
                   local("libc_start_init", 0x260, 0x30),
                   local("libc_start_main_stage2", 0x290, 0x30),
                   {"__libc_start_main", 0x2c0, 0x40},
                   local("libc_exit_fini", 0x300, 0x40),
                   {"malloc", 0x340, 0x10},
                   local("start", 0x400, 0x90), // the program's own
                   {"pthread_exit", 0x800, 0x100, STB_WEAK},
                   local("start", 0x900, 0x90),
                   local("start_c11", 0x990, 0x20),
                   hidden("__do_cleanup_push", 0x9b0, 0x20),
                   {"pthread_create", 0x9d0, 0x200, STB_WEAK},
                   hidden("__pthread_create", 0x9d0, 0x200),
                   {"pthread_detach", 0xbd0, 0x20}};
  const UnwindTable table = table_of(image);
  CHECK(rule_at(table, 0x100) == nothing);
  CHECK(rule_at(table, 0x160) == nothing);
  CHECK(rule_at(table, 0x25f) == nothing);
  CHECK(rule_at(table, 0x260) == end_of_stack);
  CHECK(rule_at(table, 0x2ff) == end_of_stack);
  CHECK(rule_at(table, 0x300) == nothing);
  CHECK(rule_at(table, 0x400) == nothing);
  CHECK(rule_at(table, 0x8ff) == nothing);
  CHECK(rule_at(table, 0x900) == end_of_stack);
  CHECK(rule_at(table, 0x9af) == end_of_stack);
  CHECK(rule_at(table, 0x9b0) == nothing);
  CHECK(rule_at(table, 0x9d0) == nothing);
  CHECK(rule_at(table, 0xbd0) == nothing);
  CHECK(table.rows.size() == 4);
}

TEST_CASE("start code: only where no call-frame information covers it", "[unwind]") {
  ElfImage image = stripped_library();
  image.eh_frame = eh_frame_of(0x330, 0x60); // another C library
  CHECK(rule_at(table_of(image), 0x340) == at(7, 8));
  CHECK(rule_at(table_of(image), 0x230) == nothing);
  CHECK(rule_at(table_of(image), 0xb00) == nothing);
  image.eh_frame = eh_frame_of(0x300, 0x20); // a neighbour
  const UnwindTable table = table_of(image);
  CHECK(rule_at(table, 0x2ff) == end_of_stack);
  CHECK(rule_at(table, 0x31f) == at(7, 8));
  CHECK(rule_at(table, 0x320) == end_of_stack);
  CHECK(rule_at(table, 0xb00) == end_of_stack);
}

TEST_CASE("start code: only in the file that has __libc_start_main", "[unwind]") {
  ElfImage image = stripped_library();
  image.symbols[2].section = SHN_UNDEF;
  CHECK(table_of(image).rows.empty());
  image = stripped_library();
  image.symbols[2].at = 0x10'0000; // outside of all code
  CHECK(table_of(image).rows.empty());
  image = stripped_library();
  image.symbols[2].section = SHN_ABS;
  CHECK(table_of(image).rows.empty());
  image = stripped_library();
  image.symbols[2].type = STT_OBJECT;
  CHECK(table_of(image).rows.empty());
  image = stripped_library();
  image.with_sections = false;
  CHECK(table_of(image).rows.empty());
}

TEST_CASE("start code: musl's own", "[unwind]") {
  const std::string path = "/lib/ld-musl-x86_64.so.1";
  if (!std::filesystem::exists(path))
    SKIP("no musl (package musl)");
  const auto file = open_elf(path);
  const UnwindTable table = table_of(file);
  std::vector<std::uint64_t> ends;
  for (std::size_t i = 0; i + 1 < table.rows.size(); ++i)
    if (table.rules.at(table.rows[i].rule) == end_of_stack) {
      ends.push_back(table.rows[i].offset);
      CHECK(table.rows[i + 1].offset - table.rows[i].offset < 1200);
      CHECK(table.rows[i + 1].offset <= file.size());
    }
  CHECK(ends.size() >= 2);
  CHECK(ends.size() <= 4);
}
