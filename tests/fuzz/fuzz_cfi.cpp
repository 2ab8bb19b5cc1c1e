// SPDX-License-Identifier: Apache-2.0
// Any bytes as call-frame information. The first byte chooses: a whole ELF file, .eh_frame,
// .debug_frame, or a file of the cache. What is made of them is well-formed, and found again in the
// tree.
#include "unwind/cfi_reader.h"
#include "unwind/rule_set.h"
#include "unwind/table_file.h"
#include "unwind/unwind_table.h"
#include "unwind/unwind_tree.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <zlib.h>

using namespace leakbpf; // NOLINT: a program of one page

namespace {

using Input = std::span<const std::uint8_t>;

void require(bool holds) {
  if (!holds)
    std::abort();
}

bool same(const leakbpf_unwind_rule& a, const leakbpf_unwind_rule& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

/// The tree gives the rules of the table, and the cache gives the table.
void check(const UnwindTable& table) {
  std::vector<std::uint16_t> numbers(table.rules.size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::uint16_t>(i);
  const UnwindTree tree = pack_tree(table, numbers, 7);
  require(tree.levels <= LEAKBPF_UNWIND_MAX_LEVELS);
  for (const UnwindRow& row : table.rows)
    for (const int distance : {-1, 0, 1, 0x10000}) {
      const std::uint64_t offset = row.offset + static_cast<std::uint64_t>(distance);
      require(same(table.rules[tree.lookup(offset)], table.rule_at(offset)));
    }
  std::optional<UnwindTable> loaded;
  const std::string bytes = serialize(table, 1);
  loaded = parse_table({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, 1);
  require(loaded && loaded->rows == table.rows);
}

void as_file(Input input) {
  const auto file = ElfFile::open_image(input.data(), input.size());
  if (!file)
    return;
  if (const auto table = build_unwind_table(*file))
    check(*table);
}

void as_section(Input input, CfiSection::Format format) {
  const CfiSection section{input, format, 0x10000, 0x20000, false};
  CfiReader reader(section);
  CfiProgram program(section);
  std::size_t rows = 0;
  while (const auto fde = reader.next()) {
    program.start(*fde->cie, fde->instructions, fde->address);
    while (program.next() == CfiProgram::Step::row) {
      (void)make_rule(program.state());
      ++rows;
    }
  }
  require(rows <= input.size());
}

/// Magic, version, layout and checksum are put right: nothing would get past them.
void as_cache(Input input) {
  constexpr std::size_t counts_begin = 16;
  constexpr std::size_t counts_end = 24;
  constexpr std::size_t fixed_end = 32;
  std::vector<std::uint8_t> bytes(input.begin(), input.end());
  if (bytes.size() < fixed_end)
    return;
  const std::string good = serialize(UnwindTable{}, 1);
  std::memcpy(bytes.data(), good.data(), counts_begin);
  std::memcpy(bytes.data() + counts_end, good.data() + counts_end, fixed_end - counts_end);
  const auto sum = static_cast<std::uint32_t>(
      crc32_z(0, bytes.data() + table_checksum_end, bytes.size() - table_checksum_end));
  std::memcpy(bytes.data() + table_checksum_offset, &sum, sizeof sum);
  if (const auto table = parse_table(bytes, 1))
    check(*table);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  // A copy of its own: the address sanitizer sees a read past its end.
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  switch (data[0] % 4) {
  case 0:
    as_file(bytes);
    break;
  case 1:
    as_section(bytes, CfiSection::Format::eh_frame);
    break;
  case 2:
    as_section(bytes, CfiSection::Format::debug_frame);
    break;
  default:
    as_cache(bytes);
  }
  return 0;
}
