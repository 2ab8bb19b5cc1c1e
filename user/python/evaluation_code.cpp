// SPDX-License-Identifier: Apache-2.0
#include "python/evaluation_code.h"

#include "python/instruction_cursor.h"
#include "unwind/elf_code.h"
#include "unwind/function_ranges.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace leakbpf {

namespace {

/// Where the block's jumps go, outside of it.
std::set<std::uint64_t> jumps_out_of(const CodeBlock& block) {
  std::set<std::uint64_t> targets;
  InstructionCursor cursor(block.code, block.address);
  while (cursor.next() || cursor.skip_byte()) { // there is data between the code
    if (cursor.category() != ZYDIS_CATEGORY_COND_BR &&
        cursor.category() != ZYDIS_CATEGORY_UNCOND_BR)
      continue;
    if (cursor.operand(0).type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
      continue;
    const auto target = cursor.absolute(0);
    if (target && (*target < block.address || *target >= block.address + block.code.size()))
      targets.insert(*target);
  }
  return targets;
}

} // namespace

bool begins_a_frame(const ElfFile& file, const UnwindTable& table, std::uint64_t address) {
  const auto offset = file_offset_of(file, address);
  if (!offset)
    return true;
  const leakbpf_unwind_rule& rule = table.rule_at(*offset);
  return rule.cfa != LEAKBPF_CFA_REGISTER ||
         (rule.cfa_register == LEAKBPF_REGISTER_SP && rule.cfa_offset == 8);
}

std::vector<FileRange> evaluation_code(const ElfFile& file, const CodeBlock& evaluation,
                                       const UnwindTable& table) {
  std::vector<FileRange> ranges;
  const auto add = [&](std::uint64_t address, std::uint64_t size) {
    if (const auto offset = file_offset_of(file, address); offset && *offset < unwind_offset_limit)
      ranges.push_back(
          {static_cast<std::uint32_t>(*offset), static_cast<std::uint32_t>(*offset + size)});
  };
  add(evaluation.address, evaluation.code.size());
  const FunctionRanges functions = function_ranges(file);
  std::set<std::uint64_t> taken{evaluation.address};
  for (const std::uint64_t target : jumps_out_of(evaluation)) {
    const auto function = function_at(functions, target);
    if (function == functions.end() || taken.contains(function->first) ||
        begins_a_frame(file, table, target))
      continue;
    taken.insert(function->first);
    add(function->first, function->second - function->first);
  }
  return ranges;
}

void mark_interpreter(UnwindTable& table, std::uint32_t begin, std::uint32_t end,
                      leakbpf_interpreter interpreter) {
  const auto row_from = [&table](std::uint32_t offset) {
    return std::lower_bound(table.rows.begin(), table.rows.end(), offset,
                            [](const UnwindRow& row, std::uint32_t at) { return row.offset < at; });
  };
  // Rows that begin exactly at both ends, with what holds there already.
  for (const std::uint32_t edge : {begin, end}) {
    const auto row = row_from(edge);
    if ((row == table.rows.end() || row->offset != edge) && row != table.rows.begin() &&
        row != table.rows.end())
      table.rows.insert(row, UnwindRow{edge, (row - 1)->rule});
  }
  std::map<std::uint16_t, std::uint16_t> marked;
  for (auto row = row_from(begin); row != table.rows.end() && row->offset < end; ++row) {
    const leakbpf_unwind_rule& rule = table.rules[row->rule];
    if (rule.cfa == LEAKBPF_CFA_NONE)
      continue;
    auto known = marked.find(row->rule);
    if (known == marked.end()) {
      leakbpf_unwind_rule changed = rule;
      changed.interpreter = static_cast<__u16>(interpreter);
      known = marked.emplace(row->rule, static_cast<std::uint16_t>(table.rules.size())).first;
      table.rules.push_back(changed);
    }
    row->rule = known->second;
  }
}

void mark_python(const ElfFile& file, UnwindTable& table) {
  const auto interpreter = find_interpreter(file);
  if (!interpreter)
    return;
  for (const FileRange& range : evaluation_code(file, interpreter->evaluation, table))
    mark_interpreter(table, range.begin, range.end, LEAKBPF_INTERPRETER_PYTHON);
}

} // namespace leakbpf
