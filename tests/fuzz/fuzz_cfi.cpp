// SPDX-License-Identifier: Apache-2.0
// Any bytes as call-frame information. The first byte chooses: a whole ELF file, .eh_frame or
// .debug_frame. What is made of them is well-formed, and found again in the tree.
#include "unwind/cfi_reader.h"
#include "unwind/rule_set.h"
#include "unwind/unwind_table.h"
#include "unwind/unwind_tree.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

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

/// The tree gives the rules of the table.
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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  // A copy of its own: the address sanitizer sees a read past its end.
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  switch (data[0] % 3) {
  case 0:
    as_file(bytes);
    break;
  case 1:
    as_section(bytes, CfiSection::Format::eh_frame);
    break;
  default:
    as_section(bytes, CfiSection::Format::debug_frame);
  }
  return 0;
}
