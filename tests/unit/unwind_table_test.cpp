// SPDX-License-Identifier: Apache-2.0
// The table of a whole file: gaps, overlaps, sources and their order.
#include "temporary_directory.h"
#include "unwind_fixture.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

using leakbpf::ElfFile;
using leakbpf::Unsupported;
using leakbpf::UnwindRow;
using leakbpf::UnwindTable;
using leakbpf::cfi::Bytes;
using leakbpf::cfi::CieFields;
using leakbpf::cfi::ElfImage;
using leakbpf::cfi::Section;
using namespace leakbpf::unwind_fixture;
using Format = leakbpf::CfiSection::Format;

namespace {

const Bytes signal_return_code = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
const Bytes push = {0x41, 0x0e, 16}; // after one byte the CFA is at rsp + 16

std::uint64_t code(std::uint64_t at) {
  return ElfImage::code_address + at;
}

std::uint32_t offset(std::uint64_t at) {
  return static_cast<std::uint32_t>(ElfImage::code_offset + at);
}

struct Function {
  std::uint64_t at;
  std::uint32_t size;
  Bytes instructions;
};

Bytes eh_frame(const std::vector<Function>& functions, const CieFields& fields = {}) {
  Section section(ElfImage::eh_frame_address);
  const std::size_t cie = section.cie(fields);
  for (const Function& function : functions)
    section.fde(cie, code(function.at), function.size, function.instructions);
  section.bytes.u32(0);
  return section.bytes;
}

Bytes debug_frame(const std::vector<Function>& functions) {
  Section section(0, Format::debug_frame);
  CieFields fields;
  fields.version = 3;
  fields.letters = "";
  fields.augmentation = {};
  const std::size_t cie = section.cie(fields);
  for (const Function& function : functions)
    section.fde(cie, code(function.at), function.size, function.instructions);
  return section.bytes;
}

ElfImage image_of(const std::vector<Function>& functions) {
  ElfImage image;
  image.eh_frame = eh_frame(functions);
  return image;
}

std::uint64_t rows_with(const UnwindTable& table, Unsupported reason) {
  return table.stats.rows.at(static_cast<std::size_t>(reason));
}

} // namespace

TEST_CASE("unwind table: rows are by file offset, with an end", "[unwind]") {
  const UnwindTable table = table_of(image_of({{0x100, 0x20, push}}));
  REQUIRE(table.rules.size() == 3);
  CHECK(table.rules[0] == only(LEAKBPF_CFA_NONE));
  CHECK(table.stats.functions == 1);
  CHECK(table.stats.damaged == 0);
  CHECK(table.stats.seconds > 0);
  REQUIRE(table.rows.size() == 3);
  CHECK(table.rows[0].offset == offset(0x100));
  CHECK(table.rows[1].offset == offset(0x101));
  CHECK(table.rows[2] == UnwindRow{offset(0x120), 0});
  CHECK(table.rule_at(offset(0xff)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x100)) == at(7, 8));
  CHECK(table.rule_at(offset(0x101)) == at(7, 16));
  CHECK(table.rule_at(offset(0x11f)) == at(7, 16));
  CHECK(table.rule_at(offset(0x120)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(~std::uint64_t{0}) == only(LEAKBPF_CFA_NONE));
}

TEST_CASE("unwind table: padding belongs to the function before, gaps to none", "[unwind]") {
  const UnwindTable table = table_of(
      image_of({{0x100, 0x10, push}, {0x11f, 0x11, push}, {0x140, 0x10, push}, {0x150, 8, {}}}));
  CHECK(table.rule_at(offset(0x11e)) == at(7, 16)); // 15 bytes
  CHECK(table.rule_at(offset(0x11f)) == at(7, 8));
  CHECK(table.rule_at(offset(0x12f)) == at(7, 16));
  CHECK(table.rule_at(offset(0x130)) == only(LEAKBPF_CFA_NONE)); // 16 bytes
  CHECK(table.rule_at(offset(0x13f)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x150)) == at(7, 8));
}

TEST_CASE("unwind table: neighbours with the same rule are one row", "[unwind]") {
  const UnwindTable table = table_of(image_of({{0x100, 0x10, {}}, {0x110, 0x10, {}}}));
  CHECK(table.rows.size() == 2);
  // Within a function, too.
  CHECK(table_of(image_of({{0x100, 0x20, {0x41, 0x0e, 8, 0x41, 0x90, 1}}})).rows == table.rows);
}

TEST_CASE("unwind table: functions in any order, one over the other", "[unwind]") {
  const UnwindTable sorted =
      table_of(image_of({{0x200, 0x40, {0x41, 0x0e, 24}}, {0x100, 0x40, push}}));
  CHECK(sorted.rows.size() == 6);
  CHECK(sorted.rule_at(offset(0x13f)) == at(7, 16));
  CHECK(sorted.rule_at(offset(0x140)) == only(LEAKBPF_CFA_NONE));
  CHECK(sorted.rule_at(offset(0x23f)) == at(7, 24));
  // The next one cuts; behind a function inside another there is nothing.
  const UnwindTable table = table_of(image_of(
      {{0x100, 0x80, push}, {0x120, 0x10, {0x0e, 32}}, {0x120, 0x60, {0x0e, 64}}, {0x160, 0, {}}}));
  CHECK(table.rule_at(offset(0x11f)) == at(7, 16));
  CHECK(table.rule_at(offset(0x12f)) == at(7, 32));
  CHECK(table.rule_at(offset(0x130)) == only(LEAKBPF_CFA_NONE));
}

TEST_CASE("unwind table: only code in the file counts", "[unwind]") {
  const std::uint64_t end = ElfImage::code_size;
  Section section(ElfImage::eh_frame_address);
  const std::size_t cie = section.cie();
  section.fde(cie, code(end - 0x10), 0x100, push); // over the end
  section.fde(cie, code(0x10000), 0x10, push);     // nowhere
  section.fde(cie, code(0x80), 0, push);
  section.fde(cie, code(0) - 0x10, 0x20, {0x50, 0x0e, 16}); // from before the segment
  CieFields absolute;
  absolute.augmentation = {0x00};
  section.raw_fde(section.cie(absolute), Bytes().u64(0).u64(0x10).u8(0)); // dropped by the linker
  ElfImage image;
  image.eh_frame = section.bytes;
  const UnwindTable table = table_of(image);
  CHECK(table.stats.functions == 2);
  CHECK(table.stats.damaged == 0);
  CHECK(table.rows.front().offset == offset(0));
  CHECK(table.rule_at(offset(0)) == at(7, 16));
  CHECK(table.rule_at(offset(0x10)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x80)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(end - 1)) == at(7, 16));
  CHECK(table.rows.back() == UnwindRow{offset(end), 0});
}

TEST_CASE("unwind table: a damaged function has no rule, its neighbours do", "[unwind]") {
  const UnwindTable table =
      table_of(image_of({{0x100, 0x10, push}, {0x110, 8, {0x41, 0x3f}}, {0x118, 0x10, {}}}));
  CHECK(table.stats.functions == 2);
  CHECK(table.stats.damaged == 1);
  CHECK(table.rule_at(offset(0x10f)) == at(7, 16));
  CHECK(table.rule_at(offset(0x110)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x117)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x118)) == at(7, 8));
}

TEST_CASE("unwind table: what cannot be expressed is counted", "[unwind]") {
  const Function strange{0x100, 0x20, {0x41, 0x0f, 1, 0x22, 0x42, 0x90, 3}};
  const UnwindTable table = table_of(image_of({strange, {0x200, 0x20, {0x07, 6}}}));
  CHECK(table.rule_at(offset(0x101)) == only(LEAKBPF_CFA_UNSUPPORTED));
  CHECK(rows_with(table, Unsupported::cfa_expression) == 2);
  CHECK(table.stats.functions_with.at(static_cast<std::size_t>(Unsupported::cfa_expression)) == 1);
  CHECK(table.stats.unknown_fp_rows == 1);
  for (std::size_t i = 0; i < leakbpf::unsupported_count; ++i)
    CHECK(std::string(leakbpf::text(static_cast<Unsupported>(i))) != "");
}

TEST_CASE("unwind table: signal frames by augmentation", "[unwind]") {
  CieFields fields;
  fields.letters = "zRS";
  ElfImage image;
  image.eh_frame = eh_frame({{0xff, 0x0a, {0x41, 0x3f}}}, fields);
  const UnwindTable table = table_of(image);
  CHECK(table.rows == std::vector<UnwindRow>{{offset(0xff), 1}, {offset(0x109), 0}});
  CHECK(table.rules.at(1) == only(LEAKBPF_CFA_SIGNAL));
}

TEST_CASE("unwind table: signal frames by their code", "[unwind]") {
  ElfImage image = image_of({{0x200, 0x100, push}});
  image.debug_frame = debug_frame({{0x3f0, 0x40, push}});
  for (const std::size_t place : {0x0U, 0x80U, 0x210U, 0x300U, 0x400U, 0xff8U})
    for (std::size_t i = 0; i < signal_return_code.size() && place + i < image.code.size(); ++i)
      image.code[place + i] = signal_return_code[i];
  const UnwindTable table = table_of(image);
  const auto signal = only(LEAKBPF_CFA_SIGNAL);
  CHECK(table.rule_at(offset(0)) == signal); // nothing of the segment comes before it
  CHECK(table.rule_at(offset(0x7e)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x7f)) == signal); // a return address less 1
  CHECK(table.rule_at(offset(0x88)) == signal);
  CHECK(table.rule_at(offset(0x89)) == only(LEAKBPF_CFA_NONE));
  CHECK(table.rule_at(offset(0x210)) == at(7, 16)); // covered by .eh_frame
  CHECK(table.rule_at(offset(0x2ff)) == at(7, 16));
  CHECK(table.rule_at(offset(0x300)) == signal);
  CHECK(table.rule_at(offset(0x3fe)) == at(7, 16)); // .debug_frame gives way
  CHECK(table.rule_at(offset(0x3ff)) == signal);
  CHECK(table.rule_at(offset(0x409)) == at(7, 16));
  CHECK(table.rule_at(offset(0xff8)) == only(LEAKBPF_CFA_NONE)); // cut off
}

TEST_CASE("unwind table: .eh_frame without section headers", "[unwind]") {
  ElfImage image = image_of({{0x100, 0x20, push}});
  const UnwindTable expected = table_of(image);
  image.with_sections = false;
  const UnwindTable table = table_of(image);
  CHECK(table.rows == expected.rows);
  CHECK(table.stats.damaged == 0); // it ended at the terminator
}

TEST_CASE("unwind table: .debug_frame fills what .eh_frame leaves", "[unwind]") {
  for (const bool compressed : {false, true}) {
    ElfImage image = image_of({{0x100, 0x20, push}, {0x140, 0x20, push}});
    image.debug_frame = debug_frame({{0xf0, 0xa0, {0x48, 0x0e, 32, 0x70, 0x0e, 48}}});
    image.compressed = compressed;
    const UnwindTable table = table_of(image);
    CHECK(table.stats.functions == 3);
    CHECK(table.rule_at(offset(0xef)) == only(LEAKBPF_CFA_NONE));
    CHECK(table.rule_at(offset(0xf0)) == at(7, 8));
    CHECK(table.rule_at(offset(0xf8)) == at(7, 32));
    CHECK(table.rule_at(offset(0x100)) == at(7, 8));
    CHECK(table.rule_at(offset(0x11f)) == at(7, 16));
    CHECK(table.rule_at(offset(0x120)) == at(7, 32));
    CHECK(table.rule_at(offset(0x128)) == at(7, 48));
    CHECK(table.rule_at(offset(0x150)) == at(7, 16));
    CHECK(table.rule_at(offset(0x160)) == at(7, 48));
    CHECK(table.rule_at(offset(0x190)) == only(LEAKBPF_CFA_NONE));
  }
}

TEST_CASE("unwind table: a damaged compressed section is as none", "[unwind]") {
  ElfImage image;
  image.debug_frame = debug_frame({{0x100, 0x20, push}});
  image.compressed = true;
  Bytes bytes = image.build();
  const Bytes type = Bytes().u32(ELFCOMPRESS_ZLIB).u32(0).u64(image.debug_frame.size());
  const auto found = std::search(bytes.begin(), bytes.end(), type.begin(), type.end());
  REQUIRE(found != bytes.end());
  CHECK(table_of_image(bytes).rows.size() == 3);
  for (const int place : {0, 8, 14, 30}) {
    Bytes damaged = bytes;
    damaged[static_cast<std::size_t>(found - bytes.begin() + place)] ^= 0x55;
    CHECK(table_of_image(damaged).rows.empty());
  }
}

TEST_CASE("unwind table: 16 bits are all that a file's rules may have", "[unwind]") {
  // The same bytes of code again and again: there are fewer of them than rules.
  constexpr std::size_t functions = 19;
  constexpr std::size_t rows = 0xf00;
  Section section(ElfImage::eh_frame_address);
  const std::size_t cie = section.cie();
  for (std::size_t i = 0; i < functions; ++i) {
    Bytes instructions;
    for (std::size_t k = 0; k < rows; ++k)
      instructions.u8(0x41).u8(0x0e).uleb(16 + 8 * (i * rows + k));
    section.fde(cie, code(0), rows + 1, instructions);
  }
  ElfImage image;
  image.eh_frame = section.bytes;
  const UnwindTable table = table_of(image);
  CHECK(table.rules.size() == 65'536);
  CHECK(table.rules.back() == only(LEAKBPF_CFA_UNSUPPORTED));
  // All but those that got a number: NONE and the CIE's rule have one, too.
  CHECK(rows_with(table, Unsupported::too_many_rules) == functions * rows - (65'535 - 2));
}

TEST_CASE("unwind table: code beyond 4 GiB is counted", "[unwind]") {
  const leakbpf::TemporaryDirectory directory;
  const std::string path = directory / "large";
  Bytes bytes = image_of({{0x100, 0x20, push}}).build();
  Elf64_Phdr segment{};
  std::memcpy(&segment, bytes.data() + sizeof(Elf64_Ehdr), sizeof segment);
  segment.p_offset = (std::uint64_t{1} << 32) - 0x110; // the function would end beyond
  std::memcpy(bytes.data() + sizeof(Elf64_Ehdr), &segment, sizeof segment);
  leakbpf::write_text(path, std::string(bytes.begin(), bytes.end()));
  if (::truncate(path.c_str(), (off_t{1} << 32) + 0x2000) != 0)
    SKIP("no room for a large file with holes");
  const UnwindTable table = table_of(open_elf(path));
  CHECK(table.rows.empty());
  CHECK(table.stats.functions_with.at(static_cast<std::size_t>(Unsupported::file_offset)) == 1);
}

TEST_CASE("unwind table: other machines are refused, other files are empty", "[unwind]") {
  ElfImage image = image_of({{0x100, 0x20, push}});
  image.machine = EM_AARCH64;
  const Bytes other = image.build();
  const auto file = ElfFile::open_image(other.data(), other.size());
  REQUIRE(file);
  const auto table = leakbpf::build_unwind_table(*file);
  REQUIRE_FALSE(table);
  CHECK(table.error().code == leakbpf::ExitCode::cannot_trace);
  CHECK(table_of(ElfImage{}).rows.empty());
}

TEST_CASE("unwind table: the vDSO", "[unwind]") {
  const auto* image = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR));
  if (image == nullptr)
    SKIP("this kernel maps no vDSO");
  const auto file = ElfFile::open_image(image, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) * 2);
  REQUIRE(file);
  const UnwindTable table = table_of(*file);
  CHECK(table.stats.functions > 3);
  CHECK(table.stats.damaged == 0);
}
